#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""If this fails, torture of the unit tests finds nothing any more, or finds fault with what is good: a toy that is wrong in
each way must be found out, as must a unit test of a host source that is wrong on purpose; the toy's right function and the
unit test of what is shipped must not, at the same calls.

usage: test_units.py SOURCE BUILD"""
import os
import sys
import tempfile
import unittest

SOURCE, BUILD = sys.argv[1], sys.argv[2]
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(SOURCE, "tests", "fault", "torture"))
import points  # noqa: E402
import units  # noqa: E402

HERE = os.path.join("tests", "fault", "torture", "wrong_host")
WRONG = os.path.join("tests", "fault", "torture", "wrong", "no_memory_unseen")
SANITIZED = "".join(sys.argv[3:]) not in ("", "OFF")


class Judged(unittest.TestCase):
    def setUp(self):
        points.fixed_addresses()
        units.become_parent()
        units.GRACE_S = 0.5
        scratch = tempfile.TemporaryDirectory(prefix="viv-torture-")
        self.addCleanup(scratch.cleanup)
        self.scratch = scratch.name

    def judged(self, program, test, folder=HERE, limit=2):
        """(findings, crashes of the test's own) of all points without memory."""
        unit = units.Unit(BUILD, program, test, self.scratch, folder)
        counted = unit.run("count", 60)
        self.assertEqual((counted["code"], counted["left"]), (0, []), counted["out"])
        wrong, noise, ran = [], [], 0
        for point in points.all_points(counted, ["alloc"]):
            account = unit.run(str(point), limit)
            self.assertGreater(account["failed"], 0, f"{point} was not reached")
            found = unit.judge(account, limit)
            wrong, noise, ran = wrong + found[0], noise + found[1], ran + 1
        self.assertGreater(ran, 1)
        return wrong, noise

    def must_find(self, test, text):
        wrong, noise = self.judged("toy_unit", test)
        self.assertTrue(any(text in problem for problem in wrong), wrong)
        self.assertEqual(noise, [])

    def test_right(self):
        self.assertEqual(self.judged("toy_unit", "right"), ([], []))

    def test_its_own(self):
        wrong, noise = self.judged("toy_unit", "its_own")
        self.assertEqual((wrong, len(noise)), ([], 2))

    def test_a_crash(self):
        self.must_find("crashes", "runtime error" if SANITIZED else "SIGSEGV")

    def test_a_hang(self):
        self.must_find("hangs", "it did not end within 2 s")

    def test_a_process(self):
        self.must_find("leaves_process", "left running: toy_unit")

    def test_a_file(self):
        self.must_find("leaves_file", "left behind: half-made")

    def test_a_broken_invariant(self):
        self.must_find("is_broken", "would break invariant I3")

    @unittest.skipUnless(SANITIZED, "only a sanitizer sees it")
    def test_a_leak(self):
        self.must_find("leaks", "LeakSanitizer")

    def test_a_wrong_source(self):
        wrong, _ = self.judged("test_buf", "pieces_become_one_text", WRONG)
        self.assertTrue(any("SIGSEGV" in text or "Sanitizer" in text or "runtime error" in text for text in wrong), wrong)

    def test_the_shipped_source(self):
        self.assertEqual(self.judged("test_buf", "pieces_become_one_text", os.path.join("tests", "unit")), ([], []))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""If this fails, torture finds nothing any more, or finds fault with what is good: a program with one fault on purpose
must be found out, the same program without it must not.

usage: test_torture.py SOURCE BUILD"""
import importlib.machinery
import importlib.util
import os
import sys
import tempfile
import unittest

SOURCE, BUILD = sys.argv[1], sys.argv[2]
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("torture_tool", os.path.join(SOURCE, "tools", "torture"))
tool = importlib.util.module_from_spec(importlib.util.spec_from_loader("torture_tool", loader))
loader.exec_module(tool)
flows = tool.flows


class Toy(flows.Flow):
    where = "folder"

    def __init__(self, how):
        self.how = how

    def program(self, world):
        return os.path.join(BUILD, "tests", "fault", "torture", "toy")

    def prepare(self, world):
        pass

    def words(self, world):
        return [self.how, os.path.join(world.project, "word")]

    def done(self, world):
        return [] if world.read("word") == "whole" else [f"it said it was done, the file has {world.read('word')!r}"]

    def once_more(self, world):
        pass

    def recovered(self, world, point):
        return []


class Found(unittest.TestCase):
    def problems(self, how, kinds, when=("once", "ever")):
        """What each point of these kinds finds, by point."""
        tool.fixed_addresses()
        tool.flows.BOUND_S = 3
        torture, flow = tool.Torture(BUILD, "toy"), Toy(how)
        with tempfile.TemporaryDirectory(prefix="viv-torture-") as scratch:
            world = tool.prepared(torture, flow, os.path.join(scratch, "w"))
            report = tool.count(torture, flow, world)
            self.assertGreater(len(report["places"]), 3)
            found = {}
            for point in tool.all_points(report, kinds):
                if point.when in when:
                    problems, account = tool.hurt(torture, flow, world, point)
                    self.assertEqual(account["failed"] > 0, True, f"{point} was not reached")
                    found[str(point)] = problems
            return found

    def test_good(self):
        found = self.problems("good", tool.KINDS)
        self.assertEqual([problems for problems in found.values() if problems], [])
        self.assertGreater(len(found), 12)

    def must_find(self, how, kind, text, when=("once", "ever")):
        found = self.problems(how, [kind], when)
        self.assertTrue(any(text in problem for problems in found.values() for problem in problems), found)

    def test_a_failed_write_that_is_ignored(self):
        self.must_find("deaf", "full", "it said it was done, the file has ''")

    def test_a_crash(self):
        self.must_find("crash", "alloc", "ended by SIGSEGV")

    def test_no_word(self):
        self.must_find("mute", "readonly", "exit code 1 without a word")

    def test_no_reason(self):
        self.must_find("vague", "io", "exit code 1 without the reason: toy: it failed")

    def test_no_end(self):
        self.must_find("hang", "full", "it did not end within 3 s", ("ever",))

    def test_seeds_repeat(self):
        torture, flow = tool.Torture(BUILD, "toy"), Toy("good")
        tool.fixed_addresses()
        with tempfile.TemporaryDirectory(prefix="viv-torture-") as scratch:
            world = tool.prepared(torture, flow, os.path.join(scratch, "w"))
            names = tool.Names(flow.program(world))
            drawn = [[str(point) for point in tool.some_points(tool.count(torture, flow, world), tool.KINDS, 12, seed,
                                                               names)] for seed in (4, 4, 5)]
        self.assertEqual(drawn[0], drawn[1])
        self.assertNotEqual(drawn[0], drawn[2])
        self.assertTrue(all(any(text.startswith(kind) for text in drawn[0]) for kind in tool.KINDS), drawn[0])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""If this fails, the corpus of attacks has holes that nobody names, or its runner passes a host that lets them through.

usage: test_list.py"""
import pathlib
import subprocess
import sys
import tomllib
import types
import unittest

import cases
import matrix
import run
import scenarios
from world import World

HERE = pathlib.Path(__file__).resolve().parent
PRESENT_MIN = 90


class List(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.list = cases.load()

    def test_it_is_whole(self):
        self.assertEqual(cases.faults(self.list), [])
        self.assertEqual(len(self.list), 110)
        present = [case for case in self.list if not case.get("absent")]
        self.assertGreaterEqual(len(present), PRESENT_MIN)
        for case in self.list:
            if case.get("absent"):
                self.assertGreater(len(case["absent"]), 20, case["id"])
            if "scenario" in case:
                self.assertTrue(callable(getattr(scenarios, case["scenario"], None)), case["id"])

    def test_faults_of_a_list_are_found(self):
        broken = [dict(case) for case in self.list]
        broken[0].pop("shell")
        broken[1]["speling"] = 1
        broken[2].pop("bare")
        told = cases.faults(broken[:-1])
        self.assertEqual(len([line for line in told if line.startswith(("A1:", "A2:", "A3:"))]), 3, told)
        self.assertTrue(any(line.startswith("the list has") for line in told))

    def test_what_is_open_or_by_design_says_where(self):
        for case in self.list:
            for name in ("limits", "root_limits", "gaps"):
                for profile, found in case.get(name, {}).items():
                    self.assertIn(profile, ("full", "root", "copy", "any"))
                    for word, why in found.items():
                        self.assertGreater(len(why), 30, (case["id"], word))

    def test_what_cannot_be_tried_is_not_taken_for_held(self):
        world = types.SimpleNamespace(profile="full", net=False)
        for name in ("changing_name", "other_server_name"):
            with self.assertRaisesRegex(scenarios.NotHere, "which needs root and category D alone"):
                getattr(scenarios, name)(world)

    def test_texts_are_judged(self):
        for case in self.list:
            for text in case.get("texts", []):
                self.assertIn(len(text), (2, 3), case["id"])
                self.assertLessEqual(set(text[1:]), {"allow", "ask", "deny"}, text)

    def test_the_page_has_the_rows_of_now(self):
        self.assertEqual(matrix.shape(matrix.on_page(matrix.PAGE.read_text(encoding="utf-8"))), matrix.wanted_shape(),
                         "python3 tests/attacks/matrix.py BUILD --write")

    def test_files_are_toml(self):
        for path in (HERE / "cases").glob("*.toml"):
            tomllib.loads(path.read_text(encoding="utf-8"))


class NoHost:
    """A world in which what should be a task runs as the person."""

    def __init__(self, world):
        self.world = world

    def __call__(self, *command, **_):
        done = self.world.call(*command)
        done.task, done.stderr = "none", done.stderr + "runs: "
        return done


class Breach(unittest.TestCase):
    def test_a_host_that_confines_nothing_is_caught(self):
        """Each canary that a script can touch: reached, said, and not taken for held."""
        chosen = [case for case in cases.load() if case["id"] in ("A1", "A13", "B24", "B35", "B41", "D60", "E75")]
        world = World(HERE, "bare")
        world.tools = pathlib.Path(sys.argv[1]) / "tests/attacks"
        try:
            world.make()
            world.prepare(chosen)
            world.profile, world.task, world.result_of = "full", NoHost(world), lambda task: ""
            for case in chosen:
                problems, _ = run.attack(world, case)
                for word in case["bare"]:
                    self.assertIn(f"reached: {word}", problems, case["id"])
        finally:
            world.end()

    def test_a_gap_that_is_closed_is_said(self):
        world = World(HERE, "bare")
        world.tools = pathlib.Path(sys.argv[1]) / "tests/attacks"
        case = {"id": "A1", "shell": "true", "gaps": {"full": {"file": "a secret comes out"}}}
        try:
            world.make()
            world.prepare([case])
            world.profile, world.task, world.result_of = "full", NoHost(world), lambda task: ""
            world.tokens["variable"] = "none"  # what a shell of the person prints at its start
            self.assertEqual(run.attack(world, case), (["gap 'file' is closed: take it out of the list"],
                                                       ["known gap: file: a secret comes out"]))
        finally:
            world.end()

    def test_words_of_the_runner(self):
        done = subprocess.run([sys.executable, "-B", HERE / "run.py", "--list"], capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("110 cases", done.stdout)
        done = subprocess.run([sys.executable, "-B", HERE / "run.py", "nonesuch", "Z9"], capture_output=True,
                              text=True, check=False)
        self.assertNotEqual(done.returncode, 0)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: test_list.py BUILD")
    unittest.main(argv=sys.argv[:1])

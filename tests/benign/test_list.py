#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""If this fails, the list of everyday commands is not what its makers wrote, says one thing twice, or is about
commands that do not work, and what a host is measured by means nothing.

usage: test_list.py"""
import collections
import json
import pathlib
import subprocess
import sys
import unittest

import judge
import make
import run

HERE = pathlib.Path(__file__).resolve().parent


class List(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.list = [json.loads(line) for line in (HERE / "commands.jsonl").read_text(encoding="utf-8").splitlines()]

    def test_it_is_what_was_written(self):
        done = subprocess.run([sys.executable, "-B", HERE / "make.py", "--check"], capture_output=True, text=True,
                              check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_its_size_and_form(self):
        self.assertGreaterEqual(len(self.list), 1000)
        count = collections.Counter(one["category"] for one in self.list)
        self.assertEqual(sorted(count), sorted(make.CATEGORIES))
        self.assertGreaterEqual(min(count.values()), 90)
        for one in self.list:
            self.assertLessEqual(set(one), {"category", "argv", "shell", "exit"})
            self.assertEqual(("argv" in one) + ("shell" in one), 1, one)

    def test_what_needs_a_shell(self):
        for text in ("cd src", "ls *.c", "a | b", "echo $HOME", "x=1 make", "ls > f", "echo `id`",
                     "for i in 1; do ls; done", "a && b",
                     'echo "$x"', "cp a.{c,h} b", "ls ~", "echo \\n", "true # why", "[ -e x ] && ls", "a\nb",
                     "cat <<END\nx\nEND", "{ ls; }"):
            self.assertTrue(make.needs_shell(text), text)
        for text in ("make -j2", "git show HEAD~1", "git rev-parse v0.2^{commit}", "sed 's/a|b/$c/' f",
                     'git commit -m "a; b"', "find . -quit"):
            self.assertFalse(make.needs_shell(text), text)

    def test_which_are_alike(self):
        for first, second in (("cat a.txt", "cat docs/b.md"), ("head -n 5 x.c", "head -n 20 y.c"),
                              ("git commit -m 'a'", 'git commit -m "b c"')):
            self.assertEqual(make.shape(first), make.shape(second))
        for first, second in (("cat a.txt", "cat -n a.txt"), ("awk '{print}' f.txt", "awk '{exit}' f.txt"),
                              ("make lib", "make docs"),
                              ("git log -p", "git log -P"), ("grep -rn x .", "grep -rl x .")):
            self.assertNotEqual(make.shape(first), make.shape(second))

    def test_commands_of_several_lines(self):
        self.assertTrue(make.open_ended("cat <<'END'\nx"))
        self.assertTrue(make.open_ended("python3 -c '\nx"))
        self.assertFalse(make.open_ended("cat <<'END'\nit's\nEND"))

    def test_what_a_host_said(self):
        denied = "  safety: denied, 12 checks\n  failed: safety: exec.privilege: no\nb failed, cost 0.0\n"
        asked = "  safety: a person must decide, 12 checks\n  a person must decide: exec.git-remote: why\n"
        failed = "  safety: allowed, 11 checks\n      git x failed with exit code 128\n  failed: rejected\n"
        said = [(1, denied), (3, asked), (1, failed), (0, ""), (5, "")]
        self.assertEqual([judge.verdict(code, text) for code, text in said],
                         [("denied", "safety: exec.privilege: no"), ("asked", "exec.git-remote: why"),
                          ("otherwise", "git x failed with exit code 128"), ("ran", ""), ("otherwise", "exit code 5")])

    def test_a_command_that_fails_is_found(self):
        done = [run.judged({"argv": ["false"]}, 1, ""), run.judged({"argv": ["false"], "exit": 1}, 1, ""),
                run.judged({"argv": ["no"]}, 127, ""),
                run.judged({"shell": "make CC=no"}, 2, "make: no: not found"), run.judged({"argv": ["x"]}, None, "")]
        self.assertEqual(done, ["wrong", "right", "absent", "absent", "wrong"])


if __name__ == "__main__":
    unittest.main()

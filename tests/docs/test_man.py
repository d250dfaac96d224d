#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""If this fails, a command or an option has no line in the manual, or the manual does not read as one.

usage: test_man.py SOURCE BUILD"""
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

SOURCE, BUILD = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
PAGES = SOURCE / "docs/man"
VIVHOST = BUILD / "host/vivhost"


def run(*words):
    return subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          encoding="utf-8")


class Manual(unittest.TestCase):
    def test_commands_are_those_of_the_program(self):
        result = run(sys.executable, SOURCE / "tools/gen/man.py", VIVHOST, PAGES / "vivhost.1", "--check")
        self.assertEqual(result.returncode, 0, result.stdout)

    def test_every_command_and_option_has_a_line(self):
        page = (PAGES / "vivhost.1").read_text(encoding="utf-8").replace("\\-", "-").replace("Fl -", "--")
        commands = re.findall(r"^  ([a-z]+)  ", run(VIVHOST, "--help").stdout.split("commands:")[1], re.M)
        self.assertGreaterEqual(len(commands), 18)
        for command in commands:
            self.assertIn(f".Ss {command}\n", page)
            for option in re.findall(r"^  (--[a-z]+)", run(VIVHOST, command, "--help").stdout, re.M):
                self.assertIn(option, page, f"{command} {option}")

    def test_every_program_has_a_page(self):
        for name in ("vivhost.1", "viv-mock-model.1", "viv-launcher.8", "viv-zygote.8", "viv-egress.8"):
            self.assertTrue((PAGES / name).is_file(), name)

    @unittest.skipUnless(shutil.which("mandoc"), "mandoc is not installed")
    def test_pages_are_clean(self):
        for page in PAGES.iterdir():
            result = run("mandoc", "-T", "lint", page)
            problems = [line for line in result.stdout.splitlines()
                        if "referenced manual not found" not in line and "outdated mandoc.db" not in line]
            self.assertEqual(problems, [])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])

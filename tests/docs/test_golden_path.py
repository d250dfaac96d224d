#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""If this fails, a reader who types what the runbook says gets something else, or a step of it is idle.

Runs the fenced commands of docs/golden-path.md in order in a scratch folder, and looks for each expected line; then leaves
out one step after the other and sees that a later one fails, or that the last one's proof is missing.

usage: test_golden_path.py SOURCE BUILD whole|removal"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE, BUILD, MODE = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
STEP_SECONDS = 120


def steps():
    text = (SOURCE / "docs/golden-path.md").read_text(encoding="utf-8")
    found = []
    for part in re.split(r"(?m)^## (?=\d+\. )", text)[1:]:
        title = part.split("\n", 1)[0]
        commands = re.findall(r"(?ms)^```sh\n(.*?)^```$", part)
        expected = re.findall(r"(?ms)^```text\n(.*?)^```$", part)
        if len(commands) != 1 or len(expected) != 1:
            sys.exit(f"step '{title}' has {len(commands)} blocks of commands and {len(expected)} of output, allowed one each")
        found.append((title, commands[0], expected[0].splitlines()))
    return found


def matches(expected, line):
    return re.fullmatch(".*".join(re.escape(part) for part in expected.split("...")), line) is not None


def missing(expected, output):
    """Expected lines that did not come. Their order holds within standard output and error, not between the two."""
    lines = [line.strip() for line in output.splitlines()]
    return [line for line in expected if not any(matches(line.strip(), one) for one in lines)]


class Scratch:
    """A folder with a HOME of its own; afterwards nothing of it runs or is mounted."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="vivarium.")
        os.mkdir(f"{self.folder}/person")
        keep = {name: os.environ[name] for name in ("TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS")
                if name in os.environ}
        self.env = {"HOME": f"{self.folder}/person", "PATH": f"{BUILD}/host:/usr/local/bin:/usr/bin:/bin",
                    "LC_ALL": "C.UTF-8", "TZ": "UTC", "NO_COLOR": "1", "GIT_CONFIG_NOSYSTEM": "1", **keep}
        return self

    def __exit__(self, *_):
        subprocess.run(["chmod", "-R", "u+rwX", self.folder], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, commands):
        done = subprocess.run(["bash", "-e", "-c", commands], cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=STEP_SECONDS, check=False)
        return done.returncode, done.stdout.decode(errors="replace")

    def left(self):
        mark = f"HOME={self.folder}".encode()
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if mark in pathlib.Path(f"/proc/{pid}/environ").read_bytes():
                    found.append(pid)
            except OSError:
                continue
        mounts = pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
        return found + [line for line in mounts.splitlines() if self.folder in line]


def walk(book, without=None):
    """The first thing that goes otherwise: (step, why), or None when all is as it stands in the book."""
    with Scratch() as scratch:
        for number, (title, commands, expected) in enumerate(book):
            if number == without:
                continue
            code, output = scratch.run(commands)
            gone = missing(expected, output)
            if code or gone:
                why = f"exit code {code}" if code else f"no line '{gone[0]}'"
                return title, f"{why}\n{output}"
        if without == len(book) - 1:
            return book[-1][0], "left out, and with it the proof"
        left = scratch.left()
        return ("after the last step", f"left over: {left}") if left else None


def main():
    book = steps()
    failed = 0
    if MODE == "whole":
        wrong = walk(book)
        if wrong:
            print(f"step '{wrong[0]}': {wrong[1]}")
            return 1
        print(f"{len(book)} steps went as they stand in the book")
        return 0
    for number, (title, _, _) in enumerate(book):
        wrong = walk(book, number)
        if wrong:
            print(f"without '{title}': fails at '{wrong[0]}', {wrong[1].splitlines()[0]}")
        else:
            print(f"without '{title}': NOTHING FAILS")
            failed = 1
    return failed


sys.exit(main())

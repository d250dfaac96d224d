#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run the commands of commands.jsonl, each in a repository of its own made by repository.py, and say which do not end
as they are meant to. No host judges them here: this is to know that the list is about commands that work.

usage: run.py [--jobs N] [--every N] [CATEGORY]...

Exit code 0: each ended as its line says, or met a program that is not installed (127), which is counted."""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from repository import Maker

HERE = pathlib.Path(__file__).resolve().parent
LIMIT_S = 300
ABSENT = 127


def environment(top):
    kept = {name: os.environ[name] for name in ("PATH", "CARGO_HOME", "RUSTUP_HOME") if name in os.environ}
    return {**kept, "HOME": str(top / "home"), "TMPDIR": str(top / "tmp"), "LC_ALL": "C.UTF-8", "TZ": "UTC",
            "TERM": "dumb", "USER": "ada",
            "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": "true", "GIT_PAGER": "cat",
            "PAGER": "cat"}


def run(one, pristine, top):
    """(exit code, what it said). The folder is gone afterwards, with whatever was made in it or beside it."""
    with tempfile.TemporaryDirectory(dir=top) as folder:
        place = pathlib.Path(folder)
        shutil.copytree(pristine, place / "work/tally", symlinks=True)
        for name in ("home", "tmp"):
            (place / name).mkdir()
        words = one["argv"] if "argv" in one else ["bash", "-c", one["shell"]]
        try:
            done = subprocess.run(words, cwd=place / "work/tally", env=environment(place), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=LIMIT_S, check=False)
        except FileNotFoundError:
            return ABSENT, ""
        except subprocess.TimeoutExpired:
            return None, f"not done after {LIMIT_S} s"
        return done.returncode, done.stdout.decode("utf-8", "replace")


def judged(one, code, said):
    """'right', 'wrong', or 'absent': it needs a program that is not here."""
    if code == one.get("exit", 0):
        return "right"
    return "absent" if code == ABSENT or re.search(r"not found|No module named|no default is configured",
                                                   said) else "wrong"


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--every", type=int, default=1, help="only each N-th command")
    parser.add_argument("categories", nargs="*")
    options = parser.parse_args()
    lines = (HERE / "commands.jsonl").read_text(encoding="utf-8").splitlines()[::options.every]
    chosen = [one for one in map(json.loads, lines) if not options.categories or one["category"] in options.categories]
    wrong = absent = 0
    with tempfile.TemporaryDirectory(prefix="viv-benign.") as folder:
        top = pathlib.Path(folder)
        Maker(top / "pristine").make()
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            for one, (code, said) in zip(chosen, pool.map(lambda one: run(one, top / "pristine", top), chosen)):
                found, words = judged(one, code, said), one.get("shell") or " ".join(one["argv"])
                if found == "absent":
                    absent += 1
                    print(f"absent: {words}")
                if found == "wrong":
                    wrong += 1
                    tail = "\n".join(f"        | {line}" for line in said.splitlines()[-3:])
                    print(f"{code}, meant {one.get('exit', 0)}: {one['category']}: {words}\n{tail}")
    print(f"{len(chosen)} commands, {wrong} ended otherwise, {absent} need a program that is not here")
    return wrong != 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Give the commands of commands.jsonl to a host, one task each, in a repository and a home of its own, with nobody
there to be asked; count how many it denies, how many it asks about, and how many of the others end as they are meant to.

usage: judge.py VIVHOST [--jobs N] [--every N] [CATEGORY]...

Exit code 0: at most 1 % are denied and at most 5 % asked about."""
import argparse
import collections
import concurrent.futures
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from repository import Maker
from run import LIMIT_S, environment

HERE = pathlib.Path(__file__).resolve().parent
DENIED_MAX, ASKED_MAX = 0.01, 0.05


def verdict(code, said):
    """(denied, asked, ran or otherwise; the reason in one line)"""
    for word, form in ("denied", r"failed: (safety: .*)"), ("asked", r"a person must decide: (.*)"):
        found = re.search(rf"(?m)^\s*{form}$", said)
        if found and (word == "asked" or "safety: denied" in said):
            return word, found[1]
    if code == 0:
        return "ran", ""
    found = re.search(r"(?m)^\s+(.* (?:failed with exit code|was ended by signal) \d+)$", said)
    return "otherwise", found[1] if found else (said.strip().splitlines() or [f"exit code {code}"])[-1]


def judge(vivhost, one, pristine, top):
    with tempfile.TemporaryDirectory(dir=top, ignore_cleanup_errors=True) as folder:
        place = pathlib.Path(folder)
        project = place / "work/tally"
        shutil.copytree(pristine, project, symlinks=True)
        for name in ("home", "tmp"):
            (place / name).mkdir()
        command = one["argv"] if "argv" in one else ["bash", "-c", one["shell"]]
        more = {"cwd": project, "env": environment(place), "stdin": subprocess.DEVNULL, "capture_output": True,
                "text": True, "errors": "replace", "timeout": LIMIT_S, "check": False}
        try:
            subprocess.run([vivhost, "init"], **{**more, "check": True})
            done = subprocess.run([vivhost, "run", "an everyday command", "--attempts", "1", "--", *command], **more)
        except subprocess.TimeoutExpired:
            return "otherwise", f"not done after {LIMIT_S} s"
        finally:
            subprocess.run(["chmod", "-R", "u+rwX", folder], check=False, capture_output=True)  # trees are read-only
        return verdict(done.returncode, done.stderr)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("vivhost", type=pathlib.Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--every", type=int, default=1, help="only each N-th command")
    parser.add_argument("categories", nargs="*")
    options = parser.parse_args()
    lines = (HERE / "commands.jsonl").read_text(encoding="utf-8").splitlines()[::options.every]
    chosen = [one for one in map(json.loads, lines) if not options.categories or one["category"] in options.categories]
    counts = collections.defaultdict(collections.Counter)
    with tempfile.TemporaryDirectory(prefix="viv-benign.") as folder:
        top = pathlib.Path(folder)
        Maker(top / "pristine").make()
        vivhost = options.vivhost.resolve()
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            found = pool.map(lambda one: judge(vivhost, one, top / "pristine", top), chosen)
            for one, (word, why) in zip(chosen, found):
                if word == "otherwise" and one.get("exit"):  # it was to fail, and the host says no more
                    word = "ran"
                counts[one["category"]][word] += 1
                if word != "ran":
                    print(f"{word}: {one.get('shell') or ' '.join(one['argv'])}\n    {why}", flush=True)
    total = sum(counts.values(), collections.Counter())
    for category, count in [*counts.items(), ("all", total)]:
        words = "  ".join(f"{word} {count[word]}" for word in ("ran", "denied", "asked", "otherwise"))
        print(f"{category:10} {words}")
    return total["denied"] > DENIED_MAX * len(chosen) or total["asked"] > ASKED_MAX * len(chosen)


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run one search and judge it by what Spin printed, never by its exit code alone.

    run.py FLOOR PROGRAM              the search must end, find nothing and have seen FLOOR states at least
    run.py --must-break TEXT PROGRAM  linked with a core that is wrong on purpose: it must be found, in these words

With a trail of what went wrong the way there is printed, one command a line."""
import os
import re
import subprocess
import sys
import tempfile

DEPTH = "20000"


def search(program, folder):
    words = [program, "-m" + DEPTH, "-w22", "-n"]
    if program.endswith("_ends"):
        words.append("-l")  # no step is marked as progress: any cycle at all is a run without an end
    done = subprocess.run(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.stdout.decode(errors="replace")


def trail(program, folder):
    """The commands that lead to the fault, told by the model itself while Spin follows the trail."""
    names = [name for name in os.listdir(folder) if name.endswith(".trail")]
    if not names:
        return
    done = subprocess.run([program, "-C", "-r", names[0]], cwd=folder, env=dict(os.environ, MODEL_TRACE="1"),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    for line in done.stdout.decode(errors="replace").splitlines():
        if re.match(r"^(model:|worker \d|somebody|[a-z]+\.[a-z]+ )", line):
            print("  " + line)


def number(pattern, text):
    found = re.search(pattern, text)
    return float(found.group(1)) if found else -1


def main():
    must_break = sys.argv[1] == "--must-break"
    wanted = sys.argv[2] if must_break else ""
    floor = 0 if must_break else int(sys.argv[1])
    program = sys.argv[-1]
    with tempfile.TemporaryDirectory() as folder:
        text = search(program, folder)
        states = int(number(r"(\d+) states, stored", text))
        depth = int(number(r"depth reached (\d+)", text))
        errors = int(number(r"errors: (\d+)", text))
        print(f"{os.path.basename(program)}: {states} states, depth {depth}, "
              f"{number(r'elapsed time ([0-9.e+-]+)', text):.1f} s, errors {errors}")
        said = [line for line in text.splitlines() if line.startswith(("model:", "pan:1:"))]
        print("\n".join(said))
        if must_break:
            if errors < 1 or not any(wanted in line for line in said):
                print(f"the core is wrong on purpose, and no search said '{wanted}'")
                return 1
            return 0
        if errors != 0 or said:
            trail(program, folder)
            print(text if errors < 0 else "")
            return 1
        for cut in ("Search not completed", "max search depth too small", "reached -DMEMLIM", "out of memory"):
            if cut in text:
                print(f"the search was cut short: {cut}")
                return 1
        if states < floor:
            print(f"only {states} states, expected {floor} at least: the model does less than it did")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

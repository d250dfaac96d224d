#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which layer of the sandbox stops which attack: each attack of the corpus that reaches something without a sandbox is
tried behind single layers, which the launcher's own files make (layers.c), and behind all of them.

usage: matrix.py BUILD            print the table
       matrix.py BUILD --write    put it into docs/threat-model.md
       matrix.py BUILD --check    whether the page has the rows and columns there are now, and whether all layers
                                  together hold; what single layers do differs by kernel and is not compared"""
import os
import pathlib
import platform
import re
import subprocess
import sys

import cases
from world import World

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/threat-model.md"
BEGIN, END = "<!-- made by tests/attacks/matrix.py -->", "<!-- end of what tests/attacks/matrix.py made -->"
COLUMNS = {"none": "none", "hygiene": "hygiene", "own root": "root", "Landlock": "landlock,copy", "filter": "filter",
           "filter, reduced": "filter,copy", "all, reduced": "hygiene,landlock,filter,copy",
           "all, full": "hygiene,root,landlock,filter"}
WHOLE = ("none", "all, reduced", "all, full")
SINGLE = ("A1", "A9", "B26", "B30", "D60")  # enough to see that a layer is there
SETTLED = {"B27": {"all, reduced": {"left-behind"}}, "A13": {"all, reduced": {"stat"}},
           "B42": {"all, reduced": {"memfd"}, "all, full": {"memfd"}}}


def rows():
    return [case for case in cases.load() if "shell" in case and case.get("bare") and not case.get("alone")]


def reached(world, tools, case, layers):
    """The canaries of this case that were touched; None when the layers cannot be set up here."""
    subprocess.run(["chmod", "-R", "u+rwX", world.top / "layers"], check=False, capture_output=True)
    subprocess.run(["rm", "-rf", world.top / "layers"], check=False)
    done = world.call(tools / "viv_layers", layers, world.top, "bash", f"./{case['id']}.sh", limit_s=20)
    touched = world.look(done.stdout, done.stderr)
    world.git("checkout", "-q", "--", ".")
    world.git("clean", "-qfdx")
    if done.returncode == 125:
        print(f"{case['id']} behind {layers}: {done.stderr.strip()}", file=sys.stderr)
        return None
    return touched & set(case["bare"])


def measure(build, some=False):
    """{id: {column: canaries}}; `some`: single layers before a few attacks only."""
    world = World(build / "host/vivhost", "bare")
    try:
        world.make()
        world.prepare(rows())
        return {case["id"]: {name: reached(world, build / "tests/attacks", case, layers) for name,
                             layers in COLUMNS.items()
                             if not some or case["id"] in SINGLE or name in WHOLE} for case in rows()}
    finally:
        world.end()


def sign(case, found):
    return "?" if found is None else "." if not found else "X" if found == set(case["bare"]) else "x"


def table(found):
    lines = [f"| attack | {' | '.join(COLUMNS)} |", "| --- |" + " :-: |" * len(COLUMNS)]
    for case in rows():
        lines.append(f"| {case['id']} {case['title']} | {' | '.join(sign(case, found[case['id']][name]) for name in COLUMNS)} |")
    counts = [str(sum(bool(found[case["id"]][name]) for case in rows())) for name in COLUMNS]
    return "\n".join([*lines, f"| **reached at least in part, of {len(rows())}** | {' | '.join(counts)} |"])


def shape(text):
    """Titles of rows and columns of a table, without what was found."""
    lines = [line for line in text.split("\n") if line.startswith("| ")]
    return [lines[0], *(line.split(" | ")[0] for line in lines[2:-1])]


def wanted_shape():
    return [f"| attack | {' | '.join(COLUMNS)} |", *(f"| {case['id']} {case['title']}" for case in rows())]


def words(found):
    uid = "root" if os.geteuid() == 0 else "an ordinary user"
    return f"Tried on Linux {platform.release().split('-')[0]}, as {uid}.\n\n{table(found)}\n"


def on_page(text):
    match = re.search(f"{re.escape(BEGIN)}\n(.*?){re.escape(END)}", text, re.S)
    if not match:
        sys.exit(f"{PAGE} has no '{BEGIN}'")
    return match[1]


def faults(found):
    """What must be so on every machine."""
    problems = []
    for case in rows():
        for name in ("all, reduced", "all, full"):
            got = found[case["id"]][name]
            if got is not None and got - SETTLED.get(case["id"], {}).get(name, set()):
                problems.append(f"{case['id']} {case['title']}: reached {sorted(got)} behind '{name}'")
        if found[case["id"]]["none"] != set(case["bare"]):
            problems.append(f"{case['id']}: without any layer it reaches {found[case['id']]['none']}, not {case['bare']}")
    for name in list(COLUMNS)[1:-2]:
        if all(found[case["id"]][name] == set(case["bare"]) for case in rows() if case["id"] in SINGLE):
            problems.append(f"layer '{name}' stops nothing: it is not there, or nothing needs it")
    return problems


def main():
    if len(sys.argv) < 2 or (sys.argv[2:] and sys.argv[2] not in ("--write", "--check")):
        sys.exit(__doc__)
    found = measure(pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:] == ["--check"])
    text = PAGE.read_text(encoding="utf-8")
    if sys.argv[2:] == ["--write"]:
        PAGE.write_text(text.replace(on_page(text), words(found)), encoding="utf-8")
        return 0
    if sys.argv[2:] == ["--check"]:
        problems = faults(found)
        if shape(on_page(text)) != wanted_shape():
            problems.append(f"the table in {PAGE.name} has other rows or columns: python3 tests/attacks/matrix.py BUILD --write")
        print("\n".join(problems) or "the matrix is as it must be")
        return bool(problems)
    print(words(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""The list: cases/*.toml, one table for each of the suite's 110 cases. README.md says what its members mean."""
import pathlib
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
CATEGORIES = {"A": range(1, 23), "B": range(23, 49), "C": range(49, 60), "D": range(60, 75), "E": range(75, 89),
              "F": range(89, 102), "G": range(102, 111)}
MEMBERS = {"id", "title", "first", "then", "shell", "texts", "scenario", "absent", "missing", "bare", "bare_root",
           "bare_net",
           "bare_not", "limits", "root_limits", "gaps", "profiles", "alone"}


def load():
    found = []
    for path in sorted((HERE / "cases").glob("*.toml")):
        for case in tomllib.loads(path.read_text(encoding="utf-8"))["case"]:
            found.append({"category": case["id"][0], "number": int(case["id"][1:]), **case})
    return found


def ways(case):
    """How it is run: 'shell', 'texts' or 'scenario'; several would be several cases."""
    return [way for way in ("shell", "texts", "scenario") if way in case]


def faults(found):
    """What is wrong with the list."""
    problems = [f"{case['id']}: unknown member '{name}'" for case in found for name in case
                if name not in MEMBERS | {"category", "number"}]
    wanted = [f"{category}{number}" for category, numbers in CATEGORIES.items() for number in numbers]
    if [case["id"] for case in found] != wanted:
        problems.append(f"the list has {[case['id'] for case in found]}, wanted {wanted}")
    for case in found:
        if len(ways(case)) != (0 if case.get("absent") else 1):
            problems.append(f"{case['id']}: it is run by {ways(case)}, absent: {case.get('absent')!r}")
        if not case.get("title") or not case.get("first"):
            problems.append(f"{case['id']}: no title, or no word of what must stop it first")
        if "shell" in case and not any(case.get(name) for name in ("bare", "bare_root", "bare_net", "bare_not")):
            problems.append(f"{case['id']}: nothing says what it reaches without a sandbox")
    return problems

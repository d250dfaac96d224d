#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Attack a host, and look at canaries: what was planted outside of the tasks must neither come out nor change.

usage: run.py VIVHOST [--profile full|root|copy|bare] [--policy on|off|both] [CASE|CATEGORY]...
       run.py --list

Profile 'root' is reduced-root, 'copy' reduced-copy; 'bare' is without a host and shows that the canaries would see it:
there each attack must reach what its case says. Category D alone, as root, is tried in a network of its own. Policy 'off' allows every command, and attacks are scripts that no
policy reads. Exit code 0: as the list says. 77: this machine or user has no such profile."""
import argparse
import os
import pathlib
import shlex
import sys
import time
import traceback

import cases
import network
import scenarios
from world import Skip, World


def without_host(world, case):
    """The attack as the person's own program: it must reach something, or the case proves nothing."""
    wanted = set(case.get("bare", [])) | (set(case.get("bare_root", [])) if os.geteuid() == 0 else set())
    wanted |= set(case.get("bare_net", [])) if world.net else set()
    if not wanted:
        return None, set()
    done = world.call("bash", f"./{case['id']}.sh")
    touched = world.look(done.stdout, done.stderr)
    return wanted - touched, touched


def by_script(world, case):
    done = world.task("bash", f"./{case['id']}.sh")
    return done, world.look(done.stdout, done.stderr, world.result_of(done.task))


def judged_wrong(world, case, texts):
    problems, reduced = [], world.profile != "full"
    verdicts = world.judge(texts)
    for text, (_, *judged) in zip(texts, case["texts"]):
        wanted = judged[-1] if reduced else judged[0]
        if verdicts[text] != wanted:
            problems.append(f"the policy says '{verdicts[text]}' of {text!r}, the list says '{wanted}'")
    return problems, [text for text in texts if verdicts[text] == "allow"]


def by_texts(world, case):
    """With the policy each text is judged as it stands, and those it lets pass are run as they stand, in one command;
    without it all run, each in a file that no policy reads."""
    texts = [world.fill(text) for text, *_ in case["texts"]]
    problems, wanted = [], texts
    if world.policy == "on":
        problems, wanted = judged_wrong(world, case, texts)
        done = world.task("bash", "-c", "\n".join(f"timeout 5 bash -c {shlex.quote(text)}"
                                                  for text in wanted) + "\ntrue")
    else:
        done = world.task("bash", f"./{case['id']}.sh")
    if done.returncode is None or (wanted and "runs: " not in done.stderr):
        problems.append(f"it did not run to its end: {done.stderr[-300:]}")
    return problems, world.look(done.stdout, done.stderr, world.result_of(done.task))


def expected(world, case, name):
    """Canaries that the list lets be touched here: by design, or because it is open."""
    found = {**case.get(name, {}).get("any", {}), **case.get(name, {}).get(world.profile, {})}
    if name == "limits" and os.geteuid() == 0:
        found.update(case.get("root_limits", {}).get(world.profile, {}))
    return found


def attack(world, case):
    """(problems, notes)"""
    problems = []
    if world.profile == "bare":
        missed, touched = without_host(world, case)
        return [f"without a sandbox it does not reach {sorted(missed)}, only {sorted(touched)}"] if missed else [], []
    if "shell" in case:
        done, touched = by_script(world, case)
        if done.returncode is None:
            problems.append("no end")
    elif "texts" in case:
        problems, touched = by_texts(world, case)
    else:
        problems, touched = getattr(scenarios, case["scenario"])(world)
    limits, gaps = expected(world, case, "limits"), expected(world, case, "gaps")
    problems += [f"reached: {word}" for word in sorted(touched - set(limits) - set(gaps))]
    problems += [f"gap '{word}' is closed: take it out of the list" for word in gaps if word not in touched]
    return problems, [f"known gap: {word}: {gaps[word]}" for word in gaps] + \
        [f"by design: {word}: {limits[word]}" for word in sorted(touched & set(limits))]


def at_once(world, chosen):
    """The cases whose scripts no policy reads, all in one task: when nothing was touched, all of them held."""
    some = [case["id"] for case in chosen if "shell" in case and not case.get("alone")
            and not expected(world, case, "limits") and not expected(world, case, "gaps")]
    if not some:
        return set()
    world.write({"together.sh": "".join(f"(timeout 20 bash ./{name}.sh) </dev/null\n" for name in some) + "true\n"})
    done = world.task("bash", "./together.sh")
    touched = world.look(done.stdout, done.stderr, world.result_of(done.task))
    return set(some) if done.returncode is not None and not touched else set()


def well(world):
    """After all that the host still works, and its log holds."""
    problems = []
    done = world.task("sh", "-c", "echo well >well.txt")
    if done.returncode or "well" not in world.git("show", f"viv/{done.task}:well.txt"):
        problems.append(f"after the attacks a plain task ends with {done.returncode}: {done.stderr[-1500:]}")
    for words in (["log", "verify"], ["log", "rebuild", "--check"], ["replay"]):
        done = world.viv(*words)
        if done.returncode:
            problems.append(f"{' '.join(words)}: {done.stdout[-500:]}{done.stderr[-500:]}")
    return problems


def run_all(options, chosen, policy):
    """(failed, ran) in one world."""
    failed = ran = 0
    world = World(options.vivhost, options.profile, policy, options.net)
    try:
        world.make()
        world.prepare(chosen)
        together = at_once(world, chosen) if policy == "on" and options.profile != "bare" else set()
        for case in chosen:
            if case["id"] in together:
                ran += 1
                print(f"held  {case['id']:5} {options.profile} policy {policy}  with others  {case['title']}",
                      flush=True)
                continue
            if options.profile not in case.get("profiles", [options.profile]) or \
                    (options.profile == "bare" and not ("scenario" not in case and any(case.get(n) for n in ("bare",
                        "bare_root", "bare_net")))):
                continue
            began = time.monotonic()
            try:
                problems, notes = attack(world, case)
            except scenarios.NotHere as why:
                print(f"not tried  {case['id']:5} {options.profile} policy {policy}  {why}", flush=True)
                continue
            except Exception:  # pylint: disable=broad-exception-caught
                problems, notes = [traceback.format_exc()], []  # the next case is tried all the same
            took = time.monotonic() - began
            ran += 1
            failed += bool(problems)
            print(f"{'FAILED' if problems else 'held' if options.profile != 'bare' else 'reached'}  {case['id']:5} "
                  f"{options.profile} policy {policy}  {took:4.1f} s  {case['title']}", flush=True)
            for line in problems + notes:
                print(f"        {line}", flush=True)
        problems = [] if options.profile == "bare" else well(world)
        for line in problems:
            print(f"FAILED  {line}", flush=True)
        return failed + bool(problems), ran
    finally:
        if options.keep:
            print(world.top)
            world.stop_victim()
        else:
            world.end()


def show_list():
    found = cases.load()
    for case in found:
        state = f"absent: {case['absent']}" if case.get("absent") else \
            f"present, but for {case['missing']}" if case.get("missing") else "present"
        print(f"{case['id']:5} {case['title']}\n      {state}")
    absent = sum(1 for case in found if case.get("absent"))
    print(f"{len(found)} cases, {len(found) - absent} present, {absent} absent")


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("words", nargs="*", metavar="VIVHOST or CASE")
    parser.add_argument("--profile", choices=["full", "root", "copy", "bare"], default="full")
    parser.add_argument("--policy", choices=["on", "off", "both"], default="both")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--keep", action="store_true")

    options = parser.parse_intermixed_args()
    if options.list:
        return show_list()
    known = {case[name] for case in cases.load() for name in ("id", "category")}
    options.cases = [word for word in options.words if word in known]
    hosts = [word for word in options.words if word not in known]
    if len(hosts) != 1 or not os.access(hosts[0], os.X_OK):
        parser.error(f"{hosts}: one program VIVHOST is wanted, all else are cases or categories")
    options.vivhost = pathlib.Path(hosts[0])
    chosen = [case for case in cases.load() if not case.get("absent") and
              (not options.cases or case["id"] in options.cases or case["category"] in options.cases)]
    failed = ran = 0
    options.net = all(case["category"] == "D" for case in chosen) and network.enter()
    try:
        for policy in ["on", "off"] if options.policy == "both" and options.profile != "bare" else [options.policy]:
            bad, count = run_all(options, chosen, policy if policy != "both" else "off")
            failed, ran = failed + bad, ran + count
    except Skip as why:
        print(f"skipped: {why}")
        return 77
    print(f"{ran} attacks, {failed} failed")
    return failed != 0 or ran == 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reference pages from the tables of the sources: never edited, made anew at every build.

usage: reference.py PAGE INPUT... -o OUT
       PAGE      INPUT
       status    viv/status.h
       limits    viv/limits.h
       events    core/event.c
       states    core/task.h core/moves.c
       refusals  load/audit.h and the sources of safety_policy
       plugins   manifest.json of plugins and skills
       commands  the program vivhost
       index     the other pages"""
import json
import pathlib
import re
import subprocess
import sys


def joined(text):
    """Adjacent string literals as one text, with the escapes of C taken back."""
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', text)).replace('\\"', '"').replace("\\\\", "\\")


def row(*cells):
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def head(*cells):
    return row(*cells) + "\n" + row(*["---"] * len(cells))


def status(paths):
    yield "# Status codes\n\nWhether a call worked. `viv/status.h` is the source of this page.\n"
    yield head("name", "value", "meaning")
    for name, value, meaning in re.findall(r'X\((VIV_\w+), (-?\d+), "([^"]+)"\)', paths[0].read_text(encoding="utf-8")):
        yield row(f"`{name}`", value, meaning)


def limits(paths):
    yield "# Bounds\n\nEvery number that bounds something. `viv/limits.h` is the source of this page.\n"
    yield head("name", "value", "why")
    why = ""
    text = paths[0].read_text(encoding="utf-8")
    for comment, name, value in re.findall(r"/\* (.*?) \*/|#define (VIV_\w+_MAX) ([^\n]+)", text, re.S):
        if comment:
            why = " ".join(comment.replace("\n *", " ").split())
        else:
            yield row(f"`{name}`", value.strip(), why)


def events(paths):
    yield "# Events\n\nEvery kind of line in the log. `host/core/event.c` is the source of this page.\n"
    yield ("An *input* event is what somebody said to the core; the others are *derived* from it and name it as their cause.\n"
           "*Synced*: the answer waits for the disk.\n")
    yield head("kind", "is", "synced", "meaning")
    rows = re.findall(r'\{ "([a-z._0-9]+)", (true|false), (true|false), "([^"]*)" \}', paths[0].read_text(encoding="utf-8"))
    for kind, said, sync, meaning in rows:
        if meaning == "state":
            meaning = f"the task's state is now `{kind.partition('.')[2]}`"
        yield row(f"`{kind}`", "input" if said == "true" else "derived", "yes" if sync == "true" else "no", meaning)


def states(paths):
    task, moves = (path.read_text(encoding="utf-8") for path in paths)

    def table(name):
        return re.findall(r'X\((\w+), "(\w+)"\)', re.search(rf"#define {name}\(X\)(.*?)\n\n", task, re.S)[1])

    names = dict(table("VH_STATE_TABLE"))
    yield "# States, moves and phases\n\n`host/core/task.h` and `host/core/moves.c` are the sources of this page.\n"
    yield "A task leaves a state only along one of these edges.\n"
    yield head("from", "to", "why")
    for before, after, why in re.findall(r'MOVE\((\w+), (\w+), "([^"]+)"\)', moves):
        yield row(f"`{names[before]}`", f"`{names[after]}`", why)
    yield "\nInside its state, what the core wants to know next, in the order of a task's life:\n"
    yield ", ".join(f"`{text}`" for _, text in table("VH_PHASE_TABLE"))


def refusals(paths):
    yield "# Refusals\n\nWhat can be refused by name. `host/load/audit.h` and `plugins/safety_policy` are the sources of this page.\n"
    yield "## Plugins, before anything of them is mapped\n"
    yield head("rule", "allowed", "cure")
    text = paths[0].read_text(encoding="utf-8").replace("\\\n", "\n")
    for body in re.findall(r'X\(([A-Z_]+, "(?:.|\n)*?")\)(?=\n|$| )', text):
        rule, allowed, cure = (joined(part) for part in re.split(r',\s*(?=")', body.partition(",")[2].strip()))
        yield row(f"`{rule}`", allowed, cure)
    yield "\n## Tasks and effects, by `viv.safety_policy`\n"
    yield head("rule", "verdict", "what it says")
    found = {}
    kinds = r"(?:exec|path|critical|capability|effect|task|content|policy)"
    for path in paths[1:]:
        text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.S)
        for rule, rest in re.findall(rf'"({kinds}\.(?!h")[a-z][a-z-]*)"(?=([^;}}]*))', text):
            verdicts, says = found.setdefault(rule, (set(), []))
            verdicts.update(re.findall(r"(?:\b|_)(DENY|ASK|ALLOW)\b", rest))
            for part in re.findall(r'(?:"(?:[^"\\]|\\.)*"\s*)+', rest):
                words = re.sub(r"%[-+.*0-9]*[a-z]+", "...", joined(part)).replace("'...'", "...").strip()
                if len(words.split()) > 1 and words not in says and not words.startswith(("vivhost ", "allow-")):
                    says.append(words)
    for rule in sorted(found):
        verdicts, says = found[rule]
        yield row(f"`{rule}`", ", ".join(sorted(word.lower() for word in verdicts)) or "by the policy", "; ".join(says[:4]) or "what the text seems to order")


def of_manifest(path):
    manifest = json.loads(path.read_text(encoding="utf-8"))
    yield f"\n## {manifest['id']} {manifest['version']}\n\n{manifest['description'].rstrip('.')}."
    offers = [one if isinstance(one, str) else one["id"] for one in manifest.get("interfaces", [])]
    if offers:
        yield "\nOffers " + ", ".join(f"`{one}`" for one in offers) + "."
    if manifest.get("grants"):
        yield f"\nGrants: `{json.dumps(manifest['grants'], sort_keys=True)}`."
    if manifest.get("options"):
        yield "\n" + head("option", "type", "default", "range", "meaning")
        for one in manifest["options"]:
            span = f"{one['min']} to {one['max']}" if "min" in one else ", ".join(one.get("choices", []))
            yield row(f"`{one['name']}`", one["type"], one.get("default", ""), span, one["help"])
    for template in manifest.get("templates", []):
        text = re.sub(r"choice\(([^|)]*)\|[^)]*\)", r"choice(\1|...)", template["text"])
        yield f"\n- `{text}`"


def plugins(paths):
    yield "# Bundled plugins and skills\n\nTheir manifests are the source of this page. Options are set in a policy: `plugins: {ID: {options: {...}}}`."
    for path in paths:
        yield from of_manifest(path)


def commands(paths):
    def said(*words):
        return subprocess.run([str(paths[0]), *words], capture_output=True, check=True, text=True).stdout

    text = said("--help")
    yield f"# Commands\n\nWhat `vivhost` says of itself.\n\n```text\n{text}```"
    section = re.search(r"(?ms)^commands:\n(.*?)(?:^\S|^$|\Z)", text)
    for name in re.findall(r"(?m)^  (\w[\w-]*) ", section[1] if section else ""):
        yield f"\n## vivhost {name}\n\n```text\n{said(name, '--help')}```"


def index(pages):
    yield "# Reference\n\nMade from the sources and the interface descriptions at every build.\n"
    for page in pages:
        title = page.read_text(encoding="utf-8").split("\n", 1)[0].lstrip("# ")
        yield f"- [{title}]({page.name})"


PAGES = (status, limits, events, states, refusals, plugins, commands, index)


def main(argv):
    make = {page.__name__: page for page in PAGES}.get(argv[0] if argv else "")
    if not make or len(argv) < 4 or argv[-2] != "-o":
        sys.exit(__doc__)
    lines = make([pathlib.Path(path) for path in argv[1:-2]])
    pathlib.Path(argv[-1]).write_text("\n".join(lines) + "\n", encoding="utf-8")


main(sys.argv[1:])

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reference pages from headers: the table of statuses, the bounds with their reasons, and an index of all pages.

usage: reference.py status|limits HEADER -o OUT
       reference.py index PAGE... -o OUT"""
import pathlib
import re
import sys


def status(text):
    yield "# Status codes\n\nWhether a call worked. `viv/status.h` is the source of this page.\n"
    yield "| name | value | meaning |\n| --- | --- | --- |"
    for name, value, meaning in re.findall(r'X\((VIV_\w+), (-?\d+), "([^"]+)"\)', text):
        yield f"| `{name}` | {value} | {meaning} |"


def limits(text):
    yield "# Bounds\n\nEvery number that bounds something. `viv/limits.h` is the source of this page.\n"
    yield "| name | value | why |\n| --- | --- | --- |"
    why = ""
    for comment, name, value in re.findall(r"/\* (.*?) \*/|#define (VIV_\w+_MAX) ([^\n]+)", text, re.S):
        if comment:
            why = " ".join(comment.replace("\n *", " ").split())
        else:
            yield f"| `{name}` | {value.strip()} | {why} |"


def index(pages):
    yield "# Reference\n\nMade from the headers and the interface descriptions at every build.\n"
    for page in pages:
        title = page.read_text(encoding="utf-8").split("\n", 1)[0].lstrip("# ")
        yield f"- [{title}]({page.name})"


def main(argv):
    if len(argv) < 4 or argv[-2] != "-o" or argv[0] not in ("status", "limits", "index"):
        sys.exit(__doc__)
    paths = [pathlib.Path(path) for path in argv[1:-2]]
    if argv[0] == "index":
        lines = index(paths)
    else:
        lines = {"status": status, "limits": limits}[argv[0]](paths[0].read_text(encoding="utf-8"))
    pathlib.Path(argv[-1]).write_text("\n".join(lines) + "\n", encoding="utf-8")


main(sys.argv[1:])

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The COMMANDS section of vivhost(1) out of the program's own help, so that neither forgets what the other has.

usage: man.py VIVHOST PAGE [--check]"""
import pathlib
import re
import subprocess
import sys
import textwrap

BEGIN, END = '.\\" Made by tools/gen/man.py from the help of the program.', '.\\" End of what is made.'


def said(*words):
    return subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True, encoding="utf-8").stdout


def escaped(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text


def filled(text):
    return [escaped(line) for line in textwrap.wrap(text, 70, break_long_words=False, break_on_hyphens=False)]


def part(text, title):
    match = re.search(rf"^{title}:\n((?:  .*\n)*)", text, re.M)
    return [line[2:] for line in match[1].splitlines()] if match else []


def table(lines):
    """Rows of 'left   right' as a tagged list."""
    out = [".Bl -tag -width Ds"]
    for line in lines:
        left, right = re.split(r"\s{2,}", line.strip(), maxsplit=1)
        out += [f".It {escaped(left)}", *filled(right[0].upper() + right[1:] + ".")]
    return out + [".El"]


def section(program):
    out = [BEGIN]
    for line in part(said(program, "--help"), "commands"):
        name, summary = line.split(None, 1)
        text = said(program, name, "--help")
        out += [f".Ss {name}", escaped(summary[0].upper() + summary[1:]) + "."]
        usage = re.search(r"^usage: (.*)$", text, re.M)
        if usage:
            out += [".Bd -literal -offset indent", escaped(usage[1].strip()), ".Ed"]
        else:
            out += table(part(text, "usage"))
        options = part(text, "options")
        if options:
            out += [".Pp", "Options:", *table(options)]
        out += [".Pp", "Examples:", ".Bd -literal -offset indent", *map(escaped, part(text, "examples")), ".Ed"]
    return "\n".join(out + [END])


def main():
    program, page = sys.argv[1], pathlib.Path(sys.argv[2])
    old = page.read_text(encoding="utf-8")
    before, after = old.split(BEGIN)[0], old.split(END)[1]
    new = before + section(program) + after
    if "--check" in sys.argv:
        if new != old:
            sys.exit(f"{page} does not say what the program says; run tools/gen/man.py {program} {page}")
        return
    page.write_text(new, encoding="utf-8")


main()

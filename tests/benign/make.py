#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make commands.jsonl from what people wrote in written/CATEGORY.txt.

usage: make.py [--check]     --check: say whether commands.jsonl is what would be made, exit code 1 if it is not

A command in written/ is one line, or several if it has a text (<<END ... END) or an open quote. What needs a shell
becomes {"shell": "..."}, what does not {"argv": [...]}; both have their category, and "exit" if it ends with another
code than 0, written ` #=CODE` behind it. Two that differ in names of files, numbers and quoted texts alone are
refused."""
import json
import pathlib
import re
import shlex
import sys

HERE = pathlib.Path(__file__).resolve().parent
LIST = HERE / "commands.jsonl"
CATEGORIES = ("builds", "tests", "git", "files", "text", "scripts", "languages")
# Words that a shell knows and no program is called by, at the beginning.
BUILTINS = set("""! . [[ alias case cd clear command declare eval exec export for function getopts hash history if jobs
    let mapfile popd pushd read select set shopt source time trap type ulimit umask unset until wait
    while { (""".split())
HERE_TEXT = re.compile(r"<<-?\s*'?END'?")


def open_ended(text):
    """Whether the command goes on in the next line."""
    if HERE_TEXT.search(text) and "END" not in text.split("\n")[1:]:
        return True
    outside = re.sub(r"(?ms)(<<-?\s*'?END'?[^\n]*\n).*?^END$", r"\1", text)
    try:
        shlex.split(outside)
    except ValueError:
        return True
    return False


def written(category):
    """(line number, command) of a category's file."""
    start, text = 0, None
    for number, line in enumerate((HERE / "written" / f"{category}.txt").read_text(encoding="utf-8").splitlines(), 1):
        start, text = (number, line) if text is None else (start, f"{text}\n{line}")
        if not open_ended(text):
            yield start, text
            text = None
    if text is not None:
        raise SystemExit(f"written/{category}.txt:{start}: this command does not end")


def needs_shell(text):
    outside = re.sub(r"""'[^']*'|"(?:[^"\\$`]|\\[^$`])*\"""", "Q", text)  # quotes that hold nothing for a shell
    first = text.split(None, 1)[0]
    return bool(first in BUILTINS or "=" in first or "\n" in text
                or re.search(r"""[|&;<>()$`*?"\\]|\[|(^|\s)[~#]|\{[^}\s]*(,|\.\.)""", outside))


def entry(category, text):
    text, _, code = text.partition(" #=")
    made = {"category": category, **({"shell": text} if needs_shell(text) else {"argv": shlex.split(text)})}
    return {**made, "exit": int(code)} if code else made


CODE = re.compile(r"\b(awk|mawk|sed|jq|perl|node|python3|bash|sh|bc|sqlite3|gdb)\b")


def shape(text):
    """What is left of a command without names of files, numbers and quoted texts. Quoted code stays: it is a part."""
    code = CODE.search(text)

    def plain(match):
        if match["quoted"]:
            return match[0] if code or "$(" in match[0] else "Q"
        return "F"

    text = re.sub(r"""(?P<quoted>'[^']*'|"[^"]*")|(?<![\w-])[\w.*-]*[/.][\w./*-]+|\b(Makefile|LICENSE)\b""", plain,
                  text)
    return re.sub(r"\s+", " ", re.sub(r"\d+", "N", text)).strip()


def entries():
    seen, made = {}, []
    for category in CATEGORIES:
        for number, text in written(category):
            place, one = f"written/{category}.txt:{number}", entry(category, text)
            key = shape(text)
            if key in seen:
                raise SystemExit(f"{place}: like {seen[key]}: {text}")
            seen[key] = place
            made.append(one)
    return made


def main():
    text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in entries())
    if sys.argv[1:] == ["--check"]:
        if not LIST.exists() or LIST.read_text(encoding="utf-8") != text:
            sys.exit("commands.jsonl is not what make.py makes; run it")
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        LIST.write_text(text, encoding="utf-8")
    print(f"{text.count(chr(10))} commands")


if __name__ == "__main__":
    main()

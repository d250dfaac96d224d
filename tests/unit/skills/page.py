#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The skill of docs/write-a-skill.md as files: once as written, once with the correction that the page tells.

usage: page.py PAGE FOLDER"""
import pathlib
import re
import sys

page, folder = sys.argv[1:]
for name, shown in re.findall(r"(?ms)^```\w+ file=([\w.]+)\n(.*?)^```$", pathlib.Path(page).read_text(encoding="utf-8")):
    for kind in ("written", "corrected"):
        place = pathlib.Path(folder, kind, name)
        place.parent.mkdir(parents=True, exist_ok=True)
        text = shown.replace('"count"', '"total"') if kind == "corrected" else shown
        if name == "CMakeLists.txt":
            text = text.replace("empty_files", f"empty_files_{kind}")
        if name == "skill.c":
            text = text.replace("empty_files_manifest", f"empty_files_{kind}_manifest")
        if not place.is_file() or place.read_text(encoding="utf-8") != text:
            place.write_text(text, encoding="utf-8")

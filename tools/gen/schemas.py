#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The published schemas as a C table for `vivhost schema`.

usage: schemas.py OUT FILE..."""
import json
import pathlib
import sys


def quoted(text):
    return json.dumps(text, ensure_ascii=True)


def main():
    out, files = pathlib.Path(sys.argv[1]), sorted(map(pathlib.Path, sys.argv[2:]))
    lines = ["/* Made by tools/gen/schemas.py. Not edited. */", '#include "commands/schemas.h"', ""]
    rows = []
    for number, file in enumerate(files):
        data = file.read_bytes()
        title = json.loads(data)["title"]
        name = file.name.removesuffix(".schema.json")
        lines.append(f"static const unsigned char text_{number}[] = {{")
        for at in range(0, len(data), 24):
            lines.append("    " + "".join(f"{byte}," for byte in data[at:at + 24]))
        lines.append("};")
        rows.append(f"    {{ {quoted(name)}, {quoted(title)}, text_{number}, sizeof text_{number} }},")
    lines += ["", "const struct vh_schema_text vh_schema_texts[] = {", *rows, "    { NULL, NULL, NULL, 0 },", "};"]
    out.write_text("\n".join(lines) + "\n", encoding="ascii")


main()

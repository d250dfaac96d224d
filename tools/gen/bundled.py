#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""From the built plugins: a C table of file name, SHA-256 and manifest, compiled into the program that trusts them.

usage: bundled.py OUT.c [FILE.so MANIFEST.json]...

The digest is of the file's bytes as they are now, so nothing may change them afterwards: no strip, no rpath edit."""
import hashlib
import json
import os
import sys


def c_text(text):
    return '"' + "".join(c if 32 <= ord(c) < 127 and c not in '"\\?' else "".join(f"\\{b:03o}" for b in c.encode()) for c in text) + '"'


def c_bytes(name, text):
    """A char array: string literals end at 4,095 bytes in standard C, and a skill's manifest is longer."""
    values = text.encode() + b"\0"
    lines = "\n".join("    " + ", ".join(str(byte if byte < 128 else byte - 256) for byte in values[at:at + 20]) + ","
                      for at in range(0, len(values), 20))
    return f"static const char {name}[] = {{\n{lines}\n}};\n\n"


def row(index, library, manifest):
    """The manifest's array and the row that points to it."""
    with open(library, "rb") as file:
        digest = hashlib.sha256(file.read()).digest()
    with open(manifest, encoding="utf-8") as file:
        text = json.dumps(json.load(file), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    values = ", ".join(f"0x{byte:02x}" for byte in digest)
    name = f"manifest_{index}"
    return c_bytes(name, text), f"    {{ {c_text(os.path.basename(library))}, {name},\n      {{ {values} }} }},\n"


def main():
    if len(sys.argv) < 2 or len(sys.argv) % 2:
        sys.exit(__doc__)
    pairs = sorted(zip(sys.argv[2::2], sys.argv[3::2]), key=lambda pair: os.path.basename(pair[0]))
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        out.write("/* Generated from the built plugins: what this program trusts without a key. */\n#include \"load/trust.h\"\n\n")
        rows = [row(index, *pair) for index, pair in enumerate(pairs)]
        out.writelines(array for array, _ in rows)
        out.write("const struct vh_trust_bundled vh_bundled[] = {\n")
        out.writelines(line for _, line in rows)
        out.write("    { 0 },\n};\n\n")
        out.write(f"const uint32_t vh_bundled_count = {len(pairs)};\n")


main()

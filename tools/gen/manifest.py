#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""From manifest.json: NAME_manifest.h (id, version, config struct, option rows, defaults) and NAME_note.c (the ELF note).

usage: manifest.py FILE.json NAME OUT_FOLDER

The manifest is the source of truth; docs/contract/manifest.schema.json describes it. What is wrong is named here so
that a build stops with a sentence instead of a loader later."""
import json
import os
import re
import sys

NUMBER = {"integer": 1, "duration": 10**9, "money": 10**6, "bytes": 1}
CODES = {"bool": 1, "integer": 2, "duration": 3, "money": 4, "bytes": 5, "text": 6, "json": 7}
UNITS = {
    "duration": {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9},
    "bytes": {"": 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30},
    "integer": {"": 1},
}


def stop(path, text):
    sys.exit(f"{path}: {text}")


def number(path, kind, name, value):
    """'60s' -> nanoseconds, '4KiB' -> bytes, '0.05' -> micro-units, 7 -> 7."""
    if kind == "bool":
        if value not in (True, False):
            stop(path, f"option '{name}' is '{value}', allowed: true, false")
        return int(value)
    text = str(value)
    if kind == "money":
        match = re.fullmatch(r"(\d+)(?:\.(\d{1,6}))?", text)
        if not match:
            stop(path, f"option '{name}' is '{text}', allowed: money like 0.05 with at most six decimals")
        return int(match[1]) * 10**6 + int((match[2] or "").ljust(6, "0"))
    match = re.fullmatch(r"(-?\d+)([A-Za-z]*)", text)
    units = UNITS[kind]
    if not match or match[2] not in units:
        stop(path, f"option '{name}' is '{text}', allowed: a number with one of the units {', '.join(u or '(none)' for u in units)}")
    return int(match[1]) * units[match[2]]


def c_text(text):
    return '"' + "".join(c if 32 <= ord(c) < 127 and c not in '"\\?' else "".join(f"\\{b:03o}" for b in c.encode()) for c in text) + '"'


def option_parts(path, name, option):
    kind = option.get("type")
    if kind not in CODES:
        stop(path, f"option '{option.get('name')}' has type '{kind}', allowed: {', '.join(CODES)}")
    label = option["name"]
    if not re.fullmatch(r"[a-z][a-z0-9_]*", label):
        stop(path, f"option name '{label}' must be lower-case words joined by _")
    if kind in ("text", "json"):
        text = option["default"] if kind == "text" else json.dumps(option["default"], sort_keys=True, separators=(",", ":"))
        return label, "struct viv_str", f"{{ {c_text(text)}, {len(text.encode())} }}", option.get("min", 0), option.get("max", 65536)
    low = number(path, kind, label, option.get("min", 0)) if kind != "bool" else 0
    high = number(path, kind, label, option["max"]) if kind != "bool" else 1
    value = number(path, kind, label, option["default"])
    if not low <= value <= high:
        stop(path, f"default of option '{label}' is {value}, allowed {low} to {high}")
    suffix = {"duration": "_ns", "money": "_micro", "bytes": "_bytes"}.get(kind, "")
    ctype = "uint32_t" if kind == "bool" else "int64_t"
    return label + suffix, ctype, f"INT64_C({value})" if ctype == "int64_t" else str(value), low, high


def write_header(path, manifest, name, out):
    options = [option_parts(path, name, option) + (option,) for option in manifest.get("options", [])]
    options.sort(key=lambda parts: parts[1] == "uint32_t")  # 8-byte members first: no holes
    bools = sum(1 for parts in options if parts[1] == "uint32_t")
    out.write(f"/* Generated from manifest.json. */\n#ifndef {name.upper()}_MANIFEST_H\n#define {name.upper()}_MANIFEST_H\n\n#include <stddef.h>\n#include <viv/plugin.h>\n\n")
    out.write(f"#define VIV_MANIFEST_ID {c_text(manifest['id'])}\n#define VIV_MANIFEST_VERSION {c_text(manifest['version'])}\n\n")
    out.write(f"struct {name}_config {{\n")
    for member, ctype, _, _, _, option in options:
        out.write(f"    {ctype} {member}; /* {option['help']} */\n")
    if bools % 2:
        out.write("    uint32_t reserved;\n")
    if not options:
        out.write("    uint64_t reserved;\n")
    out.write("};\n\n")
    out.write(f"static const struct {name}_config {name}_defaults = {{\n")
    for member, _, value, _, _, _ in options:
        out.write(f"    .{member} = {value},\n")
    out.write("    .reserved = 0,\n" if not options or bools % 2 else "")
    out.write("};\n\n")
    out.write(f"static const struct viv_option {name}_options[] = {{\n")
    for member, _, _, low, high, option in options:
        out.write(f"    {{ {c_text(option['name'])}, {CODES[option['type']]}, (uint32_t)offsetof(struct {name}_config, {member}), INT64_C({low}), INT64_C({high}), {c_text(option['help'])} }},\n")
    out.write("    { NULL, 0, 0, 0, 0, NULL },\n};\n\n")
    out.write(f"/* Put these into the descriptor: id, version, options, defaults. */\n#define VIV_MANIFEST_PLUGIN \\\n    VIV_PLUGIN_HEAD, .id = VIV_MANIFEST_ID, .version = VIV_MANIFEST_VERSION, .options = {name}_options, \\\n"
              f"    .option_count = {len(options)}, .defaults = &{name}_defaults, .config_size = sizeof {name}_defaults\n\n#endif\n")


def write_note(manifest, out):
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    padded = text + b"\0" * (-len(text) % 4)
    out.write("/* Generated from manifest.json: the ELF note. */\n#include <stdint.h>\n\nstruct viv_note {\n    uint32_t name_size, size, type;\n"
              f"    char name[12];\n    unsigned char text[{len(padded)}];\n}};\n\n"
              "extern const struct viv_note viv_note_manifest;\n"
              "__attribute__((section(\".note.vivarium\"), used, aligned(4), visibility(\"hidden\")))\nconst struct viv_note viv_note_manifest = {\n"
              f"    9, {len(text)}, 1, \"Vivarium\",\n    {{")
    for index in range(0, len(padded), 24):
        out.write("\n        " + ",".join(str(byte) for byte in padded[index:index + 24]) + ",")
    out.write("\n    }\n};\n")


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    path, name, folder = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        manifest = json.load(file)
    for key in ("id", "version", "interfaces", "description", "grants"):
        if key not in manifest:
            stop(path, f"'{key}' is missing; it must hold id, version, interfaces, description, grants")
    if not re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+", manifest["id"]):
        stop(path, f"id is '{manifest['id']}', allowed: lower-case words joined by dots, like viv.gate_command")
    if not re.fullmatch(r"\d+\.\d+\.\d+", manifest["version"]):
        stop(path, f"version is '{manifest['version']}', allowed: three numbers, like 0.1.0")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, f"{name}_manifest.h"), "w", encoding="utf-8") as out:
        write_header(path, manifest, name, out)
    with open(os.path.join(folder, f"{name}_note.c"), "w", encoding="utf-8") as out:
        write_note(manifest, out)


main()

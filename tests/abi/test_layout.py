#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""If this fails, a plugin built yesterday may read its host's memory at wrong places.

usage: test_layout.py SOURCE BUILD COMPILER [--write]

Sizes and offsets come from the compiler, names and types from the headers. --write stores what is there now: that is
changing the ABI, and belongs into one commit with what docs/abi.md lists."""
import pathlib
import platform
import re
import subprocess
import sys
import tempfile
import unittest

SOURCE, BUILD, COMPILER = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
FOLDERS = [SOURCE / "plugin-api/include", BUILD / "plugin-api/include"]
KEPT = SOURCE / f"tests/abi/layout.{platform.machine()}.txt"
FLAGS = ["-std=c11", "-Wall", "-Werror"] + [f"-I{folder}" for folder in FOLDERS]


def headers():
    found = {path.relative_to(folder).as_posix(): path for folder in FOLDERS for path in folder.rglob("viv/**/*.h")}
    return dict(sorted((name, path) for name, path in found.items() if "/kit/" not in name))


def squeeze(text):
    return re.sub(r"\s*([(),*;\[\]])\s*", r"\1", " ".join(text.split()))


def structs(text):
    """(name, [(member, declaration)]) of each struct that is defined."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    for name, body in re.findall(r"^struct (\w+) \{(.*?)^\};", text, re.S | re.M):
        members = []
        for declaration in (squeeze(part) for part in body.split(";")):
            if not declaration:
                continue
            pointer = re.search(r"\((?:VIV_CALL)?\s*\*(\w+)\)\(", declaration)
            if pointer:
                members.append((pointer[1], declaration))
                continue
            shared = re.fullmatch(r"(.*?)(\w+(?:,\w+)+)", declaration)
            for word in (shared[2].split(",") if shared else [re.sub(r"\[.*", "", declaration)]):
                members.append((re.search(r"(\w+)$", word)[1], declaration))
        yield name, members


def constants(text):
    """Names of integer constants; texts and functions are not numbers."""
    for name, value in re.findall(r"^#define (VIV_\w+) +(\S.*)$", re.sub(r"/\*.*?\*/", " ", text, flags=re.S), re.M):
        if not name.startswith(("VIV_VERSION_", "VIV_PLUGIN_HEAD", "VIV_STATUS_TABLE", "VIV_ERROR_INIT")):
            yield name, value.strip()


def program():
    lines = ["#include <stddef.h>", "#include <stdio.h>"]
    lines += [f"#include <{name}>" for name in headers()]
    lines.append("int main(void)\n{")
    for path in headers().values():
        text = path.read_text(encoding="utf-8")
        for name, members in structs(text):
            lines.append(f'    printf("struct {name} size %zu align %zu\\n", sizeof(struct {name}), _Alignof(struct {name}));')
            for member, declaration in members:
                lines.append(f'    printf("  {member} offset %zu size %zu: %s\\n", offsetof(struct {name}, {member}), '
                             f'sizeof ((struct {name} *)0)->{member}, "{declaration}");')
        for name, value in constants(text):
            if re.fullmatch(r'".*"', value):
                lines.append(f'    printf("text {name} %s\\n", {name});')
            elif re.match(r"^[\d(U]", value) and not value.endswith("\\"):
                lines.append(f'    printf("constant {name} %lld\\n", (long long)({name}));')
    lines.append("    #define ROW(name, value, text) printf(\"status %s %d\\n\", #name, value);")
    lines.append("    VIV_STATUS_TABLE(ROW)\n    return 0;\n}")
    return "\n".join(lines) + "\n"


def layout():
    with tempfile.TemporaryDirectory() as scratch:
        source = pathlib.Path(scratch, "layout.c")
        source.write_text(program(), encoding="utf-8")
        done = subprocess.run([COMPILER, *FLAGS, "-o", scratch + "/layout", str(source)], capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(done.stderr)
        return subprocess.run([scratch + "/layout"], capture_output=True, text=True, check=True).stdout


class Abi(unittest.TestCase):
    def test_the_layout_is_the_one_that_was_promised(self):
        if not KEPT.exists():
            self.skipTest(f"no layout is kept for {platform.machine()}")
        now, kept = layout().splitlines(), KEPT.read_text(encoding="utf-8").splitlines()
        self.maxDiff = None
        self.assertGreater(len(now), 150)
        self.assertEqual(kept, now, "the ABI changed; docs/abi.md says what goes with that")

    def test_every_struct_is_seen(self):
        text = "\n".join(path.read_text(encoding="utf-8") for path in headers().values())
        named = set(re.findall(r"^struct (viv_\w+) \{", text, re.M))
        seen = set(re.findall(r"^struct (viv_\w+) size", layout(), re.M))
        self.assertEqual(named, seen)
        self.assertIn("viv_plugin", seen)
        self.assertIn("viv_gate_check_request", seen)

    def test_no_padding_is_hidden(self):
        text = "".join(f"#include <{name}>\n" for name in headers())
        done = subprocess.run([COMPILER, *FLAGS, "-Wpadded", "-fsyntax-only", "-xc", "-"], input=text, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_hole_would_be_found(self):
        hole = "#include <stdint.h>\nstruct a { uint32_t size; void *p; };\n"
        done = subprocess.run([COMPILER, *FLAGS, "-Wpadded", "-fsyntax-only", "-xc", "-"], input=hole, capture_output=True, text=True)
        self.assertNotEqual(done.returncode, 0)

    def test_an_edit_would_be_found(self):
        moved = {"const char *id;": "uint64_t early; const char *id;", "uint32_t offer_count;": "uint64_t offer_count;",
                 "int64_t min;": "uint64_t min;"}
        text = (SOURCE / "plugin-api/include/viv/plugin.h").read_text(encoding="utf-8")
        text += (SOURCE / "plugin-api/include/viv/options.h").read_text(encoding="utf-8")
        before = list(structs(text))
        for old, new in moved.items():
            self.assertIn(old, text)
            self.assertNotEqual(before, list(structs(text.replace(old, new, 1))))


if __name__ == "__main__":
    if "--write" in sys.argv:
        KEPT.write_text(layout(), encoding="utf-8")
    else:
        unittest.main(argv=sys.argv[:1])

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""If this fails, a lint has stopped seeing what it is there for. Each breach is planted in a copy of the tree and must
be caught, with its file and line. That the tree itself is clean is what the lints say, each as a test of its own.

usage: test_lint.py ROOT COMPILER"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from doors_planted import PLANTED, SOUND

ROOT = pathlib.Path(sys.argv[1]).resolve()
COMPILER = sys.argv[2]
SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"
MANIFEST = json.dumps({"id": "acme.tally_moons", "templates": [
    {"text": "tally the bright moons of {planet:word}", "accept": ["tally the moons of saturn"],
     "refuse": ["tally no moons of saturn"]}]})

# (lint, file, text, what must be reported). Text "+..." is added to the file's end; otherwise the file is replaced.
BREACHES = [
    # layers
    ("layers", "host/base/a.c", SPDX + '\n#include "keep/k.h"\n', "host/base/a.c:3: host/base may not include 'host/keep/k.h'"),
    ("layers", "host/load/a.c", SPDX + '#include "lend/k.h"\n', "host/load/a.c:2: host/load may not include 'host/lend/k.h'"),
    ("layers", "host/core/a.c", SPDX + '#include "../keep/k.h"\n', "host/core/a.c:2: host/core may not include 'host/keep/k.h'"),
    ("layers", "host/core/a.c", SPDX + "#include <time.h>\n", "host/core/a.c:2: 'time.h' in host/core"),
    ("layers", "host/core/a.c", SPDX + '#include "base/seam.h"\n', "host/core/a.c:2: 'base/seam.h' in host/core"),
    ("layers", "host/run/a.c", SPDX + "#  include <sqlite3.h>\n", "host/run/a.c:2: 'sqlite3.h' may be included by host/keep/*"),
    ("layers", "host/run/a.c", SPDX + "#include <sodium.h>\n", "host/run/a.c:2: 'sodium.h' may be included by host/load/*"),
    ("layers", "host/keep/a.h", SPDX + "#include <jansson.h>\n", "host/keep/a.h:2: 'jansson.h' may be included by"),
    ("layers", "host/keep/a.c", SPDX + "#include <curl/curl.h>\n", "host/keep/a.c:2: 'curl/curl.h' may be included by"),
    ("layers", "host/load/a.c", SPDX + "#include <dlfcn.h>\n", "host/load/a.c:2: 'dlfcn.h' may be included by host/load/map.c"),
    ("layers", "plugins/gate_a/a.c", SPDX + '#include "../gate_b/b.h"\n', "plugins/gate_a/a.c:2: plugins may not include 'plugins/gate_b/b.h, another plugin'"),
    ("layers", "plugins/gate_a/a.c", SPDX + '#include "../model_wire/json.h"\n', "plugins/gate_a/a.c:2: plugins may not include 'plugins/model_wire/json.h, another plugin'"),
    ("layers", "plugins/gate_a/a.c", SPDX + '#include "base/str.h"\n', "plugins/gate_a/a.c:2: plugins may not include 'host/base/str.h'"),
    ("layers", "host/launcher/a.c", SPDX + '#include "run/k.h"\n', "host/launcher/a.c:2: host/launcher may not include 'host/run/k.h'"),
    ("layers", "plugin-api/include/viv/a.h", SPDX + '#include "base/str.h"\n', "plugin-api/include may not include"),
    ("layers", "host/odd/a.c", SPDX, "host/odd/a.c:1: no layer is known"),
    ("layers", "strange/a.c", SPDX, "strange/a.c:1: no layer is known"),
    # onedoor: a second caller of each kind
    ("onedoor", "host/run/a.c", SPDX + "int\nvh_a(void)\n{\n    return fork();\n}\n", "host/run/a.c:5: 'fork' is allowed in"),
    ("onedoor", "host/run/a.c", SPDX + "void\nvh_a(void)\n{\n    execve(0, 0, 0);\n}\n", "host/run/a.c:5: 'execve'"),
    ("onedoor", "host/run/a.c", SPDX + "int (*f)(void) = vfork;\n", "host/run/a.c:2: 'vfork'"),
    ("onedoor", "host/run/a.c", SPDX + "#define GO system(x)\n", "host/run/a.c:2: 'system'"),
    ("onedoor", "host/run/a.c", SPDX + "int\nvh_a(void)\n{\n    return connect(1, 0, 0);\n}\n", "host/run/a.c:5: 'connect'"),
    ("onedoor", "host/run/a.c", SPDX + "void\nvh_a(void)\n{\n    socket\n        (1, 2, 3);\n}\n", "host/run/a.c:5: 'socket'"),
    ("onedoor", "host/load/b.c", SPDX + "void *\nvh_b(void)\n{\n    return dlopen(0, 1);\n}\n", "host/load/b.c:5: 'dlopen' is allowed in host/load/map.c"),
    ("onedoor", "host/runner/b.c", SPDX + "void *\nvh_b(void)\n{\n    return dlopen(0, 1);\n}\n", "host/runner/b.c:5: 'dlopen'"),
    ("onedoor", "host/keep/b.c", SPDX + "int\nvh_b(void)\n{\n    return unlinkat(1, 0, 0);\n}\n", "host/keep/b.c:5: 'unlinkat'"),
    ("onedoor", "host/keep/b.c", SPDX + "int\nvh_b(void)\n{\n    if (1) {\n        rename(0, 0);\n    }\n}\n", "host/keep/b.c:6: 'rename'"),
    ("onedoor", "plugins/gate_a/a.c", SPDX + "int a(void) { return popen(0, 0) != 0; }\n", "plugins/gate_a/a.c:2: 'popen'"),
    ("onedoor", "skills/s/skill.c", SPDX + "int a(void) { return remove(0); }\n", "skills/s/skill.c:2: 'remove'"),
    ("onedoor", "host/base/log.c", "+int vh_log_a(void) { return open(0, 0); }\n", "'open' is allowed in"),
    ("onedoor", "host/base/fs.c", "+int vh_fs_a(void) { return open(0, 0); }\n", "'open' is allowed in"),
    ("onedoor", "host/core/a.c", SPDX + "long\nvh_a(void)\n{\n    return time(0);\n}\n", "host/core/a.c:5: 'time'"),
    ("onedoor", "host/core/a.c", SPDX + "int\nvh_a(void)\n{\n    return rand();\n}\n", "host/core/a.c:5: 'rand'"),
    ("onedoor", "host/run/a.c", SPDX + "void *\nvh_a(void)\n{\n    return malloc(1);\n}\n", "host/run/a.c:5: 'malloc'"),
    ("onedoor", "host/run/a.c", SPDX + "void\nvh_a(void)\n{\n    printf(0);\n}\n", "host/run/a.c:5: 'printf'"),
    ("onedoor", "host/run/a.c", SPDX + "void\nvh_a(void)\n{\n    syscall(1);\n}\n", "host/run/a.c:5: 'syscall'"),
    ("onedoor", "host/run/sandbox.c", SPDX + "void\nvh_a(void)\n{\n    syscall(SYS_execveat, 1);\n}\n", "host/run/sandbox.c:5: 'execveat' by its number"),
    ("onedoor", "host/run/sandbox.c", SPDX + "void\nvh_a(void)\n{\n    syscall(SYS_pidfd_send_signal, 1);\n}\n", None),
    ("onedoor", "tests/unit/base/test_a.c", SPDX + "void\na(void)\n{\n    usleep(1);\n}\n", "test_a.c:5: 'usleep'"),
    ("onedoor", "host/keep/b.c", SPDX + "int a = SQLITE_OPEN_CREATE;\nint b = SQLITE_OPEN_CREATE;\n", "allowed once"),
    ("onedoor", "host/run/a.c", SPDX + "/* fork() */\nconst char *a = \"fork()\";\nint b = s->fork(1);\nint fork(void);\n", None),
    # sizes
    ("sizes", "host/run/a.c", SPDX + "void\nvh_a(void)\n{\n" + "    f();\n" * 70 + "}\n", "host/run/a.c:2: function 'vh_a' has 74 lines"),
    ("sizes", "host/run/a.c", SPDX + "int x;\n" * 500, "host/run/a.c:501: 501 lines, allowed 500"),
    ("sizes", "host/run/a.h", SPDX + "\n" * 150, "host/run/a.h:151: 151 lines, allowed 150"),
    ("sizes", "plugin-api/include/viv/a.h", SPDX + "\n" * 300, "allowed 300"),
    ("sizes", "tests/x/CMakeLists.txt", "#\n" * 81, "tests/x/CMakeLists.txt:81: 81 lines, allowed 80"),
    ("sizes", "CMakeLists.txt", "#\n" * 151, "CMakeLists.txt:151: 151 lines, allowed 150"),
    ("sizes", "host/run/a.c", SPDX + "void\nvh_a(int a, int b, int (*c)(int, int), int d, int e, int f, int g, int h)\n{\n}\n", "has 8 arguments, allowed 7"),
    ("sizes", "host/run/a.c", SPDX + "void\nvh_a(void)\n{\n" + "if (a) {\n" * 5 + "}\n" * 5 + "}\n", "is nested 5 deep, allowed 4"),
    ("sizes", "host/run/a.c", SPDX + "void\nvh_a(void)\n{\n" + "for (;;) {\n" * 4 + "s = (struct s){ { 1, { 2 } } };\n" + "}\n" * 4 + "}\n", None),
    ("sizes", "host/run/a.c", SPDX + "/* " + "x" * 120 + " */\n", "columns, allowed 120"),
    ("sizes", "host/run/a.h", SPDX + "int a;\n" * 149, None),
    # names
    ("names", "host/run/a.c", SPDX + "int\nopen_it(void)\n{\n    return 0;\n}\n", "host/run/a.c:2: 'open_it' must be static or begin with vh_"),
    ("names", "host/run/a.c", SPDX + "int\nviv_open(void)\n{\n    return 0;\n}\n", "viv_ is the frozen surface"),
    ("names", "plugin-api/kit/a.c", SPDX + "int\nvh_open(void)\n{\n    return 0;\n}\n", "begin with viv_"),
    ("names", "host/run/a.c", SPDX + "static int\nopen_it(void)\n{\n    return 0;\n}\n", None),
    ("names", "host/run/a.h", SPDX + "#ifndef A\n#define A\ntypedef struct a { int b; } a_t;\n#endif\n", "host/run/a.h:4: typedef of a struct"),
    ("names", "host/run/a.h", SPDX + "int a;\n", "no include guard"),
    ("names", "host/run/a.c", SPDX + "int a; // why\n", "host/run/a.c:2: '//' comment"),
    ("names", "host/run/a.c", SPDX + "const char *a = \"http://\";\n", None),
    ("names", "host/run/a.c", "int a;\n", "host/run/a.c:1: no 'SPDX"),
    ("names", "tools/a.py", "import os\n", "tools/a.py:1: no 'SPDX"),
    ("names", "host/run/a.c", SPDX + "/* TO" + "DO: later */\n", "host/run/a.c:2: a marker"),
    ("names", "tools/a.sh", "# SPDX-License-Identifier: Apache-2.0\n# FIX" + "ME\n", "tools/a.sh:2: a marker"),
    ("names", "plugin-api/include/viv/a.h", SPDX + "#ifndef VIV_A_H\n#define VIV_A_H\n#define OTHER 1\n#endif\n", "a.h:4: 'OTHER' must begin"),
    # contracts
    ("contracts", "plugin-api/include/viv/a.h", SPDX + "struct viv_a {\n    /* Do. */\n    int (VIV_CALL *act)(void);\n};\n", "a.h:4: contract of 'act' lacks 'thread:'"),
    ("contracts", "plugin-api/interfaces/gate.toml", "+[[method]]\nname = \"late\"\nthread = \"[any]\"\nsummary = \"s\"\nfails = \"never\"\n", "method 'late' lacks 'why'"),
    ("contracts", "plugin-api/interfaces/gate.toml", "+[[method]]\nname = \"late\"\nthread = \"mine\"\nsummary = \"s\"\nfails = \"never\"\nwhy = \"w\"\n", "thread of 'late' is 'mine'"),
    ("contracts", "plugin-api/interfaces/gate.toml", "+[[constant]]\nname = \"VIV_X\"\nvalue = 1\n", "constant 'VIV_X' lacks 'doc'"),
    ("contracts", "plugin-api/interfaces/gate.toml", "interface = ", "gate.toml:1:"),
    # examples; the skill tally_moons is in the copy
    ("examples", "host/run/a.c", SPDX + "const char *a = \"acme.tally_moons\";\n", "host/run/a.c:2: the skill 'acme.tally_moons'"),
    ("examples", "host/run/a.c", SPDX + "/* as acme.tally_moons does */\n", "host/run/a.c:2: the skill"),
    ("examples", "host/run/a.c", SPDX + "const char *a = \"moons: %d (tally, bright)\";\n", "host/run/a.c:2: all words of the template"),
    ("examples", "host/run/a.c", SPDX + "/* Tally the moons\n * of Saturn */\n", "the example 'tally the moons of saturn'"),
    ("examples", "host/run/a.c", SPDX + "/* tally no moons of Saturn */\n", "the example 'tally no moons of saturn'"),
    ("examples", "host/run/a.c", SPDX + "/* as tally_moons does */\n", "host/run/a.c:2: the skill 'tally_moons'"),
    ("examples", "host/run/a.c", SPDX + "int tally_moons;\n", "host/run/a.c:2: the skill 'tally_moons'"),
    ("examples", "host/run/a.h", SPDX + "/* {\"text\":\"tally the bright moons of {at:path}\"} */\n", "host/run/a.h:1: the template 'tally the bright moons of {planet:word}'"),
    ("examples", "host/run/a.h", SPDX + "/* Tally the bright\n * moons of a planet */\n", "host/run/a.h:1: 'tally the bright moons of' of the template"),
    ("examples", "host/run/CMakeLists.txt", "# for acme.tally_moons\n", "host/run/CMakeLists.txt:1: the skill 'acme.tally_moons'"),
    ("examples", "host/run/CMakeLists.txt", "# tally the moons of saturn\n", "host/run/CMakeLists.txt:1: the example"),
    ("examples", "host/run/a.c", SPDX + "const char *a = \"tally the \" \"moons of saturn\";\n", "the example 'tally the moons of saturn'"),
    ("examples", "host/run/a.c", SPDX + "int a = is(0, \"tally\") && is(1, \"bright\") && is(2, \"moons\");\n", "a.c:1: each word of the template"),
    ("examples", "host/run/a.c", SPDX + "const char *a = \"tally\", *b = \"moons\"; /* bright */\nint tally_moons_of;\n", None),
    ("examples", "host/run/a.c", SPDX + "/* \"weigh the planets\" */\n", None),
    # docs
    ("docs", "docs/a.md", "# A\n\nSee [b](b.md).\n", "docs/a.md:3: link to 'b.md'"),
    ("docs", "docs/a.md", "# A\n\nSee [b](a.md#none).\n", "docs/a.md:3: link to 'a.md#none'"),
    ("docs", "docs/a.md", "# A\n\nRun `tools/nothing-there`.\n", "docs/a.md:3: 'tools/nothing-there' does not exist"),
    ("docs", "docs/a.md", "# A b\n\n[x](#a-b) `tools/test` [y](../tools/lint) [z](https://example.org)\n", None),
]


def lint(top, name, *more):
    command = [sys.executable, "-B", str(ROOT / "tools/lint" / name), str(top), *more]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


class Lints(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.top = pathlib.Path(cls.scratch.name) / "tree"
        # Enough of the tree for every rule to have something to look at, and no more: a lint takes time with files.
        for name in ("host/base", "plugin-api/include", "plugin-api/interfaces", "tools/lint"):
            shutil.copytree(ROOT / name, cls.top / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("CMakeLists.txt", "tools/test"):
            shutil.copy(ROOT / name, cls.top / name)
        cls.put("skills/tally_moons/manifest.json", MANIFEST)
        for name in ("host/keep/k.h", "host/lend/k.h", "host/run/k.h", "plugins/gate_b/b.h", "plugins/model_wire/json.h"):
            cls.put(name, SPDX + "#ifndef K_H\n#define K_H\n#endif\n")

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    @classmethod
    def put(cls, name, text):
        path = cls.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def test_each_breach_is_caught(self):
        for name, path, text, wanted in BREACHES:
            with self.subTest(lint=name, path=path, wanted=wanted):
                file = self.top / path
                kept = file.read_text(encoding="utf-8") if file.exists() else None
                self.put(path, (kept or "") + text[1:] if text.startswith("+") else text)
                try:
                    code, out = lint(self.top, name)
                finally:
                    if kept is None:
                        file.unlink()
                    else:
                        self.put(path, kept)
                if wanted is None:
                    self.assertNotIn(path + ":", out)  # sound text must not be taken for a breach
                else:
                    self.assertEqual(code, 1, out)
                    self.assertIn(wanted, out)

    def test_the_host_has_a_size(self):
        for number in range(150):
            self.put(f"host/keep/big{number}.c", SPDX + "int a;\n" * 400)
        try:
            code, out = lint(self.top, "sizes")
        finally:
            for number in range(150):
                (self.top / f"host/keep/big{number}.c").unlink()
        self.assertEqual(code, 1, out)
        self.assertIn("code lines without host/commands, allowed", out)

    def test_commands_are_not_part_of_that_size(self):
        before = lint(self.top, "sizes")[1]
        self.put("host/commands/big.c", SPDX + "int a;\n" * 400)
        after = lint(self.top, "sizes")[1]
        (self.top / "host/commands/big.c").unlink()
        self.assertEqual(before, after)

    def module(self, name, text):
        source = self.top / f"{name}.c"
        source.write_text(text, encoding="utf-8")
        (self.top / "out/plugins").mkdir(parents=True, exist_ok=True)
        subprocess.run([COMPILER, "-shared", "-fPIC", "-nostartfiles", "-o", str(self.top / f"out/plugins/{name}.so"),
                        str(source)], check=True)
        source.unlink()

    def planted(self, build, number, path, text):
        """Compile one file, as a build would; its entry of compile_commands.json."""
        self.put(path, text)
        folder = path.rpartition("/")[0]
        target = "test_zz" if "/test_" in path and not path.startswith("host/") and not path.startswith("plugin-api/") else "zz"
        place = f"{folder}/CMakeFiles/{target}.dir/{number}.c.o"
        (build / place).parent.mkdir(parents=True, exist_ok=True)
        command = [COMPILER, "-std=gnu17", "-w", "-fno-builtin", "-fPIC", "-o", place, "-c", str(self.top / path)]
        subprocess.run(command, check=True, cwd=build)
        return {"directory": str(build), "command": " ".join(command), "file": str(self.top / path)}

    def doorsymbols(self, build, entries):
        (build / "compile_commands.json").write_text(json.dumps(entries), encoding="utf-8")
        return lint(self.top, "doorsymbols", str(build))

    def test_second_callers(self):
        """Each alone: sources by onedoor, objects by doorsymbols, so that none hides behind another."""
        build = self.top / "build"
        for number, (path, text, wanted, symbol) in enumerate(PLANTED):
            with self.subTest(path=path, text=text):
                file = self.top / path
                kept = file.read_text(encoding="utf-8") if file.exists() else None
                self.put(path, text)
                try:
                    code, out = lint(self.top, "onedoor") if wanted else (1, "")
                    self.assertEqual(code, 1, out)
                    self.assertTrue(wanted is None or any(path in line and wanted in line for line in out.splitlines()), f"{wanted}: {out}")
                    if symbol:
                        code, out = self.doorsymbols(build, [self.planted(build, number, path, text)])
                        self.assertEqual(code, 1, out)
                        self.assertIn(f"{path}:1: ", out)
                        self.assertIn(symbol, out)
                        self.assertIn("; use ", out)
                finally:
                    file.unlink() if kept is None else self.put(path, kept)
        shutil.rmtree(build)

    def test_first_callers(self):
        build = self.top / "build"
        for number, (path, text, _, _) in enumerate(SOUND):
            with self.subTest(path=path, text=text):
                file = self.top / path
                kept = file.read_text(encoding="utf-8") if file.exists() else None
                try:
                    entry = self.planted(build, number, path, text)
                    self.assertNotIn(path + ":", lint(self.top, "onedoor")[1])
                    code, out = self.doorsymbols(build, [entry])
                    self.assertEqual(code, 0, out)
                finally:
                    file.unlink() if kept is None else self.put(path, kept)
        shutil.rmtree(build)

    def test_a_breach_fails_the_build(self):
        """As tools/cmake/VivariumLint.cmake has it: by source, by object, and good again once it is gone."""
        for preset in json.loads((ROOT / "CMakePresets.json").read_text(encoding="utf-8"))["configurePresets"]:
            if preset["name"] in ("dev", "asan", "tsan"):
                self.assertEqual(preset["cacheVariables"].get("VIV_LINT_AT_BUILD"), "ON", preset["name"])
        self.assertIn("include(VivariumLint)", (ROOT / "CMakeLists.txt").read_text(encoding="utf-8"))
        whole = (self.top / "CMakeLists.txt").read_text(encoding="utf-8")
        self.put("CMakeLists.txt", "cmake_minimum_required(VERSION 3.25)\nproject(planted LANGUAGES C)\n"
                 "set(CMAKE_EXPORT_COMPILE_COMMANDS ON)\nset(VIV_LINT_AT_BUILD ON)\nfind_package(Python3 REQUIRED)\n"
                 "add_library(zz STATIC host/run/zz.c)\n"
                 f"include({ROOT / 'tools/cmake/VivariumLint.cmake'})\n")
        build = self.top / "build"
        sound = SPDX + "extern int vh_zz;\nint vh_zz;\n"
        for text, wanted in ((sound, None), (SPDX + "int vfork(void);\nint\nvh_zz(void)\n{\n    return vfork();\n}\n", "zz.c:6: 'vfork' is allowed in"),
                             (SPDX + "int unlink();\n#define TRY\nint\nvh_zz(void)\n{\n    TRY unlink(0);\n    return 0;\n}\n",
                              "zz.c:1: imports 'unlink'"), (sound, None)):
            self.put("host/run/zz.c", text)
            if not build.exists():
                subprocess.run(["cmake", "-G", "Ninja", "-S", str(self.top), "-B", str(build), f"-DCMAKE_C_COMPILER={COMPILER}"],
                               check=True, capture_output=True)
            done = subprocess.run(["cmake", "--build", str(build)], capture_output=True, text=True)
            self.assertEqual(done.returncode != 0, wanted is not None, done.stdout + done.stderr)
            self.assertIn(wanted or "", done.stdout)
        (self.top / "host/run/zz.c").unlink()
        self.put("CMakeLists.txt", whole)
        shutil.rmtree(build)

    def test_what_is_linked(self):
        """A test's source in a product, and an object that is not there, are no way round."""
        build = self.top / "build"
        for path, text in (("plugins/gate_a/test_zz.c", SPDX + "int a;\n"), ("tests/unit/zz.c", SPDX + "int a;\n")):
            entry = self.planted(build, 0, path, text)
            old = entry["command"].split("-o ")[1].split()[0]
            place = "host/CMakeFiles/vh_host.dir/zz.c.o"
            (build / place).parent.mkdir(parents=True, exist_ok=True)
            (build / old).rename(build / place)
            entry["command"] = entry["command"].replace(old, place)
            code, out = self.doorsymbols(build, [entry])
            self.assertEqual(code, 1, out)
            self.assertIn(f"{path}:1: it is linked into '{place}'", out)
            (self.top / path).unlink()
        entry = self.planted(build, 1, "host/run/zz.c", SPDX + "int a;\n")
        (build / "host/run/CMakeFiles/zz.dir/1.c.o").unlink()
        code, out = self.doorsymbols(build, [entry])
        self.assertEqual(code, 1, out)
        self.assertIn("1.c.o' does not exist; build everything first", out)
        (self.top / "host/run/zz.c").unlink()
        shutil.rmtree(build)

    def test_symbols(self):
        allow = self.top / "skills/allow.txt"
        kept = allow.read_text(encoding="utf-8") if allow.exists() else None
        allow.write_text("strlen # text\n", encoding="utf-8")
        self.module("tally_moons", "unsigned long strlen(const char *); long viv_plugin_entry(void) { volatile char a[] = \"\"; "
                                   "return (long)strlen((const char *)a); }")
        code, out = lint(self.top, "symbols", str(self.top / "out"))
        self.assertEqual(code, 0, out)
        self.module("tally_moons", "int system(const char *); int viv_plugin_entry(void) { return system(0); }")
        self.module("gate_b", "int viv_plugin_entry(void) { return 0; } int second(void) { return 1; }")
        code, out = lint(self.top, "symbols", str(self.top / "out"))
        self.assertEqual(code, 1, out)
        self.assertIn("tally_moons.so: imports 'system'", out)
        self.assertIn("gate_b.so: exports second, viv_plugin_entry", out)
        shutil.rmtree(self.top / "out")
        if kept is None:
            allow.unlink()
        else:
            allow.write_text(kept, encoding="utf-8")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])

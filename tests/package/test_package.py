#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""If this fails, a plugin author who follows docs/write-a-plugin.md with an installed Vivarium gets stuck.

usage: test_package.py SOURCE BUILD CMAKE COMPILER"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE, BUILD = (pathlib.Path(path) for path in sys.argv[1:3])
CMAKE, COMPILER = sys.argv[3:5]


def run(*command, env=None, fails=False):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=env)
    if (done.returncode != 0) != fails:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout + (done.stderr if fails else "")


def note_of(module):
    """The manifest in the object's note, as bytes."""
    with tempfile.NamedTemporaryFile() as out:
        run("objcopy", "-O", "binary", "--only-section=.note.vivarium", module, out.name)
        note = pathlib.Path(out.name).read_bytes()
    name_size, size, kind = (int.from_bytes(note[at:at + 4], "little") for at in (0, 4, 8))
    assert (name_size, kind, note[12:21]) == (9, 1, b"Vivarium\0"), note[:24]
    return note[24:24 + size]


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        top = pathlib.Path(cls.scratch.name)
        run(CMAKE, "--install", BUILD, "--prefix", top / "first")
        cls.prefix = top / "else where"  # a package must work wherever it is moved to
        (top / "first").rename(cls.prefix)
        cls.plugin = top / "gate_has_file"
        cls.plugin.mkdir()
        page = (SOURCE / "docs/write-a-plugin.md").read_text(encoding="utf-8")
        cls.files = re.findall(r"(?ms)^```\w+ file=([\w.]+)\n(.*?)^```$", page)
        for name, text in cls.files:
            (cls.plugin / name).write_text(text, encoding="utf-8")
        cls.built = top / "build"

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def configure(self, folder):
        run(CMAKE, "-G", "Ninja", "-S", folder, "-B", self.built, f"-DCMAKE_PREFIX_PATH={self.prefix}", f"-DCMAKE_C_COMPILER={COMPILER}",
            "-DCMAKE_C_FLAGS=-Wall -Wextra -Werror", f"-DCMAKE_INSTALL_PREFIX={self.prefix}")

    def test_the_page_holds_a_whole_plugin(self):
        self.assertEqual(sorted(name for name, _ in self.files), ["CMakeLists.txt", "gate_has_file.c", "manifest.json"])
        self.configure(self.plugin)
        run(CMAKE, "--build", self.built)
        module = self.built / "plugins/gate_has_file.so"
        manifest = json.loads((self.plugin / "manifest.json").read_text(encoding="utf-8"))
        self.assertEqual(json.loads(note_of(module)), manifest)
        exported = run("nm", "-D", "--defined-only", "-P", module).split()
        self.assertEqual((exported[0].split("@")[0], len(run("nm", "-D", "--defined-only", "-P", module).splitlines())),
                         ("viv_plugin_entry", 1))
        dynamic = run("readelf", "-dW", module)
        self.assertNotRegex(dynamic, r"INIT|FINI|TEXTREL")
        self.assertRegex(dynamic, r"BIND_NOW|FLAGS.*NOW")
        self.assertEqual(re.findall(r"NEEDED.*\[(.*)\]", dynamic), ["libc.so.6"])
        run(CMAKE, "--install", self.built)
        self.assertEqual(len(list(self.prefix.glob("lib*/**/vivarium/1/gate_has_file.so"))), 1)
        drive = self.built / "drive"
        flags = [f"-I{self.prefix}/include", "-std=c11", "-Wall", "-Wextra", "-Werror"]
        run(COMPILER, *flags, SOURCE / "tests/package/drive.c", "-o", drive, "-ldl")
        self.assertEqual(run(drive, module), "acme.gate_has_file 0.1.0: passed, failed, inconclusive\n")

    def test_a_wrong_manifest_stops_the_build_with_a_sentence(self):
        wrong = self.plugin.parent / "wrong"
        shutil.copytree(self.plugin, wrong)
        text = (wrong / "manifest.json").read_text(encoding="utf-8")
        (wrong / "manifest.json").write_text(text.replace("0.1.0", "one"), encoding="utf-8")
        built, self.built = self.built, self.plugin.parent / "wrong-build"
        self.configure(wrong)
        out = run(CMAKE, "--build", self.built, fails=True)
        self.built = built
        self.assertIn("version is 'one', allowed: three numbers, like 0.1.0", out)

    def test_every_installed_header_stands_alone(self):
        config = next(self.prefix.glob("lib*/**/pkgconfig"))
        run("pkg-config", "--exists", "vivarium", env={"PKG_CONFIG_PATH": str(config), "PATH": "/usr/bin:/bin"})
        folder = run("pkg-config", "--variable=plugindir", "vivarium",
                     env={"PKG_CONFIG_PATH": str(config), "PATH": "/usr/bin:/bin"}).strip()
        self.assertTrue(folder.endswith("vivarium/1"), folder)
        headers = [path for path in sorted((self.prefix / "include/viv").rglob("*.h")) if "kit" not in path.parts]
        self.assertGreater(len(headers), 15)
        for header in headers:
            name = header.relative_to(self.prefix / "include")
            for language, standard in (("c", "c11"), ("c", "c17"), ("c++", "c++11"), ("c++", "c++20")):
                with self.subTest(header=str(name), standard=standard):
                    done = subprocess.run([COMPILER, f"-I{self.prefix}/include", f"-x{language}", f"-std={standard}", "-Wall",
                                           "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-"],
                                          input=f"#include <{name}>\nextern int unit;\n", capture_output=True, text=True)
                    self.assertEqual(done.returncode, 0, done.stderr)

    def test_plugins_and_skills_of_the_tree_are_there_and_no_others(self):
        built = {path.parent.name for kind in ("plugins", "skills") for path in (SOURCE / kind).glob("*/manifest.json")}
        there = {path.stem for path in self.prefix.glob("lib*/**/vivarium/1/*.so")} - {"gate_has_file"}
        self.assertEqual(there, built)

    def test_the_unit_of_the_service_is_right(self):
        """Installed for managers of users, whole for them, and with the program at the place it was installed to."""
        unit = self.prefix / "lib/systemd/user/vivhost@.service"
        text = unit.read_text(encoding="utf-8")
        first = self.prefix.parent / "first/bin/vivhost"
        self.assertIn(f'ExecStart="{first}" work -C "%f"\n', text)
        for line in ("Type=notify", "NotifyAccess=main", "KillMode=mixed", "Restart=on-failure"):
            self.assertIn(f"\n{line}\n", text)
        numbers = {name: int(value) for name, value in re.findall(r"(?m)^(\w+Sec)=(\d+)$", text)}
        grace = re.search(r'#define GRACE_DEFAULT "(\d+)s"', (SOURCE / "host/commands/cmd_work.c").read_text(encoding="utf-8"))
        self.assertGreaterEqual(numbers["TimeoutStopSec"], int(grace[1]) + 20)
        self.assertGreater(numbers["WatchdogSec"], 0)
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not at hand, so nobody has verified the unit")
        checked = self.prefix / "vivhost@.service"
        checked.write_text(text.replace(str(first), str(self.prefix / "bin/vivhost")), encoding="utf-8")
        with tempfile.TemporaryDirectory() as runtime:
            verify = ["systemd-analyze", "--user", "--man=no", "verify", checked]
            done = subprocess.run(verify, capture_output=True, text=True, env={**os.environ, "XDG_RUNTIME_DIR": runtime})
        if "initialize manager" in done.stderr:
            self.skipTest(f"systemd-analyze does not work here: {done.stderr.strip()}")
        # What it says of the machine's own units is the machine's affair.
        said = [line for line in (done.stdout + done.stderr).splitlines() if "vivhost" in line]
        self.assertEqual((done.returncode, said), (0, []))

    def test_the_scripted_model_finds_its_parts(self):
        examples = sorted(self.prefix.glob("share/vivarium/mock-model.d/*.json"))
        self.assertGreaterEqual(len(examples), 4)
        for example in examples:
            self.assertIn(" turns, models ", run(self.prefix / "bin/viv-mock-model", "--check", example))
        self.assertEqual(list(self.prefix.rglob("__pycache__")), [])

    def test_programs_pages_and_contracts_are_there(self):
        for name in ("share/vivarium/gen/manifest.py", "share/vivarium/verify-log", "share/vivarium/verify-checkpoint",
                     "share/vivarium/contract/manifest.schema.json"):
            self.assertTrue((self.prefix / name).is_file(), name)
        self.assertEqual(len(list(self.prefix.glob("share/doc/*/reference/interface-gate.md"))), 1)
        for program in sorted(self.prefix.glob("bin/*")):
            run(program, "--help")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""If this fails, an author who follows docs/write-a-skill.md or docs/write-a-plugin.md with an installed Vivarium does not
get his work into a project: it does not build, is not found, not routed to, or runs where it must not.

usage: test_prefix.py SOURCE BUILD"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE, BUILD = (pathlib.Path(path) for path in sys.argv[1:3])


class Prefix(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = pathlib.Path(tempfile.mkdtemp(prefix="vivarium."))
        cls.project = cls.home / "project"
        cls.project.mkdir()
        for name in ("a.py", "b.txt"):
            (cls.project / name).touch()
        (cls.project / "full.txt").write_text("x\n", encoding="utf-8")
        cls.run_in(cls.home, "cmake", "--install", str(BUILD), "--prefix", str(cls.home / "viv"))
        cls.run_in(cls.project, "vivhost", "init")

    @classmethod
    def tearDownClass(cls):
        subprocess.run(["chmod", "-R", "u+rwX", str(cls.home)], check=False)
        shutil.rmtree(cls.home, ignore_errors=True)

    @classmethod
    def run_in(cls, folder, *words):
        env = {"HOME": str(cls.home), "PATH": f"{cls.home}/viv/bin:/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8",
               "NO_COLOR": "1", "CMAKE_GENERATOR": "Ninja", **{name: os.environ[name] for name in ("TMPDIR",) if name in os.environ}}
        done = subprocess.run(words, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=300, check=False)
        if done.returncode:
            raise AssertionError(f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def follow(self, page, start, since=None, until=None, **files):
        """The page's files in a folder of their own, then the commands of its blocks from heading `start` on: all, those
        before the first line with `until`, or from the first line with `since` on."""
        text = (SOURCE / "docs" / page).read_text(encoding="utf-8")
        folder = self.home / page.removesuffix(".md")
        folder.mkdir(exist_ok=since is not None)
        for name, body in re.findall(r"(?ms)^```\w+ file=([\w.]+)\n(.*?)^```$", text):
            (folder / name).write_text(body, encoding="utf-8")
        for name, body in re.findall(r"(?ms)^```\w+ outside=([\w.]+)\n(.*?)^```$", text):
            (folder / name).write_text(body, encoding="utf-8")
        for name, change in files.items():
            path = folder / name.replace("_", ".")
            path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
        commands = re.findall(r"(?ms)^```sh\n(.*?)^```$", text.split(start, 1)[1])
        lines = "\n".join(commands).split("\n")
        first = next(at for at, line in enumerate(lines) if since in line) if since else 0
        last = next(at for at, line in enumerate(lines) if until in line) if until else len(lines)
        return self.run_in(folder, "bash", "-e", "-c", "\n".join(lines[first:last]))

    def test_a_skill_of_ones_own_answers(self):
        def corrected(text):
            return text.replace('"count"', '"total"')

        said = self.follow("write-a-skill.md", "## 6. ", manifest_json=corrected, skill_c=corrected)
        self.assertIn("acme.empty_files 0.1.0 installed, trust: unsigned", said)
        self.assertIn('acme.empty_files with {"root":"."}', said)
        self.assertIn("a.py\nb.txt\n2 empty\n", said)
        self.assertIn("done by skill acme.empty_files", said)
        self.assertIn("a.py\n1 empty\n", said)

    def refused(self, task):
        """A run that the gate holds back, with its reason."""
        with self.assertRaises(AssertionError) as refused:
            self.run_in(self.project, "vivhost", "run", "say hello", "--id", task, "--", "echo", "hello")
        self.assertIn("the file that option 'file' names is not in the result", str(refused.exception))

    def test_a_plugin_is_asked_outside_until_it_is_signed(self):
        page = (SOURCE / "docs/write-a-plugin.md").read_text(encoding="utf-8")
        self.assertIn("vivhost plugin sign", page)
        said = self.follow("write-a-plugin.md", "## 3. ", until="remove acme")
        self.assertIn("acme.gate_has_file 0.1.0 installed, trust: unsigned", said)
        self.assertIn("runs     a gate of it in a process of its own", said)
        self.refused("unsigned")
        log = self.run_in(self.project, "vivhost", "log", "show", "--task", "unsigned", "--json").splitlines()
        self.assertTrue([line for line in log if '"kind":"gate.answered"' in line and '"id":"acme.gate_has_file"' in line])
        said = self.follow("write-a-plugin.md", "## 5. ", since="remove acme")
        self.assertIn("acme.gate_has_file 0.1.0 installed, trust: user", said)
        self.refused("held")
        (self.project / "CHANGELOG.md").write_text("x\n", encoding="utf-8")
        said = self.run_in(self.project, "vivhost", "run", "say hello", "--id", "signed", "--", "echo", "hello")
        self.run_in(self.project, "vivhost", "plugin", "remove", "acme.gate_has_file")
        log = self.run_in(self.project, "vivhost", "log", "show", "--task", "signed", "--json").splitlines()
        self.assertTrue([line for line in log if '"kind":"gate.answered"' in line and "acme.gate_has_file" in line], said)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])

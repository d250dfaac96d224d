#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""If this fails, the tool that records golden homes writes over what somebody has on their disk, or records digests
that hide that an old home is read otherwise.

usage: test_tool.py SOURCE BUILD"""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE, BUILD = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])


class Tool(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="viv-golden-tool-")
        self.records = pathlib.Path(self.folder.name) / "records"
        self.records.mkdir()
        for record in (SOURCE / "tests/golden").glob("schema-*"):
            shutil.copytree(record, self.records / record.name)
        self.present = max(self.records.iterdir(), key=lambda folder: int(folder.name.removeprefix("schema-")))

    def tearDown(self):
        self.folder.cleanup()

    def run_tool(self, code, words, build=BUILD):
        done = subprocess.run([sys.executable, SOURCE / "tools/gen/golden", build, self.records], capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertIn(words, done.stdout + done.stderr)

    def content(self):
        return {str(path.relative_to(self.records)): path.read_bytes() for path in self.records.rglob("*") if path.is_file()}

    def test_what_is_recorded_stays(self):
        before = self.content()
        self.run_tool(0, "is recorded already; it stays")
        self.assertEqual(self.content(), before)

    def test_a_new_schema_is_recorded_and_the_old_ones_get_its_digests(self):
        before = self.content()
        shutil.rmtree(self.present)
        fold = "fold-" + self.present.name.removeprefix("schema-")
        for file in self.records.glob("*/digests"):
            lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
            file.write_text("".join(line for line in lines if not line.startswith(fold)), encoding="utf-8")
        self.run_tool(0, "is recorded: ")
        after = self.content()
        self.assertEqual(sorted(after), sorted(before))
        for name, old in before.items():
            if not name.startswith(self.present.name):
                self.assertEqual(after[name], old, name)

    def test_a_digest_that_differs_ends_it(self):
        file = self.records / "schema-1/digests"
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("log events ", "log events 9"), encoding="utf-8")
        self.run_tool(1, "schema-1/digests says 'log events 9590', this build says 'log events 590'; take what changed back")

    def test_it_needs_a_build(self):
        self.run_tool(1, "build the preset first, or name another build folder", pathlib.Path(self.folder.name))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])

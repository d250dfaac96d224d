#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""If this fails, the reference leaves out something a plugin author can meet.

usage: test_reference.py SOURCE BUILD"""
import pathlib
import re
import sys
import tomllib
import unittest

SOURCE, BUILD = (pathlib.Path(path) for path in sys.argv[1:3])
PAGES = BUILD / "docs/reference"


class Reference(unittest.TestCase):
    def test_each_interface_has_a_whole_page(self):
        paths = sorted((SOURCE / "plugin-api/interfaces").glob("*.toml"))
        self.assertGreater(len(paths), 8)
        for path in paths:
            page = (PAGES / f"interface-{path.stem}.md").read_text(encoding="utf-8")
            iface = tomllib.loads(path.read_text(encoding="utf-8"))
            self.assertIn(iface["fail"], page)
            for method in iface["method"]:
                with self.subTest(interface=path.stem, method=method["name"]):
                    self.assertIn(f"## {method['name']}\n", page)
                    for field in method.get("request", []) + method.get("answer", []):
                        self.assertIn(f"| `{field['name']}` | {field['type']} | {field['doc']} |", page)
            for constant in iface.get("constant", []):
                self.assertIn(f"| `{constant['name']}` | {constant['value']} |", page)

    def test_each_status_and_each_bound_is_described(self):
        headers = SOURCE / "plugin-api/include/viv"
        statuses = re.findall(r"X\((VIV_\w+), (-?\d+),", (headers / "status.h").read_text(encoding="utf-8"))
        page = (PAGES / "status.md").read_text(encoding="utf-8")
        self.assertGreater(len(statuses), 20)
        for name, value in statuses:
            self.assertRegex(page, rf"\| `{name}` \| {value} \| \w+")
        bounds = re.findall(r"#define (VIV_\w+_MAX) (.+)", (headers / "limits.h").read_text(encoding="utf-8"))
        page = (PAGES / "limits.md").read_text(encoding="utf-8")
        self.assertGreater(len(bounds), 15)
        for name, value in bounds:
            self.assertRegex(page, rf"\| `{name}` \| {re.escape(value.strip())} \| \w+")

    def test_the_index_links_every_page(self):
        index = (PAGES / "README.md").read_text(encoding="utf-8")
        linked = set(re.findall(r"\]\(([^)]+)\)", index))
        self.assertEqual(linked, {path.name for path in PAGES.glob("*.md")} - {"README.md"})


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])

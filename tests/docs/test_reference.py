#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""If this fails, the reference leaves out something that a user, an operator or a plugin author can meet.

usage: test_reference.py SOURCE BUILD"""
import json
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

    def test_each_event_state_and_move_is_described(self):
        core = SOURCE / "host/core"
        kinds = re.findall(r'\{ "([a-z0-9_]+\.[a-z0-9_]+)", (?:true|false)', (core / "event.c").read_text(encoding="utf-8"))
        page = (PAGES / "events.md").read_text(encoding="utf-8")
        self.assertGreater(len(kinds), 50)
        for kind in kinds:
            self.assertRegex(page, rf"\| `{re.escape(kind)}` \| (input|derived) \| (yes|no) \| [^|]+\w+")
        page = (PAGES / "states.md").read_text(encoding="utf-8")
        operate = (SOURCE / "docs/operate.md").read_text(encoding="utf-8")
        for name, text in re.findall(r'X\(([A-Z_]+), "(\w+)"\)', (core / "task.h").read_text(encoding="utf-8")):
            self.assertIn(f"`{text}`", page)
        states = set(re.findall(r"\| `(\w+)` \| `\w+` \|", page)) - {"none"} | {"rolled_back"}
        self.assertEqual(len(states), 12)
        for state in states:
            self.assertIn(f"`{state}`", operate)
        moves = re.findall(r"MOVE\([A-Z]\w*, \w+, ", (core / "moves.c").read_text(encoding="utf-8"))
        self.assertEqual(len(moves), len(re.findall(r"(?m)^\| `\w+` \| `\w+` \| \w+", page)))

    def test_each_refusal_is_described(self):
        page = (PAGES / "refusals.md").read_text(encoding="utf-8")
        rules = re.findall(r'(?m)^ +X\([A-Z_]+, "(\w+)"', (SOURCE / "host/load/audit.h").read_text(encoding="utf-8"))
        self.assertGreater(len(rules), 15)
        for rule in rules:
            self.assertRegex(page, rf"\| `{rule}` \| \w+[^|]+ \| \w+")
        found = set()
        for path in (SOURCE / "plugins/safety_policy").glob("[!t]*.c"):
            found |= set(re.findall(r'"((?:exec|path|critical|capability|effect|task|content)\.(?!h")[a-z-]+)"',
                                    path.read_text(encoding="utf-8")))
        self.assertGreater(len(found), 40)
        for rule in found:
            self.assertRegex(page, rf"\| `{re.escape(rule)}` \| [a-z ,]+ \| [^|]*\w+ [^|]*\w+")

    def test_each_option_of_a_plugin_is_described(self):
        page = (PAGES / "plugins.md").read_text(encoding="utf-8")
        paths = [path for kind in ("plugins", "skills") for path in (SOURCE / kind).glob("*/manifest.json")]
        self.assertGreater(len(paths), 10)
        for path in paths:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            section = page.split(f"## {manifest['id']} ", 1)[1].split("\n## ", 1)[0]
            readme = path.parent / "README.md"
            for option in manifest.get("options", []):
                self.assertIn(f"| `{option['name']}` | {option['type']} | {option['default']} |", section)
                self.assertIn(f"| `{option['name']}` |", readme.read_text(encoding="utf-8"))
            for template in manifest.get("templates", []):
                self.assertIn(template["text"].split("{")[0], section)

    def test_each_command_and_option_of_the_program_is_described(self):
        page = (PAGES / "commands.md").read_text(encoding="utf-8")
        table = (SOURCE / "host/commands/cli_table.c").read_text(encoding="utf-8")
        names = re.findall(r'(?m)^    \{ "([a-z]+)", "', table)
        self.assertGreater(len(names), 15)
        for name in names:
            self.assertIn(f"\n## vivhost {name}\n", page)
        options = set(re.findall(r'"(--[a-z-]+)', table)) - {"--fail-step"}
        self.assertGreater(len(options), 10)
        for option in options:
            self.assertIn(option, page)

    def test_the_index_links_every_page(self):
        index = (PAGES / "README.md").read_text(encoding="utf-8")
        linked = set(re.findall(r"\]\(([^)]+)\)", index))
        self.assertEqual(linked, {path.name for path in PAGES.glob("*.md")} - {"README.md"})


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])

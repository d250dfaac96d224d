#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""If this fails, a page sends its reader to a function or a test that is not there.

A link whose text is one word in backticks and whose target is a source file names a function, table or test case of that
file. In threat-model.md each control names at least one test. That linked files exist is lint's.

usage: test_links.py SOURCE BUILD"""
import pathlib
import re
import sys
import unittest

SOURCE = pathlib.Path(sys.argv[1])
LINK = re.compile(r"\[`(\w+)`\]\(([^)#\s]+\.(?:c|h|py|sh))\)")


def defined(name, text, suffix):
    if suffix in (".c", ".h"):
        form = rf"(?m)^(?:[\w\s*]+\s\**)?{name}(?:\(|\[)|^#define {name}\b|\bcmocka_unit_test\w*\({name}\b|\bcm_test\w*\({name}\b"
    else:
        form = rf"(?m)^\s*(?:def |class |function )?{name}\s*[(:]"
    return re.search(form, text) is not None


class Links(unittest.TestCase):
    def test_each_named_thing_is_defined_where_the_link_leads(self):
        seen = 0
        for page in sorted((SOURCE / "docs").rglob("*.md")) + [SOURCE / "README.md"]:
            for name, target in LINK.findall(page.read_text(encoding="utf-8")):
                place = (page.parent / target).resolve()
                with self.subTest(page=page.name, name=name, target=target):
                    self.assertTrue(place.is_file(), "no such file")
                    self.assertTrue(defined(name, place.read_text(encoding="utf-8"), place.suffix), "not defined there")
                seen += 1
        self.assertGreater(seen, 60)

    def test_each_control_names_a_test(self):
        text = (SOURCE / "docs/threat-model.md").read_text(encoding="utf-8")
        rows = re.findall(r"(?m)^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", text.split("## Controls", 1)[1])
        rows = [row for row in rows if row[0] not in ("threat", "---")]
        self.assertGreater(len(rows), 20)
        for threat, _, proof in rows:
            with self.subTest(threat=threat):
                self.assertRegex(proof, r"\]\(\.\./[^)]+\)")
                self.assertRegex(proof, r"\[`\w+`\]|test_\w+\.sh")

    def test_no_page_counts_the_tests_that_run(self):
        count = re.compile(r"(?i)\b(one|two|three|four|five|six|seven|eight|nine|ten|\d+|both) (of the )?tests? (run|pass|fail)")
        for page in sorted((SOURCE / "docs").rglob("*.md")) + [SOURCE / "README.md"]:
            with self.subTest(page=page.name):
                self.assertNotRegex(page.read_text(encoding="utf-8"), count) # the next test makes it wrong

    def test_the_tour_is_about_functions(self):
        names = LINK.findall((SOURCE / "docs/tour.md").read_text(encoding="utf-8"))
        self.assertGreater(len(set(names)), 40)

    def test_sources_send_readers_to_pages_that_are_there(self):
        for folder in ("host", "plugin-api", "plugins", "skills"):
            for path in (SOURCE / folder).rglob("*.[ch]"):
                for page in re.findall(r"\bdocs/[a-z0-9/._-]+\.(?:md|json)\b", path.read_text(encoding="utf-8", errors="replace")):
                    with self.subTest(source=str(path)):
                        self.assertTrue((SOURCE / page).is_file() or page.startswith("docs/reference/"), page)

    def test_the_index_has_every_page(self):
        text = (SOURCE / "docs/README.md").read_text(encoding="utf-8")
        for page in sorted((SOURCE / "docs").glob("*.md")):
            if page.name != "README.md":
                self.assertIn(f"]({page.name})", text)
        decisions = (SOURCE / "docs/decisions/README.md").read_text(encoding="utf-8")
        for page in sorted((SOURCE / "docs/decisions").glob("[0-9]*.md")):
            self.assertIn(f"]({page.name})", decisions)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])

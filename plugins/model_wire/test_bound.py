#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""If this fails, a provider can count more tokens than were held: a text becomes longer than its bound before a tokenizer
sees it. Every character of Unicode, in every normal form; JSON as templates print it.

usage: test_bound.py TEST_MODEL_REQUEST"""
import json
import subprocess
import sys
import unicodedata
import unittest

FORMS = ("NFC", "NFD", "NFKC", "NFKD")
SCHEMAS = [
    {}, {"a": {}}, {"type": "object", "properties": {"path": {"type": "string", "description": "a <b> & 'c' \"d\" \\ \n\t é"}},
                    "required": ["path"], "additionalProperties": False},
    {"a": [[[[[{"b": [1, 2.5, None, True, {"c": {"d": {"e": [[]]}}}]}]]]]]}, {"\u0001": "😀 \ufdfa ㌖ Ж 漢"},
]


def bounds(lines):
    done = subprocess.run([sys.argv[1], "bounds"], input="".join(line + "\n" for line in lines), encoding="utf-8",
                          capture_output=True, check=True)
    return [tuple(map(int, row.split())) for row in done.stdout.splitlines()]


class Bound(unittest.TestCase):
    def test_no_character_grows_beyond_its_bound(self):
        every = [chr(point) for point in range(0x20, 0x110000) if unicodedata.category(chr(point)) not in ("Cn", "Cs", "Co")]
        self.assertGreater(len(every), 100000)
        found = bounds(every)
        self.assertEqual(len(found), len(every))
        for character, (escaped, _) in zip(every, found):
            longest = max(len(unicodedata.normalize(form, character).encode()) for form in FORMS)
            self.assertLessEqual(longest + 2, escaped, f"U+{ord(character):04X}")
            self.assertLessEqual(len(json.dumps(json.dumps(character)[1:-1])), escaped + 2, f"U+{ord(character):04X}")

    def test_no_composition_is_longer_than_its_parts(self):
        """Else a text of two characters could grow where neither does alone."""
        for point in range(0x80, 0x110000):
            parts = unicodedata.decomposition(chr(point)) if not 0xd800 <= point < 0xe000 else ""
            if parts and not parts.startswith("<"):
                text = "".join(chr(int(part, 16)) for part in parts.split())
                if unicodedata.normalize("NFC", text) != chr(point):
                    continue  # it is never composed
                self.assertLessEqual(len(unicodedata.normalize("NFC", text).encode()), len(text.encode()), f"U+{point:04X}")

    def test_json_may_be_printed_in_any_way(self):
        compact = [json.dumps(value, separators=(",", ":"), ensure_ascii=False) for value in SCHEMAS]
        for value, (_, bound) in zip(SCHEMAS, bounds(compact)):
            for indent in (None, 2, 4):
                for ascii_only in (False, True):
                    text = json.dumps([{"function": value}] if indent else value, indent=indent, ensure_ascii=ascii_only)
                    html = "".join(f"\\u{ord(c):04x}" if c in "<>&'" else c for c in text)
                    self.assertLessEqual(len(html.encode()), bound + 64, text)  # what is around it has a reserve
                    self.assertLessEqual(len(json.dumps(text).encode()), 2 * bound + 64, text)
        pairs = bounds(compact)
        self.assertTrue(all(bound >= len(text.encode()) for text, (_, bound) in zip(compact, pairs)))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])

# SPDX-License-Identifier: Apache-2.0
"""The manifest of a bundled skill with another id and other sentences, and nothing else changed.

usage: manifest.py FROM TO"""
import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    manifest = json.load(file)
manifest["id"] = "flow.tally"
manifest["templates"] = [{
    "text": "size up the {lang:choice(C|Python|Rust)} that dwells beneath {root:path}",
    "bind": {"lang": "/language", "root": "/root"},
    "accept": ["Size up the Rust that dwells beneath crates."],
    "refuse": ["never size up the Rust that dwells beneath crates", "size up the Rust that dwells beneath /etc"],
}]
with open(sys.argv[2], "w", encoding="utf-8") as file:
    json.dump(manifest, file, indent=2)

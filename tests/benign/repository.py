#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The scratch repository that the commands of this folder are about: a small C program with a library, Python tools,
scripts, tests, data, a package.json, and a history with two more branches, tags and work in progress.

usage: repository.py FOLDER      FOLDER must not exist"""
import os
import pathlib
import subprocess
import sys

MAKEFILE = """CC ?= cc
CFLAGS ?= -O1 -g -Wall -Wextra
CPPFLAGS += -Iinclude
prefix ?= /usr/local
OBJECTS = build/main.o build/list.o build/text.o

all: build/tally

build:
	mkdir -p build

build/%.o: src/%.c include/list.h include/text.h | build
	$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

build/tally: $(OBJECTS)
	$(CC) $(LDFLAGS) $^ -o $@

build/libtally.a: build/list.o build/text.o
	$(AR) rcs $@ $^

lib: build/libtally.a

build/test_list: tests/test_list.c build/libtally.a
	$(CC) $(CPPFLAGS) $(CFLAGS) $< build/libtally.a -o $@

test: build/test_list build/tally
	build/test_list
	sh tests/run.sh build/tally
	python3 -m unittest -q tests.test_report

check: test lint

lint:
	@! grep -rn '@FIX@' src include
	python3 -m py_compile tools/report.py tools/count.py

debug: CFLAGS += -O0 -DDEBUG
debug: all

install: all
	install -D build/tally $(DESTDIR)$(prefix)/bin/tally
	install -D -m 644 docs/guide.md $(DESTDIR)$(prefix)/share/doc/tally/guide.md

dist:
	mkdir -p dist && git archive --prefix=tally-0.2/ -o dist/tally-0.2.tar.gz HEAD

docs: docs/index.txt

docs/index.txt: docs/guide.md docs/api.md
	grep -h '^#' $^ > $@

help:
	@sed -n 's/^\\([a-z]*\\):.*/\\1/p' Makefile | sort -u

print-%:
	@echo '$* = $($*)'

clean:
	rm -rf build dist docs/index.txt

.PHONY: all lib test check lint debug install dist docs help clean
"""

LIST_H = """#ifndef LIST_H
#define LIST_H
#include <stddef.h>

/* Words and how often each was seen. */
struct list {
    char *word;
    size_t count;
    struct list *next;
};

struct list *list_add(struct list *list, const char *word);
size_t list_length(const struct list *list);
void list_free(struct list *list);

#endif
"""

MARKS = {"@FIX@": "FIX" "ME", "@LATER@": "TO" "DO"}  # the words people search for, which this file shall not hold itself
LIST_C = """#include "list.h"

#include <stdlib.h>
#include <string.h>

/* @LATER@: a table would be faster than a list */
struct list *
list_add(struct list *list, const char *word)
{
    for (struct list *at = list; at; at = at->next) {
        if (strcmp(at->word, word) == 0) {
            at->count++;
            return list;
        }
    }
    struct list *node = malloc(sizeof *node);
    if (!node)
        return list;
    node->word = strdup(word);
    node->count = 1;
    node->next = list;
    return node;
}

size_t
list_length(const struct list *list)
{
    size_t length = 0;
    for (; list; list = list->next)
        length++;
    return length;
}

void
list_free(struct list *list)
{
    while (list) {
        struct list *next = list->next;
        free(list->word);
        free(list);
        list = next;
    }
}
"""

TEXT_H = """#ifndef TEXT_H
#define TEXT_H

#define TEXT_WORD_MAX 64

/* The next word of a text in lower case, or NULL at its end. */
const char *text_next_word(const char *text, char word[TEXT_WORD_MAX]);

#endif
"""

TEXT_C = """#include "text.h"

#include <ctype.h>
#include <stddef.h>

const char *
text_next_word(const char *text, char word[TEXT_WORD_MAX])
{
    size_t length = 0;
    while (*text && !isalpha((unsigned char)*text))
        text++;
    if (!*text)
        return NULL;
    for (; isalpha((unsigned char)*text); text++) {
        if (length < TEXT_WORD_MAX - 1)
            word[length++] = (char)tolower((unsigned char)*text);
    }
    word[length] = '\\0';
    return text;
}
"""

MAIN_C = """#include "list.h"
#include "text.h"

#include <stdio.h>

int
main(int argc, char **argv)
{
    struct list *list = NULL;
    char line[1024], word[TEXT_WORD_MAX];
    FILE *file = argc > 1 ? fopen(argv[1], "r") : stdin;
    if (!file) {
        perror(argv[1]);
        return 1;
    }
    while (fgets(line, sizeof line, file)) {
        const char *at = line;
        while ((at = text_next_word(at, word)))
            list = list_add(list, word);
    }
#ifdef DEBUG
    fprintf(stderr, "%zu words\\n", list_length(list));
#endif
    for (struct list *each = list; each; each = each->next)
        printf("%zu %s\\n", each->count, each->word);
    list_free(list);
    return 0;
}
"""

TEST_LIST_C = """#include "list.h"

#include <assert.h>
#include <stdio.h>

int
main(void)
{
    struct list *list = NULL;
    list = list_add(list, "one");
    list = list_add(list, "two");
    list = list_add(list, "one");
    assert(list_length(list) == 2);
    list_free(list);
    puts("list: ok");
    return 0;
}
"""

REPORT_PY = '''#!/usr/bin/env python3
"""Print what orders cost, by customer.

usage: report.py [FILE]"""
import csv
import sys
from collections import defaultdict


def totals(rows):
    """The sum of each customer's orders."""
    found = defaultdict(float)
    for row in rows:
        found[row["customer"]] += float(row["price"]) * int(row["count"])
    return dict(found)


def main(path="tests/data/orders.csv"):
    with open(path, encoding="utf-8") as file:
        for name, total in sorted(totals(csv.DictReader(file)).items()):
            print(f"{name:10} {total:8.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
'''

COUNT_PY = '''#!/usr/bin/env python3
"""Count lines by the ending of their file's name."""
import pathlib
import sys


def count(top):
    found = {}
    for path in pathlib.Path(top).rglob("*"):
        if path.is_file() and ".git" not in path.parts:
            found[path.suffix] = found.get(path.suffix, 0) + len(path.read_bytes().splitlines())
    return found


if __name__ == "__main__":
    for suffix, lines in sorted(count(sys.argv[1] if len(sys.argv) > 1 else ".").items()):
        print(lines, suffix or "none")
'''

TEST_REPORT_PY = '''import unittest

from tools import report


class Totals(unittest.TestCase):
    def test_sums_by_customer(self):
        rows = [{"customer": "a", "price": "1.5", "count": "2"}, {"customer": "a", "price": "1", "count": "1"}]
        self.assertEqual(report.totals(rows), {"a": 4.0})

    def test_nothing(self):
        self.assertEqual(report.totals([]), {})
'''

RUN_SH = """#!/bin/sh
set -eu
tally=${1:-build/tally}
got=$(printf 'a b\\na\\n' | "$tally" | sort)
want=$(printf '1 b\\n2 a\\n')
[ "$got" = "$want" ] || { echo "got: $got" >&2; exit 1; }
echo "tally: ok"
"""

BUILD_SH = """#!/bin/sh
set -eu
cd "$(dirname "$0")/.."
make -s "${1:-all}"
"""

CHECK_SH = """#!/bin/bash
set -euo pipefail
cd "$(dirname "$0")/.."
status=0
for file in src/*.c include/*.h; do
    if grep -nE '[[:space:]]+$' "$file"; then status=1; fi
done
exit "$status"
"""

RELEASE_SH = """#!/bin/sh
# Prints what a release would be called; it makes none.
set -eu
version=$(sed -n 's/^version = "\\(.*\\)"/\\1/p' pyproject.toml)
echo "tally $version"
"""

ORDERS = """id,customer,item,price,count,date
1,ada,apples,0.40,12,2024-01-03
2,bob,bread,2.20,1,2024-01-03
3,ada,cheese,7.95,2,2024-01-04
4,eve,dates,3.10,3,2024-02-11
5,bob,apples,0.45,6,2024-02-12
6,cyd,eggs,0.30,10,2024-02-12
7,ada,bread,2.20,2,2024-03-01
8,eve,apples,0.42,24,2024-03-09
"""

LOG = "".join(f"2024-03-{1 + number // 6:02} 10:{number:02}:00 {level} {part}: {text}\n" for number,
              (level, part, text) in enumerate([
    ("INFO", "server", "started on port 8080"), ("INFO", "cache", "empty"), ("WARN", "cache", "miss for /index"),
    ("INFO", "server", "GET /index 200 12ms"), ("ERROR", "store", "timeout after 3000ms"), ("INFO", "store", "retry 1"),
    ("INFO", "server", "GET /about 200 7ms"), ("DEBUG", "cache", "hit for /about"),
    ("ERROR", "store", "timeout after 3000ms"),
    ("WARN", "server", "slow request 3100ms"), ("INFO", "server", "GET /index 304 1ms"),
    ("INFO", "server", "stopped")]))

FILES = {
    "Makefile": MAKEFILE, "include/list.h": LIST_H, "include/text.h": TEXT_H, "src/list.c": LIST_C,
    "src/text.c": TEXT_C,
    "src/main.c": MAIN_C, "tests/test_list.c": TEST_LIST_C, "tests/test_report.py": TEST_REPORT_PY,
    "tests/__init__.py": "",
    "tests/run.sh": RUN_SH, "tools/__init__.py": "", "tools/report.py": REPORT_PY, "tools/count.py": COUNT_PY,
    "scripts/build.sh": BUILD_SH, "scripts/check.sh": CHECK_SH, "scripts/release.sh": RELEASE_SH,
    "tests/data/orders.csv": ORDERS, "tests/data/app.log": LOG,
    "tests/data/words.txt": "the quick brown fox\njumps over the lazy dog\nand the dog sleeps\n",
    "tests/data/config.json": '{"name": "tally", "port": 8080, "tags": ["a", "b"], '
                              '"limits": {"time": 30, "size": 1024}}\n',
    "tests/data/old.txt": "alpha\nbeta\ngamma\ndelta\n", "tests/data/new.txt": "alpha\nbeta 2\ngamma\nepsilon\ndelta\n",
    "README.md": "# Tally\n\nCounts words.\n\n## Build\n\n    make\n\n## Use\n\n"
                 "    build/tally FILE\n\nSee [the guide](docs/guide.md).\n",
    "CHANGELOG.md": "# Changes\n\n## 0.2\n\n- words are lower case\n\n## 0.1\n\n- first\n",
    "LICENSE": "Do with it what you like.\n",
    ".gitignore": "/build/\n/dist/\n__pycache__/\n*.o\n*.log.gz\nnode_modules/\n/target/\n",
    ".editorconfig": "root = true\n\n[*]\nindent_style = space\nindent_size = 4\n", ".gitattributes": "*.png binary\n",
    "docs/guide.md": "# Guide\n\nTally reads a file and prints each word with its count.\n\n"
                     "## Words\n\nLetters only.\n",
    "docs/api.md": "# API\n\n- `list_add`\n- `list_length`\n- `list_free`\n- `text_next_word`\n",
    "pyproject.toml": '[project]\nname = "tally-tools"\nversion = "0.2.0"\nrequires-python = ">=3.9"\n',
    "requirements.txt": "",
    "package.json": '{"name": "tally-web", "version": "0.2.0", "private": true, '
                    '"scripts": {"build": "node web/build.js", '
                    '"test": "node web/test.js", "lint": "node --check web/index.js", "start": "node web/index.js"}}\n',
    "web/index.js": "const words = text => text.toLowerCase().match(/[a-z]+/g) || [];\nmodule.exports = { words };\n"
                    "if (require.main === module) console.log(words('Hello, world').length);\n",
    "web/build.js": "const fs = require('fs');\nfs.mkdirSync('build', { recursive: true });\n"
                    "fs.copyFileSync('web/index.js', 'build/index.js');\n",
    "web/test.js": "const assert = require('assert');\nassert.deepEqual(require('./index').words('A b'), ['a', 'b']);\n"
                   "console.log('web: ok');\n",
    "CMakeLists.txt": "cmake_minimum_required(VERSION 3.13)\nproject(tally C)\nenable_testing()\n"
                      "add_library(words src/list.c src/text.c)\n"
                      "target_include_directories(words PUBLIC include)\nadd_executable(tally src/main.c)\n"
                      "target_link_libraries(tally words)\nadd_executable(test_list tests/test_list.c)\n"
                      "target_link_libraries(test_list words)\nadd_test(NAME list COMMAND test_list)\n",
    "rust/Cargo.toml": '[package]\nname = "tally"\nversion = "0.2.0"\nedition = "2018"\n',
    "rust/src/lib.rs": "/// Words of a text.\npub fn words(text: &str) -> usize {\n"
                       "    text.split_whitespace().count()\n"
                       "}\n\n"
                       "#[test]\nfn two() {\n    assert_eq!(words(\"a b\"), 2);\n}\n",
}
# What each commit brings, oldest first; the last is on the branch named after the colon.
HISTORY = [
    ("Begin", ["README.md", "LICENSE", ".gitignore", "Makefile"]), ("Add the list", ["include/list.h", "src/list.c"]),
    ("Add words of a text", ["include/text.h", "src/text.c"]), ("Add the program", ["src/main.c"]),
    ("Test the list", ["tests/test_list.c", "tests/run.sh", "tests/data/words.txt", "tests/data/old.txt",
                       "tests/data/new.txt"]),
    ("Add tools", ["tools/__init__.py", "tools/report.py", "tools/count.py", "tests/__init__.py",
                   "tests/test_report.py",
                   "tests/data/orders.csv", "tests/data/app.log", "tests/data/config.json"]),
    ("Add scripts and pages", ["scripts/build.sh", "scripts/check.sh", "scripts/release.sh", "docs/guide.md",
                               "docs/api.md", "CHANGELOG.md",
                               ".editorconfig", ".gitattributes"]),
    ("Add packages", ["pyproject.toml", "requirements.txt", "package.json", "web/index.js", "web/build.js",
                      "web/test.js",
                      "CMakeLists.txt", "rust/Cargo.toml", "rust/src/lib.rs"]),
]


class Maker:
    def __init__(self, top):
        self.top, self.time = pathlib.Path(top), 1_700_000_000

    def git(self, *words):
        self.time += 3600
        date = f"{self.time} +0000"
        env = {"PATH": os.environ["PATH"], "HOME": str(self.top), "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_DATE": date,
               "GIT_COMMITTER_DATE": date}
        subprocess.run(["git", "-C", str(self.top), *words], check=True, capture_output=True, env=env)

    def write(self, name, text):
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        for mark, word in MARKS.items():
            text = text.replace(mark, word)
        path.write_text(text, encoding="utf-8")
        if name.endswith(".sh") or text.startswith("#!"):
            path.chmod(0o755)

    def commit(self, message, names):
        for name in names:
            self.write(name, FILES[name])
        self.git("add", "--", *names)
        self.git("commit", "-q", "-m", message)

    def edit(self, name, old, new):
        text = (self.top / name).read_text(encoding="utf-8")
        assert old in text, name
        self.write(name, text.replace(old, new))

    def make(self):
        self.top.mkdir(parents=True)
        self.git("init", "-q", "-b", "main", "--template=")  # few files: it is copied often
        (self.top / ".git/info").mkdir()
        for name, value in ("user.name", "Ada Example"), ("user.email", "ada@example.org"), ("commit.gpgsign", "false"):
            self.git("config", name, value)
        for number, (message, names) in enumerate(HISTORY):
            self.commit(message, names)
            if number == 3:
                self.git("tag", "v0.1")
        self.git("tag", "-a", "v0.2", "-m", "Version 0.2")
        self.branch("feature/title", "docs/guide.md", "# Guide", "# The guide", "Give the guide a better title")
        self.branch("fix/long-words", "include/text.h", "TEXT_WORD_MAX 64", "TEXT_WORD_MAX 128", "Allow longer words")
        self.edit("README.md", "Counts words.", "Counts words, quickly.")
        self.git("commit", "-q", "-a", "-m", "Say that it is quick")
        self.edit("CHANGELOG.md", "- words are", "- some words are")
        self.git("stash", "push", "-q", "-m", "a thought")
        self.git("repack", "-adq")  # no gc: it would forget how HEAD moved, which was long ago
        # Work in progress: one change, one staged, one file that git does not know.
        self.edit("docs/api.md", "# API", "# Functions")
        self.edit("src/list.c", "a table would be", "a hash table would be")
        self.git("add", "src/list.c")
        self.write("notes.txt", "ask about tables\n")

    def branch(self, name, path, old, new, message):
        self.git("switch", "-q", "-c", name)
        self.edit(path, old, new)
        self.git("commit", "-q", "-a", "-m", message)
        self.git("switch", "-q", "main")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    Maker(sys.argv[1]).make()

# SPDX-License-Identifier: Apache-2.0
"""What the lints share: which files there are, C text without comments and literals, functions, and reporting.

Not a C parser: it relies on the form the formatter gives (definitions start in column one)."""
import bisect
import pathlib
import re
import subprocess
import sys

SKIPPED = {".git", ".ccache", ".vivarium", "__pycache__"}


def root():
    """The tree to look at: the first argument, or the one this file is in."""
    folders = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    return pathlib.Path(folders[0]).resolve() if folders else pathlib.Path(__file__).resolve().parents[2]


def files(top, *suffixes):
    """Paths relative to `top`, sorted: what git would commit, or without git everything but build folders."""
    names = from_git(top) if (top / ".git").exists() else None
    if names is None:
        names = sorted(walk(top, ""))
    return [name for name in names if name.endswith(suffixes) and (top / name).is_file()]


def from_git(top):
    command = ["git", "-c", "safe.directory=*", "-C", str(top), "ls-files", "-z", "-c", "-o", "--exclude-standard"]
    try:
        found = subprocess.run(command, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return sorted({name.decode() for name in found.split(b"\0") if name})


def walk(folder, below):
    for entry in sorted(folder.iterdir()):
        if entry.is_symlink() or entry.name in SKIPPED or entry.name == "build" or entry.name.startswith("build-"):
            continue
        if entry.is_dir():
            yield from walk(entry, f"{below}{entry.name}/")
        else:
            yield below + entry.name


TOKENS = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(match):
    return "".join("\n" if c == "\n" else " " for c in match)


def spliced(text):
    """The same text with lines joined that end in a backslash, as a compiler reads it. Line numbers stay: the ends of
    lines that go stand at the end of what they were joined to."""
    out, owed = [], 0
    for line in text.split("\n"):
        joined = re.sub(r"\\[ \t]*$", "", line)
        if joined != line:
            out.append(joined)
            owed += 1
        else:
            out.append(line + "\n" * (owed + 1))
            owed = 0
    return "".join(out)[:-1]


def strip(text, keep_literals=False):
    """The same text with comments, and unless told otherwise the inside of literals, made blank; lines stay."""
    def one(match):
        token = match[0]
        if token[0] in "\"'":
            return token if keep_literals else token[0] + blank(token[1:-1]) + token[0]
        return blank(token)
    return TOKENS.sub(one, text)


def comments(text):
    """(line, comment) of each comment, literals respected."""
    for match in TOKENS.finditer(text):
        if match[0][0] == "/":
            yield text.count("\n", 0, match.start()) + 1, match[0]


def literals(text):
    """(line, inside) of each string literal."""
    for match in TOKENS.finditer(text):
        if match[0][0] == '"':
            yield text.count("\n", 0, match.start()) + 1, match[0][1:-1]


def without_directives(code):
    return re.sub(r"(?m)^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda match: blank(match[0]), code)


class Function:
    """One definition: name, parameters as text, whether static, first and last line, body with its braces."""

    def __init__(self, code, lines, start, name, params, open_at, end_at):
        self.name, self.params = name, params
        self.static = bool(re.search(r"\bstatic\b", code[start:open_at].split("(")[0]))
        self.line = bisect.bisect_right(lines, start)
        self.last = bisect.bisect_right(lines, end_at)
        self.body = code[open_at:end_at + 1]


def functions(text):
    """Function definitions of a C text."""
    code = without_directives(strip(text))
    lines = [0] + [match.end() for match in re.finditer("\n", code)]
    at = start = 0
    while at < len(code):
        if code[at] == "{":
            end = matching(code, at)
            head = code[start:at].rstrip()
            if head.endswith(")"):
                found = head_of(head)
                if found:
                    begin = start + len(code[start:at]) - len(code[start:at].lstrip())
                    yield Function(code, lines, begin, found[0], found[1], at, end)
                at = end
                start = end + 1
            else:
                at = end
        elif code[at] in ";}":
            start = at + 1
        at += 1


def matching(code, at):
    depth = 0
    for index in range(at, len(code)):
        if code[index] == "{":
            depth += 1
        elif code[index] == "}":
            depth -= 1
            if depth == 0:
                return index
    return len(code) - 1


def head_of(head):
    """'static int\\nname(int a, int b)' -> ('name', 'int a, int b'); None when it is no function head."""
    depth = 0
    for index in range(len(head) - 1, -1, -1):
        depth += (head[index] == ")") - (head[index] == "(")
        if depth == 0:
            word = re.search(r"([A-Za-z_]\w*)\s*$", head[:index])
            return (word[1], head[index + 1:-1]) if word else None
    return None


def finish(name, problems, summary):
    """Print what was found and end with 1, or a line of summary and 0."""
    for problem in problems:
        print(problem)
    print(f"{name}: {len(problems)} problem{'s' if len(problems) != 1 else ''}" if problems else f"{name}: {summary}")
    sys.exit(1 if problems else 0)

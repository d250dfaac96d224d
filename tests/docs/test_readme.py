#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""If this fails, the README shows a transcript that nobody gets any more, or a command that does not work.

Runs tools/quickstart with the build that is there and compares what it prints with the README, apart from ids, digests,
counts and times; runs the other commands of the README in a scratch folder.

usage: test_readme.py SOURCE BUILD [--write]"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE, BUILD = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
WRITE = "--write" in sys.argv[3:]
README = SOURCE / "README.md"
BLOCK = re.compile(r"(?ms)(<!-- transcript: tools/quickstart[^\n]*\n```console\n)(.*?)(^```$)")
LINES_MAX = 60


def run(words, folder, **env):
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS")
            if name in os.environ}
    return subprocess.run(words, cwd=folder, env={**keep, "LC_ALL": "C.UTF-8", **env}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600, check=False, text=True)


def comparable(text):
    """Paragraphs on one line; what differs from run to run in one form."""
    text = re.sub(r"\n +\| ", " ", text)
    text = re.sub(r"sandbox profile [a-z-]+:.*", "sandbox profile P", text)
    text = re.sub(r"profile [a-z-]+$", "profile P", text, flags=re.M)
    text = re.sub(r"\bt[a-z0-9]{8}\b", "T", text)
    text = re.sub(r"\b[0-9a-f]{12,64}\b", "H", text)
    text = re.sub(r"\d+(\.\d+)?", "N", text)
    return [re.sub(r" +", " ", line).strip() for line in text.splitlines() if line.strip()]


def transcript(problems):
    done = run([str(SOURCE / "tools/quickstart")], SOURCE, VIV_BUILD=str(BUILD))
    text = README.read_text(encoding="utf-8")
    if done.returncode:
        problems.append(f"tools/quickstart ended with {done.returncode}:\n{done.stdout}")
        return
    if done.stdout.count("\n") >= LINES_MAX:
        problems.append(f"tools/quickstart printed {done.stdout.count(chr(10))} lines, allowed fewer than {LINES_MAX}")
    if WRITE:
        shown = "$ tools/quickstart\n" + done.stdout
        README.write_text(BLOCK.sub(lambda match: match[1] + shown + match[3], text), encoding="utf-8")
        return
    block = BLOCK.search(text)
    found = comparable(block[2])[1:] if block else []
    for mine, theirs in zip(found + ["(nothing)"] * 99, comparable(done.stdout)):
        if mine != theirs:
            problems.append(f"README has\n  {mine}\ntools/quickstart printed\n  {theirs}\n"
                            "run tests/docs/test_readme.py SOURCE BUILD --write when that is meant")
            return


def commands(problems):
    """Each line of the sh blocks: the two commands by themselves, the rest in one shell in a scratch folder."""
    text = README.read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"(?ms)^```sh\n(.*?)^```$", text) for line in block.splitlines()]
    two = [line for line in lines if line.startswith("tools/")]
    if two != ["tools/quickstart", "tools/test"]:
        problems.append(f"the README's two commands are {two}")
    # tools/test is what runs this; here only that it is a program that knows its options.
    if run([str(SOURCE / "tools/test"), "--no-such-option"], SOURCE).returncode != 2:
        problems.append("tools/test takes an option that does not exist")
    folder = tempfile.mkdtemp(prefix="vivarium.")
    try:
        prefix = f"{folder}/person/.local"
        script = "\n".join(line for line in lines if not line.startswith("tools/"))
        script = script.replace("build/dev", str(BUILD)).replace("~/.local", prefix)
        os.makedirs(f"{folder}/your-project")
        pathlib.Path(f"{folder}/your-project/main.c").write_text("int main(void) { return 0; }\n", encoding="utf-8")
        done = run(["bash", "-e", "-c", script], folder, HOME=f"{folder}/person", PATH=f"{prefix}/bin:/usr/bin:/bin")
        if done.returncode or "task.ready" not in done.stdout:
            problems.append(f"the commands for a project of one's own ended with {done.returncode}:\n{done.stdout}")
    finally:
        subprocess.run(["chmod", "-R", "u+rwX", folder], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def main():
    problems = []
    transcript(problems)
    if not WRITE:
        commands(problems)
    print("\n".join(problems) if problems else "the README's commands work and print what stands there")
    return 1 if problems else 0


sys.exit(main())

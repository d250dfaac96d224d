# SPDX-License-Identifier: Apache-2.0
"""What tools/storm and tools/rehearse share: a scratch project with a HOME of its own, the programs in it, and what must
hold at the end whatever was done: the log verifies by the host and by tools/verify-log, a rebuild and a replay agree,
and no process and no mount is left."""
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

ENDED = {"ready", "failed", "cancelled", "rolled_back"}
TOOLS = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(TOOLS, "..", "build", "dev")


class Scratch:
    def __init__(self, name, build):
        self.name = name
        self.vivhost = os.path.abspath(os.path.join(build, "host", "vivhost"))
        self.folder = tempfile.mkdtemp(prefix=f"viv-{name}-")
        self.project, self.home = os.path.join(self.folder, "project"), os.path.join(self.folder, "home")
        os.mkdir(self.project)
        os.mkdir(self.home)
        self.env = {"HOME": self.home, "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "VIV_SCRATCH": self.folder}

    def call(self, *words, check=True, **more):
        done = subprocess.run(words, cwd=self.project, env=self.env, capture_output=True, text=True, check=False, **more)
        if check and done.returncode:
            sys.exit(f"{self.name}: {' '.join(words)} ended with {done.returncode}: {done.stderr[-2000:]}")
        return done

    def viv(self, *words, **more):
        return self.call(self.vivhost, *words, **more)

    def git(self, *words):
        return self.call("git", *words).stdout

    def make_project(self, files):
        """A repository with these files {name: text}, and a home."""
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.email", f"{self.name}@example.org")
        self.git("config", "user.name", self.name)
        for name, text in files.items():
            path = os.path.join(self.project, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        self.git("add", "-A")
        self.git("commit", "-qm", "first")
        self.viv("init")

    def disagreements(self):
        """What the log's four judges say against it, and how long each took."""
        problems, took = [], {}

        def judge(what, *words):
            begin = time.monotonic()
            done = self.call(*words, check=False)
            took[what] = round(time.monotonic() - begin, 2)
            if done.returncode:
                problems.append(f"{what}: {done.stdout[-1000:]}{done.stderr[-1000:]}")
            return done

        verified = judge("log verify", self.vivhost, "log", "verify", "--json")
        judge("log rebuild --check", self.vivhost, "log", "rebuild", "--check")
        judge("replay", self.vivhost, "replay")
        if not problems:
            exported = os.path.join(self.folder, "log.jsonl")
            if os.path.exists(exported):
                os.unlink(exported)
            judge("log export", self.vivhost, "log", "export", exported)
            judge("verify-log", sys.executable, os.path.join(TOOLS, "verify-log"), "--head",
                  json.loads(verified.stdout)["head"], exported)
        return problems, took

    def left(self):
        """Mounts and processes that outlived their host by 5 seconds."""
        problems = []
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            if self.folder in file.read():
                problems.append("a mount is left")
        deadline = time.monotonic() + 5
        while self.processes() and time.monotonic() < deadline:
            threading.Event().wait(0.1)
        found = self.processes()
        return problems + ([f"processes are left: {found}"] if found else [])

    def processes(self):
        found = []
        for entry in os.listdir("/proc"):
            try:
                with open(f"/proc/{entry}/environ", "rb") as file:
                    if entry.isdigit() and int(entry) != os.getpid() and self.folder.encode() in file.read():
                        found.append(int(entry))
            except OSError:
                pass
        return found

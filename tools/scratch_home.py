# SPDX-License-Identifier: Apache-2.0
"""What the long rehearsals share: a scratch repository with a home, the real programs, and what must hold at the end."""
import json
import os
import subprocess
import sys
import tempfile
import time

TOOLS = os.path.dirname(os.path.abspath(__file__))
DEV = os.path.join(TOOLS, "..", "build", "dev")


class Scratch:
    """A folder of its own for everything, its name in the environment of all that is started in it."""

    def __init__(self, name, build, files):
        self.name = name
        self.vivhost = os.path.abspath(os.path.join(build, "host", "vivhost"))
        self.folder = tempfile.mkdtemp(prefix=f"viv-{name}-")
        self.project, user = os.path.join(self.folder, "project"), os.path.join(self.folder, "home")
        self.home = os.path.join(self.project, ".vivarium")
        os.mkdir(self.project)
        os.mkdir(user)
        self.env = {"HOME": user, "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "VIV_SCRATCH": self.folder}
        self.log = open(os.path.join(self.folder, f"{name}.log"), "w", encoding="utf-8")
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.email", f"{name}@example.org")
        self.git("config", "user.name", name)
        for number in range(files):
            with open(os.path.join(self.project, f"file{number}.txt"), "w", encoding="utf-8") as file:
                file.write(f"file {number}\n")
        self.git("add", "-A")
        self.git("commit", "-qm", "first")
        self.viv("init")

    def call(self, *words, check=True):
        done = subprocess.run(words, cwd=self.project, env=self.env, capture_output=True, text=True, check=False)
        if check and done.returncode:
            sys.exit(f"{self.name}: {' '.join(words)} ended with {done.returncode}: {done.stdout[-500:]}{done.stderr[-2000:]}")
        return done

    def git(self, *words):
        return self.call("git", *words).stdout

    def viv(self, *words, check=True):
        return self.call(self.vivhost, *words, check=check)

    def start(self, *words):
        return subprocess.Popen([self.vivhost, *words], cwd=self.project, env=self.env, stdout=self.log, stderr=self.log)

    def tasks(self):
        """None when the home cannot be asked just now."""
        try:
            return json.loads(self.viv("queue", "list", "--json", check=False).stdout).get("tasks", [])
        except ValueError:
            return None

    def head(self):
        return json.loads(self.viv("log", "verify", "--json").stdout)["head"]

    def problems(self):
        """The log by three readers, and what is left of processes and mounts."""
        found = []
        for words in (["log", "verify"], ["log", "rebuild", "--check"], ["replay"]):
            done = self.viv(*words, check=False)
            if done.returncode:
                found.append(f"{' '.join(words)}: {done.stdout}{done.stderr}")
        exported = os.path.join(self.folder, "exported.jsonl")
        if os.path.exists(exported):
            os.remove(exported)
        self.viv("log", "export", exported)
        done = self.call(sys.executable, os.path.join(TOOLS, "verify-log"), "--head", self.head(), exported, check=False)
        if done.returncode:
            found.append(f"verify-log: {done.stdout}{done.stderr}")
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            if self.folder in file.read():
                found.append("a mount is left")
        left = self.processes()
        deadline = time.monotonic() + 5
        while left and time.monotonic() < deadline:
            time.sleep(0.1)
            left = self.processes()
        return found + ([f"processes are left: {left}"] if left else [])

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

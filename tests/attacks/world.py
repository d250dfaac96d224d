# SPDX-License-Identifier: Apache-2.0
"""A scratch world for attacks: a person's folder, a repository with a home, secrets planted outside of both, and a
process that has more of them (victim.py). After each attack `look` says which canaries were touched. A canary is a
word: what came out, what changed, who was talked to."""
import contextlib
import ctypes
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import side

HERE = pathlib.Path(__file__).resolve().parent
LIMIT_S = 120  # longer is a hang; a busy machine is slow
CHANNELS = ("file", "name", "environment", "descriptor", "passed", "memory", "victim-environment", "victim-words",
            "shm",
            "msg", "mq", "key", "socket", "spied", "variable")
KEPT_SIZE = 34567
PROFILES = {"full": [], "root": ["userns"], "copy": ["namespaces"], "bare": []}
NAMES = {"full": "full", "root": "reduced-root", "copy": "reduced-copy"}
POLICIES = {"on": "version: 1\nbranch: follow\nlimits: {time: 60s}\n",
            "off": 'version: 1\nbranch: follow\nlimits: {time: 60s}\n'
                   'commands: [{id: all, pattern: ".*", verdict: allow}]\n'}


class Skip(Exception):
    """This machine, or this user, has no such profile."""


def state_of(pid):
    """What others could change of a process; None when it is gone."""
    with contextlib.suppress(OSError, IndexError):
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            words = file.read().rpartition(")")[2].split()
        with open(f"/proc/{pid}/limits", encoding="utf-8") as file:
            limits = [line for line in file if line.startswith("Max open files")]
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            tracer = [line for line in file if line.startswith("TracerPid")]
        return (words[0] in "TtZX", words[16], limits, tracer, sorted(os.sched_getaffinity(pid)),
                ctypes.CDLL(None).syscall({"x86_64": 252}.get(os.uname().machine, 31), 1, pid))
    return None


class World:
    def __init__(self, vivhost, profile, policy="off", net=False):
        self.vivhost, self.profile, self.policy, self.net = pathlib.Path(vivhost).resolve(), profile, policy, net
        self.build = self.vivhost.parent.parent
        self.tools = self.build / "tests/attacks"
        self.tokens = {name: secrets.token_hex(12) for name in CHANNELS}
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="viv-attacks."))
        self.sleep = str(secrets.randbelow(10**8) + 10**8)
        self.outside, self.user, self.project = (self.top / name for name in ("outside", "user", "project"))
        self.victim, self.info, self.told, self.scripts = None, {}, 0, 0
        self.notes = self.top / "notes"
        self.count, self.chosen = 0, []

    # ---- making ----

    def make(self):
        for folder in (self.outside, self.user / ".config/vivarium", self.project, self.outside / "spied"):
            folder.mkdir(parents=True)
        self.notes.touch()
        self.set_policy(POLICIES[self.policy])
        self.plant()
        self.start_victim()
        self.make_project()
        if self.profile != "bare":
            self.viv("init", check=True)
            said = self.viv("doctor").stdout
            have = [line.split()[2] for line in said.splitlines() if line.startswith("sandbox")]
            if not have or have[0].rstrip(":") != NAMES[self.profile]:
                raise Skip(f"profile {self.profile}: this machine gives {have or said}")
        return self

    def set_policy(self, text):
        path = self.user / ".config/vivarium/policy.yaml"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)

    def plant(self):
        """Whatever an earlier attack did, it is as it was; returns what must stay so."""
        for path in sorted(self.outside.rglob("*"), reverse=True):
            if path.is_socket() or path == self.outside / "spied" or path.parent == self.outside / "spied":
                continue
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        self.outside.chmod(0o755)
        (self.outside / "secret").write_text(self.tokens["file"] + "\n", encoding="utf-8")
        (self.outside / "secret").chmod(0o600)
        (self.outside / f"name-{self.tokens['name']}").touch()
        (self.outside / "kept").write_bytes(b"k" * KEPT_SIZE)
        (self.outside / "kept").chmod(0o644)
        (self.outside / "log").touch()
        (self.outside / "tool").write_text("#!/bin/sh\n", encoding="utf-8")
        (self.outside / "tool").chmod(0o755)
        (self.outside / "rc").write_text(f"echo {self.tokens['variable']}\n", encoding="utf-8")
        os.utime(self.outside, (10**9, 10**9))
        self.planted = self.snapshot()

    def snapshot(self):
        found = {}
        for path in [self.outside, *sorted(self.outside.rglob("*"))]:
            name = str(path.relative_to(self.outside))
            if name.startswith("spied/"):
                continue
            with contextlib.suppress(OSError):
                stat = path.lstat()
                body = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
                attributes = [] if path.is_socket() else os.listxattr(path, follow_symlinks=False)
                times = 0 if path.is_dir() and name == "spied" else stat.st_mtime_ns
                found[name] = (stat.st_mode, stat.st_uid, stat.st_gid, times, stat.st_nlink if body else 0, body,
                               attributes)
        return found

    def start_victim(self):
        self.stop_victim()
        own = {name: self.tokens[name] for name in ("memory", "shm", "msg", "mq", "key", "socket", "spied")}
        for name in ("sock", "agent.sock"):
            (self.outside / name).unlink(missing_ok=True)
        env = {"PATH": os.environ["PATH"], "SECRET": self.tokens["victim-environment"]}
        env.update({"VIV_ATTACK_NET": "1"} if self.net else {})
        self.victim = subprocess.Popen([sys.executable, "-B", HERE / "victim.py", self.outside, self.notes,
                                        json.dumps(own),
                                        self.tokens["victim-words"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       text=True, env=env, start_new_session=True)
        line = self.victim.stdout.readline()
        if not line:
            raise RuntimeError("the victim does not start")
        self.info = {**json.loads(line), "outside": str(self.outside), "kept_size": KEPT_SIZE, "sleep": self.sleep,
                     **self.handle()}
        self.plant()
        self.victim_state = state_of(self.victim.pid)

    def stop_victim(self):
        if self.victim:
            with contextlib.suppress(OSError):
                os.kill(self.victim.pid, signal.SIGCONT)
            self.victim.stdin.close()
            self.victim.stdout.close()
            try:
                self.victim.wait(5)
            except subprocess.TimeoutExpired:
                self.victim.kill()
                self.victim.wait()
            self.victim = None

    def handle(self):
        """The handle of the secret, by which it can be opened without a path."""
        raw, mount = ctypes.create_string_buffer(8 + 128), ctypes.c_int()
        ctypes.memmove(raw, (128).to_bytes(4, "little"), 4)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.name_to_handle_at(-100, str(self.outside / "secret").encode(), raw, ctypes.byref(mount), 0):
            return {"handle": "", "handle_type": 0}
        size = int.from_bytes(raw.raw[:4], "little")
        return {"handle": raw.raw[8:8 + size].hex(), "handle_type": int.from_bytes(raw.raw[4:8], "little")}

    def git(self, *words):
        return subprocess.run(["git", "-C", self.project, *words], check=True, capture_output=True, text=True,
                              errors="replace", env={"PATH": os.environ["PATH"], "HOME": str(self.user),
                                                     "GIT_CONFIG_NOSYSTEM": "1"}).stdout

    def make_project(self):
        self.git("init", "-q", "-b", "main", "--template=")
        (self.project / ".git/info").mkdir()
        (self.project / ".git/hooks").mkdir()
        for name, value in ("user.name", "Ada Example"), ("user.email", "ada@example.org"), ("commit.gpgsign", "false"):
            self.git("config", name, value)
        (self.project / "one.txt").write_text("one\n", encoding="utf-8")
        (self.project / "docs").mkdir()
        (self.project / "docs/page.md").write_text("# A page\n", encoding="utf-8")
        for name in ("probes.py", "attack"):
            source = HERE / "programs" / name if name.endswith(".py") else self.tools / "viv_attack"
            shutil.copy(source, self.project / name)
        self.write_world()
        self.commit("first")

    def write_world(self):
        """What the attacker knows: everything but the secrets."""
        (self.project / "world.json").write_text(json.dumps(self.info), encoding="utf-8")
        lines = [f"{name.upper()}='{value}'" for name, value in self.info.items() if not isinstance(value, list)]
        (self.project / "world.sh").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def commit(self, message):
        self.git("add", "-A")
        self.git("commit", "-qm", message, "--allow-empty")

    # ---- doing ----

    def environment(self):
        rc = str(self.outside / "rc")
        path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"  # this Python, not a wrapper of somebody's
        return {"PATH": path, "HOME": str(self.user), "LC_ALL": "C.UTF-8", "TZ": "UTC", "NO_COLOR": "1",
                "GIT_CONFIG_NOSYSTEM": "1", "SECRET_API_KEY": self.tokens["environment"], "BASH_ENV": rc, "ENV": rc,
                "PYTHONSTARTUP": rc,
                "PS4": self.tokens["environment"], "SSH_AUTH_SOCK": str(self.outside / "agent.sock")}

    def wrapped(self, words):
        limits = PROFILES[self.profile]
        return [self.tools / "viv_lesser", limits[0], *words] if limits else list(words)

    def inherited(self):
        """A secret, a log, and a socket in which a descriptor waits, left open to the host as a careless parent does."""
        fds = [os.open(self.outside / "secret", os.O_RDONLY), os.open(self.outside / "log", os.O_WRONLY | os.O_APPEND)]
        near, far = socket.socketpair()
        passed = self.top / "passed"
        passed.write_text(self.tokens["passed"], encoding="utf-8")
        with open(passed, "rb") as file:
            socket.send_fds(near, [b"x"], [file.fileno()])
        os.set_blocking(far.fileno(), False)
        return fds + [far.detach()], near

    def call(self, *words, cwd=None, check=False, text=None, limit_s=LIMIT_S):
        """Run to its end, with the inherited descriptors; (exit code, output and errors as bytes)."""
        fds, near = self.inherited()
        try:
            done = subprocess.run([str(word) for word in words], cwd=cwd or self.project, env=self.environment(),
                                  pass_fds=fds,
                                  input=text,
                                  stdin=subprocess.DEVNULL if text is None else None,
                                  capture_output=True, timeout=limit_s, check=False)
        except subprocess.TimeoutExpired as end:
            return subprocess.CompletedProcess(words, None, (end.stdout or b"").decode("utf-8", "replace"),
                                               (end.stderr or b"").decode("utf-8", "replace"))
        finally:
            near.close()
            for fd in fds:
                with contextlib.suppress(OSError):
                    os.close(fd)
        done.stdout, done.stderr = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(map(str, words))} ended with {done.returncode}: {done.stderr[-2000:]}")
        return done

    def viv(self, *words, **more):
        return self.call(*self.wrapped([self.vivhost, *words]), **more)

    def task(self, *command, goal="an attack", name=None, more=()):
        """One task by a command; the result with .task, the id."""
        self.count += 1
        name = name or f"a{self.count}"
        done = self.viv("run", goal, "--attempts", "1", "--id", name, *more, "--", *command)
        done.task = name
        return done

    def judge(self, texts):
        """What the policy says of each text as a command; asked of a host in one go."""
        found = {}
        with side.host_of(self, self.project) as path:
            for text in texts:
                body = {"command": {"stages": [{"argv": ["bash", "-c", text]}]}, "goal": "an attack", "op": "explain"}
                answer = side.ask(path, json.dumps(body, sort_keys=True, separators=(",", ":"),
                                                   ensure_ascii=False).encode())
                found[text] = json.loads(answer or b"{}").get("verdict")
        return found

    def write(self, texts):
        """Scripts of the project that hold these texts {name: text}: no policy reads them."""
        for name, text in texts.items():
            (self.project / name).write_text(text, encoding="utf-8")
        self.commit("scripts")

    def script(self, text):
        self.scripts += 1
        self.write({f"script{self.scripts}.sh": text})
        return f"./script{self.scripts}.sh"

    def prepare(self, chosen):
        """What the cases run, filled in: one commit for all of them."""
        self.chosen, self.cases = chosen, {}
        for case in chosen:
            if "shell" in case:
                self.cases[f"{case['id']}.sh"] = ". ./world.sh\n" + self.fill(case["shell"])
            for number, (text, *_) in enumerate(case.get("texts", [])):
                self.cases[f"{case['id']}-{number}.sh"] = self.fill(text) + "\n"
            if "texts" in case:
                self.cases[f"{case['id']}.sh"] = "".join(
                    f"timeout 5 bash ./{case['id']}-{number}.sh </dev/null\n" for number in range(len(case["texts"]))) + "true\n"
        self.write_world()
        self.write(self.cases)

    def fill(self, text):
        for name, value in self.info.items():
            text = text.replace(f"@{name.upper()}@", str(value))
        return text.replace("@OUT@", str(self.outside))

    # ---- looking ----

    def result_of(self, task):
        """What a task would change, as text."""
        with contextlib.suppress(subprocess.CalledProcessError):
            return self.git("log", "-p", "--no-textconv", "--text", "--no-ext-diff", f"viv/{task}", "--not",
                            "main@{1}", "--") \
                if self.git("for-each-ref", f"refs/heads/viv/{task}") else ""
        return ""

    def home_holds(self):
        """Tokens that lie in the home, wherever."""
        found = set()
        home = self.project / ".vivarium"
        for folder, _, names in os.walk(home):
            for name in names:
                path = os.path.join(folder, name)
                with contextlib.suppress(OSError):
                    if os.path.islink(path) or not os.path.isfile(path) or os.path.getsize(path) > 1 << 24:
                        continue
                    with open(path, "rb") as file:
                        body = file.read()
                    found |= {name for name, token in self.tokens.items() if token.encode() in body}
        return found

    def notes_since(self):
        with open(self.notes, encoding="utf-8") as file:
            lines = file.read().splitlines()
        new, self.told = lines[self.told:], len(lines)
        return {"contact-" + line.split()[0] for line in new}

    def leftovers(self):
        """Processes that an attack left: by the number they sleep, or by its program."""
        found = []
        for entry in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    words = file.read().split(b"\0")
                if entry.isdigit() and (self.sleep.encode() in words or any(str(self.top).encode() in w
                    and b"victim.py" not in w and
                                                                           w.endswith((b"attack",
                                                                               b"probes.py")) for w in words)):
                    found.append(int(entry))
        return found

    def look(self, *texts):
        """The canaries that were touched, and everything planted anew."""
        text = "\n".join(texts)
        touched = {name for name, token in self.tokens.items()
                   if token in text} | self.home_holds() | self.notes_since()
        touched |= {line.split()[1] for line in text.splitlines() if line.startswith("REACHED ")
                    and len(line.split()) == 2}
        if self.snapshot() != self.planted:
            touched.add("outside")
        if state_of(self.victim.pid) != self.victim_state:
            touched.add("victim")
        deadline = time.monotonic() + 30
        while self.leftovers() and time.monotonic() < deadline and self.profile != "bare":
            time.sleep(0.05)
        left = self.leftovers()
        if left:
            touched.add("left-behind")
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
        if "victim" in touched:
            self.start_victim()
            self.chosen and self.prepare(self.chosen)
        self.plant()
        return touched

    def end(self):
        self.stop_victim()
        subprocess.run(["chmod", "-R", "u+rwX", self.top], check=False, capture_output=True)
        shutil.rmtree(self.top, ignore_errors=True)

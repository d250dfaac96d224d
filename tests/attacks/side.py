# SPDX-License-Identifier: Apache-2.0
"""A second project with a home of its own in a world, for attacks that would spoil the first, and words with a host."""
import contextlib
import json
import os
import pathlib
import re
import socket
import struct
import subprocess
import time


def wait_for(holds, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.05)
    return False


def ask(path, body, seconds=60):
    """One frame to a host; what it answered, b"" when it hung up."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(seconds)
        sock.connect(path)
        with contextlib.suppress(OSError):
            sock.sendall(struct.pack("<I", len(body)) + body)
        head = sock.recv(4, socket.MSG_WAITALL)
        return sock.recv(struct.unpack("<I", head)[0], socket.MSG_WAITALL) if len(head) == 4 else b""
    return b""


def state_of_task(done):
    """Where a run says that its task ended."""
    found = re.findall(rf"(?m)^{re.escape(done.task)} (\w+)", done.stderr)
    return found[-1] if found else ""


@contextlib.contextmanager
def start_host(world, project, *words):
    """A host that works until the end of the block."""
    with subprocess.Popen([str(word) for word in world.wrapped([world.vivhost, "work", *words])], cwd=project,
                          env=world.environment(),
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as host:
        try:
            path = str(pathlib.Path(project) / ".vivarium/host.sock")
            if not wait_for(lambda: b'"status":0' in ask(path, b'{"op":"status"}'),
                            60):  # a dead host's socket may lie there
                raise RuntimeError("the host does not start")
            yield host
        finally:
            host.terminate()
            try:
                host.wait(20)
            except subprocess.TimeoutExpired:
                host.kill()


@contextlib.contextmanager
def host_of(world, project):
    """The path of the socket of a host of this project."""
    with start_host(world, project):
        yield str(pathlib.Path(project) / ".vivarium/host.sock")


class Side:
    count = 0

    def __init__(self, world, files, links=()):
        Side.count += 1
        self.world, self.project = world, world.top / f"side{Side.count}"
        self.project.mkdir()
        self.git("init", "-q", "-b", "main", "--template=")
        (self.project / ".git/info").mkdir()
        self.git("config", "user.name", "Ada Example")
        self.git("config", "user.email", "ada@example.org")
        for name, text in files.items():
            (self.project / name).parent.mkdir(parents=True, exist_ok=True)
            (self.project / name).write_text(text, encoding="utf-8")
        for name in links:
            (self.project / name).symlink_to(links[name])
        self.git("add", "-A")
        self.git("commit", "-qm", "first")
        self.viv("init", check=True)

    def git(self, *words):
        return subprocess.run(["git", "-C", self.project, *words], check=True, capture_output=True, text=True,
                              errors="replace",
                              env={"PATH": os.environ["PATH"], "HOME": str(self.world.user),
                                   "GIT_CONFIG_NOSYSTEM": "1"}).stdout

    def viv(self, *words, **more):
        return self.world.viv(*words, cwd=self.project, **more)

    def policy(self, text):
        (self.project / "vivarium.yaml").write_text(text, encoding="utf-8")
        self.git("add", "-A")
        self.git("commit", "-qm", "policy")
        self.viv("trust", check=True)

    def everything(self):
        """All that was ever published."""
        return self.git("log", "-p", "--all", "--text", "--no-ext-diff")

    def events(self, task=None, kind=None):
        done = self.viv("log", "show", "--json", *(["--task", task] if task else []))
        found = [json.loads(line)["event"] for line in done.stdout.splitlines() if line.startswith("{")]
        return [event for event in found if kind in (None, event["kind"])]

    def socket_path(self):
        return str(self.project / ".vivarium/host.sock")

    @contextlib.contextmanager
    def host(self, *words):
        with start_host(self.world, self.project, *words) as host:
            yield host

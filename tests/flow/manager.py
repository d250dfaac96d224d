#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A service manager of the smallest kind, for the flow tests: starts a program with NOTIFY_SOCKET and writes down what it
says, one line a datagram; and what else those tests need of Python.

usage: manager.py run LOG SOCKET PROJECT WATCHDOG_USEC WATCHDOG_PID COMMAND...
       manager.py hold DATABASE
       manager.py hangup COMMAND...

run: SOCKET is a path or @name; WATCHDOG_USEC 0 is none; WATCHDOG_PID is 'own', 'none' or a number. LOG gets
  started PID             the program runs
  said NAME=value|...     one datagram; 'stranger' in front when it is not from the program itself
  socket yes|no           at the first READY: whether the control socket in PROJECT takes a connection
  expired                 no WATCHDOG=1 for that long, after READY: a real manager kills now; once until it is fed again
  ended CODE
hold: keeps the database's only write lock until a line comes from standard input.
hangup: runs the program on a terminal, hangs up when it says 'Ctrl-C', and ends with its code."""
import os
import pty
import select
import socket
import sqlite3
import struct
import subprocess
import sys
import time

LOOK_S = 0.05


def answers(project):
    home = os.open(os.path.join(project, ".vivarium"), os.O_RDONLY)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(f"/proc/self/fd/{home}/host.sock")
        except OSError:
            return "no"
        finally:
            os.close(home)
    return "yes"


def bind(place):
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    if place.startswith("@"):
        manager.bind("\0" + place[1:])
    else:  # socket paths are short
        folder = os.open(os.path.dirname(place), os.O_RDONLY)
        manager.bind(f"/proc/self/fd/{folder}/{os.path.basename(place)}")
        os.close(folder)
    return manager


class Run:
    def __init__(self, log, place, project, usec, whose, command):
        self.log, self.project, self.usec = open(log, "a", encoding="utf-8"), project, int(usec)
        self.socket = bind(place)
        environment = dict(os.environ, NOTIFY_SOCKET=place)
        for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
            environment.pop(name, None)
        if self.usec:
            environment["WATCHDOG_USEC"] = usec
        words = command
        if whose == "own":
            words = ["sh", "-c", 'WATCHDOG_PID=$$ exec "$@"', "sh"] + command
        elif whose != "none":
            environment["WATCHDOG_PID"] = whose
        self.ready, self.fed = False, None
        self.child = subprocess.Popen(words, env=environment, start_new_session=True, stdin=subprocess.DEVNULL)
        self.note(f"started {self.child.pid}")

    def note(self, line):
        print(line, file=self.log, flush=True)

    def take(self):
        data, extra, _, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(12))
        pid = next((struct.unpack("3i", body)[0] for level, kind, body in extra if kind == socket.SCM_CREDENTIALS), 0)
        lines = data.decode("utf-8").split("\n")
        self.note(("" if pid == self.child.pid else "stranger ") + "said " + "|".join(lines))
        if "READY=1" in lines and not self.ready:
            self.ready, self.fed = True, time.monotonic()
            self.note(f"socket {answers(self.project)}")
        if "WATCHDOG=1" in lines:
            self.fed = time.monotonic()

    def look(self):
        while select.select([self.socket], [], [], LOOK_S)[0]:
            self.take()
        if self.ready and self.usec and self.fed and (time.monotonic() - self.fed) * 1e6 > self.usec:
            self.note("expired")
            self.fed = None

    def __call__(self):
        while self.child.poll() is None:
            self.look()
        self.usec = 0
        self.look()
        code = self.child.returncode if self.child.returncode >= 0 else 128 - self.child.returncode
        self.note(f"ended {code}")
        return code


def hold(database):
    connection = sqlite3.connect(database, timeout=30, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    print("held", flush=True)
    sys.stdin.readline()
    connection.execute("ROLLBACK")
    return 0


def hangup(command):
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    seen = b""
    while b"Ctrl-C" not in seen:
        seen += os.read(terminal, 4096)
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main(words):
    if words[0] == "run":
        return Run(*words[1:6], words[6:])()
    return hold(words[1]) if words[0] == "hold" else hangup(words[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

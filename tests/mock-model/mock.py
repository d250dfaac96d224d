# SPDX-License-Identifier: Apache-2.0
"""What the tests of tools/mock-model share: starting it on a script, and a client that shows every byte it got and how
the connection ended, which a library for HTTP would hide."""
import json
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile

PROGRAM = pathlib.Path(sys.argv[1]) / "tools/mock-model"
LIMIT_S = 60  # a machine under load is slow; nothing here waits for time to pass unless it says so


def run(*words):
    """The program until it ends by itself: (exit code, standard output, standard error)."""
    done = subprocess.run([sys.executable, "-B", PROGRAM, *map(str, words)], capture_output=True, text=True,
                          timeout=LIMIT_S,
                          check=False)
    return done.returncode, done.stdout, done.stderr


def turns(*some, **more):
    return {"version": 1, "turns": list(some), **more}


class Answer:
    """`raw` is every byte; `reset` whether the connection was cut rather than closed; `rest` what follows a whole
    answer; `fault` in words what is wrong with its framing, '' if nothing."""

    def __init__(self, raw, reset, body_expected=True):
        self.raw, self.reset, self.fault, self.rest, self.body, self.pieces = raw, reset, "", b"", b"", []
        head, end, self.payload = raw.partition(b"\r\n\r\n")
        self.status, self.headers = None, {}
        if not end:
            self.fault = "no head"
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1])
        for line in lines:
            name, _, value = line.partition(": ")
            assert name not in self.headers, f"header {name} twice"
            self.headers[name] = value
        if body_expected:
            self.unframe()

    def unframe(self):
        if "content-length" in self.headers:
            length = int(self.headers["content-length"])
            self.body, self.rest = self.payload[:length], self.payload[length:]
            if len(self.body) < length:
                self.fault = f"{len(self.body)} of {length} bytes"
        elif self.headers.get("transfer-encoding") == "chunked":
            self.unchunk()
        else:
            self.body = self.payload

    def unchunk(self):
        rest = self.payload
        while True:
            line, end, rest = rest.partition(b"\r\n")
            if not end:
                self.fault = "no chunk where one must be"
                return
            if not re.fullmatch(rb"[0-9a-f]+", line):
                self.fault = f"chunk size {line!r}"
                return
            size = int(line, 16)
            if len(rest) < size + 2:
                self.fault = f"{len(rest)} of {size} bytes of a chunk"
                self.pieces.append(rest)
                self.body += rest
                return
            if size:
                self.pieces.append(rest[:size])
            self.body += rest[:size]
            assert rest[size:size + 2] == b"\r\n", rest[:size + 10]
            rest = rest[size + 2:]
            if not size:
                self.rest = rest
                return

    def json(self):
        return json.loads(self.body)

    def error(self):
        return self.json()["error"]["message"]

    def frames(self):
        """The stream's blocks, as bytes."""
        blocks = self.body.split(b"\n\n")
        assert blocks.pop() == b"", self.body[-80:]
        return blocks

    def events(self):
        """The values of the stream's data lines; [DONE] as it is. Names are checked against the types."""
        found = []
        for block in self.frames():
            lines = block.decode().split("\n")
            if lines == [": ping"]:
                continue
            data = lines[-1].removeprefix("data: ")
            value = data if data == "[DONE]" else json.loads(data)
            if len(lines) == 2:
                assert lines[0] == f"event: {value['type']}", block
            found.append(value)
        return found


class Connection:
    """One connection: what was sent is answered as bytes, until the other side ends it."""

    def __init__(self, place, context=None):
        family = socket.AF_UNIX if isinstance(place, str) else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.settimeout(LIMIT_S)
        self.socket.connect(place)
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")

    def send(self, data):
        self.socket.sendall(data)

    def until(self, end, most=1 << 26):
        """Bytes until they end with `end`, or the connection does."""
        raw = b""
        while not raw.endswith(end) and len(raw) < most:
            more = self.socket.recv(65536)
            if not more:
                break
            raw += more
        return raw

    def all(self):
        raw, reset = b"", False
        try:
            while True:
                more = self.socket.recv(65536)
                if not more:
                    break
                raw += more
        except ConnectionResetError:
            reset = True
        self.socket.close()
        return Answer(raw, reset)

    def quiet(self, seconds=0.2):
        """Whether nothing more comes for so long."""
        return not select.select([self.socket], [], [], seconds)[0]

    def close(self):
        self.socket.close()


def request(wire, body, headers=None, path=None, keep=False, version="1.1", method="POST"):
    """A request's bytes. `body` is completed to what the wire wants; bytes go as they are."""
    own = {"host": "localhost", "connection": "keep-alive" if keep else "close"}
    if wire == "openai":
        own["authorization"] = "Bearer test-key"
    elif wire == "anthropic":
        own.update({"x-api-key": "test-key", "anthropic-version": "2023-06-01"})
    path = path or {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}[wire]
    if isinstance(body, dict):
        whole = {"model": "m", "messages": [{"role": "user", "content": "hello"}],
                 **({"max_tokens": 9} if wire == "anthropic" else {})}
        body = json.dumps({name: value for name, value in {**whole, **body}.items() if value is not None}).encode()
    if body:
        own["content-length"] = str(len(body))
    own = {name: value for name, value in {**own, **(headers or {})}.items() if value is not None}
    lines = [f"{method} {path} HTTP/{version}"] + [f"{name}: {value}" for name, value in own.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Mock:
    """The program on a script, in a scratch folder. Leaving the block ends it by SIGTERM and wants exit code 0."""

    def __init__(self, script, *options, place="port", code=0):
        self.folder = tempfile.TemporaryDirectory(prefix="viv-mock.")
        self.top = pathlib.Path(self.folder.name)
        self.script = script if isinstance(script, pathlib.Path) else self.top / "script.json"
        if not isinstance(script, pathlib.Path):
            self.script.write_text(json.dumps(script), encoding="utf-8")
        words = ["--port", "0", "--port-file", self.top / "port"] if place == "port" else ["--unix",
                                                                                           self.top / "socket"]
        words += ["--record", self.top / "record", "--report", self.top / "report", *options, self.script]
        self.process = subprocess.Popen([sys.executable, "-B", PROGRAM, *map(str, words)], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE,
                                        text=True)
        self.said = self.process.stdout.readline()  # it says so when it listens
        if place == "port" and self.said:
            self.place = ("127.0.0.1", int((self.top / "port").read_text()))
        else:
            self.place = str(self.top / "socket")
        self.code = code

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            self.process.send_signal(signal.SIGTERM)
            _, errors = self.process.communicate(timeout=LIMIT_S)
            if kind is None and (self.process.returncode, errors) != (self.code, ""):
                raise AssertionError(f"ended with {self.process.returncode}: {errors}")
        finally:
            self.process.kill()
            self.process.wait()
            self.folder.cleanup()

    def connect(self):
        return Connection(self.place)

    def raw(self, data):
        connection = self.connect()
        connection.send(data)
        return connection.all()

    def ask(self, wire, body=None, **more):
        return self.raw(request(wire, body or {}, **more))

    def stream(self, wire, last="hello", **body):
        """A streamed request; on the one wire with its usage asked for."""
        body = {"stream": True, "messages": [{"role": "user", "content": last}], **body}
        if wire == "openai":
            body.setdefault("stream_options", {"include_usage": True})
        return self.ask(wire, body)

    def get(self, path, wire="openai", **more):
        return self.raw(request(wire, b"", path=path, method="GET", **more))

    def report(self):
        return self.get("/mock/report").json()

    def records(self):
        return [json.loads(line) for line in (self.top / "record").read_text(encoding="utf-8").splitlines()]

    def ended(self):
        """Wait for its end by itself: (exit code, the report it left, standard error)."""
        _, errors = self.process.communicate(timeout=LIMIT_S)
        return self.process.returncode, json.loads((self.top / "report").read_text()), errors


def wait_for(what):
    """Ask again until it is true. For what another process does without telling."""
    import time
    end = time.monotonic() + LIMIT_S
    while not what():
        if time.monotonic() > end:
            raise AssertionError("it did not come about")
        os.sched_yield()
        time.sleep(0.01)

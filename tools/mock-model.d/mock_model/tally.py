# SPDX-License-Identifier: Apache-2.0
"""What was asked and what was said: counts for GET /mock/report, and one JSON line a request for --record.

Two numbers for tokens, since they differ whenever something goes wrong: `reported` is what usage objects said that went
out in full, which is all a client can know; `scripted` is what the turns that answered cost, which is what a provider
would bill."""
import hashlib
import json
import os
import re

SECRET = re.compile(r"auth|key|token|secret|cookie", re.I)
TOKENS = ("input", "output", "cached", "cache_write")


def digest(text):
    return "sha256:" + hashlib.sha256(text.encode("latin-1", "backslashreplace")).hexdigest()[:16]


def hidden(name, value):
    """A header's value with what is secret in it as the beginning of its digest. A scheme in front stays."""
    if not SECRET.search(name):
        return value
    scheme, space, rest = value.partition(" ")
    return f"{scheme} {digest(rest)}" if space and scheme.lower() in ("bearer", "basic") else digest(value)


def hidden_path(path):
    place, mark, query = path.partition("?")
    parts = [f"{name}={hidden(name, value)}" if is_set else name
             for name, is_set, value in (part.partition("=") for part in query.split("&"))]
    return place + mark + "&".join(parts) if mark else place


class Tally:
    def __init__(self, script, record, clock):
        self.script, self.record, self.clock = script, record, clock
        self.requests = self.others = self.refused = self.streams = self.cut = self.left = self.faults_missed = 0
        self.now = self.most = 0
        self.models = {}

    def begin(self):
        self.requests += 1
        self.now += 1
        self.most = max(self.most, self.now)
        return self.requests

    def model(self, name):
        empty = {"requests": 0, "streams": 0, "reported": dict.fromkeys(TOKENS, 0),
                 "scripted": dict.fromkeys(TOKENS, 0), "without_usage": 0}
        return self.models.setdefault(name, empty)

    def answered(self, entry, say, words, said):
        """A turn answered with text or tools, to whatever end."""
        model = self.model(say.model)
        reported = words.tokens(said) if said is not None else None
        model["requests"] += 1
        model["streams"] += say.ask.stream
        self.streams += say.ask.stream
        model["without_usage"] += reported is None
        for name in TOKENS:
            model["scripted"][name] += say.usage[name]
            model["reported"][name] += reported[name] if reported else 0
        entry.update(reported=reported, scripted=say.usage)

    def end(self, entry):
        self.now -= 1
        self.refused += entry["ended"] == "refused"
        self.cut += entry["ended"] == "cut"
        self.left += entry["ended"] == "left"
        self.faults_missed += len(entry.get("faults_missed", ()))
        self.write(entry)

    def other(self, entry):
        self.others += 1
        self.write(entry)

    def write(self, entry):
        if self.record is None:
            return
        time = self.clock.stamp()
        line = {**entry, **({"time": time} if time else {})}
        data = json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace") + b"\n"
        while data:
            data = data[os.write(self.record, data):]

    def report(self):
        turns = [{"turn": turn.number, "name": turn.name, "used": turn.used,
                  "left": "forever" if turn.left() is None else turn.left()}
                 for turn in self.script.turns]
        return {"requests": self.requests, "refused": self.refused, "others": self.others, "streams": self.streams,
                "cut": self.cut, "left": self.left, "faults_missed": self.faults_missed,
                "concurrent": self.now, "concurrent_max": self.most, "models": self.models, "turns": turns}

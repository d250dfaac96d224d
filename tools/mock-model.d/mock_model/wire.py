# SPDX-License-Identifier: Apache-2.0
"""What both wires share. openai.py and anthropic.py each hold one object with the same methods."""
import json
import re
import types

from .script import shown

DEPTH_MAX = 200  # of a request's body: what looks into it may call itself
FIXED_TIME = 1_700_000_000  # what every answer says unless --real-time


class Refusal(Exception):
    """The program's own word to a request that it does not answer from the script."""

    def __init__(self, status, kind, message, **more):
        super().__init__(message)
        self.status, self.kind, self.message, self.more = status, kind, message, more


class Frame:
    """One event of a stream, or the whole body of an answer that is none.

    usage: what it reports, as the wire says it. role: '' or what a fault looks for: 'text', 'usage', 'finish', 'end'"""

    def __init__(self, value, event=None, usage=None, role=""):
        self.value, self.event, self.usage, self.role = value, event, usage, role

    def data(self):
        name = f"event: {self.event}\n" if self.event else ""
        return f"{name}data: {dumped(self.value)}\n\n".encode()


class Raw(Frame):
    """Bytes that are no proper frame."""

    def __init__(self, data, usage=None):
        super().__init__(None, usage=usage)
        self.raw = data

    def data(self):
        return self.raw


class Body(Frame):
    def data(self):
        return dumped(self.value).encode()


def dumped(value):
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def need(good, what, found, allowed):
    if not good:
        raise Refusal(400, "invalid_request_error", f"{what} is {shown(found)}, allowed {allowed}")


def read_json(raw):
    depth = 0
    for token in re.finditer(rb'"(?:[^"\\]|\\.)*"|[][{}]', raw, re.S):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(token[0], 0)
        if depth > DEPTH_MAX:
            raise Refusal(400, "invalid_request_error", f"the body is nested deeper than {DEPTH_MAX}")
    try:
        return json.loads(raw)
    except ValueError:
        raise Refusal(400, "invalid_request_error", f"the body of {len(raw)} bytes is no JSON") from None


def read_body(raw):
    """A request's body with what both wires want of it."""
    body = read_json(raw)
    need(isinstance(body, dict), "the body", body, "an object")
    need(isinstance(body.get("model"), str) and body["model"], "'model'", body.get("model"), "a text")
    messages = body.get("messages")
    good = isinstance(messages, list) and messages
    need(good and all(isinstance(one, dict) and isinstance(one.get("role"), str) for one in messages),
         "'messages'", messages, "a list of objects with a role, at least one")
    need(isinstance(body.get("stream", False), (bool, type(None))), "'stream'", body.get("stream"), "true or false")
    need(isinstance(body.get("tools") or [], list), "'tools'", body.get("tools"), "a list")
    return body


def text_of(content):
    """The text in a message's content: a text, or a list of parts, those of tool results included."""
    if isinstance(content, str):
        return content
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    texts = [part["text"] if isinstance(part.get("text"), str) else text_of(part.get("content")) for part in parts]
    return "\n".join(text for text in texts if text)


class Ask:
    """A request as scripts see it."""

    def __init__(self, wire, body, system, result, tools, headers):
        self.wire, self.model, self.stream = wire, body["model"], bool(body.get("stream"))
        self.last = text_of(body["messages"][-1].get("content"))
        self.system, self.result, self.tools, self.headers = system, result, tools, headers
        self.body = body

    def fits(self, match):
        return all(getattr(self, f"fits_{name}")(wanted) for name, wanted in match.items())

    def fits_wire(self, wanted):
        return self.wire == wanted

    def fits_model(self, wanted):
        return self.model == wanted

    def fits_last(self, wanted):
        return wanted in self.last

    def fits_system(self, wanted):
        return wanted in self.system

    def fits_stream(self, wanted):
        return self.stream == wanted

    def fits_tool_result(self, wanted):
        return (self.result is not None) == wanted if isinstance(wanted, bool) else wanted in (self.result or "")

    def fits_tools(self, wanted):
        return bool(self.tools) == wanted

    def fits_tool(self, wanted):
        return wanted in self.tools

    def fits_header(self, wanted):
        return all(name in self.headers and text in self.headers[name] for name, text in wanted.items())

    def says(self):
        result = "no tool result" if self.result is None else f"tool result {shown(self.result)}"
        stream = "stream" if self.stream else "no stream"
        return ", ".join((self.wire, f"model {shown(self.model)}", stream, f"last {shown(self.last)}", result,
                          f"{len(self.tools)} tools"))


def estimate(size):
    return max(1, (size + 3) // 4)


def saying(turn, ask, number, size, created):
    """A turn as an answer to one request: what the wires put into words. Tokens that the script does not give are a
    quarter of the bytes, so that the same request always costs the same."""
    said = len("".join(turn.pieces + [piece for _, pieces, _ in turn.calls for piece in pieces]).encode())
    parts = turn.usage.get("cached", 0) + turn.usage.get("cache_write", 0)
    usage = {"input": turn.usage.get("input", max(estimate(size), parts)),
             "output": turn.usage.get("output", estimate(said)),
             "cached": turn.usage.get("cached", 0), "cache_write": turn.usage.get("cache_write", 0)}
    return types.SimpleNamespace(turn=turn, ask=ask, number=number, created=created, usage=usage, model=ask.model,
                                 pieces=turn.pieces, calls=turn.calls, endless=turn.faults.get("endless", False),
                                 fault=turn.faults.get("usage"))


def texts(say):
    """The text's deltas; the last one for ever where the script says so."""
    yield from say.pieces
    while say.endless:
        yield say.pieces[-1]


def count(value, name):
    """A number of a usage object, as a host may read it: anything else counts as nothing."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else 0

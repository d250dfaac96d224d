# SPDX-License-Identifier: Apache-2.0
"""What a script does to the frames of an answer before they are sent. Frames are counted from 1, as the wire makes
them: what a fault adds does not move the others. A fault whose frame never came is named in the record, not
forgotten."""
from . import wire
from .wire import Raw

GARBAGE = b"\x00\x01\xff\xfe garbage \xc3\x28\n\n"  # no field, no UTF-8


def garbage(told):
    if "hex" in told:
        return bytes.fromhex(told["hex"])
    return told["text"].encode() if "text" in told else GARBAGE


def malformed(frame):
    """The first half of its value, in a frame that is otherwise whole."""
    data = frame.data()
    if not data.endswith(b"\n\n"):  # the body of an answer that is no stream
        return Raw(data[:len(data) // 2])
    start = data.index(b"data: ") + len(b"data: ")
    return Raw(data[:start + (len(data) - 2 - start) // 2] + b"\n\n")


class Spoiler:
    def __init__(self, words, say):
        self.words, self.say, self.faults, self.done = words, say, say.turn.faults, set()

    def at(self, name, number):
        hit = self.faults.get(name, {}).get("at") == number
        if hit:
            self.done.add(name)
        return hit

    def kind(self, name, value):
        hit = self.faults.get(name) == value
        if hit:
            self.done.add(name)
        return hit

    def frames(self, frames):
        for number, frame in enumerate(frames, 1):
            yield from self.before(number)
            if self.at("error_frame", number):
                told = self.faults["error_frame"]
                yield self.words.error_frame(told.get("type"), told.get("message", "the script ends this stream"),
                                             self.say.number)
                return
            if self.at("malformed", number):
                yield malformed(frame)
            else:
                yield from self.itself(frame)

    def before(self, number):
        if self.at("garbage", number):
            yield Raw(garbage(self.faults["garbage"]))
        if self.at("oversized", number):
            yield self.words.text_frame(self.say, "a" * self.faults["oversized"]["bytes"])
        for _ in range(self.faults.get("pings", 0)):
            self.done.add("pings")
            yield self.words.ping(self.say)

    def itself(self, frame):
        if frame.role == "end" and self.kind("stop", "missing"):
            return
        if frame.usage is not None and "usage" in self.faults:
            self.done.add("usage")
        yield frame
        if frame.role in ("finish", "end") and self.kind("stop", "twice"):
            yield frame
        if frame.role == "usage" and frame.usage is not None and self.kind("usage", "twice"):
            yield frame

    def stream(self):
        if self.faults.get("usage") == "missing":
            self.done.add("usage")
        if "endless" in self.faults:
            self.done.add("endless")
        return self.frames(self.words.frames(self.say))

    def whole(self):
        """The same faults on an answer that is one body. Its only frame is the first."""
        if "endless" in self.faults:
            self.done.add("endless")
            return iter(lambda: Raw(b" " * 64), None)  # blanks before the value, which JSON allows
        if self.at("oversized", 1):
            self.say.pieces = self.say.pieces + ["a" * self.faults["oversized"]["bytes"]]
        body = self.words.whole(self.say)
        if "usage" in self.faults:
            self.done.add("usage")
        if self.faults.get("usage") == "twice":
            usage = f'{{"usage":{wire.dumped(body.usage)},'.encode()
            body = Raw(usage + body.data()[1:], usage=body.usage)
        frames = [Raw(garbage(self.faults["garbage"]))] if self.at("garbage", 1) else []
        return iter(frames + [malformed(body) if self.at("malformed", 1) else body])


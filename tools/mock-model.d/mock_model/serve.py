# SPDX-License-Identifier: Apache-2.0
"""One request from its head to its entry in the tally; listening and ending.

   read -> checked as the wire demands -> a turn is taken -> answered, spoilt as the turn says -> tallied
              |                              |
              +------ refused in the wire's own form of an error, naming what was found and what is allowed"""
import asyncio
import datetime
import ssl
import time
import traceback

from . import anthropic, openai, request, wire
from .send import Bound, Cut, Left, Reader, Sender, pause
from .script import STREAM_ONLY, shown
from .spoil import Spoiler
from .tally import hidden, hidden_path
from .wire import Body, Raw, Refusal

CONNECTIONS_MAX = 256
WIRES = {words.PATH: words for words in (openai, anthropic)}
PLACES = ["POST /v1/chat/completions", "POST /v1/messages", "POST /v1/messages/count_tokens", "GET /v1/models",
          "GET /mock/report"]


class Clock:
    """Times in answers: always the same, unless real ones are asked for."""

    def __init__(self, real):
        self.real = real

    def now(self):
        return int(time.time()) if self.real else wire.FIXED_TIME

    def stamp(self):
        return datetime.datetime.now(datetime.timezone.utc).isoformat() if self.real else None


def body_of(value):
    """A script's body of an error: a text as it is, anything else as JSON."""
    if isinstance(value, str):
        return Raw(value.encode()), "text/plain; charset=utf-8"
    return Body(value), "application/json"


class Server:
    def __init__(self, script, tally, clock, requests_max):
        self.script, self.tally, self.clock, self.requests_max = script, tally, clock, requests_max
        self.stop, self.tasks, self.failure = asyncio.Event(), set(), None

    def protocol(self):
        return asyncio.StreamReaderProtocol(Reader(request.HEAD_BYTES_MAX), self.connection)

    async def connection(self, reader, writer):
        task = asyncio.current_task()
        self.tasks.add(task)
        # Nothing is kept here, so that a cut is where the script says. TLS pauses at its limit, plain sockets above it.
        writer.transport.set_write_buffer_limits(high=1 if writer.get_extra_info("ssl_object") else 0, low=0)
        try:
            while await self.one(reader, writer):
                pass
        except (Left, ConnectionError, ssl.SSLError, asyncio.CancelledError):
            pass
        except Exception as fault:  # a mistake of this program: it must not look like one of the script's faults
            traceback.print_exc()
            self.failure = self.failure or f"internal: {fault!r}"
            self.stop.set()
        finally:
            self.tasks.discard(task)
            writer.close()

    async def one(self, reader, writer):
        """One request and its answer. False ends the connection."""
        try:
            asked = await request.read(reader, writer)
            if asked and len(self.tasks) > CONNECTIONS_MAX:
                raise Refusal(503, "server_error", f"more than {CONNECTIONS_MAX} connections at a time")
        except Refusal as refusal:
            self.note({"method": None, "path": None, "status": refusal.status, "ended": "refused",
                       "why": refusal.message})
            sender = Sender(reader, writer)
            await self.say(sender, refusal.status, self.refused(None, refusal, 0))
            await sender.linger()
            return False
        if asked is None:
            return False
        words = WIRES.get(asked.place)
        if words and asked.method == "POST":
            kept = await self.model_request(words, asked, reader, writer)
        else:
            kept = await self.other_request(asked, reader, writer)
        return kept and not asked.close

    async def say(self, sender, status, value, **headers):
        body = Body(value)
        await sender.head(status, {"content-type": "application/json", **headers}, len(body.data()))
        await sender.frame(body)
        await sender.finish()

    def refused(self, words, refusal, number):
        return (words or openai).error(refusal.status, refusal.kind, f"viv-mock-model: {refusal.message}", None, number,
                                       **refusal.more)

    def entry(self, asked, **more):
        return {"method": asked.method, "path": hidden_path(asked.path),
                "headers": {name: hidden(name, value) for name, value in asked.headers.items()}, **more}

    def note(self, entry, end=False):
        """Into the tally. A record with a hole in it would be believed, so one that cannot be kept is the end."""
        try:
            (self.tally.end if end else self.tally.other)(entry)
        except OSError as fault:
            self.failure = self.failure or f"cannot write the record: {fault.strerror}"
            self.stop.set()

    # Everything besides the two wires' own requests.

    async def other_request(self, asked, reader, writer):
        sender = Sender(reader, writer, asked)
        entry = self.entry(asked, ended="whole")
        try:
            status, value = self.other_answer(asked)
        except Refusal as refusal:
            status, value = refusal.status, self.refused(self.words_of(asked), refusal, 0)
            entry.update(ended="refused", why=refusal.message)
        if asked.place != "/mock/report":
            self.note({**entry, "status": status})
        if asked.method == "HEAD":
            await sender.head(status, {"content-type": "application/json"}, 0)
        else:
            await self.say(sender, status, value)
        return True

    def words_of(self, asked):
        return anthropic if "anthropic-version" in asked.headers or asked.place.startswith("/v1/messages") else openai

    def other_answer(self, asked):
        words, created = self.words_of(asked), self.clock.now()
        if asked.place == "/mock/report" and asked.method == "GET":
            return 200, self.tally.report()
        if asked.place == "/" and asked.method in ("GET", "HEAD"):
            return 200, {"mock": "viv-mock-model", "places": PLACES}
        if asked.place == "/v1/messages/count_tokens" and asked.method == "POST":
            self.check_head(words, asked)
            wire.read_body(asked.body)
            return 200, {"input_tokens": wire.estimate(len(asked.body))}
        if asked.place == "/v1/models" and asked.method == "GET":
            self.check_head(words, asked)
            return 200, words.models(self.script.models, created)
        if asked.place.startswith("/v1/models/") and asked.method == "GET":
            self.check_head(words, asked)
            return 200, words.model(self.known_model(asked.place.removeprefix("/v1/models/"), self.script.models),
                                    created)
        there = [place for place in PLACES if place.endswith(" " + asked.place)]
        status, allowed = (405, there) if there else (404, PLACES)
        raise Refusal(status, "not_found_error",
                      f"{asked.method} {shown(asked.place)} is not served, allowed: {', '.join(allowed)}")

    def known_model(self, name, models):
        if models and name not in models:
            raise Refusal(404, None, f"model {shown(name)} is not in the script, allowed: {', '.join(models)}")
        return name

    def check_head(self, words, asked):
        key = words.key_of(asked.headers)
        if self.script.auth == "required" and not key:
            raise Refusal(401, None, f"no key, allowed: {words.KEY_FORMS}")
        if self.script.keys and key not in self.script.keys:
            raise Refusal(401, None, "the key is none of those in the script")
        words.check_head(asked.headers)

    # The two wires' own.

    async def model_request(self, words, asked, reader, writer):
        number = self.tally.begin()
        entry = {"n": number, "wire": words.NAME, **self.entry(asked), "ended": "stopped", "status": None}
        sender = Sender(reader, writer, asked)
        try:
            try:
                turn, say = self.choose(words, asked, entry, number)
            except Refusal as refusal:
                entry.update(status=refusal.status, ended="refused", why=refusal.message)
                await self.say(sender, refusal.status, self.refused(words, refusal, number), **words.request_id(number))
                return True
            spoiler = Spoiler(words, say)
            sender = Sender(reader, writer, asked, turn.faults, spoiler.done)
            return await self.answer(words, say, spoiler, sender, entry)
        finally:
            entry.update(bytes=sender.bytes, frames=sender.frames)
            self.note(entry, end=True)
            if self.tally.requests >= self.requests_max and self.tally.now == 0:
                self.stop.set()

    def choose(self, words, asked, entry, number):
        try:
            entry["body"] = wire.read_json(asked.body)
        except Refusal:
            entry["body"] = {"not_json": asked.body.decode("utf-8", "backslashreplace")}
        if number > self.requests_max:
            raise Refusal(503, None, f"--max-requests {self.requests_max} is reached")
        self.check_head(words, asked)
        body = wire.read_body(asked.body)
        ask = words.read(body, asked.headers)
        entry.update(model=ask.model, stream=ask.stream)
        self.known_model(ask.model, self.script.declared)
        turn = self.script.take(ask)
        if turn is None:
            raise Refusal(422, "mock_no_turn", self.script.refusal(ask))
        stream_only = [name for name in STREAM_ONLY if name in turn.faults and not ask.stream]
        if stream_only:
            turn.used -= 1
            raise Refusal(422, "mock_no_stream",
                          f"turn {turn.number} has fault '{stream_only[0]}', which only a stream can show")
        entry["turn"] = turn.number
        return turn, wire.saying(turn, ask, number, len(asked.body), self.clock.now())

    async def answer(self, words, say, spoiler, sender, entry):
        """True if the connection can serve another request."""
        turn = say.turn
        try:
            if turn.delay_s:
                await pause(sender.reader, turn.delay_s)
            status, headers, frames, length = self.made(words, say, spoiler)
            entry["status"] = status
            await sender.head(status, headers, length)
            await self.play(sender, frames, turn)
            entry["ended"] = "whole"
            if sender.framing == "close":
                sender.close()
            return sender.framing != "close"
        except Cut:
            entry["ended"] = "cut"
            sender.close(abruptly=turn.faults.get("cut", {}).get("how") == "reset")
        except Bound:
            entry["ended"] = "bound"
            sender.close()
        except Left:
            entry["ended"] = "left"
            sender.close()
        finally:
            if not (turn.error or turn.redirect):
                self.tally.answered(entry, say, words, sender.said())
            missed = sorted(set(turn.faults) - spoiler.done)
            if missed and entry["ended"] in ("whole", "cut"):
                entry["faults_missed"] = missed
        return False

    async def play(self, sender, frames, turn):
        first = True
        for frame in frames:
            if turn.frame_delay_s and not first:
                await pause(sender.reader, turn.frame_delay_s)
            first = False
            await sender.frame(frame)
        await sender.finish()

    def made(self, words, say, spoiler):
        """Status, headers, frames, and the body's length where it is known."""
        turn, status = say.turn, 200
        headers = {"content-type": "application/json", **words.request_id(say.number), "x-mock-turn": str(turn.number)}
        if turn.limits:
            headers.update(words.limits(turn.limits, self.clock.now()))
        if turn.error:
            status = turn.error["status"]
            frames, headers["content-type"] = self.error_body(words, say)
            if "retry_after" in turn.error:
                headers["retry-after"] = str(turn.error["retry_after"])
        elif turn.redirect:
            status, frames = turn.redirect.get("status", 307), [Raw(b"")]
            headers["location"] = turn.redirect["to"].encode("utf-8").decode("latin-1")
        elif say.ask.stream:
            headers.update({"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"})
            return status, {**headers, **turn.headers}, spoiler.stream(), None
        else:
            frames = spoiler.whole()
            if say.endless:
                return status, {**headers, **turn.headers}, frames, None
        frames = list(frames)
        return status, {**headers, **turn.headers}, frames, sum(len(frame.data()) for frame in frames)

    def error_body(self, words, say):
        told = say.turn.error
        if "body" in told:
            body, kind = body_of(told["body"])
        else:
            message = told.get("message", "the script answers with this error")
            value = words.error(told["status"], told.get("type"), message, told.get("code"), say.number)
            body, kind = Body(value), "application/json"
        return [body], kind

    async def end(self, listeners):
        """Stop listening; what is being answered ends as 'stopped', and is in the tally before this returns."""
        for listener in listeners:
            listener.close()
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""If this fails, a test that relies on a broken answer gets a sound one, or another fault than it asked for.

Each kind is looked at as a client meets it: the bytes, the chunks they came in, how the connection ended; and in the
record, where it must stand that it happened.

usage: test_faults.py SOURCE"""
import json
import sys
import time
import unittest

from mock import Mock, request, turns

TEXT = {"text": "abcdef", "piece": 2, "usage": {"input": 11, "output": 3}}
WIRES = ("openai", "anthropic")
SOUND = {"openai": 7, "anthropic": 9}  # frames of TEXT as a stream


class Faults(unittest.TestCase):
    def one(self, wire, faults, stream=True, **members):
        """One answer with these faults: the answer and its line in the record."""
        with Mock(turns({**TEXT, **members, "faults": faults})) as mock:
            answer = mock.stream(wire) if stream else mock.ask(wire)
            record, = mock.records()
            self.report = mock.report()
        self.assertEqual(record["bytes"], len(answer.raw))
        self.assertEqual(record["scripted"]["input"], 11)
        return answer, record

    def both(self, faults, stream=True, **members):
        for wire in WIRES:
            with self.subTest(wire=wire):
                yield wire, *self.one(wire, faults, stream, **members)

    def sound(self, wire, answer):
        self.assertEqual((answer.fault, answer.rest, answer.reset), ("", b"", False))
        return answer.events() if answer.headers["content-type"].startswith("text/event-stream") else answer.json()

    # Cuts.

    def test_cut_after_frames(self):
        for wire, answer, record in self.both({"cut": {"frames": 3}}):
            self.assertEqual((len(answer.frames()), answer.fault, answer.reset),
                             (3, "no chunk where one must be", False))
            self.assertEqual((record["ended"], record["frames"], record["status"]), ("cut", 3, 200))
            self.assertEqual(record["reported"], None if wire == "openai" else {"input": 11, "output": 1, "cached": 0,
                                                                                "cache_write": 0})
            self.assertEqual((self.report["cut"], self.report["models"]["m"]["scripted"]["output"]), (1, 3))

    def test_cut_after_the_head(self):
        for faults in ({"cut": {"frames": 0}}, {"cut": {"bytes": 0}}):
            for _, answer, record in self.both(faults):
                self.assertEqual((answer.status, answer.payload, record["ended"]), (200, b"", "cut"))

    def test_cut_instead_of_an_answer(self):
        for _, answer, record in self.both({"cut": {"at": "start"}}):
            self.assertEqual((answer.raw, record["ended"], record["bytes"]), (b"", "cut", 0))

    def test_cut_after_bytes(self):
        for _, answer, record in self.both({"cut": {"bytes": 100}}):
            self.assertEqual((len(answer.body), record["ended"]), (100, "cut"))
            self.assertNotEqual(answer.fault, "")

    def test_cut_a_whole_answer(self):
        for _, answer, record in self.both({"cut": {"bytes": 100}}, stream=False):
            self.assertRegex(answer.fault, r"^100 of \d+ bytes$")
            self.assertEqual((record["ended"], record["reported"]), ("cut", None))

    def test_cut_by_a_reset(self):
        for _, answer, record in self.both({"cut": {"frames": 2, "how": "reset"}}):
            self.assertTrue(answer.reset)
            self.assertEqual(record["ended"], "cut")

    def test_cut_behind_the_last_frame_only_lacks_the_end_of_the_chunks(self):
        for wire in WIRES:
            answer, record = self.one(wire, {"cut": {"frames": SOUND[wire]}})
            self.assertEqual((answer.fault, len(answer.frames())), ("no chunk where one must be", SOUND[wire]))
            self.assertEqual(record["reported"]["output"], 3)

    # Frames that are none.

    def test_garbage(self):
        for wire, answer, record in self.both({"garbage": {"at": 2}}):
            frames = answer.frames()
            self.assertEqual(frames.pop(1), b"\x00\x01\xff\xfe garbage \xc3\x28")
            self.assertEqual((len(frames), record["ended"], answer.fault), (SOUND[wire], "whole", ""))
            self.assertRaises(UnicodeDecodeError, answer.body.decode)

    def test_garbage_of_ones_own(self):
        for told, expected in ({"text": "data: {}\n\n"}, b"data: {}\n\n"), ({"hex": "0aFF"}, b"\n\xff"):
            answer, _ = self.one("openai", {"garbage": {"at": 1, **told}})
            self.assertTrue(answer.body.startswith(expected + b"data: {"))

    def test_garbage_before_a_whole_answer(self):
        for _, answer, record in self.both({"garbage": {"at": 1, "text": "?"}}, stream=False):
            self.assertEqual((answer.fault, answer.body[:2], record["ended"]), ("", b"?{", "whole"))

    def test_malformed_json(self):
        for wire, answer, _ in self.both({"malformed": {"at": 4}}):
            frames = answer.frames()
            self.assertEqual((len(frames), answer.fault), (SOUND[wire], ""))
            data = frames[3].split(b"\n")[-1].removeprefix(b"data: ")
            self.assertTrue(data.startswith(b"{"))
            self.assertRaises(ValueError, json.loads, data)
            json.loads(frames[4].split(b"\n")[-1].removeprefix(b"data: "))

    def test_malformed_json_of_a_whole_answer(self):
        for _, answer, record in self.both({"malformed": {"at": 1}}, stream=False):
            self.assertEqual((answer.fault, record["reported"]), ("", None))
            self.assertRaises(ValueError, answer.json)

    def test_an_oversized_frame(self):
        for wire, answer, _ in self.both({"oversized": {"at": 5, "bytes": 300_000}}):
            frames = answer.frames()
            self.assertEqual(len(frames), SOUND[wire] + 1)
            self.assertIn(b'"' + b"a" * 300_000 + b'"', frames[4])
            self.sound(wire, answer)

    def test_an_oversized_whole_answer(self):
        for wire, answer, _ in self.both({"oversized": {"at": 1, "bytes": 300_000}}, stream=False):
            self.assertIn("abcdef" + "a" * 300_000, json.dumps(self.sound(wire, answer)))

    def test_an_error_in_the_stream(self):
        answer, record = self.one("anthropic", {"error_frame": {"at": 4, "message": "busy"}})
        self.assertEqual(self.sound("anthropic", answer)[3:], [
            {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}, "request_id": "req_1"}])
        self.assertIn(b"event: error\n", answer.body)
        self.assertEqual(record["ended"], "whole")
        answer, _ = self.one("openai", {"error_frame": {"at": 2, "type": "odd"}})
        self.assertEqual(self.sound("openai", answer)[1:], [
            {"error": {"message": "the script ends this stream", "type": "odd", "param": None, "code": None}}])

    def test_pings(self):
        answer, _ = self.one("openai", {"pings": 2})
        self.assertEqual(answer.frames().count(b": ping"), 2 * SOUND["openai"])
        self.assertEqual(len(self.sound("openai", answer)), SOUND["openai"])
        answer, _ = self.one("anthropic", {"pings": 2})
        self.assertEqual(sum(event["type"] == "ping" for event in self.sound("anthropic", answer)),
                         2 * SOUND["anthropic"] + 1)

    def test_pieces_at_odd_borders(self):
        for wire, answer, record in self.both({"split": 7}, text="öäü☃", piece=1):
            self.assertEqual({len(piece) for piece in answer.pieces[:-1]}, {7})
            self.assertTrue(1 <= len(answer.pieces[-1]) <= 7)
            self.sound(wire, answer)
            self.assertTrue(any(piece[-1] in (0xC3, 0xE2) or b"\xe2\x98" == piece[-2:] for piece in answer.pieces),
                            "no border lies in a character")
            self.assertEqual(record["frames"], SOUND[wire] + 1)

    def test_pieces_of_one_byte(self):
        answer, _ = self.one("openai", {"split": 1}, stream=True)
        self.assertEqual({len(piece) for piece in answer.pieces}, {1})
        self.assertEqual(len(answer.events()), SOUND["openai"])

    def test_a_cut_in_pieces(self):
        answer, record = self.one("openai", {"split": 50, "cut": {"frames": 2}})
        self.assertEqual((len(answer.frames()), record["ended"]), (2, "cut"))

    # Usage and ends.

    def test_usage_missing(self):
        for stream in (True, False):
            for wire, answer, record in self.both({"usage": "missing"}, stream=stream):
                events = self.sound(wire, answer)
                self.assertNotIn("input_tokens", json.dumps(events))
                self.assertNotIn("prompt_tokens", json.dumps(events))
                self.assertEqual((record["reported"], self.report["models"]["m"]["without_usage"]), (None, 1))
                self.assertEqual(self.report["models"]["m"]["scripted"],
                                 {"input": 11, "output": 3, "cached": 0, "cache_write": 0})

    def test_usage_twice(self):
        for wire, answer, record in self.both({"usage": "twice"}):
            events = self.sound(wire, answer)
            found = [event for event in events if "usage" in event and event["usage"] and event != "[DONE]"]
            self.assertEqual((len(found), found[0]), (2, found[1]))
            self.assertEqual(record["reported"], {"input": 11, "output": 3, "cached": 0, "cache_write": 0})

    def test_usage_twice_in_a_whole_answer(self):
        for wire, answer, _ in self.both({"usage": "twice"}, stream=False):
            self.assertEqual(answer.body.count(b'"usage":'), 2)
            self.sound(wire, answer)

    def test_usage_that_is_wrong(self):
        wrong = {"prompt_tokens": "many", "completion_tokens": -4, "prompt_tokens_details": {"cached_tokens": 99}}
        for stream in (True, False):
            answer, record = self.one("openai", {"usage": wrong}, stream=stream)
            self.assertIn(json.dumps(wrong, separators=(",", ":")).encode(), answer.body)
            self.assertEqual(record["reported"], {"input": 0, "output": 0, "cached": 99, "cache_write": 0})
        answer, record = self.one("anthropic", {"usage": {"output_tokens": 1000}})
        self.assertEqual(answer.events()[-2]["usage"], {"output_tokens": 1000})
        self.assertEqual(record["reported"], {"input": 11, "output": 1000, "cached": 0, "cache_write": 0})
        self.assertEqual(record["scripted"]["output"], 3)

    def test_the_end_twice(self):
        answer, _ = self.one("openai", {"stop": "twice"})
        events = self.sound("openai", answer)
        self.assertEqual(events.count("[DONE]"), 2)
        self.assertEqual(sum(bool(event["choices"]) and event["choices"][0]["finish_reason"] == "stop"
                             for event in events[:-2]), 2)
        answer, _ = self.one("anthropic", {"stop": "twice"})
        self.assertEqual([event["type"] for event in answer.events()][-2:], ["message_stop"] * 2)

    def test_no_end(self):
        for wire, answer, record in self.both({"stop": "missing"}):
            events = self.sound(wire, answer)
            self.assertEqual(len(events), SOUND[wire] - 1)
            self.assertNotIn(events[-1] if wire == "openai" else events[-1]["type"], ("[DONE]", "message_stop"))
            self.assertEqual(record["ended"], "whole")

    # Chunks that lie.

    def test_a_chunks_size_that_is_none(self):
        for _, answer, record in self.both({"chunked": {"how": "bad-size", "at": 2}}):
            self.assertEqual((answer.fault, len(answer.pieces), record["ended"]), ("chunk size b'zz'", 1, "cut"))

    def test_a_chunk_that_is_shorter_than_it_says(self):
        for _, answer, record in self.both({"chunked": {"how": "short"}}):
            self.assertRegex(answer.fault, r"^\d+ of \d+ bytes of a chunk$")
            self.assertEqual(record["ended"], "cut")

    def test_the_last_chunk_missing(self):
        for wire, answer, record in self.both({"chunked": {"how": "no-end"}}):
            self.assertEqual((answer.fault, len(answer.frames()), record["ended"]),
                             ("no chunk where one must be", SOUND[wire], "cut"))

    def test_a_stream_that_only_its_connection_ends(self):
        for wire, answer, record in self.both({"chunked": {"how": "off"}}):
            self.assertNotIn("transfer-encoding", answer.headers)
            self.assertNotIn("content-length", answer.headers)
            self.assertEqual((len(answer.frames()), record["ended"]), (SOUND[wire], "whole"))
        answer, record = self.one("openai", {"chunked": {"how": "off"}, "cut": {"frames": 3}})
        self.assertEqual((len(answer.frames()), answer.fault, record["ended"]), (3, "", "cut"))

    def test_chunks_of_a_whole_answer(self):
        answer, record = self.one("openai", {"chunked": {"how": "short"}}, stream=False)
        self.assertRegex(answer.fault, r"^\d+ of \d+ bytes of a chunk$")
        self.assertEqual(record["ended"], "cut")

    # Time.

    def test_delay_before_the_first_byte(self):
        for members in ({"text": "x"}, {"error": {"status": 500}}):
            with Mock(turns({**members, "delay_ms": 400})) as mock:
                connection, start = mock.connect(), time.monotonic()
                connection.send(request("openai", {}))
                connection.until(b"H", 1)
                self.assertGreaterEqual(time.monotonic() - start, 0.4)
                connection.close()

    def test_delay_before_each_frame(self):
        start = time.monotonic()
        answer, _ = self.one("openai", {}, frame_delay_ms=100)
        self.assertGreaterEqual(time.monotonic() - start, 0.6)  # seven frames, six times between them
        self.assertEqual(len(answer.events()), 7)

    def stopped(self, mock, connection):
        """The record's only line once the client has gone."""
        connection.close()
        while mock.report()["concurrent"]:
            pass
        return mock.records()[0]

    def test_a_client_that_leaves_ends_the_wait(self):
        for members, frames in ({"delay_ms": 3_600_000}, 0), ({"frame_delay_ms": 3_600_000}, 1):
            with Mock(turns({**TEXT, **members})) as mock:
                connection = mock.connect()
                connection.send(request("openai", {"stream": True}))
                if frames:
                    connection.until(b"\n\n\r\n")
                record = self.stopped(mock, connection)
                self.assertEqual((record["ended"], record["frames"]), ("left", frames))
                self.assertEqual(mock.report()["left"], 1)

    def test_a_stream_that_stalls(self):
        for wire in WIRES:
            with Mock(turns({**TEXT, "faults": {"stall": {"frames": 2}}})) as mock:
                connection = mock.connect()
                connection.send(request(wire, {"stream": True}))
                raw = b""
                while raw.count(b"\n\n\r\n") < 2:
                    raw += connection.until(b"\n\n\r\n")
                self.assertTrue(connection.quiet())
                self.assertEqual(mock.report()["concurrent"], 1)
                record = self.stopped(mock, connection)
                self.assertEqual((record["ended"], record["frames"]), ("left", 2))

    def test_a_stream_without_end(self):
        for wire in WIRES:
            with Mock(turns({"text": ["first", "again"], "faults": {"endless": True}})) as mock:
                connection = mock.connect()
                connection.send(request(wire, {"stream": True}))
                raw = b""
                while raw.count(b'"again"') < 1000:
                    raw += connection.until(b"\n\r\n", 1 << 16)
                self.assertEqual((raw.count(b'"first"'), raw.count(b"\r\n0\r\n\r\n")), (1, 0))
                self.assertEqual(self.stopped(mock, connection)["ended"], "left")

    def test_a_whole_answer_without_end(self):
        with Mock(turns({"text": "x", "faults": {"endless": True}})) as mock:
            connection = mock.connect()
            connection.send(request("openai", {}))
            raw = connection.until(b"never", 1 << 20)
            self.assertGreater(raw.count(b" " * 64), 1000)
            self.assertEqual(self.stopped(mock, connection)["ended"], "left")

    # Answers that are none.

    def test_rate_limits(self):
        told = {"error": {"status": 429, "retry_after": 7}, "limits": {
            "requests": 60, "requests_left": 0, "requests_reset_s": 7, "tokens": 1000, "tokens_left": 12,
            "tokens_reset_s": 90}}
        with Mock(turns({**told, "repeat": 2})) as mock:
            answer = mock.ask("openai")
            self.assertEqual((answer.status, answer.headers["retry-after"]), (429, "7"))
            self.assertEqual(answer.json(), {"error": {"message": "the script answers with this error",
                                                       "type": "requests", "param": None,
                                                       "code": "rate_limit_exceeded"}})
            self.assertEqual({name: value for name, value in answer.headers.items() if "ratelimit" in name}, {
                "x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "7s",
                "x-ratelimit-limit-tokens": "1000", "x-ratelimit-remaining-tokens": "12",
                "x-ratelimit-reset-tokens": "90s"})
            answer = mock.stream("anthropic")
            self.assertEqual((answer.status, answer.headers["retry-after"], answer.headers["content-type"]),
                             (429, "7", "application/json"))
            self.assertEqual(answer.json()["error"]["type"], "rate_limit_error")
            self.assertEqual({name: value for name, value in answer.headers.items() if "ratelimit" in name}, {
                "anthropic-ratelimit-requests-limit": "60", "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2023-11-14T22:13:27Z",
                "anthropic-ratelimit-tokens-limit": "1000",
                "anthropic-ratelimit-tokens-remaining": "12",
                "anthropic-ratelimit-tokens-reset": "2023-11-14T22:14:50Z"})
            self.assertEqual([line["status"] for line in mock.records()], [429, 429])
            self.assertEqual(mock.report()["models"], {})

    def test_overload(self):
        with Mock(turns({"error": {"status": 529}}, {"error": {"status": 529, "message": "no room"}})) as mock:
            self.assertEqual(mock.ask("anthropic").json(), {"type": "error", "request_id": "req_1", "error": {
                "type": "overloaded_error", "message": "the script answers with this error"}})
            answer = mock.ask("openai")
            self.assertEqual((answer.status, answer.error(), answer.json()["error"]["type"]),
                             (529, "no room", "server_error"))
            self.assertTrue(answer.raw.startswith(b"HTTP/1.1 529 Overloaded\r\n"))

    def test_errors_of_ones_own(self):
        with Mock(turns({"error": {"status": 502, "body": "<html>bad gateway</html>"},
                         "headers": {"Content-Type": "text/html", "X-Proxy": "p"}},
                        {"error": {"status": 400, "body": {"oops": [1]}}},
                        {"error": {"status": 403, "type": "t", "code": "c", "message": "m"}},
                        {"error": {"status": 503, "retry_after": "Wed, 21 Oct 2015 07:28:00 GMT"}})) as mock:
            answer = mock.ask("openai")
            self.assertEqual((answer.status, answer.body, answer.headers["content-type"], answer.headers["x-proxy"]),
                             (502, b"<html>bad gateway</html>", "text/html", "p"))
            self.assertEqual(mock.ask("openai").json(), {"oops": [1]})
            self.assertEqual(mock.ask("openai").json()["error"], {"message": "m", "type": "t", "param": None,
                                                                  "code": "c"})
            self.assertEqual(mock.ask("openai").headers["retry-after"], "Wed, 21 Oct 2015 07:28:00 GMT")

    def test_an_error_that_is_cut(self):
        with Mock(turns({"error": {"status": 500, "body": "x" * 50}, "faults": {"cut": {"bytes": 20}}})) as mock:
            answer = mock.ask("openai")
            self.assertEqual((answer.status, answer.fault, mock.records()[0]["ended"]), (500, "20 of 50 bytes", "cut"))

    def test_a_redirect(self):
        with Mock(turns({"redirect": {"to": "http://localhost:1/v1/messages"}},
                        {"redirect": {"to": "/x", "status": 302}})) as mock:
            answer = mock.ask("anthropic")
            self.assertEqual((answer.status, answer.headers["location"], answer.body),
                             (307, "http://localhost:1/v1/messages", b""))
            self.assertEqual(mock.ask("openai").status, 302)

    # What does not happen is said.

    def test_a_fault_whose_frame_never_came(self):
        for wire, answer, record in self.both({"garbage": {"at": 50}, "cut": {"frames": 50}, "malformed": {"at": 2}}):
            self.assertEqual((record["ended"], record["faults_missed"]), ("whole", ["cut", "garbage"]))
            self.assertEqual(self.report["faults_missed"], 2)

    def test_usage_faults_where_none_was_asked_for(self):
        with Mock(turns({**TEXT, "faults": {"usage": "twice"}})) as mock:
            mock.stream("openai", stream_options=None)
            self.assertEqual(mock.records()[0]["faults_missed"], ["usage"])

    def test_a_fault_that_only_a_stream_shows(self):
        for name, told in ("stop", "twice"), ("stall", {"frames": 1}), ("error_frame", {"at": 1}), ("pings", 1):
            with Mock(turns({**TEXT, "faults": {name: told}})) as mock:
                answer = mock.ask("openai")
                self.assertEqual((answer.status, answer.json()["error"]["type"]), (422, "mock_no_stream"))
                self.assertIn(f"turn 1 has fault '{name}', which only a stream can show", answer.error())
                self.assertEqual(mock.report()["turns"][0]["left"], 1)

    def test_sound_answers_have_none(self):
        for wire, answer, record in self.both({}):
            self.sound(wire, answer)
            self.assertNotIn("faults_missed", record)
            self.assertEqual(len(answer.frames()), SOUND[wire])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])

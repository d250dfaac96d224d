#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""If this fails, a mistake in a script is understood as something else, or another turn answers than its author meant.

usage: test_script.py SOURCE"""
import contextlib
import io
import json
import pathlib
import sys
import tempfile
import unittest

from mock import Mock, run, turns

sys.path.insert(0, str(pathlib.Path(sys.argv[1]) / "tools/mock-model.d"))

from mock_model import cli  # noqa: E402

TURN = {"text": "x"}


def check(path):
    """What the program would do, without starting one for each of a hundred refusals."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main(["--check", str(path)])
    return code, out.getvalue(), err.getvalue()


class Refused(unittest.TestCase):
    """Each refusal, by what it says. The program must end with 2 and listen nowhere."""

    def refused(self, script, words):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "script.json"
            if isinstance(script, bytes):
                path.write_bytes(script)
            elif script is not None:
                path.write_text(json.dumps(script), encoding="utf-8")
            code, out, err = check(path)
        self.assertEqual((code, out), (2, ""), err)
        self.assertEqual(err.count("\n"), 1, err)
        self.assertTrue(err.startswith(f"viv-mock-model: script '{path}': "), err)
        self.assertIn(words, err)

    def turn(self, words, **members):
        self.refused(turns({**TURN, **members}), words)

    def test_what_is_no_script(self):
        self.refused(None, "No such file or directory")
        self.refused(b"{", "no JSON in UTF-8")
        self.refused(b"\xff", "no JSON in UTF-8")
        self.refused(b'{"version": NaN}', "NaN is no JSON")
        self.refused(b'{"version":1,"version":1}', "member 'version' stands twice in one object")
        self.refused(b'{"version":1,"turns":[{"text":"\\ud800"}]}', "no JSON in UTF-8")
        self.refused(b"[" * 100000, "nested too deep")
        self.refused(b" " * ((16 << 20) + 1), "more than 16777216 bytes")
        self.refused([], "the script is '[]', allowed an object with auth, keys, models, note, order, turns, version")

    def test_the_scripts_own_members(self):
        self.refused({"turns": [TURN]}, "the script: member 'version' is missing")
        self.refused({"version": 1}, "the script: member 'turns' is missing")
        self.refused({**turns(TURN), "version": 2}, "the script: 'version' is '2', allowed: 1")
        self.refused(turns(), "the script: 'turns' is '[]', allowed a list of 1 to 10000")
        self.refused(turns(TURN, order="random"), "'order' is 'random', allowed: first-fit, strict")
        self.refused(turns(TURN, auth="maybe"), "'auth' is 'maybe', allowed: required, none")
        self.refused(turns(TURN, auth="none", keys=["k"]), "'keys' are checked, and 'auth' is 'none'")
        self.refused(turns(TURN, models=[]), "'models' is '[]', allowed a list of 1 to 1000")
        self.refused(turns(TURN, models=[""]), "'models', item 1 is '', allowed a text of 1 to 200 characters")
        self.refused(turns(TURN, turn=1),
                     "the script: unknown member 'turn', allowed: auth, keys, models, note, order, turns, version")

    def test_unknown_members_are_refused_by_name(self):
        self.turn("turn 1: unknown member 'delay', allowed: delay_ms, error, faults, finish, frame_delay_ms, headers, "
                  "limits, match, name, note, piece, redirect, repeat, text, tool_calls, usage", delay=1)
        self.turn("turn 1: 'match': unknown member 'lst', allowed: header, last, model, stream, system, tool, "
                  "tool_result, tools, wire",
                  match={"lst": "x"})
        self.turn("turn 1: 'faults': unknown member 'cuts', allowed: chunked, cut, endless, error_frame, garbage, "
                  "malformed, oversized, pings, split, stall, stop, usage", faults={"cuts": 1})
        self.turn("turn 1: 'usage': unknown member 'in', allowed: cache_write, cached, input, output", usage={"in": 1})
        self.turn("turn 1: 'limits': unknown member 'rpm', allowed: requests, requests_left, requests_reset_s, tokens, "
                  "tokens_left, tokens_reset_s", limits={"rpm": 1})
        self.turn("turn 1: 'faults': 'cut': unknown member 'after', allowed: at, bytes, frames, how",
                  faults={"cut": {"after": 1}})
        self.turn("turn 1: 'tool_calls', item 1: unknown member 'input', allowed: arguments, id, name",
                  tool_calls=[{"name": "f", "input": {}}])
        self.refused(turns({"error": {"status": 500, "text": ""}}),
                     "turn 1: 'error': unknown member 'text', allowed: body, code, message, retry_after, status, type")

    def test_one_kind_of_answer(self):
        allowed = ", allowed exactly one of: text and tool_calls, error, redirect"
        self.refused(turns(TURN, {}), "turn 2: found none" + allowed)
        self.turn("turn 1: found text, error" + allowed, error={"status": 500})
        self.refused(turns({"error": {"status": 500}, "redirect": {"to": "/"}}),
                     "turn 1: found error, redirect" + allowed)

    def test_values(self):
        self.turn("'repeat' is '0', allowed a number from 1 to 1000000000", repeat=0)
        self.turn("'repeat' is 'always', allowed: forever", repeat="always")
        self.turn("'repeat' is 'true', allowed a number or 'forever'", repeat=True)
        self.turn("'text' is '7', allowed a text or a list of texts", text=7)
        self.turn("'text', item 2 is '7', allowed a text", text=["a", 7])
        self.turn("'piece' is '0', allowed a number from 1 to", piece=0)
        self.turn("'delay_ms' is '-1', allowed a number from 0 to 3600000", delay_ms=-1)
        self.turn("'frame_delay_ms' is '1.5', allowed a number from 0 to 3600000", frame_delay_ms=1.5)
        self.turn("'match': 'wire' is 'http', allowed: openai, anthropic", match={"wire": "http"})
        self.turn("'match': 'stream' is '1', allowed: true, false", match={"stream": 1})
        self.turn("'match': 'tool_result' is '1', allowed true, false or a text", match={"tool_result": 1})
        self.turn("'match': 'header': 'x' is '1', allowed a text", match={"header": {"x": 1}})
        self.turn("'match': 'header' is 'x', allowed an object", match={"header": "x"})
        self.turn("'tool_calls' is '[]', allowed a list of 1 to 128", tool_calls=[])
        self.turn("'tool_calls', item 1: member 'name' is missing", tool_calls=[{}])
        self.turn("'tool_calls', item 1: 'arguments' is '[1]', allowed an object or a text",
                  tool_calls=[{"name": "f", "arguments": [1]}])
        self.turn("'usage': cached and cache_write are 3 together, allowed at most 'input', 2; fault 'usage' says what "
                  "cannot be",
                  usage={"input": 2, "cached": 1, "cache_write": 2})
        self.refused(turns({"error": {}}), "'error': member 'status' is missing")
        self.refused(turns({"error": {"status": 200}}), "'error': 'status' is '200', allowed a number from 400 to 599")
        self.refused(turns({"error": {"status": 429, "retry_after": -1}}),
                     "'retry_after' is '-1', allowed a number from 0")
        self.refused(turns({"redirect": {"to": "/", "status": 300}}),
                     "'status' is '300', allowed: 301, 302, 303, 307, 308")

    def test_headers(self):
        self.turn("'headers': 'a b' is no name of a header", headers={"a b": "x"})
        self.turn("'headers': 'Content-Length' is the program's to say; faults 'chunked' and 'cut' break framing",
                  headers={"Content-Length": "1"})
        self.turn("'headers': the value of 'a' is 'x??y', allowed one line of text", headers={"a": "x\r\ny"})
        self.turn("'headers' is '[]', allowed an object of header names and texts", headers=[])

    def test_faults(self):
        self.turn("'faults': 'cut': found none, allowed exactly one of at, frames, bytes", faults={"cut": {}})
        self.turn("'faults': 'cut': found frames, bytes, allowed exactly one of",
                  faults={"cut": {"frames": 1, "bytes": 1}})
        self.turn("'cut': 'how' is 'bye', allowed: close, reset", faults={"cut": {"bytes": 1, "how": "bye"}})
        self.turn("'cut': 'at' is 'end', allowed: start", faults={"cut": {"at": "end"}})
        self.turn("'split' is '0', allowed a number from 1 to 65536", faults={"split": 0})
        self.turn("'usage' is 'wrong', allowed: missing, twice", faults={"usage": "wrong"})
        self.turn("'usage' is '1', allowed 'missing', 'twice' or an object to say instead", faults={"usage": 1})
        self.turn("'stop' is 'late', allowed: twice, missing", faults={"stop": "late"})
        self.turn("'endless' is 'false', allowed: true", faults={"endless": False})
        self.turn("'stall': member 'frames' is missing", faults={"stall": {}})
        self.turn("'chunked': 'how' is 'odd', allowed: bad-size, short, no-end, off",
                  faults={"chunked": {"how": "odd"}})
        self.turn("'malformed': member 'at' is missing", faults={"malformed": {}})
        self.turn("'oversized': 'bytes' is '0', allowed a number from 1 to 67108864",
                  faults={"oversized": {"at": 1, "bytes": 0}})
        self.turn("'error_frame': 'at' is '0', allowed a number from 1", faults={"error_frame": {"at": 0}})
        self.turn("'garbage': found text, hex, allowed at most one of the two",
                  faults={"garbage": {"at": 1, "text": "", "hex": "00"}})
        self.turn("'garbage': 'hex' is '0g', allowed pairs of hexadecimal digits",
                  faults={"garbage": {"at": 1, "hex": "0g"}})
        self.turn("'pings' is '0', allowed a number from 1 to 1000", faults={"pings": 0})
        self.refused(turns({"tool_calls": [{"name": "f"}], "faults": {"endless": True}}),
                     "fault 'endless' repeats the last text, and there is no text")

    def test_what_an_error_cannot_have(self):
        error = {"error": {"status": 500}}
        self.refused(turns({**error, "usage": {}}),
                     "turn 1: 'usage' belongs to text or tool_calls, this turn has 'error'")
        self.refused(turns({**error, "faults": {"malformed": {"at": 1}}}),
                     "turn 1: fault 'malformed' belongs to text or tool_calls, this turn has 'error'")
        self.refused(turns({"redirect": {"to": "/"}, "faults": {"stall": {"frames": 1}}}),
                     "turn 1: fault 'stall' belongs to text or tool_calls, this turn has 'redirect'")

    def test_a_good_script_is_said_to_be_good(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(turns(TURN, {**TURN, "match": {"model": "b"}}), file)
            file.flush()
            self.assertEqual(run("--check", file.name), (0, f"{file.name}: 2 turns, models b\n", ""))
            self.assertEqual(check(file.name), run("--check", file.name))
            file.write("x")
            file.flush()
            self.assertEqual(check(file.name), run(file.name))


def user(text):
    return [{"role": "user", "content": text}]


class Choice(unittest.TestCase):
    def said(self, mock, body=None, wire="openai", **more):
        """The text of the turn that answered, or the refusal."""
        answer = mock.ask(wire, body, **more)
        if answer.status != 200:
            self.assertEqual((answer.status, answer.json()["error"]["type"]), (422, "mock_no_turn"))
            return answer.error()
        value = answer.json()
        return value["choices"][0]["message"]["content"] if wire == "openai" else value["content"][0]["text"]

    def test_in_order_each_as_often_as_it_says(self):
        with Mock(turns({"text": "a"}, {"text": "b", "repeat": 2}, {"text": "c"})) as mock:
            self.assertEqual([self.said(mock) for _ in range(4)], ["a", "b", "b", "c"])
            self.assertIn("(openai, model 'm', no stream, last 'hello', no tool result, 0 tools); all 3 turns of the "
                          "script are used up",
                          self.said(mock))

    def test_the_first_that_fits(self):
        with Mock(turns({"text": "a", "match": {"last": "A"}}, {"text": "b", "match": {"last": "B"},
                                                                "repeat": "forever"}, {"text": "rest"})) as mock:
            self.assertEqual([self.said(mock, {"messages": user(text)}) for text in ("xBx", "other", "A", "B")],
                             ["b", "rest", "a", "b"])
            self.assertIn("the script still has: turn 2 (forever) wants last 'B'",
                          self.said(mock, {"messages": user("A")}))

    def test_strictly_in_order(self):
        with Mock(turns({"text": "a", "name": "first", "match": {"last": "A"}}, {"text": "b"}, order="strict")) as mock:
            self.assertIn("the script is strict, and next is turn 1 'first' (1 left) wants last 'A'", self.said(mock))
            self.assertEqual([self.said(mock, {"messages": user("A")}), self.said(mock)], ["a", "b"])

    def test_many_that_are_left_are_counted(self):
        with Mock(turns(*({"text": "a", "match": {"model": f"m{number}"}} for number in range(9)))) as mock:
            said = self.said(mock)
            self.assertIn("turn 5 (1 left) wants model 'm4'; and 4 more", said)

    def matched(self, match, fits, others, wire="openai"):
        with Mock(turns({"text": "yes", "match": match, "repeat": "forever"},
                        {"text": "no", "repeat": "forever"})) as mock:
            for body, more in fits:
                self.assertEqual(self.said(mock, body, wire, **more), "yes", body)
            for body, more in others:
                self.assertEqual(self.said(mock, body, wire, **more), "no", body)

    def test_match_model_and_header(self):
        self.matched({"model": "big", "header": {"X-Task": "7"}}, [({"model": "big"},
                                                                    {"headers": {"x-task": "task 7"}})],
                     [({"model": "bigger"}, {"headers": {"x-task": "7"}}), ({"model": "big"}, {}),
                      ({"model": "big"}, {"headers": {"x-task": "8"}})])

    def test_match_the_system_text(self):
        self.matched({"system": "careful"}, [({"messages": [{"role": "system", "content": "be careful"}] + user("x")},
                                              {}),
                                             ({"messages": [{"role": "developer",
                                                             "content": "be careful"}] + user("x")}, {})],
                     [({"messages": user("careful")}, {})])
        self.matched({"system": "careful"}, [({"system": "be careful"}, {}), ({"system": [{"type": "text",
                                                                                           "text": "careful"}]}, {})],
                     [({}, {})], wire="anthropic")

    def test_match_tools(self):
        def tool(name):
            return {"tools": [{"type": "function", "function": {"name": name}}]}
        self.matched({"tool": "run"}, [(tool("run"), {})], [(tool("ran"), {}), ({}, {})])
        self.matched({"tools": False}, [({}, {}), ({"tools": []}, {})], [(tool("run"), {})])
        self.matched({"tool": "run"}, [({"tools": [{"name": "run", "input_schema": {}}]}, {})], [({}, {})],
                     wire="anthropic")

    def test_match_tool_results(self):
        result = {"messages": user("x") + [{"role": "tool", "tool_call_id": "c", "content": "three lines"}]}
        self.matched({"tool_result": True}, [(result, {})], [({}, {})])
        self.matched({"tool_result": "three"}, [(result, {})], [({"messages": user("three")}, {})])
        self.matched({"tool_result": False}, [({}, {})], [(result, {})])
        for content in ("three lines", [{"type": "text", "text": "three lines"}]):
            result = {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t",
                                                                 "content": content}]}]}
            self.matched({"tool_result": "three", "last": "lines"}, [(result, {})],
                         [({"messages": user("three lines")}, {})], wire="anthropic")

    def test_match_the_wire_and_streams(self):
        with Mock(turns({"text": "a", "match": {"wire": "anthropic"}}, {"text": "s", "match": {"stream": True}},
                        {"text": "o"})) as mock:
            self.assertEqual(self.said(mock), "o")
            self.assertEqual(self.said(mock, wire="anthropic"), "a")
            self.assertEqual(mock.stream("openai").headers["x-mock-turn"], "2")

    def test_declared_models_and_keys(self):
        with Mock(turns({"text": "a", "repeat": "forever"}, models=["big", "small"], keys=["k1"])) as mock:
            answer = mock.ask("openai", {"model": "big"})
            self.assertEqual(answer.status, 401)
            self.assertIn("the key is none of those in the script", answer.error())
            self.assertNotIn("k1", answer.error())
            key = {"authorization": "Bearer k1"}
            self.assertEqual(mock.ask("openai", {"model": "big"}, headers=key).status, 200)
            answer = mock.ask("openai", {"model": "m"}, headers=key)
            self.assertEqual((answer.status, answer.json()["error"]["code"]), (404, "model_not_found"))
            self.assertIn("model 'm' is not in the script, allowed: big, small", answer.error())
            self.assertEqual([one["id"] for one in mock.get("/v1/models", headers=key).json()["data"]],
                             ["big", "small"])
            self.assertEqual(mock.get("/v1/models").status, 401)

    def test_no_key_where_none_is_wanted(self):
        with Mock(turns({"text": "a", "repeat": 2}, auth="none")) as mock:
            self.assertEqual(mock.ask("openai", {}, headers={"authorization": None}).status, 200)
            self.assertEqual(mock.ask("anthropic", {}, headers={"x-api-key": None}).status, 200)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])

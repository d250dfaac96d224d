#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""If this fails, a client of one of the two wires does not understand what the scripted endpoint says, or a test that
relies on its refusals is fooled.

usage: test_wires.py SOURCE"""
import json
import sys
import unittest

from mock import Mock, request, turns

TEXT = {"name": "text", "match": {"last": "text"}, "text": "Größe: ☃ and more", "piece": 5, "repeat": "forever",
        "usage": {"input": 100, "output": 7, "cached": 60, "cache_write": 30}}
CALLS = {"name": "calls", "match": {"last": "calls"}, "repeat": "forever", "text": "I look.", "piece": 9,
         "tool_calls": [{"name": "read_file", "arguments": {"path": "a b.txt"}},
                        {"name": "run", "arguments": "{\"x\":", "id": "own"}]}


def user(text):
    return [{"role": "user", "content": text}]


class Openai(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mock = Mock(turns(TEXT, CALLS, {"match": {"last": "long"}, "text": "x", "finish": "length", "repeat": 2}))

    @classmethod
    def tearDownClass(cls):
        cls.mock.__exit__(None, None, None)

    def test_a_whole_answer(self):
        answer = self.mock.ask("openai", {"messages": user("text")})
        self.assertEqual((answer.status, answer.headers["content-type"], answer.fault), (200, "application/json", ""))
        value = answer.json()
        self.assertRegex(answer.headers["x-request-id"], r"^req_\d+$")
        self.assertEqual(value["id"], answer.headers["x-request-id"].replace("req_", "chatcmpl-"))
        self.assertEqual((value["object"], value["created"], value["model"]), ("chat.completion", 1700000000, "m"))
        self.assertEqual(value["choices"], [{"index": 0, "logprobs": None, "finish_reason": "stop", "message": {
            "role": "assistant", "content": "Größe: ☃ and more", "refusal": None}}])
        self.assertEqual(value["usage"], {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107,
                                          "prompt_tokens_details": {"cached_tokens": 60},
                                          "completion_tokens_details": {"reasoning_tokens": 0}})

    def test_a_stream_of_text(self):
        answer = self.mock.stream("openai", "text")
        self.assertEqual(answer.headers["content-type"], "text/event-stream; charset=utf-8")
        events = answer.events()
        self.assertEqual(events.pop(), "[DONE]")
        last = events.pop()
        self.assertEqual((last["choices"], last["usage"]["total_tokens"]), ([], 107))
        self.assertTrue(all(event["usage"] is None and event["object"] == "chat.completion.chunk" for event in events))
        self.assertEqual(len({event["id"] for event in events + [last]}), 1)
        deltas = [event["choices"][0]["delta"] for event in events]
        self.assertEqual(deltas, [{"role": "assistant", "content": ""}, {"content": "Größe"}, {"content": ": ☃ a"},
                                  {"content": "nd mo"}, {"content": "re"}, {}])
        self.assertEqual([event["choices"][0]["finish_reason"] for event in events], [None] * 5 + ["stop"])

    def test_usage_comes_in_a_stream_only_when_asked_for(self):
        events = self.mock.stream("openai", "text", stream_options=None).events()
        self.assertEqual(events.pop(), "[DONE]")
        self.assertTrue(all("usage" not in event and event["choices"] for event in events))

    def test_a_stream_of_tool_calls(self):
        events = self.mock.stream("openai", "calls").events()
        parts = [part for event in events[:-2] for part in event["choices"][0]["delta"].get("tool_calls", ())]
        number = events[0]["id"].removeprefix("chatcmpl-")
        self.assertEqual([part for part in parts if "id" in part], [
            {"index": 0, "id": f"call_{number}_1", "type": "function",
             "function": {"name": "read_file", "arguments": ""}},
            {"index": 1, "id": "own", "type": "function", "function": {"name": "run", "arguments": ""}}])
        pieces = [part["function"]["arguments"] for part in parts if "id" not in part and part["index"] == 0]
        self.assertGreater(len(pieces), 1)
        self.assertEqual(json.loads("".join(pieces)), {"path": "a b.txt"})
        self.assertEqual([part["function"]["arguments"] for part in parts if "id" not in part and part["index"] == 1],
                         ['{"x":'])
        self.assertEqual(events[-3]["choices"][0]["finish_reason"], "tool_calls")

    def test_whole_tool_calls(self):
        choice = self.mock.ask("openai", {"messages": user("calls")}).json()["choices"][0]
        self.assertEqual(choice["finish_reason"], "tool_calls")
        self.assertEqual(choice["message"]["content"], "I look.")
        self.assertEqual([call["function"] for call in choice["message"]["tool_calls"]], [
            {"name": "read_file", "arguments": '{"path":"a b.txt"}'}, {"name": "run", "arguments": '{"x":'}])

    def test_a_word_for_the_end(self):
        self.assertEqual(self.mock.ask("openai", {"messages": user("long")}).json()["choices"][0]["finish_reason"],
                         "length")

    def test_models(self):
        self.assertEqual(self.mock.get("/v1/models").json(), {"object": "list", "data": [
            {"id": "mock-1", "object": "model", "created": 1700000000, "owned_by": "viv-mock-model"}]})
        self.assertEqual(self.mock.get("/v1/models/mock-1").json()["id"], "mock-1")
        answer = self.mock.get("/v1/models/other")
        self.assertEqual((answer.status, answer.json()["error"]["code"]), (404, "model_not_found"))
        self.assertIn("model 'other' is not in the script, allowed: mock-1", answer.error())

    def refused(self, status, words, body=None, **more):
        answer = self.mock.ask("openai", body, **more)
        self.assertEqual(answer.status, status)
        self.assertIn(words, answer.error())
        self.assertEqual(sorted(answer.json()["error"]), ["code", "message", "param", "type"])
        return answer.json()["error"]

    def test_what_the_wire_demands(self):
        error = self.refused(401, "no key, allowed: authorization: Bearer KEY", headers={"authorization": None})
        self.assertEqual((error["type"], error["code"]), ("invalid_request_error", "invalid_api_key"))
        self.refused(401, "no key", headers={"authorization": "Basic abc"})
        self.refused(400, "the body of 3 bytes is no JSON", b"{]}")
        self.refused(400, "the body is '[]', allowed an object", b"[]")
        self.refused(400, "'model' is 'null', allowed a text", {"model": None})
        self.refused(400, "'model' is '7', allowed a text", {"model": 7})
        self.refused(400, "'messages' is '[]', allowed a list of objects with a role, at least one", {"messages": []})
        self.refused(400, "'messages' is '[{}]', allowed", {"messages": [{}]})
        self.refused(400, "'stream' is 'yes', allowed true or false", {"stream": "yes"})
        self.refused(400, "'tools' is '{\"a\": 1}', allowed a list", {"tools": {"a": 1}})
        self.refused(400, "'stream_options' is only allowed when 'stream' is true", {"stream_options": {}})
        self.refused(400, "'stream_options' is '3', allowed an object", {"stream": True, "stream_options": 3})


class Anthropic(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mock = Mock(turns(TEXT, CALLS, {"match": {"last": "long"}, "text": "x", "finish": "length", "repeat": 2},
                              {"match": {"last": "odd"}, "text": "x", "finish": "pause_turn"}))

    @classmethod
    def tearDownClass(cls):
        cls.mock.__exit__(None, None, None)

    USAGE = {"input_tokens": 10, "cache_creation_input_tokens": 30, "cache_read_input_tokens": 60, "output_tokens": 7}

    def test_a_whole_answer(self):
        answer = self.mock.ask("anthropic", {"messages": user("text")}, path="/v1/messages?beta=true")
        value = answer.json()
        number = answer.headers["request-id"].removeprefix("req_")
        self.assertEqual(value, {"id": f"msg_{number}", "type": "message", "role": "assistant", "model": "m",
                                 "content": [{"type": "text", "text": "Größe: ☃ and more"}],
                                 "stop_reason": "end_turn", "stop_sequence": None, "usage": self.USAGE})

    def test_a_stream_of_text(self):
        events = self.mock.stream("anthropic", "text").events()
        self.assertEqual([event["type"] for event in events],
                         ["message_start", "content_block_start", "ping"] + ["content_block_delta"] * 4 +
                         ["content_block_stop", "message_delta", "message_stop"])
        start = events[0]["message"]
        self.assertEqual((start["content"], start["stop_reason"], start["usage"]),
                         ([], None, {**self.USAGE, "output_tokens": 1}))
        self.assertEqual(events[1], {"type": "content_block_start", "index": 0,
                                     "content_block": {"type": "text", "text": ""}})
        self.assertEqual([event["delta"] for event in events[3:7]],
                         [{"type": "text_delta", "text": text} for text in ("Größe", ": ☃ a", "nd mo", "re")])
        self.assertEqual(events[8], {"type": "message_delta", "delta": {"stop_reason": "end_turn",
                                                                        "stop_sequence": None}, "usage": self.USAGE})

    def test_a_stream_of_tool_calls(self):
        events = self.mock.stream("anthropic", "calls").events()
        starts = [event for event in events if event["type"] == "content_block_start"]
        number = events[0]["message"]["id"].removeprefix("msg_")
        self.assertEqual([(start["index"], start["content_block"]) for start in starts], [
            (0, {"type": "text", "text": ""}), (1, {"type": "tool_use", "id": f"toolu_{number}_1", "name": "read_file",
                                                    "input": {}}),
            (2, {"type": "tool_use", "id": "own", "name": "run", "input": {}})])
        parts = [event["delta"] for event in events if event["type"] == "content_block_delta" and event["index"] == 1]
        self.assertEqual({part["type"] for part in parts}, {"input_json_delta"})
        self.assertGreater(len(parts), 2)
        self.assertEqual(json.loads("".join(part["partial_json"] for part in parts)), {"path": "a b.txt"})
        self.assertEqual([event["index"] for event in events if event["type"] == "content_block_stop"], [0, 1, 2])
        self.assertEqual(events[-2]["delta"]["stop_reason"], "tool_use")

    def test_whole_tool_calls(self):
        value = self.mock.ask("anthropic", {"messages": user("calls")}).json()
        self.assertEqual([(part["type"], part.get("input")) for part in value["content"]],
                         [("text", None), ("tool_use", {"path": "a b.txt"}), ("tool_use", '{"x":')])

    def test_words_for_the_end_are_this_wires(self):
        self.assertEqual(self.mock.ask("anthropic", {"messages": user("long")}).json()["stop_reason"], "max_tokens")
        self.assertEqual(self.mock.ask("anthropic", {"messages": user("odd")}).json()["stop_reason"], "pause_turn")

    def test_models_and_counts(self):
        value = self.mock.get("/v1/models", wire="anthropic").json()
        self.assertEqual(value, {"data": [{"type": "model", "id": "mock-1", "display_name": "mock-1",
                                           "created_at": "2023-11-14T22:13:20Z"}],
                                 "has_more": False, "first_id": "mock-1", "last_id": "mock-1"})
        body = request("anthropic", {}).partition(b"\r\n\r\n")[2]
        answer = self.mock.ask("anthropic", body, path="/v1/messages/count_tokens")
        self.assertEqual(answer.json(), {"input_tokens": (len(body) + 3) // 4})

    def test_both_ways_to_bring_a_key_and_any_date(self):
        answer = self.mock.ask("anthropic", {"messages": user("text")},
                               headers={"x-api-key": None, "authorization": "Bearer k",
                                        "anthropic-version": "2026-10-21"})
        self.assertEqual(answer.status, 200)

    def refused(self, status, kind, words, body=None, **more):
        answer = self.mock.ask("anthropic", body, **more)
        value = answer.json()
        self.assertEqual((answer.status, value["type"], value["error"]["type"]), (status, "error", kind))
        self.assertIn(words, value["error"]["message"])
        self.assertEqual(value["request_id"], answer.headers["request-id"])

    def test_what_the_wire_demands(self):
        self.refused(401, "authentication_error", "no key, allowed: authorization: Bearer KEY or x-api-key: KEY",
                     headers={"x-api-key": None})
        self.refused(400, "invalid_request_error",
                     "header anthropic-version is missing, allowed a date like 2023-06-01",
                     headers={"anthropic-version": None})
        self.refused(400, "invalid_request_error", "header anthropic-version is 'new', allowed a date",
                     headers={"anthropic-version": "new"})
        self.refused(400, "invalid_request_error", "'max_tokens' is 'null', allowed a number from 1",
                     {"max_tokens": None})
        self.refused(400, "invalid_request_error", "'max_tokens' is '0', allowed a number from 1", {"max_tokens": 0})
        self.refused(400, "invalid_request_error", "the body of 1 bytes is no JSON", b"x")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""If this fails, an example script that a user starts with does not do what its note says, or the page about the
program shows what it refuses.

usage: test_examples.py SOURCE"""
import json
import pathlib
import re
import sys
import tempfile
import unittest

from mock import Mock, run

SOURCE = pathlib.Path(sys.argv[1])
EXAMPLES = SOURCE / "tools/mock-model.d"
PAGE = SOURCE / "docs/mock-model.md"
NAMES = ("read_file", "write_file")


def openai_calls(answer, stream):
    """(message to add, [(id, name, arguments)], text) of an answer, as an agent reads it."""
    if not stream:
        message = answer.json()["choices"][0]["message"]
    else:
        message = {"role": "assistant", "content": "", "tool_calls": []}
        for event in answer.events():
            for choice in () if event == "[DONE]" else event["choices"]:
                message["content"] += choice["delta"].get("content") or ""
                for part in choice["delta"].get("tool_calls", ()):
                    if "id" in part:
                        message["tool_calls"].append({"id": part["id"], "type": "function",
                                                      "function": dict(part["function"])})
                    else:
                        message["tool_calls"][part["index"]]["function"]["arguments"] += part["function"]["arguments"]
    return message, [(call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
                     for call in message.get("tool_calls") or ()], message["content"]


def anthropic_calls(answer, stream):
    if not stream:
        content = answer.json()["content"]
    else:
        content, parts = [], []
        for event in answer.events():
            if event["type"] == "content_block_start":
                content.append(dict(event["content_block"]))
                parts.append("")
            elif event["type"] == "content_block_delta":
                parts[event["index"]] += event["delta"].get("text", event["delta"].get("partial_json", ""))
        for block, part in zip(content, parts):
            block.update({"text": part} if block["type"] == "text" else {"input": json.loads(part)})
    calls = [(block["id"], block["name"], block["input"]) for block in content if block["type"] == "tool_use"]
    return {"role": "assistant", "content": content}, calls, "".join(block.get("text", "") for block in content)


def results(wire, found):
    if wire == "openai":
        return [{"role": "tool", "tool_call_id": name, "content": text} for name, text in found]
    return [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": name, "content": text} for name,
                                         text in found]}]


def tools(wire):
    if wire == "openai":
        return [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in NAMES]
    return [{"name": name, "input_schema": {"type": "object"}} for name in NAMES]


def work(mock, wire, stream, folder):
    """An agent: asks, does what it is told to the files in a folder, tells what came of it. Returns the last text."""
    messages = [{"role": "user", "content": "correct the greeting"}]
    for _ in range(10):
        body = {"messages": messages, "tools": tools(wire), **({"stream": True} if stream else {})}
        message, calls, text = (openai_calls if wire == "openai" else anthropic_calls)(mock.ask(wire, body), stream)
        if not calls:
            return text
        found = []
        for name, tool, arguments in calls:
            path = folder / arguments["path"]
            if tool == "write_file":
                path.write_text(arguments["content"])
            found.append((name, path.read_text() if tool == "read_file" else "written"))
        messages += [message] + results(wire, found)
    raise AssertionError("it does not end")


class Examples(unittest.TestCase):
    def test_a_file_is_edited(self):
        for wire in ("openai", "anthropic"):
            for stream in (False, True):
                with self.subTest(wire=wire, stream=stream), Mock(EXAMPLES / "edit-file.json") as mock, \
                        tempfile.TemporaryDirectory() as folder:
                    file = pathlib.Path(folder) / "greeting.txt"
                    file.write_text("Helo, world\n")
                    self.assertEqual(mock.ask(wire).status, 200)  # a title, which uses nothing up
                    self.assertEqual(work(mock, wire, stream, pathlib.Path(folder)),
                                     "The greeting in greeting.txt is spelled right now.")
                    self.assertEqual(file.read_text(), "Hello, world\n")
                    report = mock.report()
                    self.assertEqual([turn["used"] for turn in report["turns"]], [1, 1, 1, 1])
                    self.assertEqual(report["models"]["m"]["scripted"]["cached"], 384 + 448)

    def test_waiting_helps(self):
        for wire in ("openai", "anthropic"):
            with self.subTest(wire=wire), Mock(EXAMPLES / "rate-limited.json") as mock:
                answers = [mock.ask(wire) for _ in range(4)]
                self.assertEqual([answer.status for answer in answers], [429, 429, 529, 200])
                self.assertEqual([answer.headers.get("retry-after") for answer in answers], ["1", "1", None, None])
                prefix = "x-ratelimit" if wire == "openai" else "anthropic-ratelimit"
                self.assertEqual(sum(name.startswith(prefix) for name in answers[3].headers), 6)

    def test_every_broken_stream(self):
        for wire in ("openai", "anthropic"):
            with self.subTest(wire=wire), Mock(EXAMPLES / "broken-stream.json") as mock:
                answers = [mock.stream(wire) for _ in range(11)]
                records = mock.records()
                self.assertEqual([record["ended"] for record in records],
                                 ["whole", "whole", "cut", "cut", "whole", "whole", "whole", "whole", "whole", "cut",
                                  "whole"])
                self.assertEqual([record.get("faults_missed") for record in records], [None] * 11)
                self.assertTrue(answers[3].reset)
                self.assertEqual({len(piece) for piece in answers[1].pieces[:-1]}, {5})
                for sound in (0, 1, 10):
                    self.assertEqual((answers[sound].fault, answers[sound].rest), ("", b""))
                    answers[sound].events()
                self.assertRaises(ValueError, answers[5].events)
                self.assertEqual(mock.report()["faults_missed"], 0)

    def test_one_script_for_both(self):
        with Mock(EXAMPLES / "both-wires.json") as mock:
            for wire, said, short, key in (("openai", "You speak chat completions.", "length",
                                            {"authorization": "Bearer mock-key"}),
                                           ("anthropic", "You speak messages.", "max_tokens",
                                            {"x-api-key": "mock-key"})):
                def ask(text, model):
                    return mock.ask(wire, {"model": model, "messages": [{"role": "user", "content": text}]},
                                    headers=key)

                self.assertIn(said, ask("on which wire?", "mock-small").body.decode())
                self.assertIn(f'"{short}"', ask("hello", "mock-small").body.decode())
                self.assertEqual(ask("hello", "mock-large").status, 200)
                self.assertEqual((ask("hello", "other").status, mock.ask(wire).status), (404, 401))
            large = mock.report()["models"]["mock-large"]
            self.assertEqual(large["scripted"], {"input": 4000, "output": 18, "cached": 3600, "cache_write": 200})
            self.assertEqual(large["reported"], {**large["scripted"],
                                                 "cache_write": 100})  # one wire has no word for it

    def test_all_are_read_and_listed(self):
        paths = sorted(EXAMPLES.glob("*.json"))
        self.assertGreaterEqual(len(paths), 4)
        page = PAGE.read_text(encoding="utf-8")
        for path in paths:
            code, _, err = run("--check", path)
            self.assertEqual((code, err), (0, ""))
            self.assertIn(f"`{path.name}`", page)


class Page(unittest.TestCase):
    """docs/mock-model.md: its scripts are taken, its tables hold every word a script can say, and no other."""

    def test_scripts_on_the_page_are_taken(self):
        blocks = re.findall(r"(?ms)^```json\n(.*?)^```$", PAGE.read_text(encoding="utf-8"))
        self.assertGreaterEqual(len(blocks), 1)
        for block in blocks:
            with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
                file.write(block)
                file.flush()
                self.assertEqual(run("--check", file.name)[::2], (0, ""))

    def test_every_word_is_on_the_page_and_no_other(self):
        sys.path.insert(0, str(EXAMPLES))
        from mock_model import script
        text = PAGE.read_text(encoding="utf-8")
        for heading, words in (("The script", "SCRIPT"), ("A turn", "TURN"), ("match", "MATCH"), ("faults", "FAULTS")):
            section = re.search(rf"(?ms)^## {heading}$(.*?)(?=^## |\Z)", text)[1]
            rows = re.findall(r"(?m)^\| ((?:`\w+`(?:, )?)+) \|", section)
            self.assertEqual(sorted(word for row in rows for word in re.findall(r"`(\w+)`", row)),
                             sorted(getattr(script, words)), heading)

    def test_every_option_is_on_the_page_and_in_the_manual(self):
        options = set(re.findall(r"(?m)^  (--[a-z-]+)", run("--help")[1]))
        self.assertGreater(len(options), 10)
        manual = (SOURCE / "docs/man/viv-mock-model.1").read_text(encoding="utf-8").replace("\\-", "-").replace("Fl -",
                                                                                                                "--")
        for option in options:
            self.assertIn(option, PAGE.read_text(encoding="utf-8"))
            self.assertIn(option, manual)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""If this fails, a published contract and the files that follow it have drifted apart, or a contract refuses nothing.

usage: test_contract.py SOURCE BUILD"""
import json
import pathlib
import re
import runpy
import sys
import unittest

from jsonschema import Schema

SOURCE = pathlib.Path(sys.argv[1])
CONTRACT = SOURCE / "docs/contract"


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def schema(name):
    return Schema(load(CONTRACT / f"{name}.schema.json"))


PLUGIN = {"id": "acme.gate", "version": "1.0.0", "description": "d", "interfaces": ["viv.gate/1"], "grants": []}
OPTION = {"name": "n", "type": "integer", "default": 1, "min": 0, "max": 2, "help": "h"}

# Changes to a good manifest and where the refusal must point.
MANIFEST_REFUSED = [
    ({"id": "acme"}, "/id"), ({"id": "Acme.x"}, "/id"), ({"id": "../x.y"}, "/id"), ({"id": "a." + "b" * 96}, "/id"),
    ({"version": "1.0"}, "/version"), ({"version": 1}, "/version"), ({"interfaces": []}, "/interfaces"),
    ({"interfaces": ["viv.gate"]}, "/interfaces/0"), ({"interfaces": ["viv.gate/0"]}, "/interfaces/0"),
    ({"grants": ["viv.everything/1"]}, "/grants"), ({"grants": {"effects": ["format"]}}, "/grants"),
    ({"grants": {"folder": "write"}}, "/grants"), ({"libraries": ["../evil.so"]}, "/libraries/0"),
    ({"surprise": 1}, "/surprise"), ({"experimental": "yes"}, "/experimental"), ({"abi": {"min": 1}}, "/abi/max"),
    ({"options": [dict(OPTION, type="float")]}, "/options/0/type"), ({"options": [dict(OPTION, name="A b")]}, "/options/0/name"),
    ({"options": [{"name": "n"}]}, "/options/0/type"), ({"provenance": {"origin": "mine"}}, "/provenance/origin"),
    ({"templates": [{"bind": {}}]}, "/templates/0/text"), ({"templates": [{"text": "a", "bind": {"b": "c"}}]}, "/templates/0/bind/b"),
    ({"templates": [{"text": "a", "bind": {"b": {"to": "/c", "as": "magic"}}}]}, "/templates/0/bind/b"), ({"description": ""}, "/description"),
]
MANIFEST_TAKEN = [
    {}, {"interfaces": [{"id": "viv.gate/1", "rev": 2}]}, {"grants": {"services": ["viv.effect/1"], "effects": ["read"], "folder": "read"}},
    {"options": [OPTION, dict(OPTION, type="duration", default="60s", min="1ms", max="1h")]}, {"libraries": ["libpcre2-8.so.0"]},
    {"templates": [{"text": "weigh {what:word}", "bind": {"what": {"to": "/what", "as": "lower"}}, "set": {"/mode": "x"}, "accept": ["weigh it"], "refuse": []}]},
]
EXEC_TAKEN = [
    {"stages": [{"argv": ["true"]}]},
    {"stages": [{"argv": ["a", ""], "env": {"A": ""}, "output_path": "out", "error_to_output": 1}, {"argv": ["b"]}], "cwd": "sub", "timeout_ns": 5},
]
EXEC_REFUSED = [
    ({}, "/stages"), ({"stages": []}, "/"), ({"stages": [{}]}, "/stages/0/argv"), ({"stages": [{"argv": []}]}, "/stages/0/argv"),
    ({"stages": [{"argv": [1]}]}, "/stages/0/argv/0"), ({"stages": [{"argv": ["a"]}], "timeout_ns": 0}, "/timeout_ns"),
    ({"stages": [{"argv": ["a"], "shell": "x"}]}, "/stages/0/shell"), ({"stages": [{"argv": ["a"]}] * 65}, "/stages"),
    ({"stages": [{"argv": ["a"], "env": {"A=B": "x"}}]}, "/stages/0/env/A=B"),
]


STATUSES = ("queued in_progress completed failed awaiting_community_review pending_review approved requeue needs_qa "
            "needs_integration needs_e2e ready_for_merge subtask_started subtask_completed subtask_failed safety_blocked").split()
QUEUE = {"version": "1.1", "tasks": []}
ENTRY = {"id": "a", "prompt": "p"}
QUEUE_TAKEN = [
    {}, {"version": "1.0", "unknown": {"a": 1.5}}, {"tasks": [ENTRY]}, {"completed": [1], "failed": ["x"]},
    {"tasks": [ENTRY | {"depends_on": ["b"], "max_budget": 0.1, "min_budget": None, "mode": "local", "vendor": [0.5]}]},
]
QUEUE_REFUSED = [
    ({"version": "2.0"}, "/version"), ({"tasks": {}}, "/tasks"), ({"tasks": ["a"]}, "/tasks/0"), ({"tasks": [{}]}, "/tasks/0/id"),
    ({"completed": {}}, "/completed"), ({"tasks": [ENTRY | {"id": "../a"}]}, "/tasks/0/id"), ({"tasks": [ENTRY | {"id": "a" * 97}]}, "/tasks/0/id"),
    ({"tasks": [ENTRY | {"mode": "x"}]}, "/tasks/0/mode"), ({"tasks": [ENTRY | {"max_budget": "1"}]}, "/tasks/0/max_budget"),
    ({"tasks": [ENTRY | {"depends_on": "b"}]}, "/tasks/0/depends_on"), ({"tasks": [ENTRY | {"depends_on": ["a"] * 257}]}, "/tasks/0/depends_on"),
]

MODEL_REFUSED = [
    ({"n": 2}, "/n"), ({"base_url": "ftp://h"}, "/base_url"), ({"base_url": "https://u@h"}, "/base_url"), ({"secret": "a b"}, "/secret"),
    ({"model": ""}, "/model"), ({"max_tokens": 0}, "/max_tokens"), ({"stream": True}, "/stream"), ({"stream": 2}, "/stream"),
    ({"cache": "1"}, "/cache"), ({"stop": ["a"] * 5}, "/stop"), ({"stop": [""]}, "/stop/0"), ({"messages": []}, "/messages"),
    ({"messages": [{"role": "system", "content": []}]}, "/messages/0"), ({"messages": [{"role": "user", "content": []}]}, "/messages/0"),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]}, "/messages/0"),
    ({"tools": [{"name": "f"}]}, "/tools/0/schema_json"), ({"tools": [{"name": "f", "schema_json": {}}]}, "/tools/0/schema_json"),
]

# Changes to a compiled policy with one model and where the refusal must point.
POLICY_REFUSED = [
    ({"secrets": {"A": {"file": "/a"}}}, "/secrets"), ({"secrets": {"a": {}}}, "/secrets/a"),
    ({"secrets": {"a": {"file": "/a", "variable": "B"}}}, "/secrets/a"), ({"secrets": {"a": {"file": "a"}}}, "/secrets/a/file"),
    ({"secrets": {"a": {"variable": "sk-a"}}}, "/secrets/a/variable"), ({"secrets": {"a": {"value": "b"}}}, "/secrets/a"),
    ({"secrets": {f"n{n}": {"file": "/a"} for n in range(33)}}, "/secrets"), ({"routing": {"tiers": []}}, "/routing/tiers"),
    ({"routing": {"allow": ["A"]}}, "/routing/allow/0"), ({"routing": {"deny": []}}, "/routing/deny"),
    ({"breaker": {"cost_micro": 1, "failures": 1}}, "/breaker/window_ns"), ({"limits": {"holds": "loose"}}, "/limits/holds"),
    ({"limits": {"day_micro": -1}}, "/limits/day_micro"), ({"paths": {"private": ["/a"]}}, "/paths/private/0"),
]
POLICY_MODEL_REFUSED = [
    ({"base_url": "https://u@h"}, "base_url"), ({"base_url": "https://h?k=v"}, "base_url"), ({"context": 10000001}, "context"),
    ({"output": 0}, "output"), ({"price": {"input_micro": 1, "output_micro": 1}}, "price"), ({"concurrent": 65}, "concurrent"),
    ({"secret": "a b"}, "secret"), ({"key": "k"}, "key"),
]


class Contracts(unittest.TestCase):
    def taken(self, contract, value):
        self.assertEqual(contract.problems(value), [], value)

    def refused(self, contract, value, at):
        found = contract.problems(value)
        self.assertTrue(any(text.startswith(at) for text in found), f"{value}: {found}")

    def test_each_schema_is_sound(self):
        paths = sorted(CONTRACT.glob("*.json"))
        self.assertGreater(len(paths), 1)
        for path in paths:
            with self.subTest(schema=path.name):
                document = load(path)
                self.assertEqual(document["$schema"], "https://json-schema.org/draft/2020-12/schema")
                self.assertTrue(re.fullmatch(r"urn:vivarium:contract:[a-z-]+:[\d.]+", document["$id"]), document["$id"])
                for key in ("title", "description"):
                    self.assertTrue(document.get(key), key)
                for value in ({}, [], "x", 7, None):  # walks the keywords it can reach; an unknown one raises
                    Schema(document).problems(value)
                self.assertTrue(Schema(document).problems({"surprise in every contract": 1}), "refuses nothing")

    def test_manifest(self):
        contract = schema("manifest")
        for change in MANIFEST_TAKEN:
            self.taken(contract, PLUGIN | change)
        for change, at in MANIFEST_REFUSED:
            self.refused(contract, PLUGIN | change, at)
        for key in PLUGIN:
            self.refused(contract, {k: v for k, v in PLUGIN.items() if k != key}, f"/{key}")

    def test_every_manifest_of_the_tree_follows_it(self):
        contract = schema("manifest")
        for path in sorted(SOURCE.glob("plugins/*/manifest.json")) + sorted(SOURCE.glob("skills/*/manifest.json")):
            with self.subTest(path=str(path.relative_to(SOURCE))):
                self.taken(contract, load(path))
        page = (SOURCE / "docs/write-a-plugin.md").read_text(encoding="utf-8")
        self.taken(contract, json.loads(re.search(r"(?s)```json file=manifest.json\n(.*?)```", page)[1]))

    def test_queue(self):
        contract = schema("queue")
        for change in QUEUE_TAKEN:
            self.taken(contract, QUEUE | change)
        for change, at in QUEUE_REFUSED:
            self.refused(contract, QUEUE | change, at)
        page = (CONTRACT / "queue.md").read_text(encoding="utf-8")
        self.taken(contract, json.loads(re.search(r"(?s)```json\n(.*?)```", page)[1]))

    def test_the_page_of_the_queue_has_every_status_and_state(self):
        page = (CONTRACT / "queue.md").read_text(encoding="utf-8")
        for status in STATUSES:
            self.assertIn(f"| `{status}` |", page)
        states = re.findall(r'X\([A-Z_0-9]+, "([a-z_0-9]+)"\)', (SOURCE / "host/core/task.h").read_text(encoding="utf-8").split("VH_PHASE_TABLE")[0])
        kinds = re.findall(r'^    \{ "([a-z_.]+)",', (SOURCE / "host/core/event.c").read_text(encoding="utf-8"), re.M)
        for state in set(states) - {"none"}:
            self.assertIn(f"`{state}`", page)
        for kind in re.findall(r"`((?:task|gate|review|publish|execute|safety|retry|approval)\.[a-z_.]+)`", page):
            self.assertIn(kind, kinds)

    def test_the_page_of_the_log_has_every_kind_and_move(self):
        """And so has the verifier that was written from it; none of the three takes its tables from another."""
        page = (CONTRACT / "log.md").read_text(encoding="utf-8")
        kinds, moves = (re.split(r"\n\| --- \| --- \|\n", part)[1].split("\n\n")[0].splitlines()
                        for part in re.split(r"\n## ", page) if part.startswith(("Kinds", "Moves")))
        rows = [re.findall(r"`([a-z0-9_.=]+)`", row.split("|")[1]) for row in kinds]
        table = re.findall(r'^    \{ "([a-z_0-9.]+)", (true|false),', (SOURCE / "host/core/event.c").read_text(encoding="utf-8"), re.M)
        self.assertEqual(sorted(sum(rows[:3], [])), sorted(kind for kind, is_input in table if is_input == "true"))
        self.assertEqual(sorted(sum(rows[3:], [])), sorted(kind for kind, is_input in table if is_input == "false"))
        states = dict(re.findall(r'X\(([A-Z_0-9]+), "([a-z_0-9]+)"\)', (SOURCE / "host/core/task.h").read_text(encoding="utf-8").split("VH_PHASE_TABLE")[0]))
        edges = re.findall(r"MOVE\(([A-Z_0-9]+), ([A-Z_0-9]+),", (SOURCE / "host/core/moves.c").read_text(encoding="utf-8"))
        said = {found[0]: found[1:] for found in (re.findall(r"`([a-z0-9_.=]+)`", row) for row in moves)}
        self.assertEqual(sorted((start, to.split("=")[0]) for start in said for to in said[start]),
                         sorted((states[start], states[to]) for start, to in edges))
        verifier = runpy.run_path(str(SOURCE / "tools/verify-log"))
        self.assertEqual([sorted(verifier["KINDS"][group]) for group in ("home", "task", "lease", "derived")],
                         [sorted(found) for found in (*rows[:3], sum(rows[3:], []))])
        self.assertEqual({start: verifier["MOVES"][start] for start in said},
                         {start: dict(to.partition("=")[::2] for to in said[start]) for start in said})
        self.assertEqual(set(verifier["MOVES"]), set(said))

    def test_socket(self):
        contract = schema("socket")
        source = "".join((SOURCE / name).read_text(encoding="utf-8") for name in ("host/run/control.c",))
        ops = re.findall(r'^    \{ "([a-z]+)", (?:op|vh_control)_[a-z]+ \},', source, re.M)
        self.assertGreater(len(ops), 20)
        self.assertEqual(sorted(ops), sorted(load(CONTRACT / "socket.schema.json")["properties"]["op"]["enum"]))
        page = (CONTRACT / "socket.md").read_text(encoding="utf-8")
        for op in ops:
            self.assertIn(f"`{op}`", page)
            self.taken(contract, {"op": op})
        for value, at in (({}, "/op"), ({"op": "format"}, "/op"), ({"op": "tasks", "after": -1}, "/after"), ({"op": "status", "x": 1}, "/x")):
            self.refused(contract, value, at)

    def test_model(self):
        """The plugins' own cases: what they take follows the contract, and the contract refuses what they must."""
        contract = schema("model")
        taken = 0
        for path in sorted(SOURCE.glob("plugins/model_*/cases/*.json")):
            for case in load(path):
                if "refused" not in case:
                    self.taken(contract, case["request"]["request_json"])
                    taken += 1
        self.assertGreater(taken, 8)
        good = load(SOURCE / "plugins/model_openai/cases/bound.json")[1]["request"]["request_json"]
        self.taken(contract, good)
        for key in ("base_url", "model", "max_tokens", "messages"):
            self.refused(contract, {k: v for k, v in good.items() if k != key}, f"/{key}")
        call = good["messages"][1]["content"][1]
        for change, at in MODEL_REFUSED:
            self.refused(contract, good | change, at)
        for change in ({"input": {}}, {"name": "a b"}, {"id": ""}, {"input_json": {}}):
            message = {"role": "assistant", "content": [call | change]}
            self.refused(contract, good | {"messages": [good["messages"][0], message, good["messages"][2]]}, "/messages/1")

    def test_policy(self):
        """The plugin's own cases: what it compiles follows the contract, which refuses what is none of it."""
        contract = schema("policy")
        policies = [case["answer"]["policy_json"] for case in load(SOURCE / "plugins/safety_policy/cases/compile.json") if "answer" in case]
        for policy in policies:
            self.taken(contract, policy)
        good = next(policy for policy in policies if "models" in policy)
        for change, at in POLICY_REFUSED:
            self.refused(contract, good | change, at)
        model = good["models"]["small"]
        for change, at in POLICY_MODEL_REFUSED:
            self.refused(contract, good | {"models": {"small": model | change}}, f"/models/small/{at}")
        for key in set(model) - {"secret"}:
            self.refused(contract, good | {"models": {"small": {k: v for k, v in model.items() if k != key}}}, f"/models/small/{key}")

    def test_exec(self):
        contract = schema("exec")
        for value in EXEC_TAKEN:
            self.taken(contract, value)
        for value, at in EXEC_REFUSED:
            self.refused(contract, value, at)

    def test_pages_name_each_request_status_and_command(self):
        """If this fails, a client's author reads of a request that is not there, or misses one."""
        page = (SOURCE / "docs/contract/socket.md").read_text(encoding="utf-8")
        code = (SOURCE / "host/run/control.c").read_text(encoding="utf-8")
        ops = re.findall(r'\{ "([a-z]+)", (?:op|vh_control)_', code)
        self.assertGreater(len(ops), 15)
        rows = re.findall(r"(?m)^\| ((?:`[a-z]+`(?:, )?)+) \|", page)
        self.assertEqual(set(ops), {word for row in rows for word in re.findall(r"`([a-z]+)`", row)})
        page = (SOURCE / "docs/contract/queue.md").read_text(encoding="utf-8")
        code = (SOURCE / "host/commands/queue_write.c").read_text(encoding="utf-8")
        states = dict(re.findall(r'X\(([A-Z0-9_]+), "(\w+)"\)', (SOURCE / "host/core/task.h").read_text(encoding="utf-8")))
        rows = re.findall(r'\{VH_STATE_(\w+), "(\w+)", VH_QUEUE_(\w+)\}', code.replace("{ ", "{").replace(" }", "}"))
        self.assertEqual(len(rows), 12)
        for state, word, into in rows:
            self.assertRegex(page, rf"\| `{states[state]}` \| `{word}`[^|]*\| `{into.lower()}` \|")
        self.assertEqual(len(re.findall(r"(?m)^\| `\w+` \| `(?:task|publish|approval|safety|execute|review|gate)\.", page)), 16)
        page = (SOURCE / "docs/contract/cli.md").read_text(encoding="utf-8")
        table = (SOURCE / "host/commands/cli_table.c").read_text(encoding="utf-8")
        for name in set(re.findall(r'(?m)^    \{ "([a-z]+)", "', table)) - {"work", "completion"}:
            self.assertRegex(page, rf"`{name}\b")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])

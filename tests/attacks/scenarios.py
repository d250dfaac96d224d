# SPDX-License-Identifier: Apache-2.0
"""Attacks of more than one step on files, processes and resources. Each takes a world and gives problems and the
canaries that were touched. What is about money, records and people is in scenarios_more.py."""
import contextlib
import fcntl
import json
import os
import pathlib
import pty
import secrets
import signal
import socket
import struct
import subprocess
import termios
import time

from scenarios_models import *  # pylint: disable=wildcard-import,unused-wildcard-import
from scenarios_network import *  # pylint: disable=wildcard-import,unused-wildcard-import
from scenarios_more import *  # pylint: disable=wildcard-import,unused-wildcard-import
from side import Side, ask, state_of_task, wait_for


def by_script(world, text, seen=()):
    done = world.task("bash", world.script(text.replace("@OUT@", str(world.outside))))
    problems = ["no end"] if done.returncode is None else []
    return done, problems, world.look(done.stdout, done.stderr, world.result_of(done.task), *seen)


# ---- A: files ----

def race(world, kind, name):
    """One pipeline leaves a racer running; those after it are opened by the host's own hand, then by a shell."""
    (world.project / "racer.sh").write_text(
        f"setsid python3 probes.py race {kind} >/dev/null 2>&1 &\n"
        "for i in 1 2 3 4 5 6 7 8 9 10; do [ -e swapped ] && break; sleep 0.1; done\n", encoding="utf-8")
    (world.project / "inner.sh").write_text(
        f"i=0; while [ $i -lt 500 ]; do echo escaped >> {name}; read -r x <{name} && echo \"$x\"; i=$((i + 1)); done 2>/dev/null\n"
        "touch stop; rm -rf swapped here new stop; true\n", encoding="utf-8")
    world.commit("a race")
    steps = [f"cat one.txt >> {name}"] * 9 + [f"cat < {name}"] * 3
    done = world.task("sh", "-c", "sh ./racer.sh; " + "; ".join(steps) + "; sh ./inner.sh")
    problems = ["no end"] if done.returncode is None else []
    return problems, world.look(done.stdout, done.stderr, world.result_of(done.task))


def race_file(world):
    return race(world, "file", "swapped")


def race_folder(world):
    return race(world, "folder", "swapped/kept")


def checkout_of(world):
    """What is in git's own folder of the person's checkout, and beside it, that could run by itself."""
    return {str(path.relative_to(world.project)): path.read_bytes()
            for top in (".git/hooks", ".git/info", ".git/config", ".husky", ".vscode", ".claude", ".envrc", ".github",
                        ".npmrc")
            for path in [world.project / top, *sorted((world.project / top).rglob("*"))] if path.is_file()}


def protected_names(world):
    problems, touched = [], set()
    before = checkout_of(world)
    hook = f"#!/bin/sh\necho escaped >{world.outside}/escaped\n"
    for names, may_end in ((".git/hooks/post-checkout .git/hooks/post-commit", True), (".git/config", True),
                           (".husky/pre-commit .githooks/x",
                            False), (".vscode/tasks.json .claude/settings.json .envrc", False),
                           (".github/workflows/x.yml", False), (".npmrc", False)):
        text = "".join(f"mkdir -p {os.path.dirname(name) or '.'}; cat >{name} <<'END'\n{hook}END\nchmod +x {name}; "
                       for name in names.split())
        done, more, found = by_script(world, text + "true")
        problems, touched = problems + more, touched | found
        state = state_of_task(done)
        if state == "ready" and not may_end:
            problems.append(f"a task that writes {names} is published without a word")
        world.git("status")
        world.git("commit", "-q", "--allow-empty", "-m", "what a hook would see")
        if checkout_of(world) != before:
            problems.append(f"{names}: the checkout has {sorted(set(checkout_of(world).items()) ^ set(before.items()))[:3]}")
    return problems, touched | world.look()


def protected_renamed(world):
    (world.project / ".github/workflows").mkdir(parents=True, exist_ok=True)
    (world.project / ".github/workflows/ci.yml").write_text("on: push\n", encoding="utf-8")
    world.commit("a workflow")
    before = checkout_of(world)
    done, problems, touched = by_script(world, f"""
mv .git .gone; mkdir -p .git/hooks; printf '#!/bin/sh\\necho escaped >{world.outside}/escaped\\n' >.git/hooks/post-commit
chmod +x .git/hooks/post-commit; rm -rf .git 2>/dev/null; ln -s {world.outside} .git 2>/dev/null
mv .github .g; mkdir -p .github/workflows; echo 'on: [push, fork]' >.github/workflows/ci.yml; rm -rf .g; true""")
    if state_of_task(done) == "ready":
        problems.append("a workflow that was made anew is published without a word")
    world.git("commit", "-q", "--allow-empty", "-m", "what a hook would see")
    if checkout_of(world) != before:
        problems.append("the checkout has other hooks or workflows")
    return problems, touched | world.look()


def published_modes(world, task):
    with contextlib.suppress(subprocess.CalledProcessError):
        return {line.split()[0]: line for line in world.git("ls-tree", "-r", f"viv/{task}").splitlines()}
    return {}


def special_files(world):
    done, problems, touched = by_script(world, """
rm -f one.txt; mkfifo one.txt; mkfifo 'docs/pipe'
python3 - <<'END'
import os, socket, stat
for name, kind in (("zero", stat.S_IFCHR), ("disk", stat.S_IFBLK)):
    try:
        os.mknod(name, kind | 0o666, os.makedev(1, 5)); print("REACHED device")
    except OSError:
        pass
try:
    socket.socket(socket.AF_UNIX).bind("docs/sock")
except OSError:
    pass
END
ln -s /dev/zero endless; ln -s @OUT@/secret link; true""")
    odd = set(published_modes(world, done.task)) - {"100644", "100755", "120000"}
    if odd or (world.project / "one.txt").is_fifo():
        problems.append(f"published: {odd}")
    return problems, touched


def hostile_tree(world):
    done, problems, touched = by_script(world, r"""
python3 - <<'END'
import os
with open("hole", "wb") as file:
    for size in ((1 << 63) - 1, 1 << 40):
        try:
            os.truncate(file.fileno(), size); print("REACHED hole")
        except (OSError, OverflowError):
            pass
os.unlink("hole")
os.mkdir("many")
for i in range(3000):
    open(f"many/{i}", "w").close()
names = [b"x" * 255, b"line\nbreak", b"esc\x1b[31mape", b"bidi\xe2\x80\xaegpj.exe", b"bad\xff\xfe", b"-rf", b" ", b"tab\t", b"\x07"]
os.mkdir("odd")
for name in names:
    open(b"odd/" + name, "w").close()
os.mkdir("deep"); os.chdir("deep")
for i in range(1500):
    try:
        os.mkdir("d" * 100); os.chdir("d" * 100)
    except OSError:
        break
END
true""")
    told = done.stderr + world.viv("task", "show", done.task).stdout + world.viv("log", "show", "--task",
        done.task).stdout
    if "\x1b[31" in told or "\u202e" in told or "\x07" in told:
        problems.append("names of a result reach the terminal as they are")
    if not (done.returncode or 0) in (0, 1, 3):
        problems.append(f"exit code {done.returncode}")
    left = [path for path in (world.project / ".vivarium/work").iterdir()]
    if left:
        problems.append(f"workspaces are left: {left}")
    return problems, touched


TWINS = (
    (".GIT/hooks/post-commit", ".Git/config", "git~1/hooks/x", "sub/.gIt/config"),
    (".git /hooks/x", ".git./config", ".git . /config"),
    (".g\u200cit/config", ".git\u200c/config", "\u202e.git/hooks/x", "\ufeff.GiT/x"),
    (".git::$INDEX_ALLOCATION/config", "a/.git:x/y", ".git\\config", "GIT~1 :x"),
)


def twins(world):
    """git refuses some of these itself, and then whoever checks out a result that has one."""
    problems, touched = [], set()
    before = checkout_of(world)
    for group in TWINS:
        text = "".join(f"mkdir -p '{os.path.dirname(name) or '.'}'; echo '[core] fsmonitor = x' >'{name}'\n"
                       for name in group)
        done, more, found = by_script(world, text)
        problems, touched = problems + more, touched | found
        if state_of_task(done) == "ready":
            problems.append(f"{group} is published")
            world.git("reset", "-q", "--hard", "HEAD~1")
        if "path.git-internals" not in done.stderr and "named like one" not in done.stderr:
            problems.append(f"{group}: nothing names the rule: {done.stderr[-200:]}")
    if checkout_of(world) != before:
        problems.append("git's own folder has changed")
    return problems, touched | refused_by_git(world)


def refused_by_git(world):
    """A result that git will not check out, let through by a person: does work after it go on?"""
    side = Side(world, {"one.txt": "1\n"})
    side.viv("run", "a link", "--id", "link", "--attempts", "1", "--", "ln", "-s", "one.txt", ".gitmodules")
    side.viv("task", "approve", "link")
    side.viv("work", "--drain")
    after = side.viv("run", "after it", "--id", "after", "--", "sh", "-c", "echo 2 >two.txt")
    return {"line-stopped"} if after.returncode else set()


def mapped_file(world):
    done, problems, touched = by_script(world, """
cat >m.py <<'END'
import mmap, os
with open("mapped", "wb") as file:
    file.write(b"a" * 65536)
file = open("mapped", "r+b"); view = mmap.mmap(file.fileno(), 0)
if os.fork() == 0:
    os.setsid()
    for fd in range(3): os.close(fd)
    letter = 0
    while True:
        letter = (letter + 1) % 26
        view[:] = bytes([97 + letter]) * 65536
END
python3 m.py; rm m.py""")
    try:
        world.git("fsck")
        first = world.git("rev-parse", f"viv/{done.task}:mapped")
        body = (world.project / "mapped").read_bytes()
        again = world.git("hash-object", "--no-filters", "mapped")
        if first != again or len(body) != 65536:
            problems.append("what was published is not what was hashed")
    except subprocess.CalledProcessError as fault:
        problems.append(f"no sound result: {fault.cmd} {fault.stderr[-300:]} {done.stderr[-300:]}")
    return problems, touched


def workspace_replaced(world):
    done, problems, touched = by_script(world, """
here=$PWD; up=$(dirname "$here")
mv "$here" "$up/gone" && ln -s @OUT@ "$here"; rmdir "$here"; rm -rf "$up/upper" "$up/copy2"; ln -s @OUT@ "$up/next"
ln -s @OUT@ "$HOME/link"; cd /tmp && ln -s @OUT@ link; cd "$here" && rm -rf ./* .[a-z]* ; ln -s @OUT@ docs; ln -s @OUT@ x""")
    home = world.project / ".vivarium"
    (home / "work").rename(home / "work.real") if (home / "work").is_dir() else None
    (home / "work").symlink_to(world.outside)
    again = world.task("sh", "-c", "echo x >from-a-link.txt")
    touched |= world.look(again.stdout, again.stderr)
    if (home / "work").is_symlink():
        (home / "work").unlink()
    if (home / "work.real").is_dir() and not (home / "work").exists():
        (home / "work.real").rename(home / "work")
    subprocess.run(["rm", "-rf", home / "work.real"], check=False)
    world.git("checkout", "-q", "-f", "main")
    return problems, touched


# ---- B: processes ----

def terminal(world):
    """The host at a terminal; what a task puts into it would be typed at the person's shell."""
    near, far = pty.openpty()
    settings = termios.tcgetattr(far)
    settings[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(far, termios.TCSANOW, settings)
    words = world.wrapped([world.vivhost, "run", "at a terminal", "--attempts", "1", "--id",
                           "tty" + secrets.token_hex(3), "--",
                           "sh", world.script("python3 probes.py terminal")])

    def own_terminal():
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    with subprocess.Popen([str(word) for word in words], cwd=world.project, env=world.environment(), stdin=far,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT,
                          preexec_fn=own_terminal) as host:  # pylint: disable=subprocess-popen-preexec-fn
        said = host.communicate(timeout=60)[0].decode("utf-8", "replace")
    waiting = struct.unpack("I", fcntl.ioctl(far, termios.FIONREAD, bytes(4)))[0]
    os.close(near)
    os.close(far)
    return [], world.look(said) | ({"typed"} if waiting else set())


def mount_points(world):
    """Links where the launcher mounts, in the base, in the change, and seen by the gates that come after."""
    problems, touched = [], set()
    side = Side(world, {"one.txt": "1\n"}, {name: str(world.outside) for name in ("git-objects", "work", "home", "tmp",
        "proc", "dev")})
    side.policy("version: 1\nbranch: follow\ngates:\n  needs_qa:\n    - run: [sh, -c, 'cat work/secret tmp/secret git-objects/secret; true']\n")
    for text in (f"cat work/secret home/secret; echo escaped >work/escaped; rm -rf .git; ln -s {world.outside} .git; true",
                 f"rm -f tmp; mkdir -p tmp; rm -rf docs; ln -s {world.outside} docs; echo escaped >docs/escaped; true",
                 "cd work 2>/dev/null && echo escaped >escaped2; true"):
        done = side.viv("run", "links", "--attempts", "1", "--", "sh", "-c", text)
        touched |= world.look(done.stdout, done.stderr, side.everything())
    done = side.viv("log", "verify")
    return problems + ([f"log verify: {done.stderr}"] if done.returncode else []), touched


def interrupted(world, words, seconds, meanwhile=None):
    """A host that is told to stop after a while; what it said."""
    with subprocess.Popen([str(word) for word in world.wrapped([world.vivhost, *words])], cwd=world.project,
                          env=world.environment(),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as host:
        try:
            if meanwhile:
                meanwhile(host)
            said = host.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            for number in (signal.SIGINT, signal.SIGINT, signal.SIGKILL):
                host.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    said = host.communicate(timeout=10)[0]
                    break
        return host.returncode, (said or b"").decode("utf-8", "replace")


def walls_missing(world):
    problems, touched = [], set()
    reach = world.script(f"cat {world.outside}/secret; echo escaped >{world.outside}/escaped; echo REACHED ran")
    for step in ("seccomp", "landlock-enter", "rlimits", "descriptors"):
        name = "wall" + secrets.token_hex(3)
        _, said = interrupted(world, ["run", "x", "--attempts", "1", "--id", name, "--fail-step", step, "--", "bash",
                                      reach], 1.5)
        touched |= world.look(said)
        if f"{name} ready" in said:
            problems.append(f"without '{step}' the task was done")
        world.viv("task", "cancel", name)
    done = world.call(world.tools / "viv_lesser", "walls", world.vivhost, "run", "x", "--attempts", "1", "--", "bash",
                      reach)
    touched |= world.look(done.stdout, done.stderr)
    if done.returncode == 0:
        problems.append("without any wall the task was done")
    if "landlock" not in done.stderr + done.stdout:
        problems.append(f"nothing names the wall that is missing: {done.stderr[-300:]}")
    return problems, touched


def children(pid):
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as file:
            return [int(word) for word in file.read().split()]
    return []


def all_below(pid):
    found, todo = [], [pid]
    for entry in os.listdir("/proc"):  # threads have children too
        with contextlib.suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{entry}/stat", encoding="utf-8") as file:
                if int(file.read().rpartition(")")[2].split()[1]) == pid:
                    todo.append(int(entry))
    while todo:
        one = todo.pop()
        found.append(one)
        todo += children(one)
    return [one for one in dict.fromkeys(found) if one != pid]


def launcher_killed(world):
    problems, touched = [], set()
    reach = world.script(f"cat {world.outside}/secret; echo escaped >{world.outside}/escaped; true")

    def kill_it(host, after_s):
        end = time.monotonic() + 4
        while time.monotonic() < end and host.poll() is None:
            for pid in all_below(host.pid):
                with contextlib.suppress(OSError):
                    if pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").startswith("viv-launcher"):
                        time.sleep(after_s)  # the moment of the kill, another one each time
                        os.kill(pid, signal.SIGKILL)
                        return

    for turn in range(5):
        name = "kill" + secrets.token_hex(3)
        _, said = interrupted(world, ["run", "x", "--attempts", "1", "--id", name, "--", "bash", reach], 4,
                              lambda host, after_s=turn * 0.012: kill_it(host, after_s))
        touched |= world.look(said)
        world.viv("task", "cancel", name)
    return problems, touched


# ---- C: resources ----

def home_bytes(world):
    return sum(path.lstat().st_blocks * 512 for path in (world.project / ".vivarium").rglob("*"))


def floods(world):
    """Much on standard output, one file beyond what a file may have, arguments that are said again."""
    problems, touched = [], set()
    before = home_bytes(world)
    done, more, found = by_script(world, "yes flood | head -c 60000000; yes flood | head -c 20000000 >&2; true")
    problems, touched = problems + more, touched | found
    if len(done.stdout) + len(done.stderr) > 70 << 20:
        problems.append("all of a flood is passed on")
    done = world.task("sh", "-c", ": " + "x" * 100000)
    touched |= world.look(done.stdout[-1000:], done.stderr[-1000:])
    done, more, found = by_script(world,
                                  "truncate -s 5G hole && echo REACHED large-file; rm -f hole; head -c 1000 /dev/zero >small; true")
    problems, touched = problems + more, touched | found
    grown = home_bytes(world) - before
    if grown > 160 << 20:
        problems.append(f"a flood of 80 MB leaves {grown >> 20} MiB in the home")
    return problems, touched


def endless(world):
    world.set_policy("version: 1\nbranch: follow\nlimits: {time: 2s}\n"
                     'commands: [{id: all, pattern: ".*", verdict: allow}]\n')
    done, problems, touched = by_script(world,
                                        "trap '' TERM INT HUP QUIT; sleep $SLEEP & (setsid sleep $SLEEP &)\nwhile :; do :; done")
    world.set_policy(POLICY_OF(world))
    if done.returncode == 0:
        problems.append("a command without end is done")
    return problems, touched


def many_tasks(world):
    side = Side(world, {"one.txt": "1\n"})
    file = side.project / "queue.json"
    problems = []
    big = {"version": "1.1", "tasks": [{"id": f"t{i}", "prompt": "x", "command": "true"} for i in range(100_001)],
           "completed": [], "failed": []}
    file.write_text(json.dumps(big), encoding="utf-8")
    done = side.viv("submit", "--queue", "queue.json")
    if done.returncode == 0 or "100000" not in done.stderr.replace(",", ""):
        problems.append(f"100,001 entries: {done.returncode} {done.stderr[-200:]}")
    big["tasks"] = big["tasks"][:150]
    file.write_text(json.dumps(big), encoding="utf-8")
    done = side.viv("submit", "--queue", "queue.json")
    if done.returncode:
        problems.append(f"150 entries: {done.stderr[-200:]}")
    for words in (["status"], ["queue", "list"], ["inbox"]):
        done = side.viv(*words)
        if done.returncode:
            problems.append(f"{words} with a long queue: {done.returncode}")
    return problems, world.look(done.stdout, done.stderr)


def slow_clients(world):
    """Clients that connect and say nothing, say half of something, or promise more than is allowed."""
    side, problems = Side(world, {"one.txt": "1\n"}), []
    with side.host() as host:
        socks = []
        for number in range(200):
            with contextlib.suppress(OSError):
                sock = socket.socket(socket.AF_UNIX)
                sock.settimeout(0.2)
                sock.connect(side.socket_path())
                sock.send([b"", b"\x10", struct.pack("<I", 100) + b"{", struct.pack("<I", 1 << 31),
                           b"GET / HTTP/1.1\r\n" * 50][number % 5])
                socks.append(sock)
        done = side.viv("status")
        refused = done.returncode != 0
        if done.returncode is None:
            problems.append("a client gets no answer while others are silent")
        for sock in socks:
            sock.close()
        if refused and not wait_for(lambda: side.viv("status").returncode == 0, 60):
            problems.append(f"after the flood nobody is answered: {side.viv('status').stderr[-300:]}")
        if host.poll() is not None:
            problems.append("the host is gone")
    return problems, world.look(done.stdout, done.stderr)


def slow_patterns(world):
    problems = []
    deep = "/".join(["**", "a*" * 20] * 30) + "/x"
    world.set_policy("version: 1\ncommands:\n"
                     '  - {id: slow, pattern: "^echo (a+)+$", verdict: deny, reason: is slow}\n'
                     '  - {id: allowed, pattern: "^true (a+)+$", verdict: allow}\n'
                     f'paths: {{write: {{deny: ["{deep}", "{"*a" * 60}b"]}}}}\n')
    for words in (["echo", "a" * 4000 + "!"], ["true", "a" * 4000 + "!"], ["sh", "-c",
        "echo x >" + "a/" * 900 + "a" * 200]):
        done = world.viv("policy", "explain", "--json", "--", *words)
        if done.returncode is None:
            problems.append(f"'{words[0]}' is judged for ever")
        elif words[0] == "echo" and '"verdict":"allow"}' in done.stdout:
            problems.append("a rule that denies and cannot be tried to the end lets pass")
    world.set_policy(POLICY_OF(world))
    return problems, world.look()


def hostile_json(world):
    side, problems = Side(world, {"one.txt": "1\n"}), []
    bodies = [b"[" * 100_000, b'{"op":"status","x":' + b"[" * 5000 + b"]" * 5000 + b"}", b'{"op":"status","n":NaN}',
              b'{"op":"status","n":1e999}',
              b'{"op":"status","n":' + b"9" * 400 + b"}",
              b'{"op":"status","op":"stop"}', b'{"op":"status","\\u006fp":"stop"}',
              b'{"op":"' + b"x" * 4_000_000 + b'"}',
              b'{"op":"status","s":"\xff\xfe"}', b'{"op":"status","s":"\\ud800"}', b"", b"\x00" * 64]
    with side.host() as host:
        for body in bodies:
            answer = ask(side.socket_path(), body)
            if b'"status":0' in answer:
                problems.append(f"{body[:40]!r} is taken: {answer[:80]!r}")
        if side.viv("status").returncode or host.poll() is not None:
            problems.append("the host does not answer any more")
    for body in (b"[" * 100_000, b'{"version":"1.1","tasks":' + b"[" * 5000 + b"]" * 5000 + b"}",
                 b'{"version":"1.1","version":"1.1","tasks":[]}',
                 b'{"version":"1.1","tasks":[{"id":"a","prompt":"x","command":"true","max_budget":NaN}]}',
                 b'{"version":"1.1","tasks":[{"id":"a","prompt":"x","command":"true","max_budget":1e999}]}'):
        (side.project / "bad.json").write_bytes(body)
        done = side.viv("submit", "--queue", "bad.json")
        if done.returncode != 1:
            problems.append(f"queue file {body[:60]!r}: exit code {done.returncode}")
    return problems, world.look()

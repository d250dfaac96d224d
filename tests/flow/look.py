#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the flow tests look at: members of JSON, stopped processes of tasks, and what a test leaves behind.

usage: look.py field PATH | events KIND PATH | bytes KIND | ask PROJECT REQUEST | stopped MARK HOME | left SCRATCH HOME |
exported FILE LOG | database SQL FILE | schema FILE NUMBER |
older BACKUP SCHEMA | row FILE TASK MEMBERS"""
import gzip
import hashlib
import json
import os
import socket
import sqlite3
import struct
import sys


def at(value, path):
    for key in path.split(".") if path else []:
        if isinstance(value, list):
            value = value[int(key)] if int(key) < len(value) else ""
        else:
            value = value.get(key, "") if isinstance(value, dict) else ""
    return value if isinstance(value, str) else json.dumps(value)


def events(kind, path):
    for line in sys.stdin:
        event = json.loads(line)["event"]
        if event["kind"] == kind:
            print(at(event.get("data", {}), path))


def sizes(kind):
    """Events of a kind ("" for all) and their bytes in canonical form, as the log has them."""
    count = total = 0
    for line in sys.stdin:
        event = json.loads(line)["event"]
        if kind in ("", event["kind"]):
            count += 1
            total += len(json.dumps(event, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode())
    print(count, total)


def ask(project, request):
    """One request to the host's socket; the path goes through the folder's descriptor, since socket paths are short."""
    home = os.open(os.path.join(project, ".vivarium"), os.O_RDONLY)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(f"/proc/self/fd/{home}/host.sock")
        body = json.dumps(json.loads(request), separators=(",", ":"), sort_keys=True).encode()
        client.sendall(struct.pack("<I", len(body)) + body)
        file = client.makefile("rb")
        (size,) = struct.unpack("<I", file.read(4))
        print(file.read(size).decode())


def read(pid, name):
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def processes():
    return [pid for pid in os.listdir("/proc") if pid.isdigit() and int(pid) != os.getpid()]


def started_with(pid, home):
    """Whether the process or one it comes from has this HOME: other runs of the same test use the same marks."""
    while pid not in ("", "0", "1"):
        if b"HOME=" + home.encode() in read(pid, "environ").split(b"\0"):
            return True
        pid = (read(pid, "stat").rpartition(b") ")[2].split(b" ") + [b"", b""])[1].decode()
    return False


def stopped(mark, home):
    for pid in processes():
        state = read(pid, "stat").rpartition(b") ")[2][:1]
        if state == b"T" and mark.encode() in read(pid, "cmdline") and started_with(pid, home):
            print(pid)
            return


def ancestors():
    pid, found = str(os.getpid()), set()
    while pid not in ("", "0"):
        found.add(pid)
        pid = read(pid, "stat").rpartition(b") ")[2].split(b" ")[1].decode()
    return found


def left(scratch, home):
    """1 and a line for each process that was started with this HOME or sees this folder, and for each mount."""
    found = []
    own = ancestors()
    for pid in processes():
        if pid in own or read(pid, "stat").rpartition(b") ")[2][:1] in (b"Z", b""):
            continue
        environment = read(pid, "environ").split(b"\0")
        if b"HOME=" + home.encode() in environment or scratch.encode() in read(pid, "mountinfo"):
            found.append(f"process {pid}: {read(pid, 'cmdline').replace(bytes(1), b' ').decode(errors='replace')}")
    if scratch in read("self", "mountinfo").decode(errors="replace"):
        found.append("a mount")
    print("\n".join(found))
    return 1 if found else 0


def exported(file, log):
    """I13: what is archived and what the host exported after it, but for a last line that a crash may have torn, is a
    beginning of the log."""
    folder, have = os.path.join(os.path.dirname(file), "archive"), b""
    with open(file, "rb") as one, open(log, "rb") as whole:
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            if name.endswith(".gz"):
                with gzip.open(os.path.join(folder, name)) as segment:
                    have += segment.read()
        rest = one.read()
        have = rest if have.startswith(rest[:1000]) else have + rest  # as it was before it was archived
        return 0 if whole.read().startswith(have[:have.rfind(b"\n") + 1]) else 1


CHECKS = {"task.text", "task.command", "content.constitution", "content.workspace", "content.network", "content.prompt",
          "content.destructive", "task.paths", "task.network", "task.budget", "task.time"}


def reported(log):
    """Every claim of a task that came to an effect of its work has a safety report before it, with every check in it; one
    line says how many there were of both. A log whose begin is archived is judged from the first claim in it."""
    report, attempts, reports, missing = {}, 0, 0, []
    with open(log, encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)["event"]
            task, data = event.get("task"), event["data"]
            if event["kind"] == "task.claimed":
                report[task] = None
            elif event["kind"] == "safety.report" and task in report:
                had = {check["id"] for check in data.get("report", {}).get("checks", [])}
                report[task] = CHECKS <= had and data["verdict"] in (1, 2)
                reports += report[task]
            elif event["kind"] == "effect.started" and data.get("stage") == "execute" and task in report:
                attempts += report[task] != "counted"
                if not report[task]:
                    missing.append(f"event {event['seq']} of task '{task}' starts an effect without a whole safety report")
                report[task] = "counted"
    print(f"{attempts} attempts came to an effect, {reports} reports were made")
    print("\n".join(missing), file=sys.stderr)
    return 1 if missing else 0


def database(script, file):
    """A database from its text."""
    db = sqlite3.connect(file)
    with open(script, encoding="utf-8") as text:
        db.executescript("BEGIN;" + text.read() + "COMMIT;")
    db.close()


def set_schema(file, number):
    db = sqlite3.connect(file)
    db.execute(f"PRAGMA user_version={int(number)}")
    db.close()


def older(folder, schema):
    """A backup as a program of that schema would have made it, where what changed since is folded anew."""
    set_schema(f"{folder}/vivarium.db", schema)
    with open(f"{folder}/vivarium.db", "rb") as file:
        content = file.read()
    with open(f"{folder}/backup.json", encoding="utf-8") as file:
        backup = json.load(file)
    for file in backup["files"]:
        if file["path"] == "vivarium.db":
            file.update(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    with open(f"{folder}/backup.json", "w", encoding="utf-8") as file:
        json.dump(backup, file, separators=(",", ":"), sort_keys=True)


def change_row(file, task, members):
    """Behind the host's back: members of a task's row."""
    db = sqlite3.connect(file)
    row = json.loads(db.execute("SELECT doc FROM tasks WHERE id=?", (task,)).fetchone()[0]) | json.loads(members)
    text = json.dumps(row, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    db.execute("UPDATE tasks SET doc=? WHERE id=?", (text, task))
    db.commit()
    db.close()


def main(words):
    if words[0] == "field":
        print(at(json.load(sys.stdin), words[1]))
    elif words[0] == "events":
        events(words[1], words[2])
    elif words[0] == "bytes":
        sizes(words[1])
    elif words[0] == "ask":
        ask(words[1], words[2])
    elif words[0] == "stopped":
        stopped(words[1], words[2])
    elif words[0] == "left":
        return left(words[1], words[2])
    elif words[0] == "exported":
        return exported(words[1], words[2])
    elif words[0] == "reported":
        return reported(words[1])
    elif words[0] == "database":
        database(words[1], words[2])
    elif words[0] == "schema":
        set_schema(words[1], words[2])
    elif words[0] == "older":
        older(words[1], words[2])
    elif words[0] == "row":
        change_row(words[1], words[2], words[3])
    return 0


sys.exit(main(sys.argv[1:]))

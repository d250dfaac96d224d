# SPDX-License-Identifier: Apache-2.0
"""Points of torture: which call fails, the account that the library of torture.h keeps, and how points are drawn from it."""
import bisect
import ctypes
import hashlib
import os
import random
import re
import struct
import subprocess
import sys
import tempfile

KINDS = ["alloc", "full", "io", "sync", "readonly", "process"]
SHARE = {"alloc": 10, "full": 8, "io": 8, "sync": 4, "readonly": 6, "process": 4}  # of the points, when all are drawn from
HEAD = struct.Struct("<6QQQ")  # struct torture_report of tests/fault/torture/torture.h
DEPTH = 24
PLACE = struct.Struct(f"<QIIQ{DEPTH}Q")
TEXT, PLACES = 6144, 32768
ADDR_NO_RANDOMIZE = 0x0040000


def fixed_addresses():
    """The places of a program keep their hashes from run to run."""
    ctypes.CDLL(None).personality(ADDR_NO_RANDOMIZE)


def scratch_folder():
    """A new one: in memory if there is room, because nobody cuts the power here and disks take long to sync."""
    memory = "/dev/shm"
    if not os.environ.get("TMPDIR") and os.path.isdir(memory) and os.access(memory, os.W_OK):
        about = os.statvfs(memory)
        if about.f_bavail * about.f_frsize >= 1 << 30 and not about.f_flag & os.ST_NOEXEC:
            return tempfile.mkdtemp(prefix="viv-torture-", dir=memory)
    return tempfile.mkdtemp(prefix="viv-torture-")


class Point:
    def __init__(self, kind, place, number, when):
        self.kind, self.place, self.number, self.when = kind, place, number, when

    def __str__(self):
        place = f"@{self.place:x}" if self.place else ""
        return f"{self.kind}{place}:{self.number}:{self.when}"


def read_report(path):
    with open(path, "rb") as file:
        data = file.read()
    head = HEAD.unpack_from(data)
    text, crash = (data[at:at + TEXT].split(b"\0")[0].decode(errors="replace") for at in (HEAD.size, HEAD.size + TEXT))
    places = PLACE.iter_unpack(data[HEAD.size + 2 * TEXT:]) if head[7] and not head[6] else []
    places = [place for place in places if place[0]]
    return {"calls": dict(zip(KINDS, head)), "failed": head[6], "begun": head[7], "text": text, "crash": crash,
            "places": [place[:4] for place in places], "callers": {place[0]: place[4:] for place in places}}


class Names:
    """Chains of callers in words, which stay what they are from build to build: functions of the program alone."""

    def __init__(self, program):
        lines = subprocess.run(["nm", "--defined-only", program], capture_output=True, text=True, check=True).stdout
        found = sorted((int(line[:16], 16), line[19:]) for line in lines.splitlines() if line[17] in "tT")
        self.starts, self.names = [at for at, _ in found], [name for _, name in found]

    def chain(self, callers):
        at = [bisect.bisect_right(self.starts, caller - 1) - 1 for caller in callers if caller]
        return " < ".join(self.names[i] for i in at if i >= 0)


class Torture:
    def __init__(self, build, program="vivhost"):
        self.build, self.program = build, program
        self.library = os.path.join(build, "tests", "fault", "torture", "torture.so")

    def environment(self, base, report, plan):
        with open(report, "wb") as file:
            file.truncate(HEAD.size + 2 * TEXT + PLACES * PLACE.size)
        return dict(base, LD_PRELOAD=self.library, VIV_TORTURE=plan, VIV_TORTURE_REPORT=report,
                    VIV_TORTURE_PROGRAM=self.program)

    def where(self, text):
        """The callers of the failed call in words: functions and lines of our own programs."""
        lines = text.split("\n")
        found = [lines[0]]
        for line in lines[1:]:
            match = re.match(r"(\S+) \+0x([0-9a-f]+) (\S*)", line)
            if not match:
                continue
            if not match[1].startswith(self.build):
                found.append(match[3] or os.path.basename(match[1]))
                continue
            at = subprocess.run(["addr2line", "-f", "-s", "-e", match[1], hex(int(match[2], 16) - 1)], capture_output=True,
                                text=True, check=False).stdout.split("\n")
            found.append(f"{at[0]} {at[1].split(' ')[0]}" if len(at) > 1 else match[1])
        return found


def all_points(report, kinds):
    return [Point(KINDS[kind], place, 1, when) for place, kind, _, _ in report["places"] if KINDS[kind] in kinds
            for when in ("once", "ever")]


def some_points(report, kinds, how_many, seed, names, certain=True):
    """Kinds by their share, in each the named chains of callers evenly, so that what is seldom called is met too. The
    first of each kind that is there are certain. Each point is drawn by itself and by names: another build, or a thread
    that was slower, moves only those whose chain is gone."""
    by_kind = {kind: {} for kind in KINDS if kind in kinds}
    for place, kind, times, first in report["places"]:
        if KINDS[kind] in by_kind:
            name = names.chain(report["callers"][place])
            by_kind[KINDS[kind]].setdefault(name, []).append((first, place, times))
    order = [kind for kind, chains in by_kind.items() if chains]
    hashes = {name: int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")
              for chains in by_kind.values() for name in chains}
    points = []
    while order and len(points) < how_many:
        rng = random.Random(f"{seed} {len(points)}")
        kind = order[len(points)] if certain and len(points) < len(order) else rng.choices(order, [SHARE[k] for k in order])[0]
        salt, chains = rng.getrandbits(64), by_kind[kind]
        name = min(chains, key=lambda text: ((hashes[text] ^ salt) * 0x9E3779B97F4A7C15) & ((1 << 64) - 1))
        _, place, times = sorted(chains[name])[0 if rng.random() < 0.5 else -1]
        points.append(Point(kind, place, min(times, rng.choice([1, 1, 1, 2, 3, 5, 8, 13, 21, 34, 50])),
                            rng.choice(["once", "once", "ever"])))
    return points


def parse_point(text):
    match = re.fullmatch(r"([a-z]+)(?:@([0-9a-f]+))?:(\d+):(once|ever)", text)
    if not match or match[1] not in KINDS:
        sys.exit(f"torture: '{text}' is no point; it is KIND[@PLACE]:N:once or :ever, KIND one of {', '.join(KINDS)}")
    return Point(match[1], int(match[2], 16) if match[2] else 0, int(match[3]), match[4])

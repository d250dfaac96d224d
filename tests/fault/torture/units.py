# SPDX-License-Identifier: Apache-2.0
"""tools/torture --unit: unit tests, of which one call that the host makes fails, or it and all that follow.

Only what the host itself calls is let fail: the innermost function of the program among the callers is none of a test. One
test function is run at a time. A test whose expectation then does not hold ends there (tests.c) and is no finding. These
are: a crash, a word of a sanitizer, a broken assertion or invariant of the host, no end, a process that stays, and files
that stay though the test passed."""
import concurrent.futures
import ctypes
import glob
import multiprocessing
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import time

import points

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
HANG_S = 60  # and so many times what the test takes by itself:
HANG_TIMES = 10
GRACE_S = 10  # for processes that end by themselves once their parent is gone
# Their servers are threads of the test, which would meet the failure that is meant for what is tested.
LEFT_OUT = {"test_egress_door", "test_egress_exchange", "test_egress_faults", "test_egress_program", "test_lend_http"}
ALONE = {"test_sandbox_hostile": "takes all the processes that its user may have"}
SANITIZER = re.compile(r"ERROR: (Address|Leak)Sanitizer.*|SUMMARY: .*|runtime error: .*")
NULL_ONLY = r"AddressSanitizer: SEGV|runtime error: .*null pointer"
OURS = r"\.\./\.\./(host|plugin-api|plugins|skills|tests)/"
BROKEN = re.compile(r".*(would break invariant|broken invariant|Assertion `).*")
PR_SET_CHILD_SUBREAPER = 36


def folder_of(build, program):
    """Where a unit test lies below the build: those of a plugin lie beside it. None: there is none."""
    paths = [path for pattern in ("tests/unit", "plugins/*")
             for path in glob.glob(os.path.join(build, pattern, program)) if os.path.isfile(path) and os.access(path, os.X_OK)]
    return os.path.relpath(os.path.dirname(paths[0]), build) if paths else None


def tests_of(build, program):
    """Names of the test functions of a unit test, by its sources and its symbols."""
    folder, text = folder_of(build, program), ""
    if not folder:
        return []
    sources = "plugins" if folder.startswith("plugins/") else folder  # what plugins share has tests beside one of them
    for path in glob.glob(os.path.join(SOURCE, sources, "**", "test_*.c"), recursive=True):
        with open(path, encoding="utf-8") as file:
            text += file.read()
    symbols = subprocess.run(["nm", os.path.join(build, folder, program)], capture_output=True, text=True, check=True).stdout
    there = set(re.findall(r" [tT] (\w+)$", symbols, re.M))
    return sorted(there & set(re.findall(r"\b(?:cmocka_unit_test\w*|CASE|TEST)\(\s*(\w+)", text)))


def programs(build):
    paths = [path for pattern in ("tests/unit", "plugins/*") for path in glob.glob(os.path.join(build, pattern, "test_*"))]
    names = sorted(os.path.basename(path) for path in paths if "." not in os.path.basename(path))
    return [name for name in names if folder_of(build, name) and name not in LEFT_OUT]


def units(options, build, seed):
    """(program, test function) in the order of the seed; each program is met before one is met twice."""
    wanted = [name.split(":") for name in options.test] or [[name] for name in programs(build)]
    found = []
    for program, *test in wanted:
        there = tests_of(build, program)
        if not there or set(test) - set(there):
            raise SystemExit(f"torture: {':'.join([program] + test)} is no unit test; they are {', '.join(there or programs(build))}")
        names = test or there
        random.Random(f"{seed} {program}").shuffle(names)
        chosen = names if options.points == "all" or options.at else names[:max(1, (int(options.points) + 1) // 2)]
        found += [(turn, program, name) for turn, name in enumerate(chosen)]
    random.Random(seed).shuffle(found)
    return [(program, name) for _, program, name in sorted(found, key=lambda unit: unit[0])]


class Ranges:
    """Where the functions of each source file of a program lie, by its debugging information."""

    def __init__(self, program):
        def ask(*words):
            return subprocess.run(["readelf", *words, program], capture_output=True, text=True, check=True).stdout
        names, at = {}, None
        for line in ask("--debug-dump=info", "--dwarf-depth=1").split("\n"):
            unit = re.match(r"\s+Compilation Unit @ offset (\w+):", line)
            name = re.search(r"DW_AT_name\s+:.*?(?:\): |: )(\S+)$", line)
            at = int(unit[1], 16) if unit else at
            if name and at is not None and at not in names:
                names[at] = name[1]
        self.ranges = []
        for line in ask("--debug-dump=aranges").split("\n"):
            unit, pair = re.search(r"Offset into .debug_info:\s+(\w+)", line), re.match(r"\s+([0-9a-f]{16}) ([0-9a-f]{16})", line)
            at = int(unit[1], 16) if unit else at
            if pair and int(pair[2], 16):
                start = int(pair[1], 16)
                self.ranges.append((start, start + int(pair[2], 16), names.get(at, "?")))
        self.ranges.sort()
        if not self.ranges:
            raise SystemExit(f"torture: '{program}' has no debugging information, so nothing says what is the host's")

    def file_of(self, offset):
        return next((name for start, end, name in self.ranges if start <= offset < end), None)

    @staticmethod
    def is_hosts(name):
        tests = name is None or "tests/" in name or re.search(r"/test_\w+\.c$", name)
        return not tests or bool(re.search(r"/(toy_host|wrong)\.c$", name or ""))

    def write(self, path, program):
        """What a test takes from an arena itself does not fail, unless arenas are what it tests."""
        with open(path, "wb") as file:
            for start, end, name in self.ranges:
                counts = not name.endswith("base/arena.c") or program == "test_arena"
                file.write(struct.pack("<QQQ", start, end, counts) if self.is_hosts(name) else b"")


def children():
    """Processes whose parent is this one; orphans of what it started come here too."""
    found, me = [], str(os.getpid())
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                    text = file.read()
            except OSError:
                continue
            if text.rsplit(")", 1)[1].split()[1] == me:
                found.append((int(name), text.split("(", 1)[1].rsplit(")", 1)[0]))
    return found


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def end_children(grace):
    """Names of the processes that stay; none does afterwards."""
    until = time.monotonic() + grace
    left = []
    while True:
        reap()
        there = children()
        if not there:
            return left
        if time.monotonic() >= until:
            left = left or [name for _, name in there]
            for pid, _ in there:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        time.sleep(0.01)


class Unit:
    """One test function of a program, and what a run of it came to."""

    def __init__(self, build, program, test, scratch, folder=None):
        self.program, self.test, self.scratch = program, test, scratch
        self.torture = points.Torture(build, program)
        self.path = os.path.join(build, folder or folder_of(build, program), program)
        self.ranges = Ranges(self.path)
        self.within, self.report = os.path.join(scratch, "within"), os.path.join(scratch, "report")
        self.ranges.write(self.within, program)
        self.quiet = os.path.join(scratch, "quiet")
        with open(self.quiet, "w", encoding="utf-8") as file:
            file.write("leak:ld-linux\n")  # known to the sanitizer only where it is what malloc is called by

    def environment(self, plan):
        base = {"HOME": os.path.join(self.scratch, "home"), "TMPDIR": os.path.join(self.scratch, "tmp"), "LANG": "C.UTF-8",
                "PATH": os.environ["PATH"], "CMOCKA_TEST_ABORT": "1", "VIV_TORTURE_TEST": self.test, "VIV_TORTURE_WITHIN": self.within,
                "ASAN_OPTIONS": "verify_asan_link_order=0:handle_abort=0:exitcode=86", "UBSAN_OPTIONS": "print_stacktrace=1",
                "LSAN_OPTIONS": f"suppressions={self.quiet}:print_suppressions=0"}
        return self.torture.environment(base, self.report, plan)

    def run(self, plan, limit):
        """The account; its code is None when the test did not end."""
        for name in ("home", "tmp"):
            subprocess.run(["rm", "-rf", os.path.join(self.scratch, name)], check=False)  # deeper than Python's own can go
            os.makedirs(os.path.join(self.scratch, name))
        out = os.path.join(self.scratch, "out")
        with open(out, "wb") as file:
            process = subprocess.Popen([self.path], env=self.environment(plan), stdin=subprocess.DEVNULL, stdout=file,
                                       stderr=file, cwd=os.path.join(self.scratch, "tmp"), start_new_session=True)
            try:
                code = process.wait(limit)
            except subprocess.TimeoutExpired:
                code = None
                process.send_signal(signal.SIGABRT)  # it says where it is
                time.sleep(1)
                process.kill()
                process.wait()
        left = end_children(0 if code is None else GRACE_S)
        with open(out, "rb") as file:
            text = file.read().decode(errors="replace")
        account = points.read_report(self.report)
        account.update(code=code, out=text, left=left, files=os.listdir(os.path.join(self.scratch, "tmp")))
        return account

    def chain(self, text):
        """(words, file) of each caller, innermost first; the file is None outside of the program."""
        words = self.torture.where(text)[1:]
        offsets = [re.match(r"(\S+) \+0x([0-9a-f]+)", line) for line in text.split("\n")[1:]]
        files = [self.ranges.file_of(int(at[2], 16) - 1) if at and os.path.basename(at[1]) == self.program else None
                 for at in offsets if at]
        return list(zip(words, files))

    def crash_of(self, account):
        """The chain of a crash, as the library or a sanitizer told it; no crash, none."""
        if account["crash"]:
            return self.chain(account["crash"])
        if not re.search(NULL_ONLY, account["out"]):
            return []
        told = re.findall(r"^ +#\d+ 0x[0-9a-f]+ in (\S+) (\S+?):(\d+)", account["out"], re.M)
        return [(f"{name} {os.path.basename(file)}:{line}", file) for name, file, line in told if re.match(OURS, file)]

    def is_tests(self, account, crash):
        """Whether a crash is that of the test: it went on with what the host had said that it did not give it. Then the
        callers of the failed call and those of the crash part in the test; otherwise the host went on."""
        failed = [pair for pair in reversed(self.chain(account["text"])) if pair[1]]
        crash = [pair for pair in reversed(crash) if pair[1]]
        if not crash or not self.ranges.is_hosts(crash[-1][1]):
            return bool(crash)
        last = None
        for there, here in zip(failed, crash):
            last = there[1] if there[0].split(" ")[0] == here[0].split(" ")[0] else last
            if there[0] != here[0]:
                break
        return last is not None and not self.ranges.is_hosts(last)

    def judge(self, account, limit):
        """What is wrong, in words; and what the test itself did wrong."""
        wrong, noise = [], []
        said = [match[0] for match in re.finditer(SANITIZER, account["out"])]
        crash = self.crash_of(account)
        if account["code"] is None:
            wrong.append(f"it did not end within {limit:.0f} s")
        elif crash and self.is_tests(account, crash):
            noise, said = [account["crash"].split("\n")[0] or said[0]], []
        elif account["code"] < 0:
            wrong.append(f"ended by {signal.Signals(-account['code']).name}")
        elif account["crash"]:
            wrong.append(f"a child of it: {account['crash'].split(chr(10))[0]}")
        wrong += said[:4] + [match[0] for match in re.finditer(BROKEN, account["out"])][:1]
        if account["left"] and account["code"] is not None:
            wrong.append(f"left running: {' '.join(account['left'])}")
        if account["files"] and account["code"] == 0:
            wrong.append(f"left behind: {' '.join(account['files'])}")
        return wrong, noise


def draw(unit, counted, how_many, options, rng):
    kinds = options.kind or points.KINDS
    if options.at:
        return [points.parse_point(text) for text in options.at]
    if how_many == "all":
        return points.all_points(counted, kinds)
    return points.some_points(counted, kinds, how_many, rng, points.Names(unit.path), certain=False)


def tell(unit, point, problems, account, what="FOUND in"):
    lines = [f"{what} {unit.program}:{unit.test}: {problems[0]}"] + [f"    and {text}" for text in problems[1:]]
    lines.append(f"    at {' < '.join(unit.torture.where(account['text'])[:14])}")
    if account["crash"]:
        lines.append(f"    crashed at {' < '.join(unit.torture.where(account['crash'])[:14])}")
    return "\n".join(lines + [f"    again: tools/torture --unit --test {unit.program}:{unit.test} --at {point}"])


def torment(unit, how_many, options, seed, end):
    """Figures of one test function."""
    begin = time.monotonic()
    figures = {"ran": 0, "missed": 0, "late": 0, "found": [], "noise": [], "codes": {}}
    counted = unit.run("count", options.patience)
    if counted["code"] not in (0, 77, None) or not counted["begun"] or counted["left"] and counted["code"] is not None:
        figures["found"].append(f"FOUND in {unit.program}:{unit.test}: by itself it ends with {counted['code']} and leaves "
                                f"{counted['left']} running: {counted['out'][-600:]}")
        return figures
    took = time.monotonic() - begin
    if options.verbose:
        print(f"  {unit.program}:{unit.test}: {len(counted['places'])} chains of callers, counted in {took:.1f} s", flush=True)
    limit = max(HANG_S, HANG_TIMES * took)
    for point in draw(unit, counted, how_many, options, f"{seed} {unit.program} {unit.test}"):
        if time.monotonic() > end:
            figures["late"] += 1
            continue
        account = unit.run(str(point), limit)
        wrong, noise = unit.judge(account, limit)
        figures["ran"] += 1
        figures["missed"] += not account["failed"]
        end_of = f"{point.kind}:{account['code']}"
        figures["codes"][end_of] = figures["codes"].get(end_of, 0) + 1
        figures["found"] += [tell(unit, point, wrong, account)] if wrong else []
        figures["noise"] += [tell(unit, point, noise, account, "of its own:")] if noise else []
        if options.verbose:
            print(f"  {unit.program}:{unit.test} {point}: {account['failed']} failed, code {account['code']}", flush=True)
    return figures


def work(build, program, test, how_many, options, seed, end):
    figures = {"ran": 0, "missed": 0, "late": 0, "found": [], "noise": [], "codes": {}}
    if time.monotonic() > end:
        return figures | {"late": 1 if how_many == "all" else how_many}
    scratch = points.scratch_folder()
    try:
        return torment(Unit(build, program, test, scratch), how_many, options, seed, end)
    finally:
        if options.keep:
            print(f"{program}:{test} is kept in {scratch}", flush=True)
        else:
            subprocess.run(["rm", "-rf", scratch], check=False)


def become_parent():
    """What a test leaves running becomes a child of this process."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run(options, seed, end):
    build, begin = os.path.abspath(options.build), time.monotonic()
    if not shutil.which("readelf"):
        raise SystemExit("torture: 'readelf' is not there; it is in binutils")
    chosen = units(options, build, seed)
    share = {}
    for program, _ in chosen:
        share[program] = share.get(program, 0) + 1
    total = {"ran": 0, "missed": 0, "late": 0, "found": 0, "noise": 0}
    codes = {}
    for jobs, some in ((options.jobs, [u for u in chosen if u[0] not in ALONE]), (1, [u for u in chosen if u[0] in ALONE])):
        context = multiprocessing.get_context("fork")
        with concurrent.futures.ProcessPoolExecutor(jobs, context, become_parent) as pool:
            futures = []
            for program, test in some:
                how_many = options.points if options.points == "all" else -(-int(options.points) // share[program])
                futures.append(pool.submit(work, build, program, test, how_many, options, seed, end))
            for future in concurrent.futures.as_completed(futures):
                figures = future.result()
                for text in figures["found"] + (figures["noise"] if options.verbose else []):
                    print(text, flush=True)
                for name in total:
                    total[name] += len(figures[name]) if isinstance(figures[name], list) else figures[name]
                for name, times in figures["codes"].items():
                    codes[name] = codes.get(name, 0) + times
    print(f"{len(share)} unit tests, {len(chosen)} of their functions, {total['ran']} points in {time.monotonic() - begin:.0f} s, "
          f"{total['missed']} not reached, {total['late']} left out by the limit, {total['noise']} crashes of the tests' own, "
          f"{total['found']} findings; ends by kind and exit code: {dict(sorted(codes.items()))}")
    return 1 if total["found"] else 0

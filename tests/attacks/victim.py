#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What an attack would be after, as a process of the same user: secrets in memory, environment, arguments and
descriptors, sockets of all kinds that greet with a secret and note who came, memory and queues of the machine, a key, a
folder in which things happen. Prints one line of JSON when all is there; ends when its standard input does.

usage: victim.py OUTSIDE NOTES TOKENS"""
import contextlib
import ctypes
import json
import os
import select
import socket
import sys
import time

OUTSIDE, NOTES, TOKENS = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.shmat.restype = ctypes.c_void_p
LIBC.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]


def note(text):
    with open(NOTES, "a", encoding="utf-8") as file:
        file.write(text + "\n")


def stream(family, address, name):
    with contextlib.suppress(OSError):
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, 23, 16)  # fast open
        sock.bind(address)
        sock.listen(8)
        return sock, name
    return None


def datagram(family, address, name):
    with contextlib.suppress(OSError):
        sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.bind(address)
        return sock, name
    return None


def plant_ipc(told):
    shm = LIBC.shmget(0, 4096, 0o1600)
    at = LIBC.shmat(shm, None, 0)
    ctypes.memmove(at, TOKENS["shm"].encode(), len(TOKENS["shm"]))
    msg = LIBC.msgget(0, 0o1600)
    text = ctypes.create_string_buffer(b"\1" + bytes(7) + TOKENS["msg"].encode())
    LIBC.msgsnd(msg, text, len(TOKENS["msg"]), 0o4000)
    sem = LIBC.semget(0, 1, 0o1600)
    queue = f"/viv-attacks-{os.getpid()}".encode()
    with contextlib.suppress(OSError, AttributeError):
        number = LIBC.mq_open(queue, os.O_CREAT | os.O_RDWR, 0o600, None)
        LIBC.mq_send(number, TOKENS["mq"].encode(), len(TOKENS["mq"]), 0)
    key = LIBC.syscall({"x86_64": 248}.get(os.uname().machine, 217), b"user", f"viv-{os.getpid()}".encode(),
                       TOKENS["key"].encode(), len(TOKENS["key"]), -4)
    told.update(shm=shm, msg=msg, sem=sem, key=max(key, 0))
    return lambda: (LIBC.shmctl(shm, 0, None), LIBC.msgctl(msg, 0, None), LIBC.semctl(sem, 0, 0), LIBC.mq_unlink(queue))


def serve(listening):
    """Until the end of our input; meanwhile something comes and goes in a folder, and a neighbour knocks at a port."""
    spied, free = os.path.join(OUTSIDE, "spied", TOKENS["spied"]), listening.pop("free")
    knock = time.monotonic()
    socks = {sock.fileno(): (sock, name) for sock, name in listening.values()}
    while True:
        ready, _, _ = select.select([0, *socks], [], [], 0.02)
        for fd in ready:
            if fd == 0:
                return
            sock, name = socks[fd]
            note(name)
            with contextlib.suppress(OSError):
                if sock.type == socket.SOCK_STREAM:
                    peer = sock.accept()[0]
                    peer.send(TOKENS["socket"].encode() + b"\n")
                    peer.close()
                else:
                    note(f"datagram {sock.recv(2000)!r}")
        with contextlib.suppress(OSError):
            with open(spied, "w", encoding="utf-8"):
                pass
            os.unlink(spied)
        if time.monotonic() - knock > 0.1:
            knock = time.monotonic()
            with contextlib.suppress(OSError):
                with socket.create_connection(("127.0.0.1", free), 0.05) as peer:
                    note("peer")
                    peer.send(TOKENS["socket"].encode())


def main():
    LIBC.prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)  # whoever may trace at all may trace this one
    memory = ctypes.create_string_buffer(TOKENS["memory"].encode(), 64)
    fd = os.open(os.path.join(OUTSIDE, "secret"), os.O_RDONLY)
    name = f"viv-attacks-{os.getpid()}"
    wanted = {
        "tcp4": stream(socket.AF_INET, ("0.0.0.0", 0), "tcp4"), "tcp6": stream(socket.AF_INET6, ("::1", 0), "tcp6"),
        "udp4": datagram(socket.AF_INET, ("127.0.0.1", 0), "udp4"), "udp6": datagram(socket.AF_INET6, ("::1", 0),
            "udp6"),
        "abstract": stream(socket.AF_UNIX, "\0" + name, "abstract"),
        "path": stream(socket.AF_UNIX, os.path.join(OUTSIDE, "sock"), "path"),
        "agent": stream(socket.AF_UNIX, os.path.join(OUTSIDE, "agent.sock"), "agent"),
    }
    listening = {key: one for key, one in wanted.items() if one}
    ports = {key: one[0].getsockname()[1] for key, one in listening.items() if key[:3] in ("tcp", "udp")}
    told = {"victim": os.getpid(), "memory_address": ctypes.addressof(memory), "victim_fd": fd, "abstract": name,
            "sockets": [os.path.join(OUTSIDE, "agent.sock")], **{key: 9 for key in wanted if key[:3] in ("tcp",
                "udp")}, **ports}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        told["free_port"] = free.getsockname()[1]
    told["meta"] = 9
    for host in ("169.254.169.254", "100.100.100.200"):  # there only in a network of our own
        more = stream(socket.AF_INET, (host, 0 if told["meta"] == 9 else told["meta"]), "metadata")
        if more:
            listening["metadata" + host] = more
            told["meta"] = more[0].getsockname()[1]
    if os.environ.get("VIV_ATTACK_NET"):
        more = datagram(socket.AF_INET, ("127.0.0.1", 53), "name-server")
        listening.update({"dns": more} if more else {})
    clean = plant_ipc(told)
    print(json.dumps(told), flush=True)
    listening["free"] = told["free_port"]
    try:
        serve(listening)
    finally:
        clean()


main()

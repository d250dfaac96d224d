# SPDX-License-Identifier: Apache-2.0
"""Servers that are played for category D: places that note who came to which address, and a name server that may change
its mind."""
import contextlib
import socket
import struct
import threading
import time

import network


class Places:
    """One port at several addresses; `came` has (address, what was sent there) of each connection."""

    def __init__(self, addresses, port=0):
        self.came, self.answers, self.held, self.socks = [], {}, threading.Event(), []
        for address in addresses:
            self.socks.append(socket.create_server((address, port)))
            port = self.socks[0].getsockname()[1]
        self.port = port
        for sock in self.socks:
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        with contextlib.suppress(OSError):
            while True:
                peer = sock.accept()[0]
                threading.Thread(target=self.talk, args=(peer, sock.getsockname()[0]), daemon=True).start()

    def talk(self, peer, address):
        with contextlib.suppress(OSError), peer:
            peer.settimeout(10)
            entry = [address, b""]
            self.came.append(entry)
            while b"\r\n\r\n" not in entry[1] and entry[1][:1] != b"\x16":
                piece = peer.recv(4000)
                if not piece:
                    return
                entry[1] += piece
            words = entry[1].split(b"\r\n")[0].split(b" ")
            path = words[1].decode("latin-1") if len(words) > 1 else ""
            if path == "/held":
                self.held.wait(60)
            peer.sendall(self.answers.get(path, b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\ncanary\n"))
            peer.settimeout(0.05)
            entry[1] += peer.recv(4000)  # a second request, if there is one

    def at(self, *addresses):
        return [entry for entry in self.came if entry[0] in addresses]

    def close(self):
        self.held.set()
        for sock in self.socks:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


def name_of(packet):
    """The name that a query asks for, as it is written in it, and where it ends."""
    at, labels = 12, []
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]])
        at += 1 + packet[at]
    return b".".join(labels).decode("latin-1"), at + 1


def record(kind, body):
    return b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 0, len(body)) + body


class Names:
    """Answers by `turns`, {name: [addresses of the first query, of the second, ... of all later ones]}. A name that is
    not there is at the trap. `asked` has each name, once for each look-up."""

    def __init__(self, turns):
        self.turns, self.asked = turns, []
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((network.NAMES, 53))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                packet, peer = self.sock.recvfrom(4096)
                if not packet:
                    return
                with contextlib.suppress(IndexError, struct.error):
                    self.sock.sendto(self.answer(packet), peer)

    def answer(self, packet):
        name, end = name_of(packet)
        kind, = struct.unpack("!H", packet[end:end + 2])
        if kind == 1:
            self.asked.append(name)
        turns = self.turns.get(name.lower(), [[network.TRAP]])
        addresses = turns[min(max(self.asked.count(name) - 1, 0), len(turns) - 1)]
        found = [record(kind, socket.inet_pton(socket.AF_INET6 if kind == 28 else socket.AF_INET, address))
                 for address in addresses if kind in (1, 28) and (":" in address) == (kind == 28)]
        head = packet[:2] + b"\x85\x80\0\1" + struct.pack("!HHH", len(found), 0, 0)
        return head + packet[12:end + 4] + b"".join(found)

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.sendto(b"", self.sock.getsockname())
        time.sleep(0.05)
        self.sock.close()

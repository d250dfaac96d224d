# SPDX-License-Identifier: Apache-2.0
"""A server on the machine's own loopback: says in PORT_FILE where it listens, answers every connection with one line, and
notes it in LOG. Ends when it is told to, or after five minutes.

usage: canary.py PORT_FILE LOG"""
import os
import signal
import socket
import sys

BODY = b"canary\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(BODY) + BODY


def main():
    port_file, log = sys.argv[1:]
    signal.alarm(300)
    server = socket.create_server(("127.0.0.1", 0))
    with open(port_file + ".new", "w", encoding="ascii") as out:
        out.write(str(server.getsockname()[1]))
    os.rename(port_file + ".new", port_file)
    while True:
        peer, _ = server.accept()
        with peer:
            peer.settimeout(10)
            try:
                request = peer.recv(4096)
                peer.sendall(ANSWER)
            except OSError:
                request = b"nothing"
            with open(log, "ab") as out:
                out.write(request.split(b"\r\n")[0] + b"\n")


main()

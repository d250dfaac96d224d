# SPDX-License-Identifier: Apache-2.0
"""Ask a host by its control socket: ask.py HOME JSON... prints each answer on a line. See docs/contract/socket.md."""
import json
import os
import socket
import struct
import sys


def main():
    home = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY)
    with socket.socket(socket.AF_UNIX) as host:
        host.settimeout(30)
        host.connect(f"/proc/self/fd/{home}/host.sock")
        for text in sys.argv[2:]:
            request = json.dumps(json.loads(text), sort_keys=True, separators=(",", ":")).encode()
            host.sendall(struct.pack("<I", len(request)) + request)
            answer = host.makefile("rb")
            (size,) = struct.unpack("<I", answer.read(4))
            print(answer.read(size).decode())


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""A network of our own, where addresses of metadata services, of strangers and of private networks and name servers can
be played: for root only."""
import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import tempfile

NEW_NET, NEW_MOUNTS, BIND, PRIVATE_ALL = 0x40000000, 0x00020000, 0x1000, 0x44000
SET_FLAGS, SET_ADDRESS, SET_MASK, UP = 0x8914, 0x8916, 0x891C, 0x41
HOST, NET = "255.255.255.255", "255.255.255.0"
# Of a network on the loopback device every address can be listened at, and only the first is the machine's own.
ADDRESSES = (("169.254.169.254", HOST), ("100.100.100.200", HOST), ("93.184.215.1", NET), ("10.66.0.1", NET))
OWN, PUBLIC, TRAP, DEAF, PRIVATE = "93.184.215.1", "93.184.215.14", "93.184.215.66", "93.184.215.99", "10.66.0.66"
METADATA = "169.254.169.254"
NAMES = "127.0.0.99"  # asked first; where nobody is, the next one is asked at once


def address_of(name, host):
    return struct.pack("16sHH4s8x", name, socket.AF_INET, 0, socket.inet_aton(host))


def enter():
    """Whether this process is now in one; everything it starts is."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 or libc.unshare(NEW_NET | NEW_MOUNTS):
        return False
    private = libc.mount(None, b"/", None, PRIVATE_ALL, None) == 0  # else, as in a chroot, a mount would be seen outside
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, SET_FLAGS, struct.pack("16sH14x", b"lo", UP))
        for number, (host, mask) in enumerate(ADDRESSES):
            name = f"lo:{number}".encode()
            fcntl.ioctl(sock, SET_ADDRESS, address_of(name, host))
            with contextlib.suppress(OSError):
                fcntl.ioctl(sock, SET_MASK, address_of(name, mask))
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write(f"nameserver {NAMES}\nnameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    if private:
        libc.mount(file.name.encode(), b"/etc/resolv.conf", None, BIND, None)
    os.unlink(file.name)
    return True


def has_names():
    """Whether names are asked of a name server of ours: the file that says so could be mounted."""
    with contextlib.suppress(OSError), open("/etc/resolv.conf", encoding="utf-8") as file:
        return f"nameserver {NAMES}" in file.read()
    return False

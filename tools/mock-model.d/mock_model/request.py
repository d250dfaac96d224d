# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.0 and 1.1 requests, as far as clients of models send them. What is larger or odd is refused in words."""
import asyncio
import re

from .wire import Refusal

HEAD_BYTES_MAX = 64 << 10
BODY_BYTES_MAX = 16 << 20


class Request:
    def __init__(self, method, path, old, headers):
        self.method, self.path, self.old, self.headers, self.body = method, path, old, headers, b""
        self.place = path.partition("?")[0]
        self.close = old or headers.get("connection", "").lower() == "close"


def bad(message):
    return Refusal(400, "invalid_request_error", message)


def parse_head(head):
    first, *rest = head.decode("latin-1").split("\r\n")[:-2]
    line = re.fullmatch(r"([A-Z]+) (/[^ ]*) HTTP/1\.([01])", first)
    if not line:
        raise bad(f"the request begins with {first[:60]!r}, allowed a line like 'POST /v1/messages HTTP/1.1'")
    headers = {}
    for one in rest:
        name, colon, value = one.partition(":")
        if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise bad(f"a header line is {one[:60]!r}, allowed 'name: value'")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Request(line[1], line[2], line[3] == "0", headers)


async def read(reader, writer):
    """The next request, or None when the client has no more."""
    try:
        request = parse_head(await reader.readuntil(b"\r\n\r\n"))
        if request.headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await read_body(reader, request)
        return request
    except asyncio.LimitOverrunError:
        raise Refusal(431, "invalid_request_error",
                      f"the request's head is larger than {HEAD_BYTES_MAX} bytes") from None
    except asyncio.IncompleteReadError as rest:
        if rest.partial:
            raise bad("the request ends in the middle") from None
        return None
    except ConnectionError:
        return None


def too_large(size):
    return Refusal(413, "request_too_large", f"the request's body has {size} bytes, allowed {BODY_BYTES_MAX}")


async def exactly(reader, size):
    """So many bytes; the end of the connection is then always in the middle."""
    try:
        return await reader.readexactly(size)
    except asyncio.IncompleteReadError:
        raise bad("the request ends in the middle") from None


async def read_body(reader, request):
    if request.headers.get("transfer-encoding", "").lower() == "chunked":
        return await read_chunks(reader, request)
    length = request.headers.get("content-length", "0")
    if not re.fullmatch(r"\d{1,15}", length):
        raise bad(f"content-length is {length[:60]!r}, allowed a number")
    if int(length) > BODY_BYTES_MAX:
        raise too_large(length)
    request.body = await exactly(reader, int(length))


async def read_chunks(reader, request):
    parts, total = [], 0
    while True:
        line = (await reader.readuntil(b"\r\n")).partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9a-fA-F]{1,8}", line):
            raise bad(f"a chunk's size is {line[:60]!r}, allowed hexadecimal digits")
        size = int(line, 16)
        total += size
        if total > BODY_BYTES_MAX:
            raise too_large(f"at least {total}")
        parts.append(await exactly(reader, size))
        if size:
            await exactly(reader, 2)
            continue
        while await reader.readuntil(b"\r\n") != b"\r\n":  # trailers
            pass
        request.body = b"".join(parts)
        return

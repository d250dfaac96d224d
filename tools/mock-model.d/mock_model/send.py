# SPDX-License-Identifier: Apache-2.0
"""From frames to bytes on a connection, and what a script does to these: delays, cuts, stalls, odd pieces, chunks that
lie.

Every byte is handed to the kernel before the next step, so that a cut is where the script says. Who reads a connection
slowly only holds up itself."""
import asyncio
import http
import socket

REASONS = {**{one.value: one.phrase for one in http.HTTPStatus}, 529: "Overloaded"}
LINGER_BYTES_MAX, LINGER_S = 64 << 20, 5
BODY_BYTES_MAX = 1 << 30  # of one answer: where an endless one ends, if nobody leaves


class Left(Exception):
    """The client closed its side or the connection."""


class Cut(Exception):
    """The script ends the connection here."""


class Bound(Exception):
    """BODY_BYTES_MAX is reached."""


class Reader(asyncio.StreamReader):
    """Knows that the client has closed, while nobody reads."""

    def __init__(self, limit):
        super().__init__(limit)
        self.left = asyncio.Event()

    def feed_eof(self):
        super().feed_eof()
        self.left.set()

    def set_exception(self, exc):
        super().set_exception(exc)
        self.left.set()


async def pause(reader, seconds=None):
    """Wait, for ever without a number. Raises Left as soon as the client has."""
    try:
        await asyncio.wait_for(reader.left.wait(), seconds)
    except asyncio.TimeoutError:
        return
    raise Left


class Sender:
    """One answer. `done` has the faults that happened."""

    def __init__(self, reader, writer, request=None, faults=None, done=None):
        """`request` None: it could not be read, and there is no next one."""
        self.reader, self.writer, self.faults = reader, writer, faults or {}
        self.done = set() if done is None else done
        self.old, self.last = request is None or request.old, request is None or request.close
        self.bytes = self.body_bytes = self.offered = self.chunks = self.frames = 0
        self.marks, self.carry = [], b""
        self.cut, self.stall, self.chunked = (self.faults.get(name, {}) for name in ("cut", "stall", "chunked"))
        self.framing = None

    async def write(self, data):
        if self.writer.is_closing():
            raise Left
        try:
            self.writer.write(data)
            await self.writer.drain()
        except (ConnectionError, RuntimeError):
            raise Left from None
        self.bytes += len(data)

    def cut_here(self):
        self.done.add("cut")
        raise Cut

    async def head(self, status, headers, length):
        """`length` None: the body is a stream."""
        if "at" in self.cut:
            self.cut_here()
        if length is not None and not self.chunked:
            self.framing, own = "length", {"content-length": str(length)}
        elif self.old or self.chunked.get("how") == "off":
            if self.chunked.get("how") == "off":
                self.done.add("chunked")
            self.framing, own = "close", {}
        else:
            self.framing, own = "chunked", {"transfer-encoding": "chunked"}
        own["connection"] = "close" if self.last or self.framing == "close" else "keep-alive"
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}"]
        lines += [f"{name}: {value}" for name, value in {**headers, **own}.items()]
        await self.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        await self.after_frame()
        if self.cut.get("bytes") == 0:
            self.cut_here()

    async def frame(self, frame):
        data = frame.data()
        await self.body(data)
        self.frames += 1
        if frame.usage is not None:
            self.marks.append((self.offered, frame.usage))
        await self.after_frame()

    async def after_frame(self):
        if self.cut.get("frames") == self.frames:
            await self.flush()
            self.cut_here()
        if self.stall.get("frames") == self.frames:
            await self.flush()
            self.done.add("stall")
            await pause(self.reader)

    async def body(self, data):
        self.offered += len(data)
        size = self.faults.get("split")
        if not size:
            return await self.piece(data)
        self.done.add("split")
        data, at = self.carry + data, 0
        while len(data) - at >= size:
            await self.piece(data[at:at + size])
            at += size
        self.carry = data[at:]

    async def flush(self):
        data, self.carry = self.carry, b""
        if data:
            await self.piece(data)

    async def piece(self, data):
        most = self.cut.get("bytes")
        ends = most is not None and self.body_bytes + len(data) >= most
        if ends:
            data = data[:most - self.body_bytes]
        await self.chunk(data)
        self.body_bytes += len(data)
        if ends:
            self.cut_here()
        if self.body_bytes >= BODY_BYTES_MAX:
            raise Bound

    async def chunk(self, data):
        if self.framing != "chunked":
            return await self.write(data)
        self.chunks += 1
        how = self.chunked.get("how") if self.chunked.get("at", 1) == self.chunks else None
        if how == "bad-size":
            self.done.add("chunked")
            await self.write(b"zz\r\n" + data + b"\r\n")
            raise Cut
        if how == "short":  # promises more than comes
            self.done.add("chunked")
            await self.write(b"%x\r\n" % (len(data) + 16) + data)
            raise Cut
        await self.write(b"%x\r\n" % len(data) + data + b"\r\n")

    async def finish(self):
        await self.flush()
        if self.framing == "chunked":
            if self.chunked.get("how") == "no-end":
                self.done.add("chunked")
                raise Cut
            await self.write(b"0\r\n\r\n")

    def said(self):
        """What the usages report that went out in full, later ones over earlier ones; or None."""
        found = [usage for end, usage in self.marks if end <= self.body_bytes]
        merged = {}
        for usage in found:
            merged.update(usage)
        return merged if found else None

    async def linger(self):
        """Take what the client still sends. Closing before would reset the connection, and the answer with it."""
        taken = 0
        try:
            if self.writer.can_write_eof():
                self.writer.write_eof()
            while taken < LINGER_BYTES_MAX:
                more = await asyncio.wait_for(self.reader.read(1 << 16), LINGER_S)
                if not more:
                    return
                taken += len(more)
        except (OSError, asyncio.TimeoutError):
            return

    def close(self, abruptly=False):
        """End the connection; abruptly so that the client's next read fails, where the socket can do that."""
        if abruptly:
            whole = self.writer.get_extra_info("socket")
            if whole is not None and whole.family != socket.AF_UNIX:
                whole.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if abruptly or self.framing is None or self.writer.get_extra_info("ssl_object") is not None:
            self.writer.transport.abort()
        else:
            self.writer.close()

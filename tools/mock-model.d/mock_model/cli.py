# SPDX-License-Identifier: Apache-2.0
"""The command line: options, what is refused, where it listens, how it ends."""
import argparse
import asyncio
import errno
import ipaddress
import json
import os
import signal
import socket
import ssl
import sys
import tempfile

from . import script
from .serve import PLACES, Clock, Server
from .tally import Tally

PORT = 8399
ABOUT = """A model endpoint on this machine that answers from a script, over the wires of OpenAI's chat completions
and of Anthropic's messages: texts, tool calls, streams, and faults of every kind. For trials and tests; it knows no
model."""
MORE = """exit code: 0 ended as asked (SIGTERM, SIGINT, --max-requests, --max-seconds); 1 could not listen or write; 2
wrong usage or script. What a script can say: docs/mock-model.md. Served: """ + ", ".join(PLACES)


class Wrong(Exception):
    """One line for the person; `code` ends the program."""

    def __init__(self, text, code=1):
        super().__init__(text)
        self.code = code


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise Wrong(f"{message}; see viv-mock-model --help", 2)


def number(low, high):
    def read(text):
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"'{text}' is not allowed, allowed {low} to {high}")
        return int(text)
    return read


def parse(words):
    parser = Parser(prog="viv-mock-model", description=ABOUT, epilog=MORE, allow_abbrev=False)
    parser.add_argument("script", metavar="SCRIPT", help="the turns, a JSON file")
    parser.add_argument("--check", action="store_true", help="read the script, say what is wrong with it, and end")
    parser.add_argument("--port", type=number(0, 65535), metavar="N",
                        help=f"port to listen at ({PORT}); 0 lets the system choose")
    parser.add_argument("--port-file", metavar="FILE",
                        help="write the port there as soon as it listens, remove it at the end")
    parser.add_argument("--listen", default="127.0.0.1", metavar="ADDRESS", help="address to listen at (127.0.0.1)")
    parser.add_argument("--public", action="store_true", help="allow an ADDRESS that other machines reach")
    parser.add_argument("--unix", metavar="PATH", help="listen at a Unix socket; without --port at nothing else")
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"), help="speak TLS, with these PEM files")
    parser.add_argument("--record", metavar="FILE", help="append one JSON line for each request")
    parser.add_argument("--report", metavar="FILE", help="at the end write there what GET /mock/report says")
    parser.add_argument("--max-requests", type=number(1, 10**9), default=100_000, metavar="N",
                        help="end after so many (100000)")
    parser.add_argument("--max-seconds", type=number(1, 7 * 86400), default=3600, metavar="N",
                        help="end after so long (3600)")
    parser.add_argument("--real-time", action="store_true",
                        help="say real times; without it answers are the same every time")
    parser.set_defaults(port_written=False)
    return parser.parse_args(words)


def address(options):
    text = "127.0.0.1" if options.listen == "localhost" else options.listen
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        raise Wrong(f"--listen is '{text}', allowed an address like 127.0.0.1 or ::1", 2) from None
    if not found.is_loopback and not options.public:
        raise Wrong(f"--listen {text} can be reached from other machines, "
                    "allowed: 127.0.0.1, ::1, or that with --public", 2)
    return found


def tcp_socket(options):
    where = address(options)
    port = PORT if options.port is None else options.port
    listener = socket.socket(socket.AF_INET6 if where.version == 6 else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((str(where), port))
    except OSError as fault:
        listener.close()
        raise Wrong(f"cannot listen at {where} port {port}: {fault.strerror}") from None
    return listener


def unix_socket(path):
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        listener.bind(path)
    except OSError as fault:
        listener.close()
        why = fault.strerror or str(fault)
        if fault.errno == errno.EADDRINUSE:
            why = "it exists already, remove it or name another"
        raise Wrong(f"cannot listen at --unix {path}: {why}") from None
    finally:
        os.umask(before)
    return listener


def tls_context(pair):
    if not pair:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(*pair)
    except OSError as fault:  # ssl.SSLError is one
        raise Wrong(f"cannot use --tls {pair[0]} {pair[1]}: {fault.strerror or fault}", 2) from None
    return context


def write_whole(path, text):
    """The file with this text, or as it was: never a part of it."""
    folder = os.path.dirname(path) or "."
    try:
        handle, name = tempfile.mkstemp(prefix=".viv-mock-model.", dir=folder)
        try:
            with open(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as fault:
        raise Wrong(f"cannot write {path}: {fault.strerror}") from None


def open_record(path):
    if path is None:
        return None
    try:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as fault:
        raise Wrong(f"cannot write --record {path}: {fault.strerror}") from None


def quiet(loop, context):
    """A client that breaks off is no news of the program's."""
    if not isinstance(context.get("exception"), (OSError, asyncio.IncompleteReadError)):
        loop.default_exception_handler(context)


async def listen(options, server, sockets):
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(quiet)
    context, listeners, places = tls_context(options.tls), [], []
    for one in sockets:
        make = loop.create_unix_server if one.family == socket.AF_UNIX else loop.create_server
        listeners.append(await make(server.protocol, sock=one, ssl=context))
        if one.family == socket.AF_UNIX:
            places.append(f"unix:{options.unix}")
        else:
            host, port = one.getsockname()[:2]
            places.append(f"{'https' if context else 'http'}://{f'[{host}]' if ':' in host else host}:{port}")
            if options.port_file:
                write_whole(options.port_file, f"{port}\n")
                options.port_written = True
    return listeners, places


async def run(options, told, sockets, record):
    clock = Clock(options.real_time)
    tally = Tally(told, record, clock)
    server = Server(told, tally, clock, options.max_requests)
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, server.stop.set)
    loop.call_later(options.max_seconds, server.stop.set)
    listeners, places = await listen(options, server, sockets)
    print(f"listening at {' and '.join(places)}, {len(told.turns)} turns", flush=True)
    await server.stop.wait()
    await server.end(listeners)
    if options.report:
        write_whole(options.report, json.dumps(tally.report()) + "\n")
    if server.failure:
        raise Wrong(server.failure)


def serve(options, told):
    if options.unix and options.port is None and options.port_file:
        raise Wrong("--port-file belongs to --port, which is not given", 2)
    if options.tls:
        tls_context(options.tls)
    sockets, record = [], open_record(options.record)
    try:
        if options.unix:
            sockets.append(unix_socket(options.unix))
        if options.port is not None or not options.unix:
            sockets.append(tcp_socket(options))
        asyncio.run(run(options, told, sockets, record))
    finally:
        if options.unix and any(one.family == socket.AF_UNIX for one in sockets):
            os.unlink(options.unix)
        if options.port_written and os.path.exists(options.port_file):
            os.unlink(options.port_file)


def main(words=None):
    try:
        options = parse(words)
        told = script.read(options.script)
        if options.check:
            print(f"{options.script}: {len(told.turns)} turns, models {', '.join(told.models)}")
            return 0
        serve(options, told)
        return 0
    except script.Wrong as fault:
        code, text = 2, str(fault)
    except Wrong as fault:
        code, text = fault.code, str(fault)
    print(f"viv-mock-model: {text}", file=sys.stderr)
    return code

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""If this fails, the scripted endpoint is reached by whom it must not be, never ends, keeps a key in its record, or
counts otherwise than it answered.

usage: test_server.py SOURCE"""
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest

from mock import LIMIT_S, PROGRAM, Connection, Mock, request, run, turns, wait_for

FOREVER = {"text": "hello", "repeat": "forever", "usage": {"input": 10, "output": 2, "cached": 4}}
STALL = {"text": "x", "repeat": "forever", "match": {"last": "stall"}, "faults": {"stall": {"frames": 1}}}


def user(text):
    return {"messages": [{"role": "user", "content": text}]}


class CommandLine(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="viv-mock.")
        self.addCleanup(self.folder.cleanup)
        self.top = pathlib.Path(self.folder.name)
        self.script = self.top / "script.json"
        self.script.write_text(json.dumps(turns(FOREVER)), encoding="utf-8")

    def refused(self, code, words, *options):
        found, out, err = run(*options, self.script)
        self.assertEqual((found, out), (code, ""), err)
        self.assertEqual(err.count("\n"), 1, err)
        self.assertIn(words, err)
        self.assertTrue(err.startswith("viv-mock-model: "))

    def test_wrong_usage(self):
        self.refused(2, "unrecognized arguments: --prt", "--prt", "0")
        self.refused(2, "'70000' is not allowed, allowed 0 to 65535", "--port", "70000")
        self.refused(2, "'-1' is not allowed, allowed 0 to 65535", "--port=-1")
        self.refused(2, "'0' is not allowed, allowed 1 to 1000000000", "--max-requests", "0")
        self.refused(2, "'0' is not allowed, allowed 1 to 604800", "--max-seconds", "0")
        self.refused(2, "--port-file belongs to --port", "--unix", self.top / "s", "--port-file", self.top / "p")
        self.assertIn("the following arguments are required: SCRIPT", run()[2])
        code, out, _ = run("--help")
        self.assertEqual(code, 0)
        for word in ("--record", "--public", "exit code", "docs/mock-model.md"):
            self.assertIn(word, out)

    def test_only_this_machine_unless_told(self):
        allowed = "can be reached from other machines, allowed: 127.0.0.1, ::1, or that with --public"
        self.refused(2, "--listen 0.0.0.0 " + allowed, "--port", "0", "--listen", "0.0.0.0")
        self.refused(2, "--listen :: " + allowed, "--port", "0", "--listen", "::")
        self.refused(2, "--listen is 'example.org', allowed an address like 127.0.0.1 or ::1", "--listen",
                     "example.org")
        with Mock(turns(FOREVER), "--listen", "0.0.0.0", "--public") as mock:
            self.assertIn("listening at http://0.0.0.0:", mock.said)
            self.assertEqual(mock.ask("openai").status, 200)
        with Mock(turns(FOREVER), "--listen", "localhost") as mock:
            self.assertIn("listening at http://127.0.0.1:", mock.said)

    def test_what_cannot_be_listened_at(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            self.refused(1, f"cannot listen at 127.0.0.1 port {port}: Address already in use", "--port", port)
        there = self.top / "there"
        there.touch()
        self.refused(1, f"cannot listen at --unix {there}: it exists already, remove it or name another", "--unix",
                     there)
        self.assertTrue(there.exists())
        self.refused(1, "AF_UNIX path too long", "--unix", self.top / ("x" * 200))
        self.refused(1, "No such file or directory", "--unix", self.top / "no/socket")

    def test_what_cannot_be_written(self):
        self.refused(1, "cannot write --record", "--port", "0", "--record", self.top / "no/record")
        code, _, err = run("--port", "0", "--port-file", self.top / "no/port", self.script)
        self.assertEqual(code, 1)
        self.assertIn("cannot write", err)
        self.refused(2, "cannot use --tls", "--port", "0", "--tls", self.script, self.script)
        self.refused(2, "No such file or directory", "--port", "0", "--tls", self.top / "a", self.top / "b")

    @unittest.skipUnless(os.path.exists("/dev/full"), "no /dev/full here")
    def test_a_record_that_cannot_be_kept_ends_it(self):
        process = subprocess.Popen([sys.executable, "-B", PROGRAM, "--unix", self.top / "s", "--record", "/dev/full",
                                    self.script],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.kill)
        process.stdout.readline()
        connection = Connection(str(self.top / "s"))
        connection.send(request("openai", {}))
        connection.all()
        self.assertEqual(process.communicate(timeout=LIMIT_S)[1],
                         "viv-mock-model: cannot write the record: No space left on device\n")
        self.assertEqual(process.returncode, 1)


class Life(unittest.TestCase):
    def test_the_port_file_goes_with_it(self):
        with Mock(turns(FOREVER)) as mock:
            port = mock.top / "port"
            self.assertEqual(mock.said, f"listening at http://127.0.0.1:{port.read_text().strip()}, 1 turns\n")
            self.assertEqual(sorted(path.name for path in mock.top.iterdir()), ["port", "record", "script.json"])
            mock.process.send_signal(signal.SIGTERM)
            code, report, err = mock.ended()
            self.assertEqual((code, err, port.exists(), report["requests"]), (0, "", False, 0))

    def test_the_port_file_of_another_stays(self):
        with Mock(turns(FOREVER)) as mock:
            code, _, err = run("--port", mock.place[1], "--port-file", mock.top / "port", mock.script)
            self.assertEqual((code, "Address already in use" in err, (mock.top / "port").exists()), (1, True, True))

    def test_a_unix_socket(self):
        with Mock(turns(FOREVER), place="unix") as mock:
            self.assertEqual(os.stat(mock.place).st_mode & 0o777, 0o600)
            self.assertEqual(mock.said, f"listening at unix:{mock.place}, 1 turns\n")
            self.assertEqual(mock.ask("openai").status, 200)
            mock.process.send_signal(signal.SIGINT)
            self.assertEqual(mock.ended()[0], 0)
            self.assertFalse(os.path.exists(mock.place))

    def test_both_at_once(self):
        with tempfile.TemporaryDirectory() as folder:
            place = os.path.join(folder, "s")
            with Mock(turns(FOREVER), "--unix", place) as mock:
                self.assertEqual(mock.ask("openai").status, 200)
                mock.place = place
                self.assertEqual(mock.ask("openai").status, 200)

    def test_it_ends_after_so_many(self):
        with Mock(turns(FOREVER), "--max-requests", "3") as mock:
            self.assertEqual([mock.ask("openai").status for _ in range(3)], [200] * 3)
            code, report, err = mock.ended()
            self.assertEqual((code, err, report["requests"]), (0, "", 3))

    def test_more_than_so_many_are_refused(self):
        with Mock(turns(STALL, FOREVER), "--max-requests", "2") as mock:
            held = mock.connect()
            held.send(request("openai", {"stream": True, **user("stall")}))
            held.until(b"\n\n\r\n")
            self.assertEqual(mock.ask("openai").status, 200)
            answer = mock.ask("openai")
            self.assertEqual(answer.status, 503)
            self.assertIn("--max-requests 2 is reached", answer.error())
            held.close()
            self.assertEqual(mock.ended()[0], 0)

    def test_it_ends_after_so_long(self):
        with Mock(turns(STALL), "--max-seconds", "5") as mock:
            held = mock.connect()
            held.send(request("openai", {"stream": True, **user("stall")}))
            self.assertEqual(held.all().fault, "no chunk where one must be")
            code, report, err = mock.ended()
            self.assertEqual((code, err, report["requests"], report["cut"], report["left"]), (0, "", 1, 0, 0))
            self.assertEqual(mock.records()[0]["ended"], "stopped")

    def test_told_to_end_it_ends_what_it_answers(self):
        with Mock(turns({"text": "x", "delay_ms": 3_600_000}, STALL)) as mock:
            waits, stalls = mock.connect(), mock.connect()
            waits.send(request("openai", {}))
            stalls.send(request("anthropic", {"stream": True, **user("stall")}))
            stalls.until(b"\n\n\r\n")
            wait_for(lambda: mock.report()["concurrent"] == 2)
            mock.process.send_signal(signal.SIGTERM)
            code, report, err = mock.ended()
            self.assertEqual((code, err, report["concurrent"], report["concurrent_max"]), (0, "", 0, 2))
            self.assertEqual({line["ended"] for line in mock.records()}, {"stopped"})
            waits.close()
            stalls.close()

    def test_the_same_requests_get_the_same_bytes(self):
        def story():
            with Mock(turns(FOREVER)) as mock:
                return [mock.ask("openai").raw, mock.stream("anthropic").raw, mock.stream("openai").raw,
                        mock.get("/mock/report").raw,
                        (mock.top / "record").read_bytes()]

        first, second = story(), story()
        hide = re.compile(rb"127.0.0.1:\d+")
        self.assertEqual([hide.sub(b"", one) for one in first], [hide.sub(b"", one) for one in second])

    def test_real_times(self):
        with Mock(turns(FOREVER), "--real-time") as mock:
            self.assertGreater(mock.ask("openai").json()["created"], 1_750_000_000)
            self.assertRegex(mock.records()[0]["time"], r"^20\d\d-\d\d-\d\dT")

    def test_tls(self):
        if not shutil.which("openssl"):
            self.skipTest("openssl is not at hand, so there is no certificate")
        with tempfile.TemporaryDirectory() as folder:
            cert, key = os.path.join(folder, "cert"), os.path.join(folder, "key")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                            "-nodes", "-keyout", key,
                            "-out", cert, "-days", "2", "-subj", "/CN=localhost", "-addext",
                            "subjectAltName=DNS:localhost"],
                           check=True, capture_output=True)
            trust = ssl.create_default_context(cafile=cert)
            with Mock(turns({"text": "a"}, {"text": "b", "faults": {"cut": {"frames": 2}}}), "--tls", cert,
                      key) as mock:
                self.assertIn("https://", mock.said)
                plain = mock.connect()
                plain.send(request("openai", {}))
                self.assertFalse(plain.all().raw.startswith(b"HTTP/1.1 200"))
                first = Connection(mock.place, trust)
                first.send(request("openai", {}))
                self.assertEqual(first.all().json()["choices"][0]["message"]["content"], "a")
                second = Connection(mock.place, trust)
                second.send(request("openai", {"stream": True}))
                raw = b""
                try:
                    while more := second.socket.recv(65536):
                        raw += more
                except (ssl.SSLError, ConnectionError):
                    pass
                second.close()
                self.assertEqual(raw.count(b"\n\n\r\n"), 2)
                self.assertEqual([line["ended"] for line in mock.records()], ["whole", "cut"])


class Http(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mock = Mock(turns(FOREVER))

    @classmethod
    def tearDownClass(cls):
        cls.mock.__exit__(None, None, None)

    def refused(self, status, words, data):
        answer = self.mock.raw(data)
        self.assertEqual(answer.status, status)
        self.assertIn(words, answer.error())
        self.assertEqual(answer.headers["connection"], "close")

    def test_requests_that_are_none(self):
        before = len(self.mock.records())
        self.refused(400, "the request begins with 'hello'", b"hello\r\n\r\n")
        self.refused(400, "allowed a line like 'POST /v1/messages HTTP/1.1'", b"GET / HTTP/2\r\n\r\n")
        self.refused(400, "a header line is 'a b: c', allowed 'name: value'", b"GET / HTTP/1.1\r\na b: c\r\n\r\n")
        self.refused(400, "content-length is 'ten', allowed a number", b"GET / HTTP/1.1\r\ncontent-length: ten\r\n\r\n")
        self.refused(413, "the request's body has 16777217 bytes, allowed 16777216",
                     b"POST / HTTP/1.1\r\ncontent-length: 16777217\r\n\r\n")
        self.refused(431, "the request's head is larger than 65536 bytes",
                     b"GET / HTTP/1.1\r\na: " + b"x" * 70000 + b"\r\n\r\n")
        chunked = b"POST /v1/messages HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
        self.refused(400, "a chunk's size is b'xyz', allowed hexadecimal digits", chunked + b"xyz\r\n")
        self.refused(413, "the request's body has at least 268435455 bytes", chunked + b"fffffff\r\n")
        self.assertEqual([(line["path"], line["ended"]) for line in self.mock.records()[before:]],
                         [(None, "refused")] * 8)

    def test_a_body_that_is_refused_is_taken_to_its_end(self):
        """Else the connection is reset, and the client never reads why."""
        body = b"x" * (17 << 20)
        connection = self.mock.connect()
        connection.send(request("openai", body))
        answer = connection.all()
        self.assertEqual((answer.status, answer.reset), (413, False))
        self.assertIn(f"the request's body has {len(body)} bytes, allowed 16777216", answer.error())

    def test_a_body_that_is_nested_too_deep(self):
        answer = self.mock.ask("openai", b'{"a":"]]]\\"[","b":' + b"[" * 200 + b"]" * 200 + b"}")
        self.assertIn("the body is nested deeper than 200", answer.error())
        answer = self.mock.ask("openai", b'{"a":"]]]\\"[","b":' + b"[" * 199 + b"]" * 199 + b"}")
        self.assertIn("'model' is 'null'", answer.error())

    def test_a_request_that_ends_in_the_middle(self):
        for data in (b"POST /v1/mess", request("openai", {})[:-5],
                     b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab"):
            connection = self.mock.connect()
            connection.send(data)
            connection.socket.shutdown(socket.SHUT_WR)
            answer = connection.all()
            self.assertEqual(answer.status, 400)
            self.assertIn("the request ends in the middle", answer.error())

    def test_places_that_are_not_there(self):
        for path, wire in ("/v1/responses", "openai"), ("/v1/messages/batches", "anthropic"):
            answer = self.mock.ask(wire, path=path)
            self.assertEqual((answer.status, answer.json()["error"]["type"]), (404, "not_found_error"))
            self.assertIn(f"POST '{path}' is not served, allowed: POST /v1/chat/completions, POST /v1/messages,",
                          answer.error())
        answer = self.mock.get("/v1/messages", wire="anthropic")
        self.assertEqual(answer.status, 405)
        self.assertIn("GET '/v1/messages' is not served, allowed: POST /v1/messages", answer.error())

    def test_who_asks_whether_it_is_there(self):
        self.assertEqual(self.mock.get("/").json()["mock"], "viv-mock-model")
        connection = self.mock.connect()
        connection.send(request("openai", b"", path="/", method="HEAD"))
        answer = connection.all()
        self.assertEqual((answer.status, answer.payload), (200, b""))

    def test_several_requests_on_one_connection(self):
        connection = self.mock.connect()
        for wire, end in ("openai", b"0\r\n\r\n"), ("anthropic", b"0\r\n\r\n"):
            connection.send(request(wire, {"stream": True}, keep=True))
            self.assertIn(b"connection: keep-alive", connection.until(end))
        self.assertEqual(self.mock.ask("openai").headers["connection"], "close")
        connection.send(request("openai", {}, keep=True) + request("openai",
                                                                   {}))  # the second before the first is answered
        answer = connection.all()
        self.assertEqual(answer.fault, "")
        self.assertIn(b"HTTP/1.1 200", answer.rest)

    def test_an_old_client_gets_no_chunks(self):
        answer = self.mock.ask("openai", {"stream": True}, version="1.0")
        self.assertNotIn("transfer-encoding", answer.headers)
        self.assertEqual(answer.events()[-1], "[DONE]")

    def test_a_client_that_says_it_is_done_with_asking(self):
        connection = self.mock.connect()
        connection.send(request("openai", {"stream": True}))
        connection.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(connection.all().events()[-1], "[DONE]")

    def test_a_body_in_chunks(self):
        head, _, body = request("openai", {}, headers={"content-length": None,
                                                       "transfer-encoding": "chunked"}).partition(b"\r\n\r\n")
        chunks = b"".join(b"%x;x=y\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:]))
        self.assertEqual(self.mock.raw(head + b"\r\n\r\n" + chunks + b"0\r\nx-trailer: t\r\n\r\n").status, 200)

    def test_a_client_that_asks_before_it_sends(self):
        head, _, body = request("openai", {}, headers={"expect": "100-continue"}).partition(b"\r\n\r\n")
        connection = self.mock.connect()
        connection.send(head + b"\r\n\r\n")
        self.assertEqual(connection.until(b"\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.send(body)
        self.assertEqual(connection.all().status, 200)

    def test_too_many_connections(self):
        with Mock(turns(FOREVER)) as mock:
            held = [mock.connect() for _ in range(256)]
            for connection in held:  # each is served
                connection.send(request("openai", b"", path="/", method="GET", keep=True))
                self.assertTrue(connection.until(b"}").startswith(b"HTTP/1.1 200"))
            answer = mock.get("/mock/report")
            self.assertEqual(answer.status, 503)
            self.assertIn("more than 256 connections at a time", answer.error())
            for connection in held:
                connection.close()
            wait_for(lambda: mock.get("/mock/report").status == 200)


class Tally(unittest.TestCase):
    def test_counts_are_what_was_answered(self):
        with Mock(turns({**FOREVER, "repeat": 3}, {"text": "x", "match": {"model": "big"}, "usage": {"input": 5,
                                                                                                     "output": 1,
                                                                                                     "cache_write": 2},
                                                  "faults": {"cut": {"frames": 1}}},
                                                  {"error": {"status": 500}})) as mock:
            reported = {"input": 0, "output": 0, "cached": 0}
            for wire in ("openai", "anthropic"):
                usage = mock.ask(wire).json()["usage"]
                reported["output"] += usage.get("completion_tokens", usage.get("output_tokens"))
                names = {"openai": ["prompt_tokens"], "anthropic": ["input_tokens", "cache_read_input_tokens"]}[wire]
                reported["input"] += sum(usage[name] for name in names)
            mock.stream("openai", stream_options=None)
            mock.stream("anthropic", model="big")
            mock.ask("openai")
            self.assertEqual(mock.ask("openai").status, 422)
            mock.get("/v1/models")
            report = mock.report()
        self.assertEqual({name: value for name, value in report.items() if name not in ("models", "turns")}, {
            "requests": 6, "refused": 1, "others": 1, "streams": 2, "cut": 1, "left": 0, "faults_missed": 0,
            "concurrent": 0, "concurrent_max": 1})
        self.assertEqual(report["models"]["m"], {"requests": 3, "streams": 1, "without_usage": 1,
                                                 "reported": {"input": 20, "output": 4, "cached": 8, "cache_write": 0},
                                                 "scripted": {"input": 30, "output": 6, "cached": 12,
                                                              "cache_write": 0}})
        self.assertEqual((report["models"]["m"]["reported"]["input"], report["models"]["m"]["reported"]["output"]),
                         (reported["input"], reported["output"]))
        self.assertEqual(report["models"]["big"], {"requests": 1, "streams": 1, "without_usage": 0,
                                                   "reported": {"input": 5, "output": 1, "cached": 0, "cache_write": 2},
                                                   "scripted": {"input": 5, "output": 1, "cached": 0,
                                                                "cache_write": 2}})
        self.assertEqual(report["turns"], [{"turn": 1, "name": "", "used": 3, "left": 0}, {"turn": 2, "name": "",
                                                                                           "used": 1, "left": 0},
                                           {"turn": 3, "name": "", "used": 1, "left": 0}])

    def test_tokens_that_the_script_does_not_give(self):
        with Mock(turns({"text": "eight by", "repeat": 2}, {"text": "x", "usage": {"cached": 5000}})) as mock:
            body = request("openai", {}).partition(b"\r\n\r\n")[2]
            usage = mock.ask("openai").json()["usage"]
            self.assertEqual((usage["prompt_tokens"], usage["completion_tokens"]), ((len(body) + 3) // 4, 2))
            self.assertEqual(mock.ask("openai").json()["usage"], usage)
            self.assertEqual(mock.ask("openai").json()["usage"]["prompt_tokens"], 5000)

    def test_the_record_has_each_request_and_no_key(self):
        with Mock(turns({**FOREVER, "name": "n"}, FOREVER)) as mock:
            mock.ask("openai", {"temperature": 0}, headers={"authorization": "Bearer sk-secret-1",
                                                            "cookie": "sk-secret-2", "x-my-token": "sk-secret-3"},
                     path="/v1/chat/completions?api_key=sk-secret-4&beta=true")
            mock.ask("anthropic", b"no json", headers={"x-api-key": "sk-secret-1"})
            mock.get("/v1/models", headers={"authorization": "sk-secret-5"})
            text = (mock.top / "record").read_text(encoding="utf-8")
            self.assertNotIn("sk-secret", text)
            self.assertEqual(os.stat(mock.top / "record").st_mode & 0o777, 0o600)
            first, second, third = mock.records()
        prefix = "sha256:" + hashlib.sha256(b"sk-secret-1").hexdigest()[:16]
        self.assertEqual((first["headers"]["authorization"], second["headers"]["x-api-key"]),
                         (f"Bearer {prefix}", prefix))
        self.assertRegex(first["path"], r"^/v1/chat/completions\?api_key=sha256:[0-9a-f]{16}&beta=true$")
        self.assertEqual(first["body"], {"model": "m", "messages": [{"role": "user", "content": "hello"}],
                                         "temperature": 0})
        self.assertEqual({name: first[name] for name in ("n", "wire", "method", "model", "stream", "turn", "status",
                                                         "ended", "reported")},
                         {"n": 1, "wire": "openai", "method": "POST", "model": "m", "stream": False, "turn": 1,
                          "status": 200, "ended": "whole",
                          "reported": {"input": 10, "output": 2, "cached": 4, "cache_write": 0}})
        self.assertEqual((second["ended"], second["status"], second["body"]), ("refused", 400, {"not_json": "no json"}))
        self.assertIn("is no JSON", second["why"])
        self.assertEqual((third["method"], third["path"], third["status"]), ("GET", "/v1/models", 401))

    def test_a_record_is_continued(self):
        with tempfile.TemporaryDirectory() as folder:
            record = pathlib.Path(folder) / "record"
            record.write_text('{"n":0}\n')
            with Mock(turns(FOREVER), "--record", record) as mock:
                mock.ask("openai", {"messages": [{"role": "user", "content": "\ud800 ☃"}]})
            self.assertEqual([json.loads(line)["n"] for line in record.read_text().splitlines()], [0, 1])
            self.assertIn("☃", record.read_text())

    def test_how_many_at_a_time(self):
        with Mock(turns(STALL, FOREVER)) as mock:
            held = [mock.connect() for _ in range(5)]
            for connection in held:
                connection.send(request("openai", {"stream": True, **user("stall")}))
                connection.until(b"\n\n\r\n")
            mock.ask("openai")
            for connection in held:
                connection.close()
            wait_for(lambda: mock.report()["concurrent"] == 0)
            report = mock.report()
            self.assertEqual((report["concurrent_max"], report["left"], report["requests"]), (6, 5, 6))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])

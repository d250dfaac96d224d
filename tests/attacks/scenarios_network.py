# SPDX-License-Identifier: Apache-2.0
"""Attacks by way of the door that a task is given when the user's policy names hosts. Each takes a world and gives
problems and the canaries that were touched. Places are played by played.py: in a network of our own (network.py) at
public and private addresses with names; else, as an ordinary user or together with other categories, at ports of the
loopback address, which stand for both."""
import contextlib
import json
import ssl
import subprocess

import network
from played import Names, Places
from side import Side, wait_for
from world import HERE, POLICIES

DOOR_PORT = 3128


class NotHere(Exception):
    """What a scenario needs cannot be had here."""


def has_names(world):
    return world.net and network.has_names()


def needs_names(world):
    if not has_names(world):
        raise NotHere("names are played in a network of our own, which needs root and category D alone")


class Ground:
    """A second project, a `good` place that its tasks may reach, and a `bad` one that they may not."""

    def __init__(self, world, turns=None):
        self.world, self.names, self.problems = world, None, []
        self.named = has_names(world)
        addresses = [network.PUBLIC, network.PRIVATE, network.TRAP, network.METADATA, network.OWN, "127.0.0.1"]
        self.places = Places(addresses if self.named else ["127.0.0.1"])
        self.others = self.places if self.named else Places(["127.0.0.1"])
        self.closing = [self.places, self.others]
        port = self.places.port
        self.good, self.bad = f"127.0.0.1:{port}", f"127.0.0.1:{self.others.port}"
        if self.named:
            self.names = Names({"good.test": [[network.PUBLIC]], **(turns or {})})
            self.closing.append(self.names)
            self.good, self.bad = f"good.test:{port}", f"{network.PRIVATE}:{port}"
        self.side = Side(world, {"asker.py": (HERE / "programs/asker.py").read_text(encoding="utf-8")})

    def came(self):
        """Who came where a task may not go."""
        return [entry for entry in self.places.came if entry[0] != network.PUBLIC] if self.named else self.others.came

    def at_good(self):
        return self.places.at(network.PUBLIC) if self.named else self.places.came

    def allow(self, *places):
        self.world.set_policy(f"{POLICIES[self.world.policy]}network: {{allow: {json.dumps(places)}}}\n")

    def write(self, name, asks):
        (self.side.project / f"asks-{name}.json").write_text(json.dumps(asks), encoding="utf-8")
        self.side.git("add", "-A")
        self.side.git("commit", "-qm", "asks")

    def words(self, name, places):
        return ["look", "--id", name, "--attempts", "1", *(word for place in places for word in ("--net", place)),
                "--", "python3", "asker.py", name]

    def answers(self, name, said=""):
        with contextlib.suppress(subprocess.CalledProcessError):
            return json.loads(self.side.git("show", f"viv/{name}:answers-{name}.json"))
        self.problems.append(f"task '{name}' has no result: {said[-600:]}")
        return {}

    def task(self, name, asks, *places):
        """What a task that asked for these places, which the policy allows, was answered."""
        self.allow(*places)
        self.write(name, asks)
        done = self.side.viv("run", *self.words(name, places))
        return self.answers(name, done.stderr)

    def refusals(self, name):
        """Of what the record says of a task's door: {place: why}."""
        return {one["host"]: one["why"] for event in self.side.events(name, "effect.finished")
                for one in event["data"].get("network", {}).get("refused", [])}

    def must_hold(self, name, answers, like):
        """No canary was touched, and these asks were refused in words that hold what is wanted: {ask: words}."""
        for address, text in self.came():
            self.problems.append(f"{name}: somebody came to {address}: {text[:80]!r}")
        for ask, words in like.items():
            if words not in answers.get(ask, ""):
                self.problems.append(f"{name}: {ask!r} was answered {answers.get(ask)!r}, wanted {words!r}")

    def must_reach(self, what, count=1):
        """The proof: by the same asks the canary is touched when the policy names its very address."""
        if len(self.came()) < count:
            self.problems.append(f"{what}: {len(self.came())} came to the canary, wanted {count}: it proves nothing")


@contextlib.contextmanager
def ground(world, turns=None):
    it = Ground(world, turns)
    try:
        yield it
    finally:
        for one in it.closing:
            one.close()
        world.set_policy(POLICIES[world.policy])


def done_with(it):
    return it.problems, it.world.look()


def no_door(it):
    """In the reduced profiles there is no door: whoever asks for a place is refused before anything runs."""
    it.allow(it.good)
    it.write("reduced", [])
    done = it.side.viv("run", *it.words("reduced", [it.good]))
    if done.returncode == 0 or "network.profile: " not in done.stderr:
        it.problems.append(f"a task is given a place in a reduced profile: {done.stderr[-300:]}")
    if it.places.came or it.others.came:
        it.problems.append("somebody came all the same")
    return done_with(it)


def get(place, path="/", method="GET", version="1.1", host=None):
    return f"{method} http://{place}{path} HTTP/{version}\r\nHost: {place if host is None else host}\r\n\r\n"


def connect(place):
    return f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n"


def asked(texts):
    """As asks; what a tunnel leads to is asked through it."""
    through = {"then": "GET / HTTP/1.0\r\n\r\n"}
    return [{"name": name, "bytes": text, **(through if text.startswith("CONNECT ") else {})}
            for name, text in texts.items()]


def both_ways(place):
    return {f"GET {place}": get(place), f"CONNECT {place}": connect(place)}


# ---- D64: a name that answers first public, then private ----

def changing_name(world):
    if world.profile != "full":
        with ground(world) as it:
            return no_door(it)
    needs_names(world)
    turns = {"turns.test": [[network.PUBLIC], [network.PRIVATE]], "both.test": [[network.DEAF, network.PRIVATE]],
             "meta.test": [[network.DEAF], [network.METADATA]], "six.test": [["::1", "::ffff:10.66.0.66", "fd00::1"]],
             "nat64.test": [["64:ff9b::a42:42"]], "translated.test": [["2002:a42:42::1"]],
             "teredo.test": [["2001:0:a42:42::1"]],
             "private.test": [[network.PRIVATE]]}
    with ground(world, turns) as it:
        port = it.places.port
        places = [f"{name}:{port}" for name in turns]
        asks = asked({f"{way} {place}": ask(place) for place in places for way, ask in (("1", get), ("2", get),
                                                                                        ("3", connect))})
        answers = it.task("turns", asks, *places)
        it.must_hold("turns", answers, {
            f"1 turns.test:{port}": " 200 ", f"2 turns.test:{port}": "a private address",
            f"3 turns.test:{port}": "a private address", f"1 both.test:{port}": "no connection",
            f"1 meta.test:{port}": "no connection", f"2 meta.test:{port}": "metadata address",
            f"1 six.test:{port}": " 403 ", f"1 nat64.test:{port}": "a NAT64 address",
            f"1 translated.test:{port}": "a 6to4 address", f"1 teredo.test:{port}": "a Teredo address",
            f"1 private.test:{port}": "a private address"})
        if [it.names.asked.count(name) for name in turns] != [3] * len(turns):
            it.problems.append(f"three asks for each name, and these look-ups: {it.names.asked}")
        if len(it.at_good()) != 1:
            it.problems.append(f"{len(it.at_good())} came while the name was public, wanted 1")
        it.task("proof", asks, *places, it.bad)
        it.must_reach("private addresses that no list names, asked in the same way")
        return done_with(it)


# ---- D65: redirect from an allowed host ----

def redirected(world):
    with ground(world) as it:
        if world.profile != "full":
            return no_door(it)
        targets = [f"http://{it.bad}/", f"//{it.bad}/"]
        if it.named:
            port = it.places.port
            targets += [f"http://{host}:{port}/" for host in
                        (network.METADATA, "127.0.0.1", "other.test", "2886729730", "[::ffff:10.66.0.66]",
                         f"good.test@{network.PRIVATE}")]
        asks = []
        for number, target in enumerate(targets):
            for code in (301, 302, 303, 307, 308):
                path = f"/{code}-{number}"
                it.places.answers[path] = (f"HTTP/1.1 {code} Moved\r\nLocation: {target}\r\n"
                                           f"Refresh: 0; url={target}\r\nContent-Length: 0\r\n\r\n").encode()
                asks.append({"name": path, "url": f"http://{it.good}{path}"})
                asks += asked({f"door {path}": get(it.good, path)})
        it.places.answers["/101"] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
        it.places.answers["/305"] = (f"HTTP/1.1 305 Use Proxy\r\nLocation: http://{it.bad}/\r\n"
                                     "Content-Length: 0\r\n\r\n").encode()
        asks += asked({"101": get(it.good, "/101"), "305": get(it.good, "/305")})
        answers = it.task("moved", asks, it.good)
        it.must_hold("moved", answers, {"/302-0": " 403 ", "/301-0": " 403 ", "101": " 502 ", "305": " 305 ",
                                        "door /302-0": f"Location: http://{it.bad}/"})
        for name, answer in answers.items():
            if " 200 " in answer or "canary" in answer:
                it.problems.append(f"{name} was answered {answer[:80]!r}")
        if it.bad not in it.refusals("moved"):
            it.problems.append(f"the record does not say who was asked for: {sorted(it.refusals('moved'))}")
        it.task("proof", asks[:6], it.good, it.bad)
        it.must_reach("the same redirects, to a host that is allowed", 2)
        return done_with(it)


# ---- D69: tricks in names ----

def spelled(good, bad):
    """Hosts of which one reader takes the allowed one, and another reader the other; `good` and `bad` have ports."""
    host, _, port = good.rpartition(":")
    other, _, bad_port = bad.rpartition(":")
    return [f"{bad}\0.{host}:{port}", f"{host}\0.{bad}", f"{host}%00.{bad}", f"{other}%2f.{host}:{port}",
            f"x.{good}", f"x{good}", f"{host}.evil.test:{port}", f".{good}", f"{host}..:{port}", f"..{good}",
            f"{good}@{bad}", f"{host}@{bad}", f"{host}:{port}:{bad_port}", f"{bad}#{good}", f"{bad}?{good}",
            f"{bad}\\@{good}", f"{bad}/{good}", f"{host}\\.{bad}", f"{bad};{good}", f"{bad},{good}", f"{good},{bad}",
            f" {good}", f"{good} ", f"{host}: {port}", f"{host}:+{port}", f"{host}:0{port}",
            f"{host}:{int(port) + 65536}", f"{host}:0x{int(port):x}", f"{host}:-1", f"{host}:", f"{host}",
            f"{host}\t:{port}", f"[{host}]:{port}",
            f"%67ood.test:{port}", "g\xd0\xbe\xd0\xbed.test:" + port, "\xef\xbd\x87ood.test:" + port,
            "good\xe3\x80\x82test:" + port, f"good\xc2\xadz.test:{port}", f"xn--god-0nc.test:{port}",
            f"go\xf8d.test:{port}",
            f"2130706433:{bad_port}", f"0x7f000001:{bad_port}", f"0x7f.1:{bad_port}", f"0177.0.0.1:{bad_port}",
            f"127.1:{bad_port}", f"0:{bad_port}", f"127.0.0.1.:{bad_port}1", f"127.0.0.1%25lo:{bad_port}",
            f"[::ffff:127.0.0.1]:{bad_port}", f"[::ffff:7f00:1]:{bad_port}", f"[::1]:{bad_port}", f"[::]:{bad_port}",
            f"[64:ff9b::7f00:1]:{bad_port}", f"[fe80::1%lo]:{bad_port}", f"{'a' * 64}.test:{port}",
            f"{'a.' * 130}test:{port}",
            f"good_.test:{port}", f"-{good}", f"*:{port}", f"*.test:{port}", f"*.{good}", ""]


def broken_heads(good, bad):
    """Line ends and headers by which a second host comes into a request for the first."""
    inner = f"GET http://{bad}/ HTTP/1.1\r\nHost: {bad}\r\n\r\n"
    return {"CRLF in target": f"GET http://{good}/\r\nX: y HTTP/1.1\r\nHost: {good}\r\n\r\n",
            "LF in target": f"GET http://{good}/\nHost: {bad} HTTP/1.1\r\nHost: {good}\r\n\r\n",
            "CR in target": f"GET http://{good}\rHost:/ HTTP/1.1\r\nHost: {good}\r\n\r\n",
            "CRLF in CONNECT": f"CONNECT {good}\r\nHost: {bad} HTTP/1.1\r\n\r\n",
            "LF in CONNECT": f"CONNECT {good}\n{bad} HTTP/1.1\r\nHost: {good}\r\n\r\n",
            "other Host": get(good, host=bad), "other port in Host": get(good, host=f"{good.rpartition(':')[0]}:1"),
            "two Hosts": f"GET http://{good}/ HTTP/1.1\r\nHost: {good}\r\nHost: {bad}\r\n\r\n",
            "folded Host": f"GET http://{good}/ HTTP/1.1\r\nHost: {good}\r\n {bad}\r\n\r\n",
            "blank before colon": f"GET http://{good}/ HTTP/1.1\r\nHost : {bad}\r\nHost: {good}\r\n\r\n",
            "NUL in Host": get(good, host=f"{good}\0{bad}"),
            "CONNECT and another Host": f"CONNECT {good} HTTP/1.1\r\nHost: {bad}\r\n\r\n",
            "origin form": f"GET / HTTP/1.1\r\nHost: {bad}\r\n\r\n",
            "other scheme": f"GET ftp://{bad}/ HTTP/1.1\r\nHost: {bad}\r\n\r\n",
            "second request": get(good, "/second") + inner,
            "length twice": f"POST http://{good}/ HTTP/1.1\r\nHost: {good}\r\nContent-Length: 0\r\n"
                            f"Content-Length: {len(inner)}\r\n\r\n{inner}",
            "length and chunks": f"POST http://{good}/ HTTP/1.1\r\nHost: {good}\r\nContent-Length: 5\r\n"
                                 f"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}"}


def tricks_in_names(world):
    with ground(world) as it:
        if world.profile != "full":
            return no_door(it)
        tricks = spelled(it.good, it.bad)
        texts = {f"{way} {host!r}": ask(host) for host in tricks for way, ask in (("GET", get), ("CONNECT", connect))}
        texts.update(broken_heads(it.good, it.bad))
        host, _, port = it.good.rpartition(":")
        alike = [f"GOOD.Test:{port}", f"good.test.:{port}"] if it.named else [it.good]
        same = {f"same {name}": get(name) for name in alike}
        answers = it.task("tricks", asked(texts | same), it.good)
        it.must_hold("tricks", answers, {name: " 40" for name in texts} | {name: " 200 " for name in [*same,
            "second request"]})
        for address, text in it.at_good():
            if it.bad.encode() in text or text.count(b"HTTP/1.") != 1:
                it.problems.append(f"the allowed host {address} was sent {text[:200]!r}")
        if it.named and {name.rstrip(".") for name in it.names.asked} != {"good.test"}:
            it.problems.append(f"looked up was {sorted(set(it.names.asked))}")
        if len(it.at_good()) != len(same) + 1:
            it.problems.append(f"{len(it.at_good())} came to '{host}', wanted {len(same) + 1}")
        it.task("proof", asked(both_ways(it.bad)), it.good, it.bad)
        it.must_reach("the other place, by its plain name and allowed")
        return done_with(it)


# ---- D70: the server name of TLS ----

def hello(name):
    """The first bytes of a client that speaks TLS and wants this host."""
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname = False
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(into, out, server_hostname=name).do_handshake()
    return out.read().decode("latin-1")


def other_server_name(world):
    if world.profile != "full":
        with ground(world) as it:
            return no_door(it)
    needs_names(world)
    with ground(world) as it:
        names = ("evil.test", "good.test.evil.test", "xgood.test", "test", "a.good.test")
        wrong = {name: hello(name) for name in names}
        cut = hello("evil.test")
        wrong["in two records"] = cut[:3] + "\0\x05" + cut[5:10] + cut[:3] + chr((len(cut) - 10) >> 8) + chr(
            (len(cut) - 10) & 255) + cut[10:]
        asks = [{"name": name, "bytes": connect(it.good), "then": text} for name, text in wrong.items()]
        answers = it.task("fronted", asks, it.good)
        it.must_hold("fronted", answers, {name: " 200 " for name in wrong})
        for address, text in it.at_good():
            if text:
                it.problems.append(f"{address} heard a handshake for another host: {text[:60]!r}")
        if "in the tunnel TLS asks for 'evil.test'" not in json.dumps(it.side.events("fronted")):
            it.problems.append("the record does not say which name was asked for")
        before = len(it.at_good())
        it.task("proof", [{"name": "right", "bytes": connect(it.good), "then": hello("good.test")}], it.good)
        if not any(text for _, text in it.at_good()[before:]):
            it.problems.append("a handshake for the right host does not come through: it proves nothing")
        return done_with(it)


# ---- D71: the proxy sent to itself and to the host's own doors ----

def own_doors(world):
    loops = {"self.test": [["127.0.0.1"]], "own.test": [[network.OWN]], "zero.test": [["0.0.0.0"]],
             "six.test": [["::1", "::"]]}
    with ground(world, loops) as it:
        if world.profile != "full":
            return no_door(it)
        at_door = Places(["127.0.0.1"], DOOR_PORT if it.named else 0)  # of the machine the port may be somebody's
        it.closing.append(at_door)
        port, path = it.others.port, it.side.socket_path()
        hosts = ["127.0.0.1", "localhost", "127.0.0.2", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", network.OWN]
        texts = {}
        for place in (f"{host}:{number}" for host in hosts for number in (port, DOOR_PORT, 22)):
            texts.update(both_ways(place))
        texts.update({"socket as host": get("unix", path),
                      "socket as URL": f"GET http+unix://{path}/ HTTP/1.1\r\nHost: x\r\n\r\n",
                      "socket as target": f"CONNECT unix:{path} HTTP/1.1\r\n\r\n",
                      "path as target": f"CONNECT {path} HTTP/1.1\r\n\r\n"})
        named = [f"{name}:{number}" for name in loops for number in (port, DOOR_PORT)] if it.named else []
        loopback = {name: text for place in named for name, text in both_ways(place).items()}
        asks = asked(texts | loopback) + [{"name": f"unix {path}", "unix": path},
                                          {"name": "dialled", "dial": ["127.0.0.1", port]}]
        with it.side.host():
            answers = it.task("doors", asks, it.good, *named)
        words = {name: " 40" for name in texts} | {name: " 403 " for name in loopback}
        it.must_hold("doors", answers, words | {f"unix {path}": "no answer", "dialled": "no answer"})
        if at_door.came:
            it.problems.append(f"somebody came to the machine's port {at_door.port}")
        it.must_hold("alive", it.task("alive", asked({"good": get(it.good)}), it.good), {"good": " 200 "})
        it.task("proof", asked(both_ways(f"127.0.0.1:{port}")), it.good, f"127.0.0.1:{port}")
        it.must_reach("a server of the machine that the policy names itself")
        return done_with(it)


# ---- D72: another task's door ----

def foreign_door(world):
    with ground(world) as it:
        if world.profile != "full":
            return no_door(it)
        if it.named:
            it.names.turns["second.test"] = [[network.PUBLIC]]
        second = Places(["127.0.0.1"])
        it.closing.append(second)
        mine, theirs = f"127.0.0.1:{second.port}", it.good
        credentials = "".join(f"Proxy-Authorization: {word}\r\n" for word in ("Basic aG9sZGVyOg==", "Bearer holder"))
        asks = asked({"theirs": get(theirs), "theirs by tunnel": connect(theirs), "mine": get(mine),
                      "as them": f"GET http://{theirs}/ HTTP/1.1\r\nHost: {theirs}\r\n{credentials}"
                                 "X-Vivarium-Task: holder\r\nForwarded: for=holder\r\n\r\n"})
        asks.append({"name": "neighbours", "neighbours": True})
        it.allow(mine, theirs)
        it.write("holder", asked({"held": get(theirs, "/held")}))
        it.write("thief", asks)
        with it.side.host("--workers", "2"):
            it.side.viv("submit", *it.words("holder", [theirs]), check=True)
            if not wait_for(lambda: it.at_good(), 60):
                it.problems.append("the task whose door it is does not come to its place")
            it.side.viv("run", *it.words("thief", [mine]))
            answers, held = it.answers("thief"), not it.places.held.is_set()
            it.places.held.set()
            wait_for(lambda: it.side.events("holder", "task.ready"), 60)
        if not held or " 200 " not in it.answers("holder").get("held", ""):
            it.problems.append("the two tasks were not there at the same time")
        if len(it.at_good()) != 1:
            it.problems.append(f"{len(it.at_good())} came to the place of one task, wanted that task alone")
        refused = "allowed for 'thief/execute': " + mine
        it.must_hold("thief", answers, {
            "mine": " 200 ", "theirs": refused, "theirs by tunnel": refused, "as them": refused,
            "neighbours": json.dumps({"namespaces": [], "ports": [DOOR_PORT]})})
        it.task("proof", asks[:2], theirs)
        if len(it.at_good()) != 3:
            it.problems.append(f"{len(it.at_good())} came to the place of a task's own, wanted 3: it proves nothing")
        return done_with(it)

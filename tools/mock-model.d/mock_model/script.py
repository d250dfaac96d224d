# SPDX-License-Identifier: Apache-2.0
"""Scripts: read whole, checked before anything listens, and asked for the turn that answers a request.

A script that would be understood in part is refused: an unknown member by its name with those that are allowed, a value
by what was found and what is allowed. Read next: the tables MATCH, FAULTS, TURN and SCRIPT, which are the language."""
import json
import re

SCRIPT_BYTES_MAX = 16 << 20
TURNS_MAX = 10_000
TEXT_MAX = 4 << 20
FRAME_MAX = 64 << 20
DELAY_MS_MAX = 3_600_000
PIECE = 12  # characters of a delta, when the script does not say


class Wrong(Exception):
    """One line: what is wrong, where, and what is allowed."""


def shown(value):
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = "".join(c if c.isprintable() else "?" for c in text)
    return f"'{text}'" if len(text) <= 60 else f"'{text[:57]}...'"


def integer(low, high):
    def check(place, value):
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise Wrong(f"{place} is {shown(value)}, allowed a number from {low} to {high}")
        return value
    return check


def string(most=TEXT_MAX, low=0):
    def check(place, value):
        if not isinstance(value, str) or not low <= len(value) <= most:
            raise Wrong(f"{place} is {shown(value)}, allowed a text of {low} to {most} characters")
        return value
    return check


def word(*allowed):
    def check(place, value):
        if value not in allowed or isinstance(value, bool) != isinstance(allowed[allowed.index(value)], bool):
            words = ", ".join(one if isinstance(one, str) else json.dumps(one) for one in allowed)
            raise Wrong(f"{place} is {shown(value)}, allowed: {words}")
        return value
    return check


def anything(place, value):
    return value


def either(text, checks):
    """A check for each type of value; `text` says what they allow together."""
    def check(place, value):
        for kind, one in checks.items():
            if isinstance(value, kind) and isinstance(value, bool) == (kind is bool):
                return one(place, value)
        raise Wrong(f"{place} is {shown(value)}, allowed {text}")
    return check


def items(one, most, low=0):
    def check(place, value):
        if not isinstance(value, list) or not low <= len(value) <= most:
            raise Wrong(f"{place} is {shown(value)}, allowed a list of {low} to {most}")
        return [one(f"{place}, item {number}", item) for number, item in enumerate(value, 1)]
    return check


def members(table, required=(), one_of=()):
    def check(place, value):
        if not isinstance(value, dict):
            raise Wrong(f"{place} is {shown(value)}, allowed an object with {', '.join(sorted(table))}")
        for name in value:
            if name not in table:
                raise Wrong(f"{place}: unknown member {shown(name)}, allowed: {', '.join(sorted(table))}")
        for name in required:
            if name not in value:
                raise Wrong(f"{place}: member '{name}' is missing")
        if one_of and sum(name in value for name in one_of) != 1:
            found = ", ".join(name for name in one_of if name in value) or "none"
            raise Wrong(f"{place}: found {found}, allowed exactly one of {', '.join(one_of)}")
        return {name: table[name](f"{place}: '{name}'", item) for name, item in value.items()}
    return check


# The program says these itself; a script that could say them would break framing without saying so.
FRAMING = ("content-length", "transfer-encoding", "connection")


def headers(place, value):
    if not isinstance(value, dict):
        raise Wrong(f"{place} is {shown(value)}, allowed an object of header names and texts")
    for name, text in value.items():
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", name):
            raise Wrong(f"{place}: {shown(name)} is no name of a header")
        if name.lower() in FRAMING:
            raise Wrong(f"{place}: {shown(name)} is the program's to say; faults 'chunked' and 'cut' break framing")
        if not isinstance(text, str) or not re.fullmatch(r"[\t\x20-\x7e\x80-\xff]{0,4096}", text):
            raise Wrong(f"{place}: the value of {shown(name)} is {shown(text)}, allowed one line of text")
    return {name.lower(): text for name, text in value.items()}


def wanted_headers(place, value):
    table = {name: string() for name in value} if isinstance(value, dict) else {}
    return {name.lower(): one for name, one in members(table)(place, value).items()}


COUNT = integer(0, 2**53 - 1)
AT = integer(1, 1_000_000)
NAME = string(200, 1)

MATCH = {
    "wire": word("openai", "anthropic"), "model": NAME, "last": string(), "system": string(),
    "stream": word(True, False),
    "tool_result": either("true, false or a text", {bool: anything, str: string()}), "tools": word(True, False),
    "tool": NAME, "header": wanted_headers,
}
USAGE = members({"input": COUNT, "output": COUNT, "cached": COUNT, "cache_write": COUNT})
TOOL_CALL = members({"name": NAME, "arguments": either("an object or a text", {dict: anything, str: string()}),
                     "id": NAME},
                    required=("name",))
ERROR = members({"status": integer(400, 599), "type": NAME, "message": string(), "code": NAME, "body": anything,
                 "retry_after": either("seconds or a text", {int: COUNT, str: string(100)})}, required=("status",))
REDIRECT = members({"to": string(4096, 1), "status": word(301, 302, 303, 307, 308)}, required=("to",))
LIMITS = members({name: COUNT for name in ("requests", "requests_left", "requests_reset_s", "tokens", "tokens_left",
                                           "tokens_reset_s")})
CUT = members({"at": word("start"), "frames": COUNT, "bytes": COUNT, "how": word("close", "reset")},
              one_of=("at", "frames", "bytes"))
CHUNKED = members({"how": word("bad-size", "short", "no-end", "off"), "at": AT}, required=("how",))
FAULTS = {
    "cut": CUT,
    "garbage": members({"at": AT, "text": string(), "hex": string()}, required=("at",)),
    "malformed": members({"at": AT}, required=("at",)),
    "oversized": members({"at": AT, "bytes": integer(1, FRAME_MAX)}, required=("at", "bytes")),
    "error_frame": members({"at": AT, "type": NAME, "message": string()}, required=("at",)),
    "split": integer(1, 65536),
    "usage": either("'missing', 'twice' or an object to say instead", {str: word("missing", "twice"), dict: anything}),
    "stop": word("twice", "missing"),
    "endless": word(True),
    "stall": members({"frames": COUNT}, required=("frames",)),
    "chunked": CHUNKED,
    "pings": integer(1, 1000),
}
STREAM_ONLY = ("error_frame", "stop", "stall", "pings")
ANSWER_ONLY = ("garbage", "malformed", "oversized", "error_frame", "usage", "stop", "endless", "pings")
TURN = {
    "name": NAME, "note": string(), "match": members(MATCH),
    "repeat": either("a number or 'forever'", {int: integer(1, 10**9), str: word("forever")}),
    "text": either("a text or a list of texts", {str: string(), list: items(string(), 100_000)}),
    "tool_calls": items(TOOL_CALL, 128, 1),
    "piece": integer(1, TEXT_MAX), "finish": NAME, "usage": USAGE, "headers": headers, "limits": LIMITS,
    "delay_ms": integer(0, DELAY_MS_MAX), "frame_delay_ms": integer(0, DELAY_MS_MAX),
    "error": ERROR, "redirect": REDIRECT, "faults": members(FAULTS),
}
SCRIPT = {
    "version": word(1), "note": string(), "models": items(NAME, 1000, 1), "auth": word("required", "none"),
    "keys": items(NAME, 1000, 1), "order": word("first-fit", "strict"), "turns": items(anything, TURNS_MAX, 1),
}


class Turn:
    """One entry of the script, with everything it left out filled in."""

    def __init__(self, number, told):
        self.number, self.told, self.used = number, told, 0
        self.name = told.get("name", "")
        self.match = told.get("match", {})
        self.repeat = None if told.get("repeat") == "forever" else told.get("repeat", 1)
        self.faults = told.get("faults", {})
        self.error, self.redirect = told.get("error"), told.get("redirect")
        self.headers, self.limits = told.get("headers", {}), told.get("limits")
        self.delay_s, self.frame_delay_s = told.get("delay_ms", 0) / 1000, told.get("frame_delay_ms", 0) / 1000
        self.finish, self.usage = told.get("finish"), told.get("usage", {})
        piece = told.get("piece", PIECE)
        text = told.get("text", "")
        self.pieces = [one for one in text if one] if isinstance(text, list) else cut_up(text, piece)
        self.calls = [(call["name"], cut_up(spelled(call.get("arguments", {})), piece), call.get("id"))
                      for call in told.get("tool_calls", ())]

    def left(self):
        return None if self.repeat is None else self.repeat - self.used

    def spent(self):
        return self.left() == 0

    def says(self):
        """How a message about the script names this turn."""
        name = f" '{self.name}'" if self.name else ""
        wants = ", ".join(f"{key} {shown(value)}" for key, value in self.match.items()) or "any request"
        left = "forever" if self.left() is None else f"{self.left()} left"
        return f"turn {self.number}{name} ({left}) wants {wants}"


def cut_up(text, piece):
    return [text[at:at + piece] for at in range(0, len(text), piece)]


def spelled(arguments):
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))


def check_turn(place, told):
    """What one member alone cannot tell."""
    told = members(TURN)(place, told)
    answers = [name for name in ("text", "tool_calls") if name in told]
    kinds = [name for name in ("error", "redirect") if name in told]
    if len(kinds) + bool(answers) != 1:
        found = ", ".join(answers + kinds) or "none"
        raise Wrong(f"{place}: found {found}, allowed exactly one of: text and tool_calls, error, redirect")
    faults = told.get("faults", {})
    if kinds:
        for name in ("usage", "finish", "piece", "frame_delay_ms"):
            if name in told:
                raise Wrong(f"{place}: '{name}' belongs to text or tool_calls, this turn has '{kinds[0]}'")
        for name in ANSWER_ONLY + ("stall",):
            if name in faults:
                raise Wrong(f"{place}: fault '{name}' belongs to text or tool_calls, this turn has '{kinds[0]}'")
    usage = told.get("usage", {})
    parts = usage.get("cached", 0) + usage.get("cache_write", 0)
    if parts > usage.get("input", parts):
        raise Wrong(f"{place}: 'usage': cached and cache_write are {parts} together, allowed at most 'input', "
                    f"{usage['input']}; fault 'usage' says what cannot be")
    if faults.get("endless") and not told.get("text"):
        raise Wrong(f"{place}: fault 'endless' repeats the last text, and there is no text")
    garbage = faults.get("garbage", {})
    if "text" in garbage and "hex" in garbage:
        raise Wrong(f"{place}: fault 'garbage': found text, hex, allowed at most one of the two")
    if "hex" in garbage and not re.fullmatch(r"([0-9a-fA-F]{2})+", garbage["hex"]):
        raise Wrong(f"{place}: fault 'garbage': 'hex' is {shown(garbage['hex'])}, allowed pairs of hexadecimal digits")
    return told


def no_twins(pairs):
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise Wrong(f"member '{next(name for name in names if names.count(name) > 1)}' stands twice in one object")
    return found


def no_constant(name):
    raise Wrong(f"{name} is no JSON")


class Script:
    def __init__(self, told):
        told = members(SCRIPT, required=("version", "turns"))("the script", told)
        self.auth, self.keys = told.get("auth", "required"), told.get("keys")
        if self.keys and self.auth == "none":
            raise Wrong("the script: 'keys' are checked, and 'auth' is 'none'")
        self.strict = told.get("order") == "strict"
        self.turns = [Turn(number, check_turn(f"turn {number}", turn)) for number, turn in enumerate(told["turns"], 1)]
        self.declared = told.get("models")
        named = sorted({turn.match["model"] for turn in self.turns if "model" in turn.match})
        self.models = self.declared or named or ["mock-1"]

    def take(self, ask):
        """The turn that answers, counted as used; or None, and nothing is counted."""
        live = [turn for turn in self.turns if not turn.spent()]
        for turn in live[:1] if self.strict else live:
            if ask.fits(turn.match):
                turn.used += 1
                return turn
        return None

    def refusal(self, ask):
        live = [turn for turn in self.turns if not turn.spent()]
        if not live:
            rest = f"all {len(self.turns)} turns of the script are used up"
        elif self.strict:
            rest = f"the script is strict, and next is {live[0].says()}"
        else:
            more = f"; and {len(live) - 5} more" if len(live) > 5 else ""
            rest = "the script still has: " + "; ".join(turn.says() for turn in live[:5]) + more
        return f"no turn of the script answers this request ({ask.says()}); {rest}"


def read(path):
    """The script in a file. Raises Wrong with one line."""
    try:
        with open(path, "rb") as file:
            raw = file.read(SCRIPT_BYTES_MAX + 1)
        if len(raw) > SCRIPT_BYTES_MAX:
            raise Wrong(f"more than {SCRIPT_BYTES_MAX} bytes")
        told = json.loads(raw.decode("utf-8"), object_pairs_hook=no_twins, parse_constant=no_constant)
        json.dumps(told, ensure_ascii=False).encode("utf-8")  # half a surrogate pair can be read, not sent
        return Script(told)
    except OSError as fault:
        raise Wrong(f"script '{path}': {fault.strerror}") from None
    except RecursionError:
        raise Wrong(f"script '{path}': nested too deep") from None
    except ValueError as fault:
        raise Wrong(f"script '{path}': no JSON in UTF-8: {fault}") from None
    except Wrong as fault:
        raise Wrong(f"script '{path}': {fault}") from None

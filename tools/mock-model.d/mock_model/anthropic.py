# SPDX-License-Identifier: Apache-2.0
"""Messages: POST /v1/messages, whole and as a stream of named events that ends with message_stop."""
import datetime
import json
import re

from . import wire
from .wire import Body, Frame, Refusal

NAME = "anthropic"
PATH = "/v1/messages"
KEY_FORMS = "authorization: Bearer KEY or x-api-key: KEY"
KINDS = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
         413: "request_too_large", 429: "rate_limit_error", 504: "timeout_error", 529: "overloaded_error"}
# Words of the other wire, so that one script can serve both. Others go as they are.
FINISHES = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


def key_of(headers):
    """By x-api-key, or as newer clients bring it."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return headers.get("x-api-key", "").strip() or (key.strip() if scheme.lower() == "bearer" else "")


def check_head(headers):
    version = headers.get("anthropic-version")
    if version is None:
        raise Refusal(400, "invalid_request_error",
                      "header anthropic-version is missing, allowed a date like 2023-06-01")
    wire.need(re.fullmatch(r"\d{4}-\d\d-\d\d", version), "header anthropic-version", version, "a date like 2023-06-01")


def read(body, headers):
    most = body.get("max_tokens")
    wire.need(isinstance(most, int) and not isinstance(most, bool) and most > 0, "'max_tokens'", most,
              "a number from 1")
    content = body["messages"][-1].get("content")
    results = [part for part in content if isinstance(part, dict) and part.get("type") == "tool_result"] \
        if isinstance(content, list) else []
    result = "\n".join(wire.text_of(part.get("content")) for part in results) if results else None
    tools = [tool.get("name") for tool in body.get("tools") or [] if isinstance(tool, dict)]
    return wire.Ask(NAME, body, wire.text_of(body.get("system")), result, tools, headers)


def error(status, kind, message, code, number, **more):
    kind = kind or KINDS.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": f"req_{number}", **more}


def request_id(number):
    return {"request-id": f"req_{number}"}


def at(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def limits(told, now):
    """Rate-limit headers from what a script gives; times are points in time."""
    names = {"requests": "requests-limit", "requests_left": "requests-remaining", "requests_reset_s": "requests-reset",
             "tokens": "tokens-limit", "tokens_left": "tokens-remaining", "tokens_reset_s": "tokens-reset"}
    return {f"anthropic-ratelimit-{names[name]}": at(now + value) if name.endswith("_s") else str(value)
            for name, value in told.items()}


def models(names, created):
    return {"data": [model(name, created) for name in names], "has_more": False, "first_id": names[0],
            "last_id": names[-1]}


def model(name, created):
    return {"type": "model", "id": name, "display_name": name, "created_at": at(created)}


def usage(say, output):
    """On this wire the input leaves out what was read from the cache or written to it."""
    numbers = say.usage
    return {"input_tokens": numbers["input"] - numbers["cached"] - numbers["cache_write"],
            "cache_creation_input_tokens": numbers["cache_write"], "cache_read_input_tokens": numbers["cached"],
            "output_tokens": output}


def last_usage(say):
    return say.fault if isinstance(say.fault, dict) else usage(say, say.usage["output"])


def tokens(said):
    parts = {"cached": wire.count(said, "cache_read_input_tokens"),
             "cache_write": wire.count(said, "cache_creation_input_tokens")}
    return {"input": wire.count(said, "input_tokens") + sum(parts.values()),
            "output": wire.count(said, "output_tokens"), **parts}


def finish(say):
    word = say.turn.finish
    return FINISHES.get(word, word) or ("tool_use" if say.calls else "end_turn")


def call_id(say, index, given):
    return given or f"toolu_{say.number}_{index + 1}"


def message(say, content, reason, said):
    value = {"id": f"msg_{say.number}", "type": "message", "role": "assistant", "model": say.model, "content": content,
             "stop_reason": reason, "stop_sequence": None}
    if say.fault != "missing":
        value["usage"] = said
    return value


def as_input(text):
    """Arguments are an object on this wire; what is none goes as the text it is, for a client to stumble over."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def whole(say):
    content = [{"type": "text", "text": "".join(say.pieces)}] if say.pieces else []
    content += [{"type": "tool_use", "id": call_id(say, index, given), "name": name, "input": as_input("".join(pieces))}
                for index, (name, pieces, given) in enumerate(say.calls)]
    value = message(say, content, finish(say), last_usage(say))
    return Body(value, usage=value.get("usage"))


def event(name, role="", reports=None, **members):
    return Frame({"type": name, **members}, event=name, usage=reports, role=role)


def text_frame(say, text):
    return event("content_block_delta", role="text", index=0, delta={"type": "text_delta", "text": text})


def blocks(say):
    """Frames of the content: (frames of one block) after another, the text first."""
    index = 0
    if say.pieces:
        yield event("content_block_start", index=index, content_block={"type": "text", "text": ""})
        yield ping(say)
        for piece in wire.texts(say):
            yield text_frame(say, piece)
        yield event("content_block_stop", index=index)
        index += 1
    for number, (name, pieces, given) in enumerate(say.calls):
        yield event("content_block_start", index=index,
                    content_block={"type": "tool_use", "id": call_id(say, number, given), "name": name, "input": {}})
        if index == 0:
            yield ping(say)
        for piece in [""] + pieces:
            yield event("content_block_delta", index=index, delta={"type": "input_json_delta", "partial_json": piece})
        yield event("content_block_stop", index=index)
        index += 1


def frames(say):
    first = usage(say, 1)  # the wire says the input at once, and the output so far
    start = message(say, [], None, first)
    yield event("message_start", reports=start.get("usage"), message=start)
    yield from blocks(say)
    said = {} if say.fault == "missing" else {"usage": last_usage(say)}
    yield event("message_delta", role="usage", reports=said.get("usage"),
                delta={"stop_reason": finish(say), "stop_sequence": None}, **said)
    yield event("message_stop", role="end")


def error_frame(kind, text, number):
    return Frame(error(529, kind, text, None, number), event="error")


def ping(say):
    return event("ping")

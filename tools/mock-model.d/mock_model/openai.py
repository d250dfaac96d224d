# SPDX-License-Identifier: Apache-2.0
"""Chat completions: POST /v1/chat/completions, whole and as a stream of `data:` lines that ends with [DONE]."""
from . import wire
from .wire import Body, Frame, Refusal

NAME = "openai"
PATH = "/v1/chat/completions"
KEY_FORMS = "authorization: Bearer KEY"
KINDS = {400: "invalid_request_error", 401: "invalid_request_error", 403: "insufficient_permissions",
         404: "invalid_request_error", 429: "requests"}
CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}


def key_of(headers):
    """The key a request brings, or '' for none."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def check_head(headers):
    """Nothing besides the key."""


def read(body, headers):
    messages = body["messages"]
    system = "\n".join(wire.text_of(one.get("content")) for one in messages if one["role"] in ("system", "developer"))
    result = wire.text_of(messages[-1].get("content")) if messages[-1]["role"] == "tool" else None
    tools = [tool.get("function", {}).get("name") for tool in body.get("tools") or [] if isinstance(tool, dict)
             and isinstance(tool.get("function", {}), dict)]
    options = body.get("stream_options")
    wire.need(options is None or isinstance(options, dict), "'stream_options'", options, "an object")
    if options is not None and not body.get("stream"):
        raise Refusal(400, "invalid_request_error", "'stream_options' is only allowed when 'stream' is true")
    return wire.Ask(NAME, body, system, result, tools, headers)


def error(status, kind, message, code, number, **more):
    kind = kind or KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": code or CODES.get(status)}, **more}


def request_id(number):
    return {"x-request-id": f"req_{number}"}


def limits(told, now):
    """Rate-limit headers from what a script gives; times are spans."""
    names = {"requests": "limit-requests", "requests_left": "remaining-requests", "requests_reset_s": "reset-requests",
             "tokens": "limit-tokens", "tokens_left": "remaining-tokens", "tokens_reset_s": "reset-tokens"}
    return {f"x-ratelimit-{names[name]}": f"{value}s" if name.endswith("_s") else str(value)
            for name, value in told.items()}


def models(names, created):
    return {"object": "list", "data": [model(name, created) for name in names]}


def model(name, created):
    return {"id": name, "object": "model", "created": created, "owned_by": "viv-mock-model"}


def usage(say):
    if isinstance(say.fault, dict):
        return say.fault
    numbers = say.usage
    return {"prompt_tokens": numbers["input"], "completion_tokens": numbers["output"],
            "total_tokens": numbers["input"] + numbers["output"],
            "prompt_tokens_details": {"cached_tokens": numbers["cached"]},
            "completion_tokens_details": {"reasoning_tokens": 0}}


def tokens(said):
    """What an object `usage` reports, in the tally's words. Its input includes what was cached."""
    details = said.get("prompt_tokens_details") if isinstance(said, dict) else None
    return {"input": wire.count(said, "prompt_tokens"), "output": wire.count(said, "completion_tokens"),
            "cached": wire.count(details, "cached_tokens"), "cache_write": 0}


def finish(say):
    return say.turn.finish or ("tool_calls" if say.calls else "stop")


def call_id(say, index, given):
    return given or f"call_{say.number}_{index + 1}"


def whole(say):
    message = {"role": "assistant", "content": "".join(say.pieces) if say.pieces or not say.calls else None,
               "refusal": None}
    if say.calls:
        message["tool_calls"] = [{"id": call_id(say, index, given), "type": "function",
                                  "function": {"name": name, "arguments": "".join(pieces)}}
                                 for index, (name, pieces, given) in enumerate(say.calls)]
    answer = {"id": f"chatcmpl-{say.number}", "object": "chat.completion", "created": say.created, "model": say.model,
              "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish(say)}]}
    if say.fault != "missing":
        answer["usage"] = usage(say)
    return Body(answer, usage=answer.get("usage"))


def wants_usage(say):
    return bool((say.ask.body.get("stream_options") or {}).get("include_usage"))


def chunk(say, delta, reason=None, role=""):
    value = {"id": f"chatcmpl-{say.number}", "object": "chat.completion.chunk", "created": say.created,
             "model": say.model,
             "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]}
    if wants_usage(say):
        value["usage"] = None
    return Frame(value, role=role)


def text_frame(say, text):
    return chunk(say, {"content": text}, role="text")


def frames(say):
    yield chunk(say, {"role": "assistant", "content": None if say.calls and not say.pieces else ""})
    for piece in wire.texts(say):
        yield text_frame(say, piece)
    for index, (name, pieces, given) in enumerate(say.calls):
        yield chunk(say, {"tool_calls": [{"index": index, "id": call_id(say, index, given), "type": "function",
                                          "function": {"name": name, "arguments": ""}}]})
        for piece in pieces:
            yield chunk(say, {"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield chunk(say, {}, finish(say), role="finish")
    if wants_usage(say) and say.fault != "missing":
        said = usage(say)
        yield Frame({"id": f"chatcmpl-{say.number}", "object": "chat.completion.chunk", "created": say.created,
                     "model": say.model, "choices": [], "usage": said}, usage=said, role="usage")
    yield Frame("[DONE]", role="end")


def error_frame(kind, message, number):
    return Frame(error(500, kind, message, None, number))


def ping(say):
    return wire.Raw(b": ping\n\n")

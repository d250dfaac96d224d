# SPDX-License-Identifier: Apache-2.0
# What tests with models share: a key, a scripted provider on this machine, and a policy with two of its models. Sourced by
# bash after flow_begin.
MOCK=$FLOW/../../tools/mock-model
KEY=$SCRATCH/key CANARY=sk-canary-0123456789abcdef
printf '%s\n' "$CANARY" >"$KEY"
chmod 600 "$KEY"

# A provider that answers from the script on standard input; its port in PORT.
mock_begin() {
    cat >"$SCRATCH/script.json"
    rm -f "$SCRATCH/port" "$SCRATCH/heard"
    python3 -B "$MOCK" --port 0 --port-file "$SCRATCH/port" --record "$SCRATCH/heard" "$SCRATCH/script.json" >"$SCRATCH/mock.out" 2>&1 &
    mock_job=$!
    flow_jobs+=($mock_job)
    until_true "the provider's port" test -s "$SCRATCH/port"
    PORT=$(cat "$SCRATCH/port")
}
mock_end() {
    kill "$mock_job"
    wait "$mock_job" 2>/dev/null
}
heard() { [ ! -e "$SCRATCH/heard" ] && echo 0 || wc -l <"$SCRATCH/heard"; }

# models_policy MORE: two models of the provider; MORE is appended.
models_policy() {
    user_policy "secrets:
  groq: {file: $KEY}
models:
  small: {plugin: viv.model_openai, base_url: \"http://127.0.0.1:$PORT/v1\", model: tiny, secret: groq, tier: fast, context: 100000, output: 2000, price: {input: 1.00, output: 2.00, cached: 0.50}}
  big: {plugin: viv.model_anthropic, base_url: \"http://127.0.0.1:$PORT\", model: large, secret: groq, tier: strong, context: 100000, output: 4000, price: {input: 10.00, output: 20.00}}
${1-}"
}

# Calls of tools, as a script's turn.
turn() { # NAME TOOL ARGUMENTS [MORE]
    printf '{"name": "%s", "tool_calls": [{"name": "%s", "arguments": %s}], "usage": {"input": 400, "output": 50}%s}' "$1" "$2" "$3" "${4:-}"
}

# What the provider counted, as `books` counts: micro-units of every call it answered, whatever became of the answer.
billed() {
    curl -s "http://127.0.0.1:$PORT/mock/report" | python3 -c '
import json, sys
price = {"tiny": (1.00, 2.00), "large": (10.00, 20.00)}
models = json.load(sys.stdin)["models"]
sums = {name: model[sys.argv[1]] for name, model in models.items()}
print(round(sum(price[name][0] * s["input"] + price[name][1] * s["output"] for name, s in sums.items())))' "$1"
}

# Settled and reserved of an account, in micro-units.
account() {
    "$VIVHOST" budget show --json -C "$P" | python3 -c '
import json, sys
for page in sys.stdin:
    for account in json.loads(page)["accounts"]:
        if account["account"] == sys.argv[1]:
            print(account["settled_micro"], account["reserved_micro"], account["limit_micro"])' "$1"
}

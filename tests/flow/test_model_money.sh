#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Money of calls to models, at its edges. Without this test: many calls at once could spend more than there is, a crash or a
# broken stream could lose what a provider bills, or the books would not say what it counted.
. "$(dirname "$0")/lib.sh"
flow_begin
. "$FLOW/model.sh"
P=$SCRATCH/project
make_repo "$P"
make_home "$P"
# Tasks hold nothing of their own, so that what is held and spent is the calls'.
FREE='plugins:
  viv.economy_ledger: {options: {base: 0, per_second: 0}}'

story "64 calls at once at the edge of a budget spend no more than it, and what the provider counted"
mock_begin <<'JSON'
{"version": 1, "turns": [{"tool_calls": [{"name": "done", "arguments": {"summary": "fine"}}], "delay_ms": 300,
 "usage": {"input": 8000, "output": 1000}, "repeat": "forever"}]}
JSON
models_policy "limits: {home: 0.20, task: 1.00}
approvals: {results: auto}
$FREE"
sed -i 's/output: 2000/output: 2000, concurrent: 64/' "$HOME/.config/vivarium/policy.yaml"
for i in $(seq 64); do
    viv submit "say hello $i" --id "edge$i" --attempts 1 -C "$P"
done
viv work --drain --workers 64 -C "$P"
expect_code 0 "work"
read -r settled reserved limit < <(account home)
same "held when all have ended" "$reserved" 0
[ "$settled" -le 200000 ] || fail "$settled micro-units are settled, the limit is 200000"
same "settled, and what the provider counted" "$settled" "$(billed scripted)"
same "what one call costs" "$((settled % 10000))" 0
[ "$settled" -ge 180000 ] || fail "$settled micro-units are settled of 200000: calls that had room were refused"
ready=$("$VIVHOST" queue list --json -C "$P" | grep -o '"state":"ready"' | wc -l)
same "tasks that are ready" "$ready" "$((settled / 10000))"
mock_end

story "a stream that is cut, wherever, costs what was held or what was counted, and never less than the provider's count"
mock_begin <<JSON
{"version": 1, "turns": [$(for i in $(seq 1 9); do
    printf '{"name": "cut%d", "text": ["a", "b", "c", "d"], "usage": {"input": 500, "output": 60}, "faults": {"cut": {"frames": %d}}},\n' "$i" "$i"
done)
 {"tool_calls": [{"name": "done", "arguments": {"summary": "fine"}}], "usage": {"input": 400, "output": 50}, "repeat": "forever"}]}
JSON
models_policy "limits: {home: 5.00, task: 1.00}
breaker: {failures: 60}
approvals: {results: auto}
$FREE"
before=$(account home | cut -d' ' -f1)
for i in $(seq 1 9); do
    viv run "say hello again $i" --id "cut$i" --attempts 1 -C "$P"
done
after=$(account home | cut -d' ' -f1)
counted=$(billed scripted)
[ "$counted" -gt 0 ] || fail "the provider counts nothing"
[ $((after - before)) -ge "$counted" ] || fail "the books have $((after - before)) micro-units, the provider counts $counted"
held=0
for i in $(seq 1 9); do
    for micro in $(events "$P" "cut$i" budget.held micro); do held=$((held + micro)); done
done
[ $((after - before)) -le "$held" ] || fail "the books have $((after - before)) micro-units, held were $held"
mock_end

story "killed at any step between hold and settlement, a call costs at least what the provider counted, at most its hold"
for place in effect.before effect.before-outcome; do
    mock_begin <<'JSON'
{"version": 1, "turns": [{"tool_calls": [{"name": "done", "arguments": {"summary": "fine"}}],
 "usage": {"input": 400, "output": 50}, "repeat": "forever"}]}
JSON
    models_policy "limits: {home: 5.00, task: 1.00}
approvals: {results: auto}
$FREE"
    before=$(account home | cut -d' ' -f1)
    (VIV_CRASH_AT=$place "$VIVHOST" run "say hello" --id "dies-$place" --attempts 1 -C "$P") >"$SCRATCH/out" 2>"$SCRATCH/err"
    said "crash place '$place' reached"
    viv work --drain -C "$P"
    expect_code 0 "the host after it"
    same "state after a crash at $place" "$(state_of "$P" "dies-$place")" ready
    read -r after reserved limit < <(account home)
    same "held after a crash at $place" "$reserved" 0
    counted=$(billed scripted)
    held=0
    for micro in $(events "$P" "dies-$place" budget.held micro); do held=$((held + micro)); done
    [ $((after - before)) -ge "$counted" ] || fail "$place: the books have $((after - before)) micro-units, the provider counts $counted"
    [ $((after - before)) -le "$held" ] || fail "$place: the books have $((after - before)) micro-units, held were $held"
    mock_end
done

story "what a day and a model may cost are accounts of their own"
mock_begin <<'JSON'
{"version": 1, "turns": [{"tool_calls": [{"name": "done", "arguments": {"summary": "fine"}}],
 "usage": {"input": 8000, "output": 1000}, "repeat": "forever"}]}
JSON
models_policy "limits: {home: 5.00, task: 1.00, day: 0.02, model: 1.00}
approvals: {results: auto}
$FREE"
viv run "say good day" --id today --attempts 1 -C "$P"
expect_code 0 "the first of the day"
viv run "say good day" --id toomuch --attempts 1 -C "$P"
expect_code 1 "the second of the day"
said "account 'home:day:$(date -u +%Y-%m-%d)' has 10000 micro-units left"
same "the model's account" "$(account model:small | cut -d' ' -f1)" 10000
mock_end

story "who waits for money that another task holds keeps no place at the model: the other one needs it to end"
mock_begin <<'JSON'
{"version": 1, "turns": [
 {"tool_calls": [{"name": "run", "arguments": {"command": "sleep 2"}}], "match": {"last": "say little", "tool_result": false},
  "delay_ms": 1000, "usage": {"input": 400, "output": 50}, "repeat": "forever"},
 {"tool_calls": [{"name": "done", "arguments": {"summary": "fine"}}], "usage": {"input": 400, "output": 50}, "repeat": "forever"}]}
JSON
P=$SCRATCH/narrow
make_repo "$P"
make_home "$P"
models_policy "limits: {home: 0.26, task: 1.00, time: 10m}
approvals: {results: auto}
plugins:
  viv.economy_ledger: {options: {base: 0, per_second: 0.0002}}" # each task holds 0.12 while it runs
sed -i 's/output: 2000/output: 2000, concurrent: 1/' "$HOME/.config/vivarium/policy.yaml"
viv submit "say little" --id holds --attempts 1 -C "$P"
viv submit "say much $(printf 'word %.0s' $(seq 1800))" --id waits --attempts 1 -C "$P"
viv_begin host work --workers 2 -C "$P"
both_ready() { [ "$(state_of "$P" holds)" = ready ] && [ "$(state_of "$P" waits)" = ready ]; }
until_true "the end of both" both_ready
kill -TERM "$(pgrep -P "$pid_host")"
viv_end host
expect_code 0 "the host"
first=$(events "$P" holds budget.settled held_micro | sort -n | tail -n 1)
[ $((260000 - 2 * first)) -lt "$(events "$P" waits budget.held micro | sort -n | head -n 1)" ] || fail "the second had room at once"
P=$SCRATCH/project
mock_end

story "held for as long as answers were: one that is cut by that makes the next ones' room larger"
mock_begin <<'JSON'
{"version": 1, "turns": [
 {"tool_calls": [{"name": "done", "arguments": {"summary": "fine"}}], "match": {"last": "shortly"}, "usage": {"input": 400, "output": 50}, "repeat": "forever"},
 {"text": "a long", "finish": "length", "usage": {"input": 400, "output": 256}},
 {"text": "a longer", "finish": "length", "usage": {"input": 400, "output": 512}},
 {"tool_calls": [{"name": "done", "arguments": {"summary": "fine"}}], "usage": {"input": 400, "output": 50}, "repeat": "forever"}]}
JSON
models_policy "limits: {home: 5.00, task: 1.00, holds: expected}
approvals: {results: auto}
$FREE"
viv submit "say hello shortly" --id short --attempts 1 -C "$P"
viv submit "say hello at length" --id long --attempts 1 -C "$P"
viv work --drain --workers 1 -C "$P"
expect_code 0 work
same "state" "$(state_of "$P" long)" ready
same "tokens asked for" "$(python3 -c '
import json, sys
print(*(json.loads(line)["body"]["max_tokens"] for line in open(sys.argv[1])))' "$SCRATCH/heard")" "2000 256 512 1024"
mock_end

# What the switch says, told by a host that may not run.
paused() { "$VIVHOST" status -C "$P" 2>/dev/null | grep -q "paused by the circuit breaker: $1"; }

story "six calls that people stop while they run say nothing about the provider: nothing is paused, the model does not rest"
mock_begin <<'JSON'
{"version": 1, "turns": [{"tool_calls": [{"name": "done", "arguments": {"summary": "fine"}}], "match": {"last": "slowly"},
 "delay_ms": 20000, "usage": {"input": 400, "output": 50}, "repeat": "forever"},
 {"tool_calls": [{"name": "done", "arguments": {"summary": "fine"}}], "usage": {"input": 400, "output": 50}, "repeat": "forever"}]}
JSON
models_policy "limits: {home: 5.00, task: 1.00}
approvals: {results: auto}
$FREE"
sed -i 's/output: 2000/output: 2000, concurrent: 64/' "$HOME/.config/vivarium/policy.yaml"
for i in $(seq 6); do viv submit "say hello slowly $i" --id "cancelled$i" --attempts 1 -C "$P"; done
viv_begin host work --workers 6 -C "$P"
on_its_way() { curl -s "http://127.0.0.1:$PORT/mock/report" | grep -q '"concurrent":6,'; }
until_true "six calls" on_its_way
for i in $(seq 6); do viv task cancel "cancelled$i" -C "$P"; done
all_cancelled() { for n in $(seq 6); do [ "$(state_of "$P" "cancelled$n")" = cancelled ] || return 1; done; }
until_true "the end of six tasks" all_cancelled
viv run "say hello" --id after-cancel --attempts 1 -C "$P"
expect_code 0 "the task after them"
until_true "the end of what they held" sh -c "[ \"\$('$VIVHOST' budget show --json -C '$P' | grep -o '\"reserved_micro\":[1-9]' | wc -l)\" = 0 ]"
viv stop "enough" -C "$P"
viv resume -C "$P"
expect_code 0 "resume"
kill -TERM "$(pgrep -P "$pid_host")"
viv_end host
expect_code 0 "the host"
mock_end

story "five failed calls in a row pause all work with the reason; that outlives the host, and only 'resume' lets it go on"
mock_begin <<'JSON'
{"version": 1, "turns": [{"error": {"status": 401, "type": "authentication_error", "message": "who is there"}, "repeat": 5},
 {"tool_calls": [{"name": "done", "arguments": {"summary": "fine"}}], "usage": {"input": 400, "output": 50}, "repeat": "forever"}]}
JSON
models_policy "limits: {home: 5.00, task: 1.00}
approvals: {results: auto}
$FREE"
for i in $(seq 7); do viv submit "say hello $i" --id "breaks$i" --attempts 1 -C "$P"; done
viv_begin host work --workers 1 -C "$P"
until_true "the pause" paused "5 calls to models failed, the last to 'small'; the policy's breaker.failures is 5"
kill -TERM "$(pgrep -P "$pid_host")"
viv_end host
expect_code 0 "the host"
said "no task begins until 'vivhost resume'"
same "calls the provider heard" "$(heard)" 5
viv work --drain -C "$P"
expect_code 3 "the next host"
said "work is paused by the circuit breaker: 5 calls to models failed"
said "'vivhost resume' goes on"
same "calls the provider heard by the next host" "$(heard)" 5
viv resume -C "$P"
expect_code 0 "resume"
viv work --drain -C "$P"
expect_code 0 "the host after it"
for i in $(seq 7); do same "state of task $i" "$(state_of "$P" "breaks$i")" ready; done
mock_end

story "cost that reaches the breaker's pauses all work; what runs begins no further call, and 'resume' counts anew"
mock_begin <<JSON
{"version": 1, "turns": [
 {"tool_calls": [{"name": "read_file", "arguments": {"path": "one.txt"}}], "usage": {"input": 8000, "output": 1000}, "match": {"tool_result": false}, "repeat": "forever"},
 {"tool_calls": [{"name": "done", "arguments": {"summary": "fine"}}], "usage": {"input": 8000, "output": 1000}, "repeat": "forever"}]}
JSON
models_policy "limits: {home: 5.00, task: 1.00}
breaker: {cost: 0.03}
approvals: {results: auto}
$FREE"
for i in 1 2 3; do viv submit "say hello $i" --id "costs$i" --attempts 1 -C "$P"; done
viv_begin host work --workers 1 -C "$P"
until_true "the pause" paused "calls to models cost 0.030000, the policy's breaker.cost is 0.030000"
same "calls the provider heard" "$(heard)" 3
viv resume -C "$P"
expect_code 0 "resume"
until_true "the second pause" paused "calls to models cost 0.030000, the policy's breaker.cost is 0.030000"
same "calls the provider heard after it" "$(heard)" 6
viv resume -C "$P"
expect_code 0 "resume"
all_ready() { for n in 1 2 3; do [ "$(state_of "$P" "costs$n")" = ready ] || return 1; done; }
until_true "the end of three tasks" all_ready
kill -TERM "$(pgrep -P "$pid_host")"
viv_end host
expect_code 0 "the host"
mock_end

flow_end

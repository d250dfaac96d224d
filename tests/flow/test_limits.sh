# SPDX-License-Identifier: Apache-2.0
# Money, time, output and processes have bounds. Without this test: two tasks could spend the same money, a loop could
# run for ever, a flood could fill memory or the log, or a daemon could stay behind.
. "$(dirname "$0")/lib.sh"
flow_begin
P=$SCRATCH/repo
make_repo "$P"
make_home "$P"

viv budget show -C "$P"
expect_code 0 "accounts before anything was spent"
said "nothing was held or spent yet"

story "the home's limit: refused with account and amounts"
user_policy 'limits: {home: 0.05, task: 0.05, time: 100s}'
viv run "spend" -C "$P" -- sh -c 'echo 1 >> one.txt'
expect_code 0 "within the limit (0.011 are held)"
first=$(last_task)
viv budget show -C "$P"
expect "what was spent of the home's account" grep -Eq "^home +0\.00[0-9]{4} +0\.000000 +0\.050000 +0\.04[0-9]{4}$" "$SCRATCH/out"
expect "the task's account" grep -Eq "^task:$first +0\.00[0-9]{4} +0\.000000 +0\.050000" "$SCRATCH/out"
viv budget show --json -C "$P"
expect "the same as JSON" grep -Eq '"account":"home","limit_micro":50000,"reserved_micro":0,"settled_micro":[1-9]' "$SCRATCH/out"
viv budget show all -C "$P"
expect_code 2 "a word too many"
user_policy 'limits: {home: 0.01, task: 0.05, time: 100s}'
viv run "spend too much" -C "$P" -- sh -c 'echo 2 >> one.txt'
expect_code 1 "over the home's limit"
same "state" "$(state_of "$P" "$(last_task)")" failed
said "home"
expect "both amounts" grep -Eq "'home' has [0-9]+ micro-units left, the task may cost 11000" "$SCRATCH/out" "$SCRATCH/err"
viv log show --task "$(last_task)" --json -C "$P"
refute "something ran" grep -q '"kind":"effect.started"' "$SCRATCH/out"

story "a task's limit"
user_policy 'limits: {home: 5, task: 0.005, time: 100s}'
viv run "spend too much" -C "$P" -- sh -c 'echo 2 >> one.txt'
expect_code 1 "over the task's limit"
said "task"

story "two tasks cannot hold the last money together"
Q=$SCRATCH/money
make_repo "$Q"
make_home "$Q"
user_policy 'limits: {home: 0.012, task: 1, time: 100s}'
viv submit "add to one" --id thold1 -C "$Q" -- sh -c ': HOLDA; kill -STOP $$; echo 1 >> one.txt'
viv submit "add to two" --id thold2 -C "$Q" -- sh -c ': HOLDB; kill -STOP $$; echo 1 >> two.txt'
viv_begin w work --drain --workers 2 -C "$Q"
either() { stopped_with HOLDA || stopped_with HOLDB; }
told() { "$VIVHOST" log show -C "$Q" --json | grep -q 'held by other tasks.*"kind":"task.delayed"'; }
until_true "one task that runs" either
until_true "one task that waits for money" told
kill -CONT "$stopped_pid"
viv_end w
expect_code 0 "work --drain"
same "states" "$({ state_of "$Q" thold1; state_of "$Q" thold2; } | sort | tr '\n' ' ')" "failed ready "
same "results" "$(git -C "$Q" for-each-ref --format=x refs/heads/viv/ | wc -l)" 1

user_policy 'limits: {time: 100s}'
story "cancelled while it runs: the command ends, nothing is published"
viv_begin a run "loop" -C "$P" -- sh -c ': LOOPA'$$'; kill -STOP $$; cat /dev/zero > /dev/null'
await_stopped LOOPA
kill -CONT "$stopped_pid"
task=$("$VIVHOST" queue list -C "$P" | awk '/running/ { print $1 }')
viv task cancel "$task" -C "$P"
expect_code 0 cancel
viv_end a
expect_code 1 "a cancelled run"
same "state" "$(state_of "$P" "$task")" cancelled
refute "a result of a cancelled task" git -C "$P" rev-parse -q --verify "viv/$task"
refute "the command still runs" pgrep -f "LOOPA$$"

story "Ctrl-C cancels what the run waits for"
viv_begin a run "loop" -C "$P" -- sh -c ': LOOPB'$$'; kill -STOP $$; cat /dev/zero > /dev/null'
await_stopped LOOPB
kill -CONT "$stopped_pid"
kill -INT "$(pgrep -P "$pid_a")"
viv_end a
expect_code 130 "an interrupted run"
refute "the command still runs" pgrep -f "LOOPB$$"
same "running tasks" "$("$VIVHOST" queue list -C "$P" | grep -c running)" 0

story "the policy's time limit ends a command"
user_policy 'limits: {time: 1s}'
viv run "loop" --attempts 1 -C "$P" -- sh -c 'cat /dev/zero > /dev/null'
expect_code 1 "out of time"
expect "the reason is time" grep -q "time" <(events "$P" "$(last_task)" task.rejected reasons)

user_policy 'limits: {time: 100s}'
story "a flood of output is bounded, and all of it is counted"
viv run "flood" -C "$P" -- sh -c 'head -c 60000000 /dev/zero | tr "\0" x; echo end >> one.txt'
expect_code 0 "a flood"
task=$(last_task)
[ "$(field "$P" "$task" result | wc -c)" -lt 100000 ] || fail "the result holds the flood"
[ "$(du -sk "$P/.vivarium" | cut -f 1)" -lt 32768 ] || fail "the home holds the flood: $(du -sk "$P/.vivarium")"

story "daemons of a command are gone with it"
cat >"$P/daemon.sh" <<'DAEMON'
(setsid sh -c 'trap "" TERM HUP; : DAEMON1-TAG; while :; do sleep 1; done' >/dev/null 2>&1 &)
nohup sh -c ': DAEMON2-TAG; sleep 1000' >/dev/null 2>&1 &
echo started >> one.txt
DAEMON
sed -i "s/TAG/$$/" "$P/daemon.sh"
viv run "start daemons" -C "$P" -- sh ./daemon.sh
expect_code 0 "a command with daemons"
until_true "an end of daemons" sh -c '! pgrep -f "DAEMON[12]-$0"' "$$"

story "a fork bomb and a large file end at their bounds, the host goes on"
printf 'bomb() { bomb | bomb & }\nbomb\n' >"$P/bomb.sh"
viv run "fork" --attempts 1 -C "$P" -- sh ./bomb.sh
task=$(last_task)
case $(state_of "$P" "$task") in ready | failed) ;; *) fail "state $(state_of "$P" "$task") after a fork bomb" ;; esac
viv run "go on" -C "$P" -- sh -c 'echo on >> one.txt'
expect_code 0 "a task after the bomb"

flow_end

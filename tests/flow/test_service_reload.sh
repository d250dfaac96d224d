# SPDX-License-Identifier: Apache-2.0
# SIGHUP to a host that works. Without this test: a typing error in a policy could stop a service, or pass for a policy; a
# running task could change its rules in the middle; a trust that was withdrawn could be kept by a file that is broken.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/service.sh"
flow_begin
P=$SCRATCH/project
make_repo "$P"
make_home "$P"
good='branch: follow
commands:
  - {id: no-expr, match: [expr], verdict: deny, reason: no sums}'
user_policy "branch: follow"
loaded() { "$VIVHOST" log show --json -C "$P" | grep -c '"kind":"policy.loaded"'; }
digest() { "$VIVHOST" log show --json -C "$P" | grep '"kind":"policy.loaded"' | tail -n 1 |
    python3 "$FLOW/look.py" events policy.loaded digest; }

under host "$P" 0 none work -C "$P" --workers 2
await host "^said READY=1"

story "a policy that did not change: both words, in order, and no event"
before=$(loaded)
reload host
answered "policy $(digest | cut -c1-12) in force as before"
same "the words" "$(grep -oE '^said (READY|RELOADING)=1' "$SCRATCH/host.log" | sed 's/said //' | paste -sd' ')" \
    "READY=1 RELOADING=1 READY=1"
same "the time of the reload" "$(heard host '^said RELOADING=1\|MONOTONIC_USEC=[0-9]+\|STATUS=')" 1
same "events" "$(loaded)" "$before"

story "a running task keeps the policy it began with, the next one has the new"
viv submit "began before" --id early -C "$P" -- sh -c ': STOPEARLY; kill -STOP $$; echo 4 >> one.txt'
await_stopped STOPEARLY
user_policy "$(printf '%s' "$good" | sed 's/follow/stay/')"
reload host
answered "policy $(digest | cut -c1-12) in force"
refute "a changed policy is the one before" grep -q "as before" <<<"$answer"
same "events" "$(loaded)" $((before + 1))
viv run "denied" --attempts 1 -C "$P" -- sh -c 'expr 1 + 2 > two.txt'
expect_code 1 "a command that the new policy denies"
said no-expr
kill -CONT "$stopped_pid"
ready() { [ "$(state_of "$P" "$1")" = ready ]; }
until_true "the end of the early task" ready early
same "its file, which follows as the old policy says" "$(tail -n 1 "$P/one.txt")" 4
viv run "stays" --id stays -C "$P" -- sh -c 'echo 5 >> one.txt'
expect_code 0 "a task under the new policy"
same "the file, which stays as the new policy says" "$(tail -n 1 "$P/one.txt")" 4

story "a policy that is wrong is not taken: the one before stays in force, and it is said where one looks"
user_policy "$good"
reload host
before=$(loaded)
printf 'version: 1\nbranch: [nonsense\n' >"$HOME/.config/vivarium/policy.yaml"
reload host
answered "STATUS=policy not taken, the one before stays in force: "
answered "policy.yaml"
grep -q "policy not taken, the one before stays in force: .*policy.yaml" "$SCRATCH/host.err" ||
    fail "standard error does not say that the policy was not taken"
viv run "still allowed" -C "$P" -- sh -c 'echo 6 > two.txt'
expect_code 0 "what the kept policy allows"
viv run "still denied" --attempts 1 -C "$P" -- sh -c 'expr 1 + 3 > two.txt'
expect_code 1 "what the kept policy denies"
said no-expr
same "events" "$(loaded)" "$before"
reload host
answered "policy not taken, the one before stays in force"

story "one that others may write to is wrong too"
user_policy "branch: follow"
chmod 666 "$HOME/.config/vivarium/policy.yaml"
reload host
answered "others may write"
viv run "still denied" --attempts 1 -C "$P" -- sh -c 'expr 1 + 4 > two.txt'
expect_code 1 "what the kept policy denies"

story "a claim that finds it broken denies everything; somebody who asks gets the last good one back"
chmod 644 "$HOME/.config/vivarium/policy.yaml"
user_policy "$good"
reload host
printf 'version: 1\nbranch: [more nonsense\n' >"$HOME/.config/vivarium/policy.yaml"
viv run "nobody asked" --attempts 1 -C "$P" -- sh -c 'echo 7 > two.txt'
[ "$code" != 0 ] || fail "a run under a policy that cannot be read and nobody looked at"
reload host
answered "the one before stays in force"
viv run "asked" -C "$P" -- sh -c 'echo 8 > two.txt'
expect_code 0 "what the last good policy allows"

story "mended, it is taken"
user_policy "branch: follow"
reload host
answered "in force"
refute "a mended policy is not taken" grep -q "not taken" <<<"$answer"
viv run "allowed now" -C "$P" -- sh -c 'expr 1 + 5 > two.txt'
expect_code 0 "what the mended policy allows"
same "the file" "$(cat "$P/two.txt")" 6

story "settings of plugins are named as what they are: read at start"
user_policy 'branch: follow
plugins: {viv.critic_rubric: {options: {}}}'
reload host
answered "settings of plugins count from the next start"
user_policy "branch: follow"
reload host
refute "settings as at start are named" grep -q settings <<<"$answer"

story "a kept policy keeps no trust that was withdrawn"
printf 'version: 1\ncommands:\n  - {id: project-no-dd, match: [dd], verdict: deny, reason: no}\n' >"$P/vivarium.yaml"
viv trust -C "$P"
expect_code 0 trust
reload host
printf 'version: 1\nbranch: [nonsense\n' >"$HOME/.config/vivarium/policy.yaml"
reload host
answered "the one before stays in force"
viv run "trusted" -C "$P" -- sh -c 'echo 9 > two.txt'
expect_code 0 "under the kept policy with its trust"
viv trust --withdraw -C "$P"
expect_code 0 "trust --withdraw"
viv run "not trusted" --attempts 1 -C "$P" -- sh -c 'echo 10 > two.txt'
[ "$code" != 0 ] || fail "a run under a kept policy whose trust was withdrawn"
reload host
answered "everything is denied until it is mended"
same "the file" "$(cat "$P/two.txt")" 9
user_policy "branch: follow"
reload host
answered "in force"
kill -TERM "$pid_host"
under_end host
expect_code 0 "the host"

story "without a manager: read again where no terminal can hang up, ended where one does"
setsid "$VIVHOST" work -C "$P" --workers 1 >"$SCRATCH/bare.out" 2>"$SCRATCH/bare.err" </dev/null &
flow_jobs+=($!)
bare=$!
listening() { test -S "$P/.vivarium/host.sock"; }
until_true "a host" listening
said_reload() { grep -q "in force as before" "$SCRATCH/bare.err"; }
kill -HUP "$bare"
until_true "the answer to SIGHUP" said_reload
kill -TERM "$bare"
wait "$bare"
same "its exit code" $? 0
timeout 60 python3 -B "$FLOW/manager.py" hangup "$VIVHOST" work -C "$P" --workers 1
same "the exit code of one whose terminal hung up" $? 0

story "a policy that is wrong at start is no start"
printf 'version: 1\nbranch: [nonsense\n' >"$HOME/.config/vivarium/policy.yaml"
under wrong "$P" 0 none work -C "$P"
under_end wrong
expect_code 5 "a start with a broken policy"
same "READY" "$(heard wrong READY=1)" 0
rm "$HOME/.config/vivarium/policy.yaml"
flow_end

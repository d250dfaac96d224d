# SPDX-License-Identifier: Apache-2.0
# 'vivhost work' under a service manager. Without this test: a manager could start what depends on a host before it
# answers, before a crash is cleaned up, or never; a hanging host could be taken for a working one.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/service.sh"
flow_begin
P=$SCRATCH/project
make_repo "$P"
make_home "$P"
user_policy "branch: follow"

story "ready comes once, when the socket answers, and from the host itself"
under one "$P" 0 none work -C "$P" --workers 1
await one "^said READY=1"
await one "^socket"
same "the socket at READY" "$(heard one '^socket yes')" 1
same "the first word" "$(sed -n 2p "$SCRATCH/one.log" | cut -d'|' -f1)" "said READY=1"
same "lines of the status" "$(heard one "^said READY=1\|STATUS=1 workers on '.*', profile [a-z-]+.*$")" 1
viv run "something" -C "$P" -- sh -c 'echo 4 >> one.txt'
expect_code 0 "a task"

story "nothing that the host starts sees the manager's socket"
children=$(pgrep -P "$pid_one")
[ -n "$children" ] || fail "the host has no launcher and no zygote"
for child in $children; do
    refute "the environment of process $child names it" grep -qa NOTIFY_SOCKET "/proc/$child/environ"
done
viv run "its environment" -C "$P" -- sh -c 'env > environment.txt'
expect_code 0 "a task that shows its environment"
refute "a task's environment names it" grep -qE 'NOTIFY_SOCKET|WATCHDOG' "$P/environment.txt"

story "stopping is said before the end, once"
kill -TERM "$pid_one"
under_end one
expect_code 0 "an idle host that is told to stop"
said "stopped: 0 finished, 0 given back"
same "STOPPING" "$(heard one '^said STOPPING=1')" 1
same "its place" "$(grep -nE '^said (READY|STOPPING)=1' "$SCRATCH/one.log" | sed 's/.*said //; s/=.*//' | paste -sd' ')" \
    "READY STOPPING"
same "strangers" "$(heard one '^stranger')" 0
same "a watchdog nobody asked for" "$(heard one WATCHDOG=1)" 0

story "ready is not said before a crash is cleaned up"
VIV_CRASH_AT=move.exchanged viv run "half moved" --id half -C "$P" -- sh -c 'echo 5 >> two.txt'
grep -q "crash place 'move.exchanged' reached" "$SCRATCH/err" || fail "the crash place was not reached"
export VIV_CRASH_AT=recover.decided
under two "$P" 0 none work -C "$P" --workers 1
under_end two
unset VIV_CRASH_AT
grep -q "crash place 'recover.decided' reached" "$SCRATCH/err" || fail "recovery was not reached"
same "READY in the middle of recovery" "$(heard two READY=1)" 0
under three "$P" 0 none work -C "$P" --workers 1
await three "^said READY=1"
grep -q "moves of files were finished, [0-9]* undone" "$SCRATCH/three.err" || fail "READY before the half move was mended"
ready() { [ "$(state_of "$P" half)" = ready ]; }
until_true "the end of the task that was cut" ready
same "its file" "$(tail -n 1 "$P/two.txt")" 5

story "the watchdog is fed at half its time"
kill -TERM "$pid_three"
under_end three
under fed "$P" 1000000 own work -C "$P" --workers 1
await fed "^said WATCHDOG=1" 4
first=$(grep -nE "^said (READY|WATCHDOG)=1" "$SCRATCH/fed.log" | head -n 1)
same "READY stands before it" "${first#*said }" "${first#*said }"
[[ $first == *READY=1* ]] || fail "the watchdog was fed before READY"

story "a sequencer that hangs lets it expire; one that goes on feeds it again"
mkfifo "$SCRATCH/hold"
python3 -B "$FLOW/manager.py" hold "$P/.vivarium/vivarium.db" <"$SCRATCH/hold" >"$SCRATCH/held" &
flow_jobs+=($!)
holder=$!
exec 7>"$SCRATCH/hold"
until_true "the write lock of the database" grep -q held "$SCRATCH/held"
expired=$(heard fed ^expired)
viv_begin stuck submit "waits for the database" --id stuck -C "$P" -- true
await fed ^expired $((expired + 1))
fed=$(heard fed "^said WATCHDOG=1")
echo >&7
wait "$holder"
viv_end stuck
expect_code 0 "a submission that had to wait"
await fed "^said WATCHDOG=1" $((fed + 2))
kill -TERM "$pid_fed"
under_end fed
expect_code 0 "the host that hung for a while"

story "a watchdog of another process is not ours to feed; without a process it is"
under other "$P" 100000 1 work -C "$P" --workers 1
await other ^expired
same "words to it" "$(heard other WATCHDOG=1)" 0
kill -TERM "$pid_other"
under_end other
under any "$P" 100000 none work -C "$P" --workers 1
await any "^said WATCHDOG=1" 2
kill -TERM "$pid_any"
under_end any
expect_code 0 "a host with a short watchdog"

story "an abstract socket, and one whose path is longer than a socket's address"
manager_socket=@viv-flow-$$
under abstract "$P" 0 none work -C "$P" --workers 1
await abstract "^said READY=1"
kill -TERM "$pid_abstract"
under_end abstract
expect_code 0 "a host with an abstract socket"
deep=$SCRATCH/$(printf 'deep%.0s' $(seq 40))
mkdir "$deep"
manager_socket=$deep/notify
under long "$P" 0 none work -C "$P" --workers 1
await long "^said READY=1"
kill -TERM "$pid_long"
under_end long
expect_code 0 "a host with a socket far away"
unset manager_socket

story "what cannot be right is refused, with what is allowed"
refused() {
    local text=$1
    shift
    timeout 60 env "$@" "$VIVHOST" work -C "$P" >"$SCRATCH/out" 2>"$SCRATCH/err"
    code=$?
    expect_code 5 "$*"
    said "$text"
}
refused "NOTIFY_SOCKET is 'vsock:2:1', allowed: an absolute path, or '@' and a name" NOTIFY_SOCKET=vsock:2:1
refused "is too long, allowed: 107 bytes" "NOTIFY_SOCKET=@$(printf 'x%.0s' $(seq 120))"
refused "is too long, allowed: 107 bytes" "NOTIFY_SOCKET=$SCRATCH/$(printf 'x%.0s' $(seq 120))"
refused "cannot open the folder of NOTIFY_SOCKET" "NOTIFY_SOCKET=/$(printf 'x%.0s' $(seq 120))/notify"
refused "WATCHDOG_USEC is 'soon', allowed: a whole number from 1" NOTIFY_SOCKET=@x WATCHDOG_USEC=soon
refused "WATCHDOG_PID is '-1', allowed: a whole number from 1" NOTIFY_SOCKET=@x WATCHDOG_USEC=1000 WATCHDOG_PID=-1

story "a manager that is gone is told of once, and missed by nobody"
NOTIFY_SOCKET=$SCRATCH/nobody viv work --drain -C "$P"
expect_code 0 "work without the manager it was told of"
same "how often" "$(grep -c 'the service manager does not hear this host' "$SCRATCH/err")" 1

story "a service waits for a host that works, asks for time, and takes over"
viv_begin before work -C "$P" --workers 1
working() { "$VIVHOST" workers -C "$P" | grep -q w1; }
until_true "a host" working
under after "$P" 0 none work -C "$P" --workers 1
await after "^said STATUS=another vivhost has the home.*EXTEND_TIMEOUT_USEC=[0-9]+"
same "READY while another has the home" "$(heard after READY=1)" 0
kill -TERM "$pid_before"
viv_end before
await after "^said READY=1"
kill -TERM "$pid_after"
under_end after
expect_code 0 "the service that took over"
flow_end

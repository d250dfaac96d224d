# SPDX-License-Identifier: Apache-2.0
# Ctrl-C. Without this test: an interrupted run could go on unseen, leave processes, or publish after all; following
# somebody's task could cancel it; a worker that is told to stop could throw away what runs.
. "$(dirname "$0")/lib.sh"
flow_begin
P=$SCRATCH/project
make_repo "$P"
make_home "$P"

# As viv_begin, but without `timeout`, which passes each signal on twice.
start() {
    local name=$1
    shift
    "$VIVHOST" "$@" >"$SCRATCH/$name.out" 2>"$SCRATCH/$name.err" &
    flow_jobs+=($!)
    printf -v "pid_$name" %s $!
}

story "the first Ctrl-C of a run cancels its task"
start run run "wait for ever" --id first -C "$P" -- sh -c ': STOPFIRST; kill -STOP $$; echo x > late.txt'
await_stopped STOPFIRST
kill -INT "$pid_run"
viv_end run
expect_code 130 "an interrupted run"
said "cancelling first"
said "first cancelled"
same "its state" "$(state_of "$P" first)" cancelled
refute "something was published" git -C "$P" rev-parse -q --verify viv/first
until_true "the end of its process" nothing_left

story "the second leaves at once, and the next start cleans up"
start run run "wait for ever" --id second -C "$P" -- sh -c ': STOPSECOND; kill -STOP $$'
await_stopped STOPSECOND
kill -STOP "$pid_run"
kill -TERM "$pid_run"
kill -INT "$pid_run"
kill -CONT "$pid_run"
viv_end run
expect_code 130 "a run that was left"
until_true "the end of its process" nothing_left
viv task cancel second -C "$P"
viv work --drain -C "$P"
expect_code 0 "the next start"
same "its state" "$(state_of "$P" second)" cancelled

story "following does not own the task"
start work work -C "$P" --workers 1
working() { "$VIVHOST" workers -C "$P" | grep -q w1; }
until_true "a worker" working
viv submit "go on" --id third -C "$P" -- sh -c ': STOPTHIRD; kill -STOP $$; echo y > third.txt'
expect_code 0 "a submission"
await_stopped STOPTHIRD
start follow task follow third -C "$P"
seen() { grep -q "runs:" "$SCRATCH/follow.err"; }
until_true "the follower sees the command" seen
kill -INT "$pid_follow"
viv_end follow
expect_code 130 "an interrupted follower"
same "the task goes on" "$(state_of "$P" third)" running

story "the first Ctrl-C of a worker finishes what runs"
viv submit "never started" --id fourth -C "$P" -- true
kill -INT "$pid_work"
said_finishing() { grep -q "finishing what runs" "$SCRATCH/work.err"; }
until_true "the worker says that it finishes" said_finishing
await_stopped STOPTHIRD && kill -CONT "$stopped_pid"
viv_end work
expect_code 0 "a worker that was told to stop"
said "stopped: 1 finished (third), 0 given back"
same "what ran" "$(state_of "$P" third)" ready
same "what did not" "$(state_of "$P" fourth)" pending

story "the second gives back what runs; it is tried again later"
start work work -C "$P" --workers 1
viv submit "cut short" --id fifth -C "$P" -- sh -c 'test -e "$HOME/../marker" || : STOPFIFTH; kill -STOP $$'
await_stopped STOPFIFTH
kill -INT "$pid_work"
until_true "the worker says that it finishes" said_finishing
kill -INT "$pid_work"
viv_end work
expect_code 130 "a worker interrupted twice"
until_true "the end of its process" nothing_left
refute "what was cut short is ready" test "$(state_of "$P" fifth)" = ready
viv task cancel fifth -C "$P"
viv work --drain -C "$P"

story "a follower of a log ends when it is told"
start log log follow -C "$P"
lines() { grep -q "home made" "$SCRATCH/log.out"; }
until_true "the log is shown" lines
viv submit "later" --id later -C "$P"
later() { grep -q "later .*task.submitted" "$SCRATCH/log.out"; }
until_true "a follower without a host sees what another writes" later
kill -INT "$pid_log"
viv_end log
expect_code 130 "an interrupted follower"

story "a host that was stopped"
start work work -C "$P" --workers 1
working() { "$VIVHOST" workers -C "$P" | grep -q w1; }
until_true "a worker" working
start log log follow -C "$P"
until_true "a client that waits" lines
kill -STOP "$pid_work"
viv queue list -C "$P"
expect_code 5 "a question to a host that was stopped"
said "another vivhost has '$P/.vivarium' and does not answer; end that process"
# One word, not a second one to the group: that means "at once", in the middle of what a sanitizer does at the end.
timeout --foreground -k 20 1 "$VIVHOST" queue list -C "$P" >"$SCRATCH/out" 2>"$SCRATCH/err"
same "the exit code of a question that was ended" $? 124
said "interrupted while the host had not answered"
kill -TERM "$pid_log"
viv_end log
refute "a client that was told to end ended well" test "$code" = 0
kill -CONT "$pid_work"
viv queue list -C "$P"
expect_code 0 "a question to the host that goes on"
kill -INT "$pid_work"
viv_end work
flow_end

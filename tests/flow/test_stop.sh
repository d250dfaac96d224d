# SPDX-License-Identifier: Apache-2.0
# Stopping all work at once. Without this test: a person who says stop could watch tasks begin, a program go on, a stop end
# with the host that heard it, or one that cannot be taken back.
. "$(dirname "$0")/lib.sh"
flow_begin
P=$SCRATCH/project
make_repo "$P"
make_home "$P"
me=$(id -un)

line_of() { "$VIVHOST" status -C "$P" | sed -n 's/^work *//p'; }
is_state() { [ "$(state_of "$P" "$1")" = "$2" ]; }
marked() { pgrep -f "^$1" >/dev/null; }
gone() { ! marked "$1"; }
stays() { # stays TASK STATE: a while, not only now
    for _ in 1 2 3 4 5; do
        is_state "$1" "$2" || return 1
        read -r -t 0.3 _ <> <(:) || :
    done
}

story "a home that nobody works on"
same "status" "$(line_of)" runs
viv stop "a look first" -C "$P"
expect_code 0 "stop"
said "halted: nothing begins, and what ran was given back; 'vivhost resume' goes on"
same "status" "$(line_of)" "halted by $me: a look first,"
viv run "begin" --id no -C "$P" -- true
expect_code 3 "run while work is held"
said "work is halted by $me: a look first; nothing was begun; 'vivhost resume' goes on"
viv task show no -C "$P"
expect_code 1 "the task that was not begun"
viv submit "later" --id later -C "$P" -- sh -c 'echo later >later.txt'
expect_code 0 "submit while work is held"
viv work --drain -C "$P"
expect_code 3 "work --drain while work is held"
said "work is halted by $me: a look first"
viv skill call viv.count_lines -C "$P"
expect_code 3 "a call while work is held"
said "work is halted by $me: a look first; nothing was begun; 'vivhost resume' goes on"
viv rollback later -C "$P"
expect_code 3 "rollback while work is held"
viv stop -C "$P"
expect_code 1 "a second stop"
said "work is halted already"
viv stop --pause -C "$P"
expect_code 1 "less than a halt"
said "work is halted, which is more than paused; 'vivhost resume' first"
viv stop one two -C "$P"
expect_code 2 "a word too many"
viv resume -C "$P"
expect_code 0 "resume"
said "work goes on"
viv resume -C "$P"
expect_code 1 "a second resume"
said "work is running already"
viv work --drain -C "$P"
expect_code 0 "work --drain"
same "what was queued" "$(state_of "$P" later)" ready
viv log show -C "$P"
said "all work held, or let go on"

story "a halt ends what runs"
viv_begin work work --workers 2 -C "$P"
viv submit "is slow" --id slow -C "$P" -- sh -c ': mark-stop-slow; exec tail -f /dev/null'
until_true "the slow task" marked "tail -f /dev/null"
viv stop "enough" -C "$P" --json
expect_code 0 "stop of a host that works"
until_true "the end of its program" gone "tail -f /dev/null"
until_true "the task given back" is_state slow pending
same "attempts that this took" "$(field "$P" slow attempt)" 1
expect "nothing is taken" stays slow pending
viv task show slow -C "$P"
viv task cancel slow -C "$P"
expect_code 0 "a person decides meanwhile"

story "the host that heard it ends, the stop does not"
kill -INT "$pid_work"
viv_end work
viv submit "after it" --id after -C "$P" -- sh -c 'echo after >after.txt'
viv_begin work work --workers 2 -C "$P"
until_true "a host" grep -q workers "$SCRATCH/work.err"
expect "nothing is taken by the next host" stays after pending
viv resume "looked" -C "$P"
expect_code 0 "resume"
until_true "the task after it" is_state after ready

story "a pause lets go on what runs"
viv submit "is slow" --id runs -C "$P" -- sh -c ': mark-stop-runs; kill -STOP $$; echo runs >runs.txt'
await_stopped mark-stop-runs
viv stop --pause "upgrading" -C "$P"
expect_code 0 "pause"
said "paused: nothing new begins, what runs goes on to its end; 'vivhost resume' goes on"
viv submit "waits" --id waits -C "$P" -- sh -c 'echo waits >waits.txt'
kill -CONT "$stopped_pid"
until_true "what ran is ready" is_state runs ready
expect "what is new waits" stays waits pending
viv stop "after all" -C "$P"
expect_code 0 "a halt after a pause"
viv resume -C "$P"
until_true "what waited" is_state waits ready

story "files that anybody can leave"
echo "by hand" >"$P/.vivarium/HALT"
until_true "a halt by file" sh -c "'$VIVHOST' status -C '$P' | grep -q 'halted by the file HALT: by hand'"
viv submit "waits" --id filed -C "$P" -- true
expect "nothing is taken" stays filed pending
viv resume -C "$P"
expect_code 0 "resume"
refute "the file" test -e "$P/.vivarium/HALT"
until_true "what waited" is_state filed ready
host=$(pgrep -P "$pid_work" -f vivhost) # its parent only bounds its time
kill -STOP "$host"
viv stop "it hangs" -C "$P"
expect_code 5 "stop of a host that hangs"
said "left the file '$P/.vivarium/HALT': the host obeys it as soon as it lives, and each later one until 'vivhost resume'"
kill -CONT "$host"
until_true "a halt by file" sh -c "'$VIVHOST' status -C '$P' | grep -q 'halted by the file HALT: it hangs'"
viv resume -C "$P"
expect_code 0 "resume"
kill -INT "$pid_work"
viv_end work
echo "left before" >"$P/.vivarium/HALT"
viv submit "waits" --id early -C "$P" -- true
viv work --drain -C "$P"
expect_code 3 "work with a file that lay there before"
said "work is halted by the file HALT: left before"
same "claims of the task that waits" "$("$VIVHOST" log show --task early --json -C "$P" | grep -c '"kind":"task.claimed"')" 0
viv resume -C "$P"
expect_code 0 "resume"
viv work --drain -C "$P"
expect_code 0 "work that goes on"
flow_end

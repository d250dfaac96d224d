# SPDX-License-Identifier: Apache-2.0
# A host that works and is told to stop. Without this test: a restart of the service could throw away what would have been
# done in a second, wait for ever for what never ends, count a stop as a failed attempt, or leave processes.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/service.sh"
flow_begin
P=$SCRATCH/project
make_repo "$P"
make_home "$P"
user_policy "branch: follow"
state_is() { [ "$(state_of "$P" "$1")" = "$2" ]; }

story "SIGTERM: nothing new is taken, what runs is finished"
under host "$P" 0 none work -C "$P" --workers 1 --grace 1h
await host "^said READY=1"
viv submit "ends in time" --id intime -C "$P" -- sh -c ': STOPINTIME; kill -STOP $$; echo 4 >> one.txt'
await_stopped STOPINTIME
viv submit "comes later" --id later -C "$P" -- true
kill -TERM "$pid_host"
await host "^said STOPPING=1\|STATUS=stopping: 1 task in hand, 1h at most"
kill -CONT "$stopped_pid"
under_end host
expect_code 0 "a host that was told to stop"
said "stopped: 1 finished (intime), 0 given back"
same "the last word" "$(grep ^said "$SCRATCH/host.log" | tail -n 1)" "said STATUS=stopped: 1 finished (intime), 0 given back"
same "STOPPING" "$(heard host STOPPING=1)" 1
same "what ran" "$(state_of "$P" intime)" ready
same "what did not" "$(state_of "$P" later)" pending
until_true "the end of its processes" nothing_left

story "what does not end in its time is given back: no attempt is used, nothing of it is left"
under host "$P" 0 none work -C "$P" --workers 2 --grace 50ms
viv submit "wait for ever" --id never -C "$P" -- sh -c ': STOPNEVER; kill -STOP $$; echo no > one.txt'
await_stopped STOPNEVER
until_true "the end of the one that waited" state_is later ready # else two are in hand
kill -TERM "$pid_host"
under_end host
expect_code 0 "a host that gave a task back"
said "0 finished, 1 given back (never)"
until_true "the end of its processes" nothing_left
same "its state" "$(state_of "$P" never)" pending
same "its attempt" "$(field "$P" never attempt)" 1
events "$P" never task.rejected reasons | grep -q . && fail "it was rejected"
events "$P" never task.delayed reason | grep -q "stopped with its host" || fail "no event says why it was given back"
same "the file" "$(tail -n 1 "$P/one.txt")" 4
viv task cancel never -C "$P"

story "SIGINT is the same word; Ctrl-C reaches a whole group, but means the host"
under host "$P" 0 none --json work -C "$P" --workers 2 --grace 8s
viv submit "wait for ever" --id slow -C "$P" -- sh -c ': STOPSLOW; kill -STOP $$'
viv submit "ends" --id quick -C "$P" -- sh -c ': STOPQUICK; kill -STOP $$; echo 5 >> one.txt'
await_stopped STOPQUICK
quick=$stopped_pid
await_stopped STOPSLOW
kill -INT -- "-$pid_host"
await host "^said STOPPING=1\|STATUS=stopping: 2 tasks in hand, 8s at most"
kill -CONT "$quick"
under_end host
expect_code 0 "a host that finished one of two"
same "the answer" "$(cat "$SCRATCH/host.out")" '{"drained":0,"finished":["quick"],"given_back":["slow"]}'
same "what was finished" "$(state_of "$P" quick)" ready
viv task cancel slow -C "$P"
until_true "the end of its processes" nothing_left

story "a second SIGTERM gives back at once"
under host "$P" 0 none work -C "$P" --workers 1 --grace 1h
viv submit "wait for ever" --id second -C "$P" -- sh -c ': STOPSECOND; kill -STOP $$'
await_stopped STOPSECOND
kill -TERM "$pid_host"
await host "^said STOPPING=1"
# Within a second it would be an echo of the first, see below.
gone() { kill -TERM "$pid_host"; ! kill -0 "$pid_host"; }
until_true "the end of the host" gone
under_end host
expect_code 130 "a host that was told twice"
until_true "the end of its processes" nothing_left
refute "it counts as done" state_is second ready
viv work --drain -C "$P" --grace 0s &
flow_jobs+=($!)
drain=$!
await_stopped STOPSECOND
same "its attempt" "$(field "$P" second attempt)" 1
viv task cancel second -C "$P"
wait "$drain"

story "SIGTERM twice in a moment, as timeout(1) sends it, is one word"
timeout -k 60 100 "$VIVHOST" work -C "$P" --workers 1 --grace 1h >"$SCRATCH/pair.out" 2>"$SCRATCH/pair.err" &
flow_jobs+=($!)
pair=$!
viv submit "goes on" --id pair -C "$P" -- sh -c ': STOPPAIR; kill -STOP $$; echo 6 >> one.txt'
await_stopped STOPPAIR
kill -TERM "$pair"
said_finishing() { grep -q "finishing what runs, 1h at most" "$SCRATCH/pair.err"; }
until_true "the host says that it finishes" said_finishing
kill -CONT "$stopped_pid"
wait "$pair"
grep -q "stopped: 1 finished (pair), 0 given back" "$SCRATCH/pair.err" ||
    fail "the pair cut the task short: $(cat "$SCRATCH/pair.err")"

story "a killed host leaves nothing that runs, and the next one takes its task up"
under host "$P" 0 none work -C "$P" --workers 1
viv submit "cut by a kill" --id killed -C "$P" -- sh -c ': STOPKILLED; kill -STOP $$; echo 7 >> one.txt'
await_stopped STOPKILLED
kill -KILL "$pid_host"
under_end host
expect_code 137 "a killed host"
until_true "the end of its processes" nothing_left
under host "$P" 0 none work -C "$P" --workers 1
await_stopped STOPKILLED
kill -CONT "$stopped_pid"
until_true "its end" state_is killed ready
kill -TERM "$pid_host"
under_end host
expect_code 0 "the next host"

story "a word that is no time"
viv work --grace soon -C "$P"
expect_code 2 "a grace that is no time"
said "option '--grace' is 'soon', allowed: a number with"
viv work --grace 2d -C "$P"
expect_code 2 "a grace that is too long"
said "option '--grace' is 2d, allowed 0s to 1d"
flow_end

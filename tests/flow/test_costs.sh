# SPDX-License-Identifier: Apache-2.0
# What a task and a call cost in commits, bytes of the log and programs started, counted and not timed. Without this
# test: one more sync, one more git run or an event that grows with the data would slip in unseen, and every task of
# every user would pay for it. tests/bench/bench_task.c has the times.
. "$(dirname "$0")/lib.sh"
flow_begin

COMMITS=5 LOG_BYTES=20480 CALL_BYTES=1024 TASKS=3
GITS_NOTHING=6 GITS_EDIT=11 # one of the latter is git's own child of fast-import

member() {
    python3 "$FLOW/look.py" field "$1"
}

host_answers() {
    python3 "$FLOW/look.py" ask "$P" '{"op":"status"}' 2>/dev/null | grep -q '"pid"'
}

commits() {
    python3 "$FLOW/look.py" ask "$P" '{"op":"status"}' | member commits
}

# within WHAT VALUE MAX: and it must be a number above zero.
within() {
    printf '   %s: %s, allowed %s\n' "$1" "$2" "$3"
    [ "${2:-0}" -gt 0 ] && [ "$2" -le "$3" ] || fail "$1: $2, allowed 1 to $3"
}

# What is only logged is committed once a second, so every second may add one commit to those of the tasks.
costs() {
    local what=$1 before after began bytes task
    shift
    before=$(commits) began=$SECONDS
    for _ in $(seq "$TASKS"); do
        viv run "$what" -C "$P" -- "$@"
        expect_code 0 "a task: $what"
    done
    after=$(commits)
    task=$(last_task)
    within "$what: commits of $TASKS tasks" $((after - before)) $((COMMITS * TASKS + SECONDS - began))
    read -r count bytes < <("$VIVHOST" log show --task "$task" -C "$P" --json | python3 "$FLOW/look.py" bytes "")
    within "$what: events of a task" "$count" 60
    within "$what: bytes of log of a task" "$bytes" "$LOG_BYTES"
}

# Bytes of the newest call's event.
call_bytes() {
    python3 "$FLOW/look.py" ask "$P" "$1" | grep -q '"status":0' || fail "the call '$1'"
    python3 "$FLOW/look.py" ask "$P" '{"op":"events","task":""}' >"$SCRATCH/events"
    python3 -c 'import json,sys; [print(json.dumps(e)) for e in json.load(sys.stdin)["events"]]' <"$SCRATCH/events" |
        grep '"calls.made"' | tail -n 1 | python3 "$FLOW/look.py" bytes calls.made | cut -d' ' -f2
}

P=$SCRATCH/project
make_repo "$P"
mkdir "$P/many"
for i in $(seq 1500); do
    printf 'int line;\n' >"$P/many/file-with-a-name-$i.c"
done
git -C "$P" add -A && git -C "$P" commit -qm many
make_home "$P"
user_policy "branch: stay"

viv_begin host work --workers 1 -C "$P"
until_true "a host that answers" host_answers

story "a task that does nothing"
costs "nothing" true
story "a task that changes a file"
costs "edit" sh -c 'echo x >> one.txt'
story "a task that changes many files and says much"
LOG_BYTES=$((LOG_BYTES + 20480)) # the executor keeps 16 KiB of an output, whatever its size, and JSON escapes lines
costs "much" sh -c 'seq 400 | split -l 1 -a 3 - many/new-; seq 100000'

story "a call costs the same however many files it reads"
few=$(call_bytes '{"op":"call","skill":"viv.count_lines","input":{"root":"docs"}}')
many=$(call_bytes '{"op":"call","skill":"viv.count_lines","input":{"root":"."}}')
within "bytes of a call over one file" "$few" "$CALL_BYTES"
within "bytes of a call over 1,900 files" "$many" "$CALL_BYTES"
within "bytes more for them" $((many - few + 20)) 40
viv skill call viv.count_lines -C "$P"
expect_code 0 "skill call"
said "C"

kill "$pid_host"
viv_end host
expect_code 0 "the host after a signal"

# The same under strace: programs are counted exactly, syncs of the database as commits are.
traced() {
    local what=$1 most=$2 before gits began syncs
    shift 2
    viv run "$what" -C "$P" -- "$@"
    expect_code 0 "a traced task"
    before=$(grep -c 'execve("/[^ ]*/git"' "$SCRATCH/trace") syncs=$(grep -c ' fdatasync(' "$SCRATCH/trace") began=$SECONDS
    for _ in $(seq "$TASKS"); do
        viv run "$what" -C "$P" -- "$@"
        expect_code 0 "a traced task"
    done
    gits=$(($(grep 'execve("/[^ ]*/git"' "$SCRATCH/trace" | grep -vc '= -1') - before))
    within "$what: git runs of $TASKS tasks" "$gits" $((most * TASKS))
    within "$what: syncs of the database" $(($(grep -c ' fdatasync(' "$SCRATCH/trace") - syncs)) \
        $((COMMITS * TASKS + SECONDS - began))
}

if strace -f -qq -o /dev/null true 2>/dev/null; then
    story "programs and syncs"
    strace -f -qq -e trace=execve,fdatasync -e status=successful -o "$SCRATCH/trace" "$VIVHOST" work --workers 1 -C "$P" \
        >"$SCRATCH/traced.out" 2>&1 &
    flow_jobs+=($!)
    watcher=$!
    until_true "a traced host that answers" host_answers
    traced nothing "$GITS_NOTHING" true
    traced edit "$GITS_EDIT" sh -c 'echo x >> one.txt'
    kill "$(python3 "$FLOW/look.py" ask "$P" '{"op":"status"}' | member pid)"
    wait "$watcher"
else
    printf 'without strace: programs and syncs are not counted here\n'
fi

flow_end

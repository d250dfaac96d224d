# SPDX-License-Identifier: Apache-2.0
# What the tests of 'work' as a service share: a host under a small manager (manager.py). Sourced after lib.sh.

# under NAME PROJECT WATCHDOG_USEC WATCHDOG_PID WORDS...: vivhost WORDS under a manager. What it says is in
# $SCRATCH/NAME.log, its outputs in NAME.out and NAME.err; its process in $pid_NAME when it has started.
under() {
    local name=$1 project=$2 usec=$3 whose=$4
    shift 4
    rm -f "$SCRATCH/$name.sock"
    : >"$SCRATCH/$name.log"
    : >"$SCRATCH/$name.err"
    timeout 120 python3 -B "$FLOW/manager.py" run "$SCRATCH/$name.log" "${manager_socket:-$SCRATCH/$name.sock}" "$project" \
        "$usec" "$whose" "$VIVHOST" "$@" >"$SCRATCH/$name.out" 2>"$SCRATCH/$name.err" &
    flow_jobs+=($!)
    printf -v "manager_$name" %s $!
    until_true "the start of $name" grep -q ^started "$SCRATCH/$name.log"
    printf -v "pid_$name" %s "$(sed -n 's/^started //p' "$SCRATCH/$name.log")"
}

# The end of it: exit code in $code, outputs as those of the last command.
under_end() {
    local name=$1 job=manager_$1
    wait "${!job}"
    code=$?
    cp "$SCRATCH/$name.out" "$SCRATCH/out"
    cp "$SCRATCH/$name.err" "$SCRATCH/err"
}

# heard NAME PATTERN: how many lines of its log match.
heard() {
    grep -cE -- "$2" "$SCRATCH/$1.log"
}

# await NAME PATTERN [COUNT]: until so many lines match.
await() {
    local name=$1 pattern=$2 count=${3:-1}
    enough() { [ "$(heard "$name" "$pattern")" -ge "$count" ]; }
    until_true "'$pattern' $count times from $name" enough || sed 's/^/    log | /' "$SCRATCH/$name.log" >&2
}

# reload NAME: SIGHUP, and until it has been answered; the answer's line in $answer.
reload() {
    local name=$1 pid=pid_$1 before
    before=$(heard "$name" "^said READY=1")
    kill -HUP "${!pid}"
    await "$name" "^said READY=1" $((before + 1))
    answer=$(grep "^said READY=1" "$SCRATCH/$name.log" | tail -n 1)
}

answered() {
    case $answer in
    *"$1"*) ;;
    *) fail "the answer to SIGHUP is '$answer', expected '$1' in it" ;;
    esac
}

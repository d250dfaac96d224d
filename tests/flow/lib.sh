# SPDX-License-Identifier: Apache-2.0
# What every flow test shares: a scratch folder with a HOME of its own, projects in it, running the real vivhost, waiting
# for what tasks do, and the end that every test has: the log verifies, by the host and by tools/verify-log, which shares
# nothing with it, a rebuild arrives at the same state, the core decides the same again, and no process and no mount is
# left. Sourced by bash; the build folder comes in VIV_BUILD.
set -u

: "${VIV_BUILD:?the build folder}"
VIVHOST=$VIV_BUILD/host/vivhost
flow_failures=0
flow_story=
flow_jobs=()

fail() {
    printf 'FAILED %s: %s\n' "$flow_story" "$*" >&2
    flow_failures=$((flow_failures + 1))
    if [ -s "$SCRATCH/err" ]; then
        sed 's/^/    | /' "$SCRATCH/err" | tail -n "${VIV_FLOW_LINES:-4}" >&2
    fi
}

skip() {
    printf 'skipped: %s\n' "$*"
    exit 77
}

story() {
    flow_story=$1
    printf -- '-- %s\n' "$1"
}

# The scratch folder is gone at the end, whatever happened; what the test started is stopped.
flow_gone() {
    for pid in ${flow_jobs[@]+"${flow_jobs[@]}"}; do
        kill "$pid" 2>/dev/null
    done
    cd /
    chmod -R u+rwX "$SCRATCH" 2>/dev/null
    rm -rf "$SCRATCH"
}

flow_begin() {
    umask 022
    SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/viv-flow.XXXXXX") || exit 1
    trap flow_gone EXIT
    trap 'exit 1' INT TERM
    export HOME=$SCRATCH/user NO_COLOR=1 LC_ALL=C.UTF-8 TZ=UTC
    export GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
    unset XDG_CONFIG_HOME XDG_DATA_HOME GIT_DIR GIT_WORK_TREE GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL EMAIL
    mkdir -p "$HOME/.config/vivarium" "$HOME/.ssh"
    echo "a key that no task may see" >"$HOME/.ssh/id_ed25519"
    flow_homes=()
}

user_policy() {
    printf 'version: 1\n%s\n' "$1" >"$HOME/.config/vivarium/policy.yaml"
}

# A repository with three files, an ignored file and a person's name.
make_repo() {
    mkdir -p "$1" && git -C "$1" init -q -b main && git -C "$1" config user.email person@example.org &&
        git -C "$1" config user.name Person && make_files "$1" && printf 'secret*\nbuild/\n' >"$1/.gitignore" &&
        git -C "$1" add -A && git -C "$1" commit -qm first && echo "hidden word" >"$1/secret.txt"
}

make_files() {
    mkdir -p "$1/docs" && printf 'one\n1\n' >"$1/one.txt" && printf 'two\n2\n' >"$1/two.txt" &&
        printf 'three\n3\n' >"$1/three.txt" && echo page >"$1/docs/page.txt"
}

make_home() {
    "$VIVHOST" init "$1" >/dev/null || fail "no home in $1"
    flow_homes+=("$1")
}

# Run vivhost; outputs in $SCRATCH/out and $SCRATCH/err, exit code in $code.
viv() {
    timeout 120 "$VIVHOST" "$@" >"$SCRATCH/out" 2>"$SCRATCH/err"
    code=$?
}

expect_code() {
    local want=$1
    shift
    [ "$code" = "$want" ] || fail "$*: exit code $code, expected $want"
}

# expect WHAT COMMAND...: the command must succeed.
expect() {
    local what=$1
    shift
    "$@" >/dev/null 2>&1 && return
    fail "$what"
    return 1
}

refute() {
    local what=$1
    shift
    if "$@" >/dev/null 2>&1; then
        fail "$what"
    fi
}

same() {
    [ "$2" = "$3" ] || fail "$1: '$2', expected '$3'"
}

said() {
    grep -qF -- "$1" "$SCRATCH/out" "$SCRATCH/err" || fail "nothing says '$1'"
}

# on_plain_copies PROJECT: its last host worked on plain copies (reduced-copy), where a known name can be looked up
# though not read, and no mode can be changed; docs/decisions/0003 says why.
on_plain_copies() {
    "$VIVHOST" log show --json -C "$1" | grep '"kind":"policy.loaded"' | tail -n 1 | grep -q '"profile":"[^"]*reduced-copy'
}

# field PROJECT TASK PATH: a member of a task; texts bare, all else as JSON. PATH is "a.b.0.c".
field() {
    "$VIVHOST" task show "$2" -C "$1" --json 2>/dev/null | python3 "$FLOW/look.py" field "$3"
}

# events PROJECT TASK KIND PATH: that member of each such event's data, one a line.
events() {
    "$VIVHOST" log show --task "$2" -C "$1" --json 2>/dev/null | python3 "$FLOW/look.py" events "$3" "$4"
}

state_of() {
    field "$1" "$2" state
}

# Run in the background, outputs in $SCRATCH/NAME.out and .err; the id of the process in $pid_NAME.
viv_begin() {
    local name=$1
    shift
    : >"$SCRATCH/$name.out" # now, not when the job comes to it: what waits for a word must not find an old one
    : >"$SCRATCH/$name.err"
    timeout 120 "$VIVHOST" "$@" >"$SCRATCH/$name.out" 2>"$SCRATCH/$name.err" &
    flow_jobs+=($!)
    printf -v "pid_$name" %s $!
}

# Wait for the end of a job; its outputs become those of the last command.
viv_end() {
    local name=$1 pid=pid_$1
    wait "${!pid}"
    code=$?
    cp "$SCRATCH/$name.out" "$SCRATCH/out"
    cp "$SCRATCH/$name.err" "$SCRATCH/err"
}

# until_true WHAT COMMAND...: look again and again, for 30 seconds at most; a pipe that says nothing paces it.
exec 8<> <(:)
until_true() {
    local what=$1 end=$((SECONDS + 30)) nothing
    shift
    until "$@" >/dev/null 2>&1; do
        if [ "$SECONDS" -ge "$end" ]; then
            fail "$what did not come about within 30 s"
            return 1
        fi
        read -r -t 0.02 -u 8 nothing
    done
    return 0
}

# The process of a task that has stopped itself (kill -STOP $$) and has MARK among its words.
stopped_with() {
    stopped_pid=$(python3 "$FLOW/look.py" stopped "$1" "$HOME")
    [ -n "$stopped_pid" ]
}

await_stopped() {
    until_true "a stopped task with '$1'" stopped_with "$1"
}

# approve_all PROJECT TASK: say yes to each question of a task, five at most, and let it work on.
approve_all() {
    for _ in 1 2 3 4 5; do
        [ "$(state_of "$1" "$2")" = awaiting_approval ] || return 0
        viv task approve "$2" -C "$1"
        expect_code 0 "approve $2"
        viv work --drain -C "$1"
        expect_code 0 "work --drain"
    done
}

# The task's id that a run printed at its end, or that submit printed.
last_task() {
    cat "$SCRATCH/out" "$SCRATCH/err" | sed -nE 's/^(.* )?(t[a-z0-9]+) (ready|failed|awaiting_approval|cancelled|rolled_back|queued).*/\2/p' |
        tail -n 1
}

# No process that this test started, and none that sees its folder, is left; nothing of it is mounted here.
nothing_left() {
    python3 "$FLOW/look.py" left "$SCRATCH" "$HOME"
}

flow_end() {
    flow_story="the end"
    for project in ${flow_homes[@]+"${flow_homes[@]}"}; do
        viv log verify --json -C "$project"
        expect_code 0 "log verify of $project"
        head=$(sed -nE 's/.*"head":"([0-9a-f]+)".*/\1/p' "$SCRATCH/out")
        viv log export "$SCRATCH/audit.jsonl" -C "$project"
        expect_code 0 "log export of $project"
        python3 "$FLOW/../../tools/verify-log" --head "$head" "$SCRATCH/audit.jsonl" >"$SCRATCH/err" ||
            fail "the independent verifier disagrees about $project"
        python3 "$FLOW/look.py" reported "$SCRATCH/audit.jsonl" >"$SCRATCH/out" 2>"$SCRATCH/err" ||
            fail "work was done in $project without a whole safety report"
        exported=$project/.vivarium/log/execution_log.jsonl
        [ ! -f "$exported" ] || python3 "$FLOW/look.py" exported "$exported" "$SCRATCH/audit.jsonl" ||
            fail "$exported is no beginning of the log"
        viv log rebuild --check -C "$project"
        expect_code 0 "log rebuild --check of $project"
        viv replay -C "$project"
        expect_code 0 "replay of $project: $(head -n 1 "$SCRATCH/out")"
    done
    until_true "an end without processes or mounts left" nothing_left || python3 "$FLOW/look.py" left "$SCRATCH" "$HOME" >&2
    [ "$flow_failures" = 0 ] || { printf '%s failures\n' "$flow_failures" >&2; exit 1; }
    exit 0
}

FLOW=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

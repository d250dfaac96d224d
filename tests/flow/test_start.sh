# SPDX-License-Identifier: Apache-2.0
# What a start of the whole host does, counted and not timed: programs, syncs, events, libraries, and that the table of
# descriptors has its size before it is shared. Launcher and zygote start beside the rest of the host, so each of them may
# fail, and the rest too, and the right reason must be told. Without this test: a start would become slow again unseen,
# or a host that has no sandbox would take tasks.
. "$(dirname "$0")/lib.sh"
flow_begin

LOG_SYNCS=4 # of the database: its log is made (file and folder), the start, the policy
OTHER_SYNCS=2 # the exported log, after each of the latter two

host_answers() {
    python3 "$FLOW/look.py" ask "$P" '{"op":"status"}' 2>/dev/null | grep -q '"pid"'
}

host_pid() {
    python3 "$FLOW/look.py" ask "$P" '{"op":"status"}' | python3 "$FLOW/look.py" field pid
}

loaded() {
    "$VIVHOST" log show --json -C "$P" | python3 "$FLOW/look.py" events policy.loaded profile
}

# first PATTERN: the number of the trace's first line with it.
first() {
    grep -nm 1 -- "$1" "$SCRATCH/trace" | cut -d: -f1
}

# The heap's own memory goes back to the system once nothing is done.
gave_back() {
    python3 - "$SCRATCH/trace" "$1" <<'END'
import re, sys
heap = next(l for l in open(f"/proc/{sys.argv[2]}/maps") if "[heap]" in l).split()[0]
low, high = (int(x, 16) for x in heap.split("-"))
calls = re.findall(r"madvise\((0x[0-9a-f]+), \d+, MADV_DONTNEED", open(sys.argv[1]).read())
sys.exit(not any(low <= int(at, 16) < high for at in calls))
END
}

P=$SCRATCH/project
make_repo "$P"
make_home "$P"

story "libraries"
if grep -q '^VIV_DIGESTS_STATIC:BOOL=ON' "$VIV_BUILD/CMakeCache.txt" &&
    grep -q '^VIV_CRYPTO_ARCHIVE:FILEPATH=/' "$VIV_BUILD/CMakeCache.txt"; then
    refute "libcrypto is loaded" grep libcrypto <(ldd "$VIVHOST")
    expect "the digests are there" grep -q libsodium <(ldd "$VIVHOST")
fi

index_stays() {
    local index=$P/.vivarium/store/plugins.index before
    before=$(stat -c '%i %z' "$index")
    "$VIVHOST" skill call viv.count_lines -C "$P" >/dev/null && [ "$(stat -c '%i %z' "$index")" = "$before" ]
}

if strace -f -qq -o /dev/null true 2>/dev/null; then
    story "a start"
    viv skill call viv.count_lines -C "$P" # the first start of a home makes the index of its plugins
    expect_code 0 "skill call"
    same "policies recorded by the first start" "$(loaded | wc -l)" 1
    # One made within 50 ms of its folder's last change is not trusted, and made again by a later start.
    until_true "an index that starts leave as it is" index_stays
    before=$(loaded | wc -l)
    mkdir -p "$P/.vivarium/work/left/upper"
    strace -f -qq -s 200 -o "$SCRATCH/trace" \
        -e trace=execve,fdatasync,fsync,fcntl,clone,clone3,madvise,openat "$VIVHOST" work --workers 1 -C "$P" \
        >"$SCRATCH/traced.out" 2>"$SCRATCH/err" &
    flow_jobs+=($!)
    watcher=$!
    until_true "a host that answers" host_answers
    host=$(host_pid)
    cp "$SCRATCH/trace" "$SCRATCH/started"
    same "programs" "$(grep 'execve("/' "$SCRATCH/started" | grep -vc '= -1')" 3
    syncs=$(grep -c ' fdatasync(' "$SCRATCH/started")
    [ "$syncs" -ge 2 ] && [ "$syncs" -le "$LOG_SYNCS" ] || fail "syncs of the database: $syncs, allowed 2 to $LOG_SYNCS"
    syncs=$(grep -c ' fsync(' "$SCRATCH/started")
    [ "$syncs" -ge 1 ] && [ "$syncs" -le "$OTHER_SYNCS" ] || fail "other syncs: $syncs, allowed 1 to $OTHER_SYNCS"
    room=$(first 'F_DUPFD_CLOEXEC, 511') thread=$(first 'CLONE_THREAD')
    [ "${room:-0}" -gt 0 ] && [ "$room" -lt "${thread:-0}" ] ||
        fail "room for descriptors is made at line ${room:-none}, the first thread is at ${thread:-none}"
    if ! grep -qE '^VIV_SANITIZE:[A-Z]+=(address|thread)' "$VIV_BUILD/CMakeCache.txt"; then # it keeps memory of its own
        until_true "the memory of the start to go back" gave_back "$host"
    fi
    kill "$host"
    wait "$watcher"
    loaded >"$SCRATCH/out"
    same "policies recorded by a start" $(($(wc -l <"$SCRATCH/out") - before)) 1
    refute "a policy with no profile" grep -qE '^(none)?$' "$SCRATCH/out"
    refute "a workspace of an earlier host, or of the probe" test -n "$(ls "$P/.vivarium/work")"
else
    printf 'without strace: what a start does is not counted here\n'
fi

before=$(loaded | wc -l)
story "a policy that cannot be used stops a start whose sandbox is on its way"
user_policy "no-such-word: 1"
viv work --workers 1 -C "$P"
[ "$code" != 0 ] || fail "work with a bad policy: exit code 0"
said "no-such-word"
same "policies recorded" "$(loaded | wc -l)" "$before"
rm "$HOME/.config/vivarium/policy.yaml"

# A build of its own: this program with other helpers.
story "a host without its helpers takes no task"
BARE=$SCRATCH/bare
mkdir -p "$BARE/host" "$BARE/libexec"
cp "$VIVHOST" "$BARE/host/vivhost"
ln -s "$VIV_BUILD/plugins" "$BARE/plugins"

bare_refuses() {
    timeout 120 "$BARE/host/vivhost" run "never" -C "$P" -- touch "$SCRATCH/never" >"$SCRATCH/out" 2>"$SCRATCH/err"
    code=$?
    [ "$code" != 0 ] || fail "a task without helpers: exit code 0"
    said "$1"
    refute "the task ran" test -e "$SCRATCH/never"
}

bare_refuses "viv-launcher is not beside '$BARE/host'"
cp /bin/true "$BARE/libexec/viv-launcher"
bare_refuses "viv-zygote is not beside '$BARE/host'"
cp "$VIV_BUILD/libexec/viv-zygote" "$BARE/libexec/viv-zygote"
bare_refuses "viv-egress is not beside '$BARE/host'"
cp "$VIV_BUILD/libexec/viv-egress" "$BARE/libexec/viv-egress"
bare_refuses "launcher '$BARE/host/../libexec/viv-launcher' does not start"
cp "$VIV_BUILD/host/launcher/viv-launcher" "$BARE/libexec/viv-launcher"
cp /bin/true "$BARE/libexec/viv-zygote"
bare_refuses "; it is started again for the next call"
cp "$VIV_BUILD/libexec/viv-zygote" "$BARE/libexec/viv-zygote"
timeout 120 "$BARE/host/vivhost" run "now" -C "$P" -- true >"$SCRATCH/out" 2>"$SCRATCH/err"
code=$?
expect_code 0 "a task with its helpers"

flow_end

# SPDX-License-Identifier: Apache-2.0
# A disk that is full, or read-only, under home and project at once: a small tmpfs of its own. Without this test: a task
# could be called done whose files are not there, a home could need a person's hands after a full disk, what a person wrote
# could be cut, or the message could leave out that the disk is full.
if [ -z "${VIV_FLOW_MOUNTS-}" ]; then
    export VIV_FLOW_MOUNTS=1
    if [ "$(id -u)" -eq 0 ]; then into=(unshare -m --propagation private); else into=(unshare -Urm --propagation private); fi
    if ! "${into[@]}" mount -t tmpfs tmpfs /mnt 2>/dev/null; then
        echo "skipped: nothing can be mounted here"
        exit 77
    fi
    exec "${into[@]}" bash "$0"
fi
. "$(dirname "$0")/lib.sh"
flow_begin
D=$(mktemp -d "${TMPDIR:-/tmp}/viv-disk.XXXXXX") || exit 1
trap 'umount -l "$D"; rmdir "$D"; flow_gone' EXIT
mount -t tmpfs -o size=16m,mode=0755 disk "$D"
P=$D/project
make_repo "$P"
make_home "$P"
user_policy "branch: follow"
# A copy of what the person has; uncommitted work is part of it.
echo "a line of mine" >>"$P/three.txt"
mine=$(cat "$P/three.txt")

# leave KIB: fill the disk but for about so much.
leave() {
    rm -f "$D/filler"
    local free
    free=$(df --output=avail -k "$D" | tail -n 1)
    [ "$free" -le "$1" ] || head -c "$(((free - $1) * 1024))" /dev/zero >"$D/filler" 2>/dev/null
}

# What holds however much room there was: the person's file, and a published file that is whole or not there.
nothing_is_cut() {
    same "the person's own file, with $1 KiB" "$(cat "$P/three.txt")" "$mine"
    if [ -e "$P/new-$1.txt" ]; then
        same "the size of what was published with $1 KiB" "$(stat -c %s "$P/new-$1.txt")" 200000
        [ "$(state_of "$P" "full-$1")" = ready ] || fail "new-$1.txt is there, and its task is not ready"
    else
        [ "$(state_of "$P" "full-$1")" != ready ] || fail "task full-$1 is ready, and its file is not there"
    fi
}

story "a task when the disk is full, from nothing left to room enough"
ended=0
for kib in 0 16 64 128 256 512 1024 2048 4096; do
    leave "$kib"
    viv run "write a new file" --id "full-$kib" -C "$P" -- sh -c "head -c 200000 /dev/zero | tr '\\0' x >new-$kib.txt"
    told=$code
    cp "$SCRATCH/err" "$SCRATCH/told"
    rm -f "$D/filler"
    if [ "$told" = 0 ]; then
        ended=$((ended + 1))
    else
        grep -qiE "no space left|disk is full|no room" "$SCRATCH/told" || fail "with $kib KiB nothing says that the disk is full"
    fi
    viv work --drain -C "$P"
    expect_code 0 "the next host, after $kib KiB"
    viv log verify -C "$P"
    expect_code 0 "log verify after $kib KiB"
    nothing_is_cut "$kib"
done
[ "$ended" -ge 1 ] || fail "not even with 4 MiB a task could end"
[ "$ended" -le 8 ] || fail "with nothing left a task ended: the disk was never full"

story "a host that works while the disk gets full, and goes on when there is room again"
leave 0
viv submit "write a new file" --id full-later -C "$P" -- sh -c "head -c 200000 /dev/zero | tr '\\0' x >new-later.txt"
refused=$code
[ "$refused" = 0 ] || said "isk"
rm -f "$D/filler"
[ "$refused" = 0 ] ||
    viv submit "write a new file" --id full-later -C "$P" -- sh -c "head -c 200000 /dev/zero | tr '\\0' x >new-later.txt"
expect_code 0 "a submission with room"
viv work --drain -C "$P"
expect_code 0 "the work"
same "its state" "$(state_of "$P" full-later)" ready
nothing_is_cut later

story "a read-only disk: refused, named, and nothing is different afterwards"
head=$(viv log verify -C "$P"; cat "$SCRATCH/out")
mount -o remount,bind,ro "$D" || fail "the disk cannot be made read-only"
viv run "write" --id ro -C "$P" -- sh -c 'echo no >ro.txt'
[ "$code" = 4 ] || [ "$code" = 5 ] || fail "a run on a read-only disk: exit code $code"
said "ead-only file system"
viv log verify -C "$P"
expect_code 0 "log verify on a read-only disk"
viv task show full-later -C "$P"
expect_code 0 "a look at a task on a read-only disk"
mount -o remount,bind,rw "$D" || fail "the disk cannot be made writable again"
viv log verify -C "$P"
same "the log" "$(cat "$SCRATCH/out")" "$head"
viv run "write" --id rw -C "$P" -- sh -c 'echo yes >rw.txt'
expect_code 0 "a run when it can be written again"
same "what was published" "$(cat "$P/rw.txt")" yes
story "while the log cannot be written no model is called; what was called stands in it"
. "$FLOW/model.sh"
mock_begin <<'JSON'
{"version": 1, "turns": [{"tool_calls": [{"name": "done", "arguments": {"summary": "fine"}}], "repeat": "forever"}]}
JSON
models_policy "approvals: {results: auto}"
ended=0
for kib in 0 64 512; do
    leave "$kib"
    viv run "say hello" --id "model-$kib" -C "$P"
    rm -f "$D/filler"
    viv work --drain -C "$P"
    expect_code 0 "the next host, after $kib KiB"
    case $(state_of "$P" "model-$kib") in
    ready) ended=$((ended + 1)) ;;
    "") ;; # not even that it was wanted could be written
    *) fail "with $kib KiB the task is $(state_of "$P" "model-$kib") in the end" ;;
    esac
done
calls=$("$VIVHOST" log show --json -C "$P" | grep '"kind":"effect.started"' | grep -c '"effect":"model"')
[ "$(heard)" -le "$calls" ] || fail "the provider heard $(heard) calls, the log has $calls"
[ "$(heard)" -ge "$ended" ] && [ "$ended" -ge 1 ] || fail "the provider heard $(heard) calls of $ended tasks"
mock_end

same "mounts on the disk" "$(grep -c "$D" /proc/self/mountinfo)" 1
flow_end

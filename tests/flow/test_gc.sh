# SPDX-License-Identifier: Apache-2.0
# Collecting the content store. Without this test: an output could vanish without a trace in the log, what a running task
# or a rollback needs could go with it, a crash in the middle could lose more than it names, or nothing would ever go.
. "$(dirname "$0")/lib.sh"
flow_begin
P=$SCRATCH/project
make_repo "$P"
make_home "$P"
B=$P/.vivarium/store/blobs

contents() { find "$B" -type f | wc -l; }
# As if it all had been stored long ago; the events keep their time, which '--keep 0' says not to look at.
age() { find "$B" -type f -exec touch -d '3 hours ago' {} +; }
# many LETTER TASK: a task with 5000 bytes of output and a file of its own.
many() {
    viv run "write a lot" --id "$2" -C "$P" -- sh -c "head -c 5000 /dev/zero | tr '\\0' $1; echo $1 >$2.txt"
    expect_code 0 "task $2"
}

story "what commands wrote"
viv gc -C "$P"
expect_code 0 "gc of a home that stored nothing"
said "0 outputs removed, 0 strays, 0 bytes"
many a first
many b second
viv run "say little" --id short -C "$P" -- sh -c 'echo little'
viv task output short -C "$P"
expect_code 0 "a short output"
same "a short output" "$(cat "$SCRATCH/out")" little
viv task output first -C "$P"
same "a long output" "$(tr -d '\n' <"$SCRATCH/out" | sha256sum)" "$(head -c 5000 /dev/zero | tr '\0' a | sha256sum)"
viv task output none -C "$P"
expect_code 1 "the output of no task"
said "there is no task 'none'"

story "nothing goes that may be wanted"
before=$(contents)
viv gc --keep 0 -C "$P"
expect_code 0 "gc right after"
said "0 outputs removed"
age
viv gc --keep 1 -C "$P"
said "0 outputs removed"
viv gc --keep 0 --dry-run -C "$P"
said "2 outputs would be removed, 0 strays, 10000 bytes"
same "contents so far" "$(contents)" "$before"
viv gc --keep -1 -C "$P"
expect_code 2 "a time to keep that is none"
viv gc --keep 0 now -C "$P"
expect_code 2 "a word too many"

story "a crash between the event and the removal"
head -c 40 /dev/urandom >"$B/stray.part" && mkdir -p "$B/aa" && mv "$B/stray.part" "$B/aa/.new-0123" && age
VIV_CRASH_AT=gc.before-unlink viv gc --keep 0 -C "$P"
refute "gc got past the crash" test "$code" = 0
same "nothing is gone before it is named on disk" "$("$VIVHOST" log show --json -C "$P" | grep -c '"kind":"content.pruned"')" 1
viv gc --keep 0 -C "$P"
expect_code 0 "gc after the crash"
same "contents that stay" "$(contents)" $((before - 2))
refute "the stray" test -e "$B/aa/.new-0123"

story "what went is named"
viv task output first -C "$P"
expect_code 0 "a pruned output"
said "5000 bytes of output, pruned by 'vivhost gc' at 20"
viv task output first -C "$P" --json
said "pruned by 'vivhost gc'"
many c third
digest=$(events "$P" third effect.finished output_digest | head -n 1)
rm "$B/${digest:0:2}/$digest"
viv task output third -C "$P"
said "lost: content $digest is missing and was never pruned"
viv rollback first -C "$P"
expect_code 0 "a rollback after its outputs are gone"
line=$(git -C "$P" ls-tree --name-only refs/viv/line/main)
refute "what the task wrote is on the line" grep -qx first.txt <<<"$line"
expect "what others wrote is on the line" grep -qx second.txt <<<"$line"

story "the same bytes again"
many a fourth
viv task output fourth -C "$P"
same "the output" "$(head -c 3 "$SCRATCH/out")" aaa
refute "it is said to be gone" grep -q pruned "$SCRATCH/err"

story "beside another host"
many d fifth
age
viv_begin work work -C "$P" --workers 1
working() { "$VIVHOST" workers -C "$P" | grep -q w1; }
until_true "a worker" working
viv gc --keep 0 -C "$P"
expect_code 0 "gc as a client"
said "outputs removed"
viv task output fifth -C "$P"
said "pruned by"
kill -INT "$pid_work"
viv_end work
flow_end

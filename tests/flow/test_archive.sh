# SPDX-License-Identifier: Apache-2.0
# Archived events. Without this test: the log of a busy year could only grow, a crash while old events leave the database
# could lose or double them, a file of them that is lost or altered could pass unseen, and what happened long ago could
# not be shown, answered again, rolled back or restored any more.
. "$(dirname "$0")/lib.sh"
flow_begin
P=$SCRATCH/project
make_repo "$P"
make_home "$P"
L=$P/.vivarium/log
A=$L/archive
AUDIT=$FLOW/../../tools/verify-log

# many PREFIX: tasks that wait for one that is cancelled, so more than 8192 events.
many() {
    python3 - "$1" >"$SCRATCH/queue.json" <<'PY'
import json, sys
name = sys.argv[1]
tasks = [{"id": name, "prompt": "never", "command": "true"}]
tasks += [{"id": f"{name}-{i}", "prompt": f"number {i}", "command": "true", "depends_on": [name]} for i in range(4200)]
json.dump({"version": "1.1", "tasks": tasks}, sys.stdout)
PY
    viv submit --queue "$SCRATCH/queue.json" -C "$P"
    expect_code 0 "the queue $1"
    viv task cancel "$1" -C "$P"
    expect_code 0 "its end"
}
size() { stat -c %s "$P"/.vivarium/vivarium.db "$P"/.vivarium/vivarium.db-wal 2>/dev/null | awk '{ s += $1 } END { print s }'; }
segments() { find "$A" -name '*.jsonl.gz' | wc -l; }
first_line() { head -n 1 "$L/execution_log.jsonl" | grep -oE '"seq":[0-9]+' | cut -d: -f2; }
holds() {
    viv log verify -C "$P"
    expect_code 0 "log verify $1"
    viv log rebuild --check -C "$P"
    expect_code 0 "log rebuild --check $1"
}

story "nothing leaves that is young, or too little"
viv run "write a lot" --id old --key of-old -C "$P" -- sh -c 'head -c 5000 /dev/zero | tr "\0" a; echo old >old.txt'
expect_code 0 "the old task"
viv log archive --keep 0 -C "$P"
expect_code 0 "archive of a small log"
said "nothing to archive: events leave by the 8192, when all of them are older than 0 days"
many first
viv log archive -C "$P"
said "nothing to archive: events leave by the 8192, when all of them are older than 365 days"
refute "a folder for nothing" test -e "$A"
viv log archive --keep -1 -C "$P"
expect_code 2 "a time to keep that is none"
viv log archive now -C "$P"
expect_code 2 "a word too many"
whole=$("$VIVHOST" log show --task old --json -C "$P")

story "a crash at each step"
for place in archive.before-name archive.before-record; do
    (VIV_CRASH_AT=$place "$VIVHOST" log archive --keep 0 -C "$P") >"$SCRATCH/out" 2>"$SCRATCH/err"
    said "crash place '$place' reached"
    same "events that left, after a crash at $place" "$("$VIVHOST" log show --json -C "$P" | grep -c '"kind":"log.archived"')" 0
    holds "after a crash at $place"
done
(VIV_CRASH_AT=archive.recorded "$VIVHOST" log archive --keep 0 -C "$P") >"$SCRATCH/out" 2>"$SCRATCH/err"
said "crash place 'archive.recorded' reached"
same "files" "$(segments)" 1
same "where the exported log begins" "$(first_line)" 1
holds "after a crash behind the record"
(VIV_CRASH_AT=export.before-trim "$VIVHOST" log archive --keep 0 -C "$P") >"$SCRATCH/out" 2>"$SCRATCH/err"
said "crash place 'export.before-trim' reached"
same "where the exported log begins" "$(first_line)" 1
viv log archive -C "$P"
expect_code 0 "the rest of it"
same "where the exported log begins" "$(first_line)" 8193
same "what lies in the folder" "$(find "$L" -mindepth 1 -not -path '*checkpoints*' | wc -l)" 3
same "modes" "$(stat -c %a "$A" "$A"/*)" "$(printf '700\n600')"

story "what is archived is there as before"
holds "with archived events"
viv log verify -C "$P"
said "archived ones with them, chain unbroken"
viv log verify --recent -C "$P"
expect_code 0 "verification of the rest"
said "the archived ones not looked at"
same "the story of the old task" "$("$VIVHOST" log show --task old --json -C "$P")" "$whole"
viv run "write a lot" --id old --key of-old -C "$P" -- sh -c 'head -c 5000 /dev/zero | tr "\0" a; echo old >old.txt'
expect_code 0 "the key of the old task again"
same "attempts of the old task" "$("$VIVHOST" log show --task old --json -C "$P")" "$whole"
viv gc --keep 0 --dry-run -C "$P"
expect_code 0 "gc, which reads it all"

story "beside a host that works"
viv_begin work work --workers 1 -C "$P"
until_true "a host" grep -q . "$SCRATCH/work.out" "$SCRATCH/work.err"
many second
before=$(size) # in the file and in its write-ahead log
viv log archive --keep 0 --shrink -C "$P" --json
expect_code 0 "archive by a client"
made=$(grep -oE '"segments":[0-9]+' "$SCRATCH/out" | cut -d: -f2) # by how much its worker has done of it by now
expect "at least one more" test "${made:-0}" -ge 1
begins=$((8192 * (1 + made) + 1))
viv run "goes on" --id after -C "$P" -- sh -c 'echo after >after.txt'
expect_code 0 "a task after it"
kill -INT "$pid_work"
viv_end work
[ "$(size)" -lt $((before - 4000000)) ] || fail "the database has $(size) bytes, before it had $before"
same "files" "$(segments)" $((1 + made))
same "where the exported log begins" "$(first_line)" "$begins"
viv log show -C "$P"
said "old events archived"

story "an auditor reads the pieces"
python3 "$AUDIT" "$A"/*.gz "$L/execution_log.jsonl" >"$SCRATCH/out" 2>"$SCRATCH/err" || fail "the pieces are not sound"
said "sound: "
python3 "$AUDIT" "$L/execution_log.jsonl" >"$SCRATCH/out" 2>"$SCRATCH/err" && fail "a log without its beginning is sound"
said "found sequence number $begins; must be 1"
head -c 2000 "$(ls "$A"/*.gz | head -n 1)" >"$SCRATCH/cut.gz"
python3 "$AUDIT" "$SCRATCH/cut.gz" >"$SCRATCH/out" 2>"$SCRATCH/err" && fail "half a piece is sound"
said "cannot read, after event "

story "a file that is lost, altered or half"
one=$(ls "$A"/*.gz | head -n 1)
mv "$one" "$SCRATCH/kept.gz"
for words in "log verify" "log show --task old" "log export $SCRATCH/none" "log rebuild --check" "gc --keep 0" replay; do
    viv $words -C "$P" # words of a command
    [ "$code" = 1 ] || [ "$code" = 5 ] || fail "$words without a file of events: exit code $code"
    said "events 1 to 8192 are archived in '$one', which is not there; put it back, from a backup or from where it was moved"
done
viv log verify --recent -C "$P"
expect_code 0 "the rest without it"
viv run "goes on" --id without -C "$P" -- sh -c 'echo without >without.txt'
expect_code 0 "a task without it"
python3 -c 'import sys; b = bytearray(open(sys.argv[1], "rb").read()); b[5000] ^= 1; open(sys.argv[2], "wb").write(b)' "$SCRATCH/kept.gz" "$one"
viv log verify -C "$P"
said "'$one' is not the file that was archived"
head -c 5000 "$SCRATCH/kept.gz" >"$one"
viv log show --task old -C "$P"
said "'$one' is not the file that was archived"
(cat "$SCRATCH/kept.gz"; echo more) >"$one"
viv log verify -C "$P"
said "'$one' is not the file that was archived"
cp "$SCRATCH/kept.gz" "$one"
chmod 600 "$one"

story "a database that says otherwise"
alter() { python3 -c 'import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute(sys.argv[2]); d.commit()' "$P/.vivarium/vivarium.db" "$1"; }
alter "UPDATE segments SET bytes=bytes+1 WHERE first_seq=1"
viv log verify -C "$P"
expect_code 1 "verification of a database that is altered"
said "is bad: the database knows of other archived events than the record says"
alter "UPDATE segments SET bytes=bytes-1 WHERE first_seq=1"

story "backup, restore, rollback of what was archived"
viv backup "$SCRATCH/backup" -C "$P"
expect_code 0 "the backup"
cp -r "$SCRATCH/backup" "$SCRATCH/lacking"
rm "$SCRATCH/lacking/log/archive/$(basename "$one")"
rm -rf "$P/.vivarium"
viv restore "$SCRATCH/lacking" -C "$P"
expect_code 5 "restoring a backup without a file of events"
said "$(basename "$one")"
viv restore "$SCRATCH/backup" -C "$P"
expect_code 0 "the restore"
holds "after the restore"
viv rollback old -C "$P"
expect_code 0 "rollback of the old task"
refute "what it made" test -e "$P/old.txt"
flow_end

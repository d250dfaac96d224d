# SPDX-License-Identifier: Apache-2.0
# Checkpoints of the log and its redacted export. Without this test: whoever can write the home could cut, rewrite or
# replace its log and nothing kept elsewhere would show it, a forged or altered checkpoint could pass, a crash or a full disk
# while one is written could leave half of one or stop work, a redacted log could still tell what was said, or not be
# checkable any more, and effects that a crash cut short would stay unnoticed.
. "$(dirname "$0")/lib.sh"
flow_begin
P=$SCRATCH/project
K=$SCRATCH/kept
KEYS=$HOME/.local/share/vivarium/keys
TOOL=$FLOW/../../tools/verify-checkpoint
make_repo "$P"
make_home "$P"
mkdir "$K"
C=$P/.vivarium/log/checkpoints
alter() { python3 -c 'import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.executescript(sys.argv[2])' "$P/.vivarium/vivarium.db" "$1"; }
count() { find "$C" -name '*.json' | wc -l; }
events() { viv log verify --json -C "$P"; sed -nE 's/.*"events":([0-9]+).*/\1/p' "$SCRATCH/out"; }
against() { viv log verify --against "$1" -C "$P" "${@:2}"; }
tool() { python3 "$TOOL" "$@" >"$SCRATCH/out" 2>"$SCRATCH/err"; code=$?; }
edit() { python3 -c 'import sys; t = open(sys.argv[1]).read(); n = t.replace(sys.argv[2], sys.argv[3], 1); assert n != t; open(sys.argv[4], "w").write(n)' "$@"; }

story "a host writes one at its end, and by hand"
viv run "a secret goal of mine" --id one -C "$P" -- sh -c 'echo a secret output; echo one >made.txt'
expect_code 0 "the first task"
same "checkpoints" "$(count)" 1
same "modes" "$(stat -c %a "$C" "$C"/* "$KEYS" "$KEYS/log-key" | tr '\n' ' ')" "700 600 700 600 "
viv log checkpoint --out "$K/first.json" -C "$P"
expect_code 0 "log checkpoint"
said "written to log/checkpoints and $K/first.json"
same "the same words for the same log" "$(cat "$K/first.json")" "$(cat "$C"/*.json)"
viv schema checkpoint
expect_code 0 "its schema"
viv log key list
cp "$SCRATCH/out" "$K/keys"
key=$(cut -d' ' -f1 "$K/keys")
against "$K/first.json"
expect_code 0 "the same log"
viv submit "more" --id two -C "$P" -- true
against "$K/first.json" --key "$key"
expect_code 0 "a longer log"
said "the log extends what the checkpoint of "
against "$K/first.json" --key "$K/keys" --json
expect_code 0 "by the file of keys"
said '"verdict":"holds"'
viv log export "$K/whole.jsonl" -C "$P"
viv log verify "$K/whole.jsonl" --against "$K/first.json"
expect_code 0 "an exported log"
if command -v openssl >/dev/null; then
    tool "$K/whole.jsonl" --against "$K/first.json" --key "$key" --signature openssl
    expect_code 0 "the independent tool: $(cat "$SCRATCH/out")"
    said "signatures were checked"
fi
tool "$K/whole.jsonl" --against "$K/first.json"
expect_code 0 "the independent tool without openssl"
said "signatures were NOT checked"
viv log verify --recent --against "$K/first.json" -C "$P"
expect_code 2 "--recent with a checkpoint"

story "a checkpoint that is none, altered, cut, huge, forged or another's"
hostile() { # FILE MESSAGE
    against "$1"
    expect_code 1 "checkpoint $1"
    said "$2"
}
: >"$K/bad"; hostile "$K/bad" "cut short, or not a checkpoint"
head -c 300 "$K/first.json" >"$K/bad"; hostile "$K/bad" "no one whole line of JSON: cut short"
(head -c 300 "$K/first.json"; echo) >"$K/bad"; hostile "$K/bad" "no canonical JSON: cut short, altered"
(cat "$K/first.json"; echo more) >"$K/bad"; hostile "$K/bad" "no one whole line of JSON"
head -c 100000 /dev/zero | tr '\0' x >"$K/bad"
against "$K/bad"
[ "$code" != 0 ] || fail "a huge file is a checkpoint"
said "100000 bytes"
echo '{"checkpoint":[],"signature":1}' >"$K/bad"; hostile "$K/bad" "not a checkpoint"
edit "$K/first.json" '"time_us":1' '"time_us":2' "$K/bad"; hostile "$K/bad" "its signature does not fit its words: it was altered, or forged in the name of the key"
edit "$K/first.json" '"v":1' '"v":1,"w":1' "$K/bad"; hostile "$K/bad" "without the members that a checkpoint has, or with others"
edit "$K/first.json" '"v":1' '"v":2' "$K/bad"; hostile "$K/bad" "of a later version than this program reads"
edit "$K/first.json" '"peaks":["' '"peaks":["00' "$K/bad"; hostile "$K/bad" "its peaks do not lead to its root"
edit "$K/first.json" '"signature":"' '"signature":"zz' "$K/bad"; hostile "$K/bad" "without a signature of 128 digits"
sed -E 's/"events":([0-9]+)/"events":"\1"/' "$K/first.json" >"$K/bad"; hostile "$K/bad" "without the members"
hostile "$K/none.json" "none.json"
mv "$KEYS" "$SCRATCH/keys-of-mine"
viv log checkpoint --out "$K/foreign.json" -C "$P"
said "your key for logs is made in '$KEYS'"
rm -r "$KEYS"
mv "$SCRATCH/keys-of-mine" "$KEYS"
hostile "$K/foreign.json" "which is none of those that are trusted here"
against "$K/first.json" --key "$(sed -nE 's/.*"key":"([0-9a-f]+)".*/\1/p' "$K/foreign.json")"
expect_code 1 "a key that did not sign"
said "which is none of those that are trusted here"
against "$K/first.json" --key "$SCRATCH/none"
[ "$code" != 0 ] || fail "a key that is none is taken"
said "--key is neither a public key (64 digits 0-9a-f) nor a file of some"
echo "nonsense" >"$K/bad"
against "$K/first.json" --key "$K/bad"
expect_code 1 "a file of keys that is none"
said "is not what 'vivhost log key list' prints"

story "keys are replaced, and what an old one signed stays good until it is retired"
viv log key rotate
expect_code 0 "log key rotate"
against "$K/first.json"
expect_code 0 "signed by the old key"
viv log checkpoint --out "$K/second.json" -C "$P"
refute "the old key signs" grep -q "$key" "$K/second.json"
cp -r "$KEYS" "$SCRATCH/keys-then"
viv log key retire "$key"
hostile "$K/first.json" "is signed by the key ${key:0:16}, which is retired"
rm -rf "$KEYS" && cp -r "$SCRATCH/keys-then" "$KEYS"
chmod 644 "$KEYS/log-key"
viv log checkpoint -C "$P"
[ "$code" != 0 ] || fail "a key that others can read signs"
said "chmod 600 the key"
chmod 600 "$KEYS/log-key"

story "another home"
Q=$SCRATCH/other-project
make_repo "$Q"
make_home "$Q"
viv log checkpoint --out "$K/other.json" -C "$Q"
against "$K/other.json"
expect_code 1 "another home's checkpoint"
said "the checkpoint is of another home: "

story "cut short"
cp "$P/.vivarium/vivarium.db" "$K/good.db"
last=$(events)
alter "DELETE FROM events WHERE seq>$((last - 6)); DELETE FROM batches WHERE last_seq>$((last - 6))"
against "$K/second.json"
expect_code 1 "a log that was cut"
said "the log was cut short: it ends with event $((last - 6)), and the checkpoint saw events up to $last"
viv log verify -C "$P"
expect_code 0 "which it does not show by itself"
viv log export "$K/short.jsonl" -C "$P"
viv log verify "$K/short.jsonl" --against "$K/second.json"
expect_code 1 "a file that ends before"
said "the checkpoint is newer than this file: it saw $last events"
tool "$K/short.jsonl" --against "$K/second.json"
expect_code 1 "the independent tool"
said "it was cut short, or the checkpoint is newer"
mv "$P/.vivarium/log/execution_log.jsonl" "$K/execution_log.jsonl"
viv submit "later" -C "$P" -- true
viv submit "later" -C "$P" -- true
viv log verify -C "$P"
expect_code 0 "cut, and gone on"
against "$K/second.json"
expect_code 1 "a log that was cut and went on"
said "the log was rewritten: it is not what the checkpoint of $last events saw; "
viv submit --verbose "signs nothing" -C "$P" -- true
said "nothing is signed against 'log/checkpoints/"
viv doctor -C "$P"
said "was signed for before: the log was altered"
restore_db() {
    rm -f "$P/.vivarium/vivarium.db"-*
    cp "$K/good.db" "$P/.vivarium/vivarium.db"
    cp "$K/execution_log.jsonl" "$P/.vivarium/log/execution_log.jsonl"
}
restore_db

story "rewritten from one event on, with a chain that fits"
rewrite() { # SEQ: that event says something else
    python3 - "$P/.vivarium/vivarium.db" "$1" <<'PY'
import hashlib, sqlite3, sys
db, at = sqlite3.connect(sys.argv[1]), int(sys.argv[2])
head = bytes(32)
for seq, line in db.execute("SELECT seq, line FROM events ORDER BY seq").fetchall():
    raw = line if isinstance(line, bytes) else line.encode()
    if seq == at:
        raw = raw.replace(b'"pid":', b'"pid":1', 1)
    head = hashlib.sha256(b"viv-log-1\0" + head + len(raw).to_bytes(8, "little") + raw).digest()
    db.execute("UPDATE events SET line=?, hash=? WHERE seq=?", (raw if isinstance(line, bytes) else raw.decode(), head, seq))
db.commit()
PY
}
rewrite 3
viv log verify -C "$P"
expect_code 0 "a rewritten log, by itself"
against "$K/second.json" --json
expect_code 1 "a rewritten log"
said '"first":1,'
said "the log was rewritten: it is not what the checkpoint of $last events saw; the first that differs is one of the events 1 to "
restore_db
rewrite "$last"
against "$K/second.json"
expect_code 1 "its last event rewritten"
said "event $last is the first that differs"
restore_db
alter "UPDATE events SET line=replace(line, 'a secret goal', 'another goal') WHERE seq=6"
against "$K/second.json"
expect_code 1 "a record that does not fit its hash"
said "event 6 is bad: the hash does not follow from the record and the one before"
restore_db
against "$K/second.json"
expect_code 0 "the good one again"

story "a redacted log"
viv log export --redact --out "$K/redacted.jsonl" -C "$P"
expect_code 0 "log export --redact"
for word in "secret goal" "secret output" made.txt "$P" "\"name\":\"$(id -un)\"" "echo"; do
    refute "the redacted log says '$word'" grep -qF -- "$word" "$K/redacted.jsonl"
done
expect "its events are there" grep -q '"kind":"task.ready"' "$K/redacted.jsonl"
viv log verify "$K/redacted.jsonl" --against "$K/second.json" -C /
expect_code 0 "a redacted log"
said "redacted events in order, sealed by the key"
said "the log extends what the checkpoint of $last events saw"
python3 "$FLOW/../../tools/verify-log" "$K/redacted.jsonl" >"$SCRATCH/out" 2>"$SCRATCH/err" || fail "verify-log: $(cat "$SCRATCH/out")"
said "redacted"
tool "$K/redacted.jsonl" --against "$K/second.json"
expect_code 0 "the independent tool: $(cat "$SCRATCH/out")"
viv log prove 6 -C "$P"
cp "$SCRATCH/out" "$K/line"
expect "the line to be shown" grep -q "secret goal" "$K/line"
viv log verify "$K/redacted.jsonl" --line "$K/line"
expect_code 0 "a line of it"
said "the line is what the log has at its place"
tool "$K/redacted.jsonl" --line "$K/line"
expect_code 0 "a line of it, by the tool"
edit "$K/line" "secret goal" "public goal" "$K/forged"
viv log verify "$K/redacted.jsonl" --line "$K/forged"
expect_code 1 "a forged line"
said "the line is not the log's event 6"
tool "$K/redacted.jsonl" --line "$K/forged"
expect_code 1 "a forged line, by the tool"
viv log prove 999999 -C "$P"
said "there is no event 999999"
viv log prove nothing -C "$P"
expect_code 2 "no number"
viv log verify --line "$K/line" -C "$P"
expect_code 2 "a line without a file"
not_sound() { # MESSAGE MESSAGE-OF-THE-TOOL
    viv log verify "$K/bad.jsonl"
    expect_code 1 "a bad file"
    said "$1"
    tool "$K/bad.jsonl"
    expect_code 1 "a bad file, by the tool"
    said "$2"
}
head -n -1 "$K/redacted.jsonl" >"$K/bad.jsonl"
not_sound "a redacted log without the line that ends it" "a redacted log without the line that ends it"
edit "$K/redacted.jsonl" '"attempts_max":3' '"attempts_max":4' "$K/bad.jsonl"
not_sound "a redacted record was altered" "the lines are not those that the last line signs"
sed 8d "$K/redacted.jsonl" >"$K/bad.jsonl"
not_sound "event 8 is bad: the record's own number is another" "line 8 is another event, or out of order"
(cat "$K/redacted.jsonl"; tail -n 1 "$K/redacted.jsonl") >"$K/bad.jsonl"
not_sound "a line after the one that ends a redacted log" "a line after the one that ends a redacted log"
(head -n 8 "$K/redacted.jsonl"; sed -n '9,$p' "$K/whole.jsonl") >"$K/bad.jsonl"
not_sound "a redacted record beside one that is not" "line 9 is redacted and others are not, or it alone is not"
(head -n -1 "$K/redacted.jsonl"; cat "$K/second.json") >"$K/bad.jsonl"
not_sound "the last line is not this log's" "the lines are not those that the last line signs"
head -c -20 "$K/redacted.jsonl" >"$K/bad.jsonl"
not_sound "the last line is cut short" "no checkpoint, or was cut"
: >"$K/bad.jsonl"
not_sound "there is no record" "there is no event"
HOME=$SCRATCH/nobody viv log verify "$K/redacted.jsonl"
expect_code 1 "by somebody who does not know the key"
said "'--key' names others"
HOME=$SCRATCH/nobody viv log verify "$K/redacted.jsonl" --key "$(sed -nE '$ s/.*"key":"([0-9a-f]+)".*/\1/p' "$K/redacted.jsonl")"
expect_code 0 "by somebody who knows the key"

story "a crash at each step of writing one"
for place in fs.replace.before-rename checkpoint.written; do
    viv submit "more" -C "$P" -- true
    before=$(count)
    (VIV_CRASH_AT=$place "$VIVHOST" log checkpoint -C "$P") >"$SCRATCH/out" 2>"$SCRATCH/err"
    said "crash place '$place' reached"
    for file in "$C"/*.json; do
        against "$file"
        expect_code 0 "$file after a crash at $place"
    done
done
touch -d '2 hours ago' "$C"/.*.tmp || fail "nothing half written is left, which was to be cleaned"
viv submit "more" -C "$P" -- true
same "what is half written, later" "$(find "$C" -name '.*.tmp' | wc -l)" 0

story "what lies there and is no good is left out, and not signed for"
(head -c 200 "$C"/"$(ls "$C" | tail -n 1)") >"$C/000000999999.json"
viv submit --verbose "more" -C "$P" -- true
expect_code 0 "work with a bad checkpoint in the home"
said "'log/checkpoints/000000999999.json' is left out: "
rm "$C/000000999999.json"
mv "$C" "$K/away"
echo "in the way" >"$C"
viv submit --verbose "more" -C "$P" -- true
expect_code 0 "work where none can be written"
said "no checkpoint of the log is written: "
rm "$C"
mv "$K/away" "$C"

story "they are bounded, and the first stays"
first=$(ls "$C" | head -n 1)
python3 - "$C" <<'PY'
import os, sys
names = sorted(os.listdir(sys.argv[1]))
for i in range(100):  # of the right names, though no good ones: what is kept goes by names
    open(f"{sys.argv[1]}/{1000 + 3 * i:012d}.json", "w").close()
PY
viv log checkpoint -C "$P"
same "their number" "$(count)" 64
expect "the first" test -e "$C/$first"
find "$C" -size 0 -delete

story "a backup, and a home that was restored from it"
viv backup "$SCRATCH/backup" -C "$P"
expect_code 0 "the backup"
viv log checkpoint --out "$K/before.json" -C "$P"
viv submit "after the backup" -C "$P" -- true
viv submit "after the backup" -C "$P" -- true
viv submit "after the backup" -C "$P" -- true
viv log checkpoint --out "$K/after.json" -C "$P"
rm -rf "$P/.vivarium"
viv restore "$SCRATCH/backup" -C "$P"
expect_code 0 "the restore"
against "$K/second.json"
expect_code 0 "what was seen before the backup"
against "$K/after.json"
expect_code 1 "what was seen after it"
said "was restored from a"
viv submit "a new life" -C "$P" -- true
for file in "$C"/*.json; do
    against "$file"
    expect_code 0 "a checkpoint of the new life"
done

story "what a crash cut short is named"
viv_begin work work --workers 1 -C "$P"
viv run "hangs" --id hangs -C "$P" -- sh -c ': seals; kill -STOP $$' &
flow_jobs+=($!)
await_stopped ": seals"
viv log verify -C "$P"
expect_code 0 "while it runs"
refute "what runs has no outcome yet and is no finding" grep -q "without an outcome" "$SCRATCH/out"
viv submit "later" --id later -C "$P" -- true # its commit takes what was only logged along
expect_code 0 "a command that is synced"
kill -9 "$(sed -nE 's/.*"pid":([0-9]+).*/\1/p' <("$VIVHOST" log show --json -C "$P" | grep '"kind":"host.started"' | tail -n 1))"
viv_end work
wait
viv log verify -C "$P"
expect_code 0 "after the crash"
said "1 effect announced and without an outcome, as a crash leaves them:"
said "'exec' of hangs, effect 0"
viv doctor -C "$P"
said "1 effects were announced and have no outcome"
viv task cancel hangs -C "$P"
viv task cancel later -C "$P"
flow_end

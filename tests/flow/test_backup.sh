# SPDX-License-Identifier: Apache-2.0
# Backup and restore. Without this test: a backup made while tasks run could hold half a publication, a damaged one could
# become a home, a crash could leave half a home or lose the old one, and a restored home could forget how to undo its work.
. "$(dirname "$0")/lib.sh"
flow_begin
user_policy "branch: follow"
R=$SCRATCH/repo
F=$SCRATCH/plain
B=$SCRATCH/backups
mkdir "$B"
make_repo "$R"
make_home "$R"
make_files "$F"
make_home "$F"

# No backup.json: an unfinished backup says so.
unfinished() {
    rm -rf "$SCRATCH/empty" && mkdir "$SCRATCH/empty"
    viv restore "$1" -C "$SCRATCH/empty"
    expect_code 1 "restoring an unfinished backup"
    said "it is no backup, or one that was not finished"
    refute "a home of an unfinished backup" test -e "$SCRATCH/empty/.vivarium"
}
quick_done() {
    for i in 1 2 3 4 5 6; do
        [ "$(state_of "$1" "quick$i")" = ready ] || return 1
    done
}
drop_home() {
    rm -rf "$1/.vivarium"
}
holds() {
    viv log verify -C "$1"
    expect_code 0 "log verify $2"
    viv log rebuild --check -C "$1"
    expect_code 0 "log rebuild --check $2"
}

for P in "$R" "$F"; do
    name=$(basename "$P")
    story "$name: a backup by a client while two workers work"
    for task in old kept; do
        viv run "work of $task" --id "$task" -C "$P" -- sh -c "echo $task >$task.txt"
        expect_code 0 "task $task"
    done
    viv plugin install "$VIV_BUILD/tests/flow/flow_kraken.so" -C "$P"
    expect_code 0 "a skill that is installed"
    viv submit "is held" --id held -C "$P" -- sh -c 'kill -STOP $$; echo held >held.txt; : mark-held'
    for i in 1 2 3 4 5 6; do
        viv submit "is quick" --id "quick$i" -C "$P" -- sh -c "echo $i >quick$i.txt"
        expect_code 0 "submit quick$i"
    done
    viv_begin work work --workers 2 -C "$P"
    await_stopped mark-held
    viv backup "$B/$name" -C "$P" --json
    expect_code 0 "the backup"
    said "\"folder\":\"$B/$name\""
    same "mode of the backup" "$(stat -c %a "$B/$name")" 700
    same "files in it that others can read" "$(find "$B/$name" -type f -perm /077)" ""
    viv backup "$B/$name" -C "$P"
    expect_code 1 "a second one into the same folder"
    said "cannot make '$B/$name', which must be a new folder: File exists"
    viv task cancel held -C "$P"
    kill -KILL "$stopped_pid" 2>/dev/null
    until_true "the quick tasks" quick_done "$P"
    kill -INT "$pid_work"
    viv_end work
    "$VIVHOST" log show -C "$P" >"$SCRATCH/out"
    said "backup.made"

    story "$name: the home is gone and comes back"
    viv restore "$B/$name" -C "$P"
    expect_code 1 "restore over a home"
    said "has a home already; to put the backup in its place, move '$P/.vivarium' away first"
    drop_home "$P"
    viv restore "$B/$name" -C "$P"
    expect_code 0 "restore"
    said "home restored in $P/.vivarium"
    holds "$P" "after restore"
    same "nothing beside the home" "$(find "$P" -maxdepth 1 -name '.vivarium.*')" ""
    "$VIVHOST" log show --json -C "$P" >"$SCRATCH/out"
    said "\"from\":\"$B/$name\""
    first=$(grep -A1 '"kind":"host.started"' "$SCRATCH/out" | grep -c '"kind":"home.restored"')
    same "home.restored after a host.started" "$first" 1
    viv plugin list -C "$P"
    said "kraken"
    viv task cancel held -C "$P" # it would stop itself again
    viv rollback old -C "$P"
    expect_code 0 "an old task rolls back"
    refute "its file is there" test -e "$P/old.txt"
    expect "the other's is" test -e "$P/kept.txt"
    viv run "work of later" --id later -C "$P" -- sh -c 'echo later >later.txt'
    expect_code 0 "a new task"
    viv doctor -C "$P"
    expect "doctor has a row for the lines" grep -q '^lines ' "$SCRATCH/out"
    viv work --drain -C "$P"
    expect_code 0 "the tasks that ran when the backup was made"
    same "state of one of them" "$(state_of "$P" quick6)" ready
    viv backup "$B/$name.again" -C "$P"
    expect_code 0 "a backup by a command that becomes the host"
    said "backup in $B/$name.again: "
done

story "refusals of backup"
refused() {
    local want=$1 words=$2
    shift 2
    viv "$@"
    expect_code "$want" "'$*'"
    said "$words"
}
refused 1 "lies in the project '$R' and would be lost with it" backup "$R/inside" -C "$R"
refute "the folder inside" test -e "$R/inside"
refused 1 "cannot find '$SCRATCH/no' for the backup to go into" backup "$SCRATCH/no/where" -C "$R"
refused 1 "does not name a new folder" backup "$SCRATCH/.." -C "$R"
refused 1 "which must be a new folder" backup "$B" -C "$R"
refused 2 "usage: vivhost backup FOLDER" backup -C "$R"
refused 4 "there is no home here" backup "$B/none" -C "$B"
mkdir -p "$R/.vivarium/store/moves" && : >"$R/.vivarium/store/moves/0123456789abcdef.json"
refused 1 "a crash cut a move of files short; 'vivhost doctor' finishes or undoes it" backup "$B/half" -C "$R"
refute "a backup in the middle of a move" test -e "$B/half"
rm "$R/.vivarium/store/moves/0123456789abcdef.json"
(cd "$B" && "$VIVHOST" backup relative/ -C "$R") >"$SCRATCH/out" 2>"$SCRATCH/err"
said "backup in $B/relative: "

story "refusals of restore"
E=$SCRATCH/empty
bad_backup() { # CODE WORDS; the copy is in $X
    rm -rf "$E" && mkdir "$E"
    refused "$1" "$2" restore "$X" -C "$E"
    same "what is left of a refused restore ($2)" "$(ls -A "$E")" ""
}
fresh() {
    rm -rf "$X" && cp -a "$B/plain" "$X"
}
X=$SCRATCH/x
refused 1 "cannot open the backup '$SCRATCH/none'" restore "$SCRATCH/none" -C "$B"
fresh; rm "$X/backup.json"; unfinished "$X"
mv "$F/.vivarium" "$SCRATCH/plain.home" # it lives, and would be one of two
fresh; blob=$(cd "$X" && find store/blobs -type f | head -n 1)
printf x | dd of="$X/$blob" bs=1 conv=notrunc 2>/dev/null; bad_backup 5 "'$blob' holds other bytes than 'backup.json' says"
fresh; echo more >>"$X/$blob"; bad_backup 5 "'$blob' has another size than 'backup.json' says"
fresh; rm "$X/$blob"; bad_backup 5 "'$blob' is missing"
fresh; echo x >"$X/store/extra"; bad_backup 5 "'store/extra' is not listed in 'backup.json'"
fresh; mv "$X/$blob" "$SCRATCH/blob"; ln -s "$SCRATCH/blob" "$X/$blob"; bad_backup 5 "'$blob' is a link or a special file"
fresh; mv "$X/store" "$SCRATCH/store"; ln -s "$SCRATCH/store" "$X/store"; bad_backup 5 "'store' is a link or a special file"
rm -rf "$SCRATCH/store"
fresh; mkfifo "$X/pipe"; bad_backup 5 "'pipe' is a link or a special file"
fresh; truncate -s 20000 "$X/vivarium.db"; bad_backup 5 "'vivarium.db' has another size"
fresh; mv "$X/backup.json" "$SCRATCH/list"; ln -s "$SCRATCH/list" "$X/backup.json"; bad_backup 5 "cannot open '$X/backup.json'"
# change SCRIPT: backup.json through Python; "b" is the whole, row(path) a file's row, seal() makes size and digest fit.
change() {
    python3 - "$X" "$1" <<'END'
import hashlib, json, pathlib, sqlite3, sys
top = pathlib.Path(sys.argv[1])
b = json.loads((top / "backup.json").read_text())
row = lambda path: next(f for f in b["files"] if f["path"] == path)
def seal(path):
    data = (top / path).read_bytes()
    row(path).update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
def sql(*words):
    db = sqlite3.connect(top / "vivarium.db")
    for one in words:
        db.execute(one)
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    seal("vivarium.db")
text = lambda: json.dumps(b, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
exec(sys.argv[2])
(top / "backup.json").write_text(text())
END
}
fresh; change 'b["version"] = 2'; bad_backup 1 "the backup has version 2, this program knows 1; use the vivhost that made it"
fresh; change 'text = lambda: json.dumps(b)'; bad_backup 5 "backup.json"
fresh; change 'b["surprise"] = 1'; bad_backup 5 "is not one this program wrote"
for path in ../escape /etc/passwd store/moves/a.json store/blobs/../../x log/x store/folder.git/config; do
    fresh; change "b['files'].append({'path': '$path', 'bytes': 1, 'sha256': 'a' * 64}); b['files'].sort(key=lambda f: f['path'])"
    bad_backup 5 "'$path' is not one this program wrote"
done
fresh; change 'b["head"] = "0" * 64'; bad_backup 5 "its log ends elsewhere than 'backup.json' says"
fresh; change 'b["seq"] += 1'; bad_backup 5 "its log ends elsewhere"
fresh; change 'b["home"] = "0" * 32'; bad_backup 5 "its 'home.json' is that of another home"
fresh; change '
(top / "home.json").write_text("{\"id\":\"" + "0" * 32 + "\",\"version\":1}"); seal("home.json"); b["home"] = "0" * 32'
bad_backup 5 "its log is that of another home"
fresh; change 'sql("UPDATE events SET line=CAST(replace(line, \"kept\", \"lost\") AS BLOB) WHERE instr(line, \"kept\") > 0")'; bad_backup 5 "its log does not verify"
fresh; change 'sql("UPDATE tasks SET doc=CAST(replace(doc, \"work of\", \"work on\") AS BLOB) WHERE id=\"old\"")'; bad_backup 5 "its tables are not what its log says"
fresh; change 'sql("UPDATE tasks SET state=\"failed\", claimable=1 WHERE id=\"old\"")'
rm -rf "$E" && mkdir "$E"
viv restore "$X" -C "$E"
expect_code 0 "columns beside the rows"
viv queue list --state ready -C "$E"
said "old "
rm -rf "$E"
fresh; change 'sql("CREATE TRIGGER t AFTER DELETE ON tasks BEGIN DELETE FROM events; END")'; bad_backup 5 "is a database of another program"
fresh; change '(top / "vivarium.db").write_bytes((top / "vivarium.db").read_bytes()[:9000]); seal("vivarium.db")'
bad_backup 5 "vivarium.db"
mv "$SCRATCH/plain.home" "$F/.vivarium"
viv trust --home -C "$F"
fresh; rm -rf "$E"; mkdir "$E"
refused 1 "two copies must not act as one" restore "$X" -C "$E"
same "what a second home leaves" "$(ls -A "$E")" ""

story "a crash while a backup is made"
for place in backup.database backup.before-seal fs.replace.before-rename; do
    rm -rf "$B/torn"
    (VIV_CRASH_AT=$place "$VIVHOST" backup "$B/torn" -C "$R") >"$SCRATCH/out" 2>"$SCRATCH/err"
    said "crash place '$place' reached"
    unfinished "$B/torn"
    holds "$R" "after a crash at $place"
done

story "the host is killed while a client asks for a backup"
export VIV_CRASH_AT=backup.before-seal
viv_begin host work --workers 1 -C "$R"
unset VIV_CRASH_AT
until_true "a host" grep -q "workers\? on" "$SCRATCH/host.err"
rm -rf "$B/torn"
viv backup "$B/torn" -C "$R"
refute "a backup by a killed host" [ "$code" = 0 ]
said "the other side is gone"
viv_end host
unfinished "$B/torn"
holds "$R" "after its host was killed"

story "a crash while a home is restored"
for place in restore.copied restore.recorded stage.before-rename; do
    mv "$F/.vivarium" "$SCRATCH/plain.home"
    (VIV_CRASH_AT=$place "$VIVHOST" restore "$B/plain" -C "$F") >"$SCRATCH/out" 2>"$SCRATCH/err"
    said "crash place '$place' reached"
    refute "half a home after a crash at $place" test -e "$F/.vivarium"
    same "one leftover" "$(find "$F" -maxdepth 1 -name '.vivarium.restore-*' | wc -l)" 1
    viv restore "$B/plain" -C "$F"
    expect_code 0 "restore after a crash at $place"
    said "which a restore that was cut short has left"
    same "no leftover" "$(find "$F" -maxdepth 1 -name '.vivarium.restore-*' | wc -l)" 0
    holds "$F" "restored after a crash at $place"
    mkdir "$F/.vivarium.restore-0123456789abcdef"
    viv run "look" --id "look-$place" -C "$F" -- sh -c 'ls -A'
    expect_code 0 "a task beside a leftover"
    refute "a task sees a leftover" grep -q "restore-" "$SCRATCH/out" "$SCRATCH/err"
    rmdir "$F/.vivarium.restore-0123456789abcdef"
    rm -rf "$SCRATCH/plain.home"
done
drop_home "$F"
(VIV_CRASH_AT=stage.after-rename "$VIVHOST" restore "$B/plain" -C "$F") >"$SCRATCH/out" 2>"$SCRATCH/err"
holds "$F" "after a crash behind the rename"
viv run "work of again" --id again -C "$F" -- sh -c 'echo again >again.txt'
expect_code 0 "a task after a crash behind the rename"

story "a repository that went on without the home"
before=$(git -C "$R" rev-parse refs/viv/line/main)
viv run "work of newer" --id newer -C "$R" -- sh -c 'echo newer >newer.txt'
expect_code 0 "a task after the backup"
drop_home "$R"
viv restore "$B/repo.again" -C "$R"
expect_code 0 "restore of an older home"
said "line 'refs/viv/line/main' of '$R' is ahead of the log: the log published ${before:0:12} last"
viv doctor -C "$R"
said "is ahead of the log"
drop_home "$R"
viv restore "$B/repo.again" -C "$R" --json
expect_code 0 "restore as JSON"
python3 - "$SCRATCH/out" "$R" <<'END' || fail "what restore says as JSON"
import json, sys
value = json.load(open(sys.argv[1]))
assert sorted(value) == ["files", "head", "home", "last", "lines"] and value["home"] == sys.argv[2] + "/.vivarium"
assert len(value["lines"]) == 1 and "is ahead of the log" in value["lines"][0]
END
git -C "$R" update-ref refs/viv/line/main "$before~1"
viv doctor -C "$R"
said "is behind the log"
git -C "$R" update-ref -d refs/viv/line/main
viv doctor -C "$R"
said "is missing: the log published ${before:0:12} last, nothing is there"
git -C "$R" update-ref refs/viv/line/main "$before"
viv doctor -C "$R"
refute "doctor complains of a line that stands well" grep -q "of the log" "$SCRATCH/out"

story "a full disk"
if [ "$(id -u)" -eq 0 ] && unshare -m true 2>/dev/null; then
    cat >"$SCRATCH/full.sh" <<END
. "$FLOW/lib.sh"
SCRATCH=$SCRATCH flow_story="a full disk"
mkdir -p "\$SCRATCH/small" && mount -t tmpfs -o size=96k none "\$SCRATCH/small" || exit 9
viv backup "\$SCRATCH/small/b" -C "$R"
[ "\$code" != 0 ] || fail "a backup onto a full disk"
same "what a failed backup leaves" "\$(ls -A "\$SCRATCH/small")" ""
mkdir "\$SCRATCH/small/p"
mv "$R/.vivarium" "\$SCRATCH/repo.home"
viv restore "$B/repo.again" -C "\$SCRATCH/small/p"
[ "\$code" != 0 ] || fail "a restore onto a full disk"
mv "\$SCRATCH/repo.home" "$R/.vivarium"
same "what a failed restore leaves" "\$(ls -A "\$SCRATCH/small/p")" ""
exit \$flow_failures
END
    unshare -m --propagation private bash "$SCRATCH/full.sh"
    same "failures on a full disk" $? 0
else
    echo "no mount namespace: the full disk is left out"
fi
flow_end

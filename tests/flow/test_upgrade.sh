# SPDX-License-Identifier: Apache-2.0
# Homes of other versions, with the real program. Without this test: an upgrade could leave a home that nobody opens any
# more, or a program could write into a home that only a newer one understands.
. "$(dirname "$0")/lib.sh"
flow_begin
GOLDEN=$FLOW/../golden

# A home of a recorded schema in a new project: old_home PROJECT SCHEMA.
old_home() {
    mkdir -p "$1/.vivarium/log" "$1/.vivarium/store" "$1/.vivarium/trees" "$1/.vivarium/work"
    chmod 700 "$1/.vivarium"
    printf '{"id":"0123456789abcdef0123456789abcdef","version":1}' >"$1/.vivarium/home.json"
    (umask 077 && python3 "$FLOW/look.py" database "$GOLDEN/schema-$2/home.sql" "$1/.vivarium/vivarium.db")
}

# Every file of a home but the lock and the index of plugins, which is made again at will, with its digest.
state_of_files() {
    (cd "$1/.vivarium" && find . -type f ! -name host.lock ! -name plugins.index -print0 | sort -z | xargs -0 sha256sum)
}

P=$SCRATCH/old
story "an older home is read, and brought here by the first command that writes"
old_home "$P" 1
viv trust --home -C "$P"
expect_code 0 "trust of an older home"
before=$(state_of_files "$P")
viv queue list -C "$P"
expect_code 0 "queue list of an older home"
said "rolled_back"
viv log verify -C "$P"
expect_code 0 "log verify of an older home"
said "590 events, chain unbroken, head a1f4a57a21422701bd3015daf9faec65d528b089d1ec70e2a3e37e1151694d31"
viv replay -C "$P"
expect_code 0 "replay of an older home"
viv log rebuild --check -C "$P"
expect_code 1 "log rebuild --check, which writes nothing"
said "has schema 1, this program writes 3; 'vivhost work' brings an older home there"
same "what was only read" "$(state_of_files "$P")" "$before"
viv task cancel waiting -C "$P"
expect_code 0 "a command that writes"
said "was brought from schema 1 to 3; as it was it is '$P/.vivarium/vivarium.db.schema-1', for the vivhost that made it"
same "a task of before" "$(state_of "$P" published)" ready
same "the old file" "$(sha256sum <"$P/.vivarium/vivarium.db.schema-1")" "$(python3 "$FLOW/look.py" database \
    "$GOLDEN/schema-1/home.sql" "$SCRATCH/again.db" && sha256sum <"$SCRATCH/again.db")"
viv log show --task missed -C "$P"
expect_code 0 "the story of a task of before"
viv submit "more" --id more -C "$P" -- true
expect_code 0 "a new task"
refute "another migration" grep -q "was brought" "$SCRATCH/err"
flow_homes+=("$P")

story "'log rebuild' brings an older home here too"
rm -rf "$SCRATCH/old2"
old_home "$SCRATCH/old2" 1
sed -i 's/0123456789abcdef0/0123456789abcdef1/' "$SCRATCH/old2/.vivarium/home.json"
viv trust --home -C "$SCRATCH/old2"
expect_code 0 "trust"
viv log rebuild -C "$SCRATCH/old2"
expect_code 0 "log rebuild"
said "590 events folded, the same dump"
expect "the old file beside it" test -f "$SCRATCH/old2/.vivarium/vivarium.db.schema-1"

story "a backup of an older program is restored"
viv backup "$SCRATCH/backup" -C "$P"
expect_code 0 "backup"
python3 "$FLOW/look.py" older "$SCRATCH/backup" 1
mv "$P" "$SCRATCH/gone"
flow_homes=()
mkdir "$SCRATCH/restored"
viv restore "$SCRATCH/backup" -C "$SCRATCH/restored"
expect_code 0 "restore of an older backup"
said "was brought from schema 1 to 3"
same "a task of before" "$(state_of "$SCRATCH/restored" published)" ready
flow_homes+=("$SCRATCH/restored")

story "a home of a newer program is refused and stays as it is"
P=$SCRATCH/newer
old_home "$P" 2
sed -i 's/0123456789abcdef0/0123456789abcdef2/' "$P/.vivarium/home.json"
viv trust --home -C "$P"
expect_code 0 "trust"
python3 "$FLOW/look.py" schema "$P/.vivarium/vivarium.db" 4
before=$(state_of_files "$P")
for command in "queue list" "log show" "work --drain" "submit goal" "log rebuild" "log rebuild --check" "backup $SCRATCH/b"; do
    # shellcheck disable=SC2086
    viv $command -C "$P"
    refute "'$command' in a newer home" [ "$code" = 0 ]
    said "has schema 4, this program knows up to 3; use the newer vivhost"
done
sed -i 's/"version":1/"version":2/' "$P/.vivarium/home.json"
before_home=$(state_of_files "$P")
viv work --drain -C "$P"
refute "work in a home of a newer layout" [ "$code" = 0 ]
said "has version 2, this program knows 1; use the vivhost that made it"
same "the home" "$(state_of_files "$P")" "$before_home"
sed -i 's/"version":2/"version":1/' "$P/.vivarium/home.json"
same "the newer home" "$(state_of_files "$P")" "$before"

flow_end

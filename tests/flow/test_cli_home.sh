# SPDX-License-Identifier: Apache-2.0
# Homes that are not as they should be. Without this test: a read-only home could be unreadable, a home of a newer
# version could be damaged by an older program, a torn database could end in a crash or be written over, and a home that
# others can get into could run their work.
. "$(dirname "$0")/lib.sh"
flow_begin
P=$SCRATCH/project
H=$P/.vivarium
make_repo "$P"
make_home "$P"
viv run "say hello" --id hello -C "$P" -- echo hello
expect_code 0 "a run"

# refused CODE WORDS COMMAND...
refused() {
    local want=$1 words=$2
    shift 2
    viv "$@" -C "$P"
    expect_code "$want" "'$*'"
    said "$words"
}
read_well() {
    viv queue list -C "$P"
    expect_code 0 "queue list $1"
    said "hello        ready"
    viv queue show hello -C "$P"
    expect_code 0 "queue show $1"
    viv task show hello -C "$P"
    expect_code 0 "task show $1"
    viv log show -C "$P"
    expect_code 0 "log show $1"
    said "nothing to publish"
    viv log verify -C "$P"
    expect_code 0 "log verify $1"
    viv replay -C "$P"
    expect_code 0 "replay $1"
    viv inbox -C "$P"
    expect_code 0 "inbox $1"
    viv queue export -C "$P"
    expect_code 0 "queue export $1"
    viv skill list -C "$P"
    expect_code 0 "skill list $1"
}

story "looking leaves no mark"
before=$("$VIVHOST" log show -C "$P" | wc -l)
read_well "of a home nobody has"
same "events after looking" "$("$VIVHOST" log show -C "$P" | wc -l)" "$before"

story "a home that cannot be written"
writes_refused() {
    for command in "run goal" "submit goal" "work --drain" "task cancel hello" "rollback hello" "plugin install $VIV_BUILD/tests/fault/good.so" "skill call viv.find_files"; do
        refused 4 "cannot be written" $command
    done
    viv submit --queue "$SCRATCH/q.json" -C "$P"
    expect_code 4 "a queue file into a read-only home"
    viv doctor -C "$P"
    expect_code 4 "doctor of a read-only home"
    said "cannot be written"
}
echo '{"version":"1.1","tasks":[]}' >"$SCRATCH/q.json"
if [ "$(id -u)" -eq 0 ]; then
    # Root writes anywhere but on a file system mounted read-only.
    if unshare -m true 2>/dev/null; then
        cat >"$SCRATCH/read_only.sh" <<END
. "$FLOW/lib.sh"
SCRATCH=$SCRATCH P=$P H=$H flow_story="a home on a read-only file system"
$(declare -f refused read_well writes_refused)
mount --bind "\$P" "\$P" && mount -o remount,bind,ro "\$P" || exit 9
read_well "of a read-only file system"
writes_refused
exit \$flow_failures
END
        unshare -m --propagation private bash "$SCRATCH/read_only.sh"
        same "failures in a read-only file system" $? 0
    else
        echo "no mount namespace: the read-only file system is left out"
    fi
else
    chmod -R a-w "$H"
    read_well "without write permission"
    writes_refused
    chmod -R u+w "$H"
fi

story "a home that others can get into"
chmod 750 "$H"
refused 4 "has mode 750, others can get in; run 'chmod 700 " queue list
refused 4 "has mode 750" doctor
chmod 700 "$H"

story "a home that came with the folder"
mkdir "$SCRATCH/moved" && cp -a "$P/." "$SCRATCH/moved"
viv run "goal" -C "$SCRATCH/moved" -- true
expect_code 4 "a copied home"
said "are one and the same, and two copies must not act as one"
viv trust --home -C "$SCRATCH/moved"
expect_code 1 "taking over a copy whose original is there"
said "move the one away that shall not go on"
printf '{"id":"0123456789abcdef0123456789abcdef","version":1}' >"$SCRATCH/moved/.vivarium/home.json"
viv queue list -C "$SCRATCH/moved"
expect_code 4 "a home of somebody else"
said "'vivhost trust --home' takes it over"
viv trust --home -C "$SCRATCH/moved"
expect_code 0 "taking it over"
viv queue list -C "$SCRATCH/moved"
expect_code 0 "a home taken over"
flow_homes+=("$SCRATCH/moved")

story "a home of a newer version"
cp "$H/home.json" "$SCRATCH/home.json"
sed -i 's/"version":1/"version":9/' "$H/home.json"
refused 5 "has version 9, this program knows 1; use the vivhost that made it" queue list
refused 5 "has version 9" run goal
cp "$SCRATCH/home.json" "$H/home.json"
cp "$H/vivarium.db" "$SCRATCH/db"
python3 - "$H/vivarium.db" <<'END'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("PRAGMA user_version=99")
db.commit()
END
rm -f "$H/vivarium.db-wal" "$H/vivarium.db-shm"
sum=$(sha256sum <"$H/vivarium.db")
refused 5 "has schema 99, this program knows up to" queue list
refused 5 "has schema 99" run goal
same "the newer database" "$(sha256sum <"$H/vivarium.db")" "$sum"

story "a torn database"
for tear in "head -c 5000" "tr a-z b-za" "head -c 100"; do
    $tear <"$SCRATCH/db" >"$H/vivarium.db"
    sum=$(sha256sum <"$H/vivarium.db")
    for command in "queue list" "run goal" "log verify" "log rebuild"; do
        viv $command -C "$P"
        expect_code 5 "'$command' on a torn database ($tear)"
        said "vivarium.db"
    done
    same "the torn database ($tear)" "$(sha256sum <"$H/vivarium.db")" "$sum"
    rm -f "$H/vivarium.db-wal" "$H/vivarium.db-shm"
done
: >"$H/vivarium.db"
refused 5 "holds no event log" queue list
cp "$SCRATCH/db" "$H/vivarium.db"
rm "$H/vivarium.db"
refused 5 "vivarium.db" queue list
cp "$SCRATCH/db" "$H/vivarium.db"
echo nonsense >"$H/home.json"
refused 5 "home.json" queue list
cp "$SCRATCH/home.json" "$H/home.json"
read_well "after all was put back"

story "a project whose name is not UTF-8"
odd=$SCRATCH/$'caf\xe9'
mkdir "$odd"
(cd "$odd" && "$VIVHOST" init) >"$SCRATCH/out" 2>"$SCRATCH/err"
same "exit code of init in it" $? 1
said "is not UTF-8 and could not be recorded; rename it"
refute "a home was made" test -e "$odd/.vivarium"

story "modes"
same "files that others can read" "$(find "$P/.vivarium" -maxdepth 1 -type f -perm /077)" ""

story "doctor"
viv doctor -C "$P"
expect_code 0 "doctor"
! on_plain_copies "$P" || said "chmod, install and 'git init' fail there"
for row in git kernel home sandbox plugins log policy; do
    expect "doctor has no row '$row'" grep -q "^$row " "$SCRATCH/out"
done
said "chain unbroken"
viv_no_git() { PATH=$SCRATCH/nothing "$VIVHOST" doctor -C "$P" >"$SCRATCH/out" 2>"$SCRATCH/err"; code=$?; }
viv_no_git
expect_code 1 "doctor without git"
expect "doctor names git" /bin/grep -q "^git .*apt-get install git" "$SCRATCH/out"
printf 'version: 1\ngates:\n  needs_qa:\n    - run: [false]\n' >"$P/vivarium.yaml"
viv doctor -C "$P"
said "is not trusted: it only narrows"

story "a policy that cannot be used: doctor says why, trust refuses"
bad='version: 1
commands:
  - {id: no-x, pattern: "x(", verdict: deny, reason: r}'
why="vivarium.yaml line 3: pattern of rule 'no-x'"
for beside in alone "a host"; do
    [ "$beside" = alone ] || viv_begin host work -C "$P"
    [ "$beside" = alone ] || until_true "a host" test -S "$P/.vivarium/host.sock"
    printf '%s\n' "$bad" >"$P/vivarium.yaml"
    viv doctor -C "$P"
    expect_code 1 "doctor, $beside"
    expect "doctor's row, $beside" grep -q "^policy *missing .*$why" "$SCRATCH/out"
    viv trust -C "$P"
    expect_code 1 "trust, $beside"
    said "not trusted, it cannot be used: plugin 'viv.safety_policy'"
    said "$why"
    viv trust --show --json -C "$P"
    said '"state":"not trusted"'
    printf 'version: 1\n' >"$P/vivarium.yaml"
    viv trust -C "$P"
    expect_code 0 "trust of a good one, $beside"
done
kill -INT "$pid_host"
viv_end host
rm "$P/vivarium.yaml"

story "a policy that grants and is not trusted"
printf 'version: 1\napprovals: {results: auto}\n' >"$P/vivarium.yaml"
viv run "under it" -C "$P" -- true
expect_code 4 "run"
said "grants, and a project's policy may only narrow; read it and run 'vivhost trust'"
viv doctor -C "$P"
expect_code 1 "doctor before trust"
expect "doctor's row before trust" grep -q "^policy *missing .*'approvals' grants" "$SCRATCH/out"
refute "a home that is somebody else's" grep -q "^home *missing" "$SCRATCH/out"
viv trust -C "$P"
expect_code 0 "trust"
viv run "under it" -C "$P" -- true
expect_code 0 "run after trust"
viv doctor -C "$P"
expect_code 0 "doctor after trust"
rm "$P/vivarium.yaml"
flow_end

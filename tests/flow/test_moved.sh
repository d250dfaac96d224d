# SPDX-License-Identifier: Apache-2.0
# Projects that are moved or copied with their home. Without this test: a moved project could lose its tasks or work on
# whatever lies at the old place now, and two copies of one home could publish against each other.
. "$(dirname "$0")/lib.sh"
flow_begin
user_policy "branch: follow"

for kind in repo plain; do
    story "$kind: moved"
    A=$SCRATCH/$kind.first
    N=$SCRATCH/$kind.second
    [ $kind = repo ] && make_repo "$A" || make_files "$A"
    "$VIVHOST" init "$A" >/dev/null
    viv run "one" --id one -C "$A" -- sh -c 'echo made >made.txt'
    expect_code 0 "a task before the move"
    viv submit "waits" --id waiting -C "$A" -- sh -c 'echo waited >waited.txt'
    mv "$A" "$N"
    flow_homes+=("$N")
    for command in "queue list" "run goal" "work --drain" "log show" "backup $SCRATCH/$kind.backup"; do
        # shellcheck disable=SC2086
        viv $command -C "$N"
        expect_code 4 "'$command' in a moved home"
        said "was in '$A' before; nothing in it runs or grants; 'vivhost trust --home' takes it along, with its tasks"
    done
    # Something else lies at the old place by now, and stays as it is.
    mkdir "$A" && echo theirs >"$A/made.txt"
    viv trust --home -C "$N"
    expect_code 0 "trust at the new place"
    viv work --drain -C "$N"
    expect_code 0 "work after the move"
    same "the task that waited" "$(state_of "$N" waiting)" ready
    expect "its file in the new place" test -e "$N/waited.txt"
    viv rollback one -C "$N"
    expect_code 0 "a task of the old place rolls back"
    refute "its file" test -e "$N/made.txt"
    viv run "more" --id more -C "$N" -- sh -c 'cat waited.txt >more.txt'
    expect_code 0 "a new task sees the old ones"
    expect "its file" test -s "$N/more.txt"
    same "the old place" "$(ls -A "$A") $(cat "$A/made.txt")" "made.txt theirs"
    same "moves in the log" "$("$VIVHOST" log show --json -C "$N" | grep -c '"kind":"home.moved"')" 1
    "$VIVHOST" log show --json -C "$N" | grep '"kind":"home.moved"' >"$SCRATCH/out"
    said "\"from\":\"$A\",\"to\":\"$N\""
    refute "the old place is still known" grep -q "$kind.first" "$HOME/.local/share/vivarium/known.json"

    story "$kind: there and back again"
    rm -rf "$A"
    mv "$N" "$A"
    viv trust --home -C "$A"
    viv rollback waiting -C "$A"
    expect_code 0 "a task of all places rolls back"
    refute "its file" test -e "$A/waited.txt"
    viv rollback more -C "$A"
    expect_code 0 "a task of the other place rolls back"
    mv "$A" "$N"
    viv trust --home -C "$N"

    story "$kind: copied"
    C=$SCRATCH/$kind.copy
    cp -a "$N" "$C"
    for command in "queue list" "run goal" "work --drain" "trust --home"; do
        # shellcheck disable=SC2086
        viv $command -C "$C"
        refute "'$command' in a copy" [ "$code" = 0 ]
        said "home '$C/.vivarium' and that of '$N' are one and the same, and two copies must not act as one"
    done
    viv run "goes on" --id original -C "$N" -- sh -c 'echo x >original.txt'
    expect_code 0 "the original goes on"
    # Both known, as an older program would have left it: neither acts.
    cp "$HOME/.local/share/vivarium/known.json" "$SCRATCH/known"
    python3 - "$HOME/.local/share/vivarium/known.json" "$N" "$C" <<'END'
import json, sys
path, one, two = sys.argv[1:]
known = json.load(open(path))
known["homes"][two] = known["homes"][one]
open(path, "w").write(json.dumps(known, sort_keys=True, separators=(",", ":")))
END
    for place in "$N" "$C"; do
        viv queue list -C "$place"
        expect_code 4 "one of two homes in $place"
        said "are one and the same"
    done
    cp "$SCRATCH/known" "$HOME/.local/share/vivarium/known.json"
    # The original gives way: the copy may go on, and the original is the copy now.
    mv "$N/.vivarium" "$SCRATCH/$kind.away"
    viv trust --home -C "$C"
    expect_code 0 "the copy goes on alone"
    viv run "goes on" --id copy -C "$C" -- sh -c 'echo x >copy.txt'
    expect_code 0 "a task of the copy"
    flow_homes+=("$C")
    mv "$SCRATCH/$kind.away" "$N/.vivarium"
    viv queue list -C "$N"
    expect_code 4 "the original afterwards"
    # Or it begins anew.
    rm -rf "$N/.vivarium"
    viv init "$N"
    expect_code 0 "a home of its own"
    viv run "begins" --id begins -C "$N" -- sh -c 'echo x >begins.txt'
    expect_code 0 "a task of its own"

    story "$kind: restored elsewhere"
    viv backup "$SCRATCH/$kind.backup" -C "$C"
    expect_code 0 "backup"
    W=$SCRATCH/$kind.elsewhere
    cp -a "$C" "$W" && rm -rf "$W/.vivarium" && rm -rf "$C"
    flow_homes=("${flow_homes[@]/$C/$W}")
    viv restore "$SCRATCH/$kind.backup" -C "$W"
    expect_code 0 "restore in another folder"
    viv rollback copy -C "$W"
    expect_code 0 "its tasks follow"
    refute "its file" test -e "$W/copy.txt"
done

story "one folder by two names is one home"
if [ "$(id -u)" -eq 0 ] && unshare -m true 2>/dev/null; then
    mkdir "$SCRATCH/bound"
    cat >"$SCRATCH/bound.sh" <<END
. "$FLOW/lib.sh"
SCRATCH=$SCRATCH flow_story="one folder by two names is one home"
mount --bind "$SCRATCH/repo.elsewhere" "$SCRATCH/bound" || exit 9
viv trust --home -C "$SCRATCH/bound"
expect_code 0 "trust by the second name"
viv queue list -C "$SCRATCH/bound"
expect_code 0 "the second name"
viv queue list -C "$SCRATCH/repo.elsewhere"
expect_code 0 "the first name"
exit \$flow_failures
END
    unshare -m --propagation private bash "$SCRATCH/bound.sh"
    same "failures by two names" $? 0
fi
flow_end

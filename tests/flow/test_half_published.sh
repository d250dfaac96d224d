# SPDX-License-Identifier: Apache-2.0
# A git that is killed between the renames of its two references. Without this test: the line had the result and nobody
# knew, the task was merged and published a second time, and its rollback took back the empty second commit only.
. "$(dirname "$0")/lib.sh"
flow_begin

# half NAME LOCK OTHER: a task whose line moved and whose name was not made; LOCK leaves git's lock behind, OTHER lets
# another task publish before it is taken up again.
half() {
    local P=$SCRATCH/$1 line
    make_repo "$P"
    make_home "$P"
    viv run "first" --id first -C "$P" -- sh -c 'echo 1 >a.txt'
    expect_code 0 "a task before"
    VIV_CRASH_AT=line.before viv run "write a note" --id note -C "$P" -- sh -c 'echo 10 >note.txt'
    refute "the host got past the crash" test "$code" = 0
    git -C "$P" update-ref refs/viv/line/main refs/viv/held/note
    if [ "$2" = lock ]; then
        mkdir -p "$P/.git/refs/heads/viv" && : >"$P/.git/refs/heads/viv/note.lock"
    fi
    if [ "$3" = other ]; then
        viv run "other" --id other -C "$P" -- sh -c 'echo 2 >b.txt'
        expect_code 0 "a task beside it"
    fi
    viv work --drain -C "$P"
    expect_code 0 "the rest of the work"
    same "the task" "$(state_of "$P" note)" ready
    line=$(git -C "$P" log --format='%(trailers:key=Viv-Effect,valueonly)' refs/viv/line/main | grep -c '^note/')
    same "times that the result is on the line" "$line" 1
    same "what its name names" "$(git -C "$P" rev-parse viv/note)" "$(field "$P" note published)"
    expect "the first one's file is on the line" git -C "$P" cat-file -e refs/viv/line/main:a.txt
    [ "$3" != other ] || expect "the other's file is on the line" git -C "$P" cat-file -e refs/viv/line/main:b.txt
    viv rollback note -C "$P"
    expect_code 0 "the rollback"
    refute "its file is still on the line" git -C "$P" cat-file -e refs/viv/line/main:note.txt
    expect "the first one's file is still there" git -C "$P" cat-file -e refs/viv/line/main:a.txt
}

for lock in nolock lock; do
    for other in alone other; do
        story "$lock, $other"
        half "$lock-$other" $lock $other
    done
done
flow_end

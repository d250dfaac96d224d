# SPDX-License-Identifier: Apache-2.0
# A person edits files while tasks work on the same checkout. Without this test: a task's commit could carry the
# person's half-done work, the person's edits could be overwritten or staged, or one rollback could take another task's
# work with it.
. "$(dirname "$0")/lib.sh"
flow_begin

# add FILE WORD: the words of a command that stops itself until the test lets it go on, then adds a line.
at_once() {
    printf ': %s; kill -STOP $$; echo "by %s" >> %s' "$1" "$1" "$2"
}

commit_of() {
    git -C "$P" rev-parse --verify -q "viv/$1"
}

files_of() {
    git -C "$P" diff-tree --no-commit-id --name-only -r "$1" | tr '\n' ' '
}

# Every tree that a gate's verdict names is one that git knows.
gates_name_trees() {
    local tree count=0
    while read -r tree; do
        count=$((count + 1))
        same "object of a gate's verdict in $1" "$(git -C "$P" cat-file -t "$tree" 2>&1)" tree
    done < <(events "$P" "$1" gate.answered tree)
    [ "$count" -ge 3 ] || fail "$count verdicts of gates, expected three stages"
}

edit_by_hand() {
    echo "by hand" >>"$P/three.txt"
    echo "new by hand" >"$P/mine.txt"
    printf 'two\n2\nby hand, before\n' >"$SCRATCH/unused"
}

check_hand_edits() {
    same "the hand edit" "$(tail -n 1 "$P/three.txt")" "by hand"
    same "the new file by hand" "$(cat "$P/mine.txt")" "new by hand"
    same "what git says is not committed" "$(git -C "$P" status --short | tr '\n' '|')" " M three.txt|?? mine.txt|"
    expect "something is staged" git -C "$P" diff --cached --quiet
    same "the ignored file" "$(cat "$P/secret.txt")" "hidden word"
}

# Two tasks, two commits; the branch follows or stays.
check_two() {
    local first=$1 second=$2 follow=$3
    same "state of the first" "$(state_of "$P" "$first")" ready
    same "state of the second" "$(state_of "$P" "$second")" ready
    same "files of the first commit" "$(files_of "viv/$first")" "one.txt "
    same "files of the second commit" "$(files_of "viv/$second")" "two.txt "
    gates_name_trees "$first"
    gates_name_trees "$second"
    same "trailer" "$(git -C "$P" log -1 --format='%(trailers:key=Viv-Task,valueonly)' "viv/$first" | head -n 1)" "$first"
    expect "the checkout is not on its branch" git -C "$P" symbolic-ref -q HEAD
    if [ "$follow" = follow ]; then
        same "the first file" "$(tail -n 1 "$P/one.txt")" "by FIRST$follow"
        same "the second file" "$(tail -n 1 "$P/two.txt")" "by SECOND$follow"
        same "commits of the branch" "$(git -C "$P" rev-list --count HEAD)" 3
    else
        same "the first file" "$(tail -n 1 "$P/one.txt")" 1
        same "the second file" "$(tail -n 1 "$P/two.txt")" 2
        same "commits of the branch" "$(git -C "$P" rev-list --count HEAD)" 1
    fi
    check_hand_edits
}

two_at_once() {
    local follow=$1 first second
    P=$SCRATCH/two-$follow
    make_repo "$P"
    make_home "$P"
    user_policy "branch: $follow"
    echo "a dirty edit" >"$P/mine.txt"
    viv_begin a run "first" -C "$P" -- sh -c "$(at_once "FIRST$follow" one.txt)"
    await_stopped "FIRST$follow" && local one=$stopped_pid
    viv_begin b run "second" -C "$P" -- sh -c "$(at_once "SECOND$follow" two.txt)"
    await_stopped "SECOND$follow" && local two=$stopped_pid
    same "live workers" "$("$VIVHOST" workers -C "$P" | grep -vc idle)" 2
    edit_by_hand
    kill -CONT "$two" "$one"
    viv_end b
    expect_code 0 "the second run"
    second=$(last_task)
    viv_end a
    expect_code 0 "the first run"
    first=$(last_task)
    check_two "$first" "$second" "$follow"

    viv rollback "$first" -C "$P"
    expect_code 0 "rollback"
    same "state after the rollback" "$(state_of "$P" "$first")" rolled_back
    if [ "$follow" = follow ]; then
        same "the file rolled back" "$(tail -n 1 "$P/one.txt")" 1
        same "the other task's file" "$(tail -n 1 "$P/two.txt")" "by SECOND$follow"
    fi
    local line="refs/viv/line/main"
    same "one.txt on the line" "$(git -C "$P" show "$line:one.txt" | tail -n 1)" 1
    same "two.txt on the line" "$(git -C "$P" show "$line:two.txt" | tail -n 1)" "by SECOND$follow"
    check_hand_edits
}

story "two runs at once on a dirty checkout, the branch follows"
two_at_once follow
story "two runs at once on a dirty checkout, the branch stays"
two_at_once stay

story "two workers of one 'work'"
P=$SCRATCH/work
make_repo "$P"
make_home "$P"
user_policy "branch: follow"
echo "by hand" >>"$P/three.txt"
echo "new by hand" >"$P/mine.txt"
viv submit "first" --id tfirst -C "$P" -- sh -c "$(at_once FIRSTfollow one.txt)"
expect_code 0 "submit"
viv submit "second" --id tsecond -C "$P" -- sh -c "$(at_once SECONDfollow two.txt)"
viv_begin w work --workers 2 --drain -C "$P"
await_stopped FIRSTfollow && one=$stopped_pid
await_stopped SECONDfollow && two=$stopped_pid
kill -CONT "$one" "$two"
viv_end w
expect_code 0 "work --drain"
check_two tfirst tsecond follow

flow_end

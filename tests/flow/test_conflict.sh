# SPDX-License-Identifier: Apache-2.0
# A person edits the very file that a task changes. Without this test: the person's words could be overwritten, the
# task's could be lost, or the question could never be answered. In a repository and in a plain folder.
. "$(dirname "$0")/lib.sh"
flow_begin
user_policy "branch: follow"

# A task that changes one.txt, while the person writes TEXT to it.
meet() {
    local mark=$1
    viv_begin a run "change one" -C "$P" -- sh -c ": $mark; kill -STOP \$\$; echo 'by the task' >> one.txt"
    await_stopped "$mark"
    printf 'one\n1\nby hand\n' >"$P/one.txt"
    kill -CONT "$stopped_pid"
    viv_end a
    expect_code 3 "a run that ends at a person"
    task=$(last_task)
    same "state" "$(state_of "$P" "$task")" awaiting_approval
    same "what the person wrote" "$(cat "$P/one.txt")" "$(printf 'one\n1\nby hand')"
}

# The git directory that the inbox names, and for the task's version the repository, when there is one.
kept_git() {
    git --git-dir="$(sed -nE 's/^  git --git-dir=(.*) cat-file.*/\1/p' "$SCRATCH/out" | head -n 1)" "$@"
}

task_git() {
    if [ -d "$P/.git" ]; then
        git -C "$P" "$@"
    else
        kept_git "$@"
    fi
}

# The inbox names the file and both versions, and git can show them.
check_inbox() {
    viv inbox -C "$P"
    expect_code 0 inbox
    said "$task"
    said "conflict"
    said "one.txt"
    local ours theirs
    ours=$(sed -nE 's/.*one\.txt.* yours ([0-9a-f]{40}).*/\1/p' "$SCRATCH/out")
    theirs=$(sed -nE 's/.*one\.txt.* the task.s ([0-9a-f]{40}).*/\1/p' "$SCRATCH/out")
    same "the person's version" "$(kept_git cat-file blob "$ours" 2>&1)" "$(printf 'one\n1\nby hand')"
    same "the task's version" "$(task_git cat-file blob "$theirs" 2>&1)" "$(printf 'one\n1\nby the task')"
    viv inbox -C "$P" --json
    expect "the inbox as JSON has both" grep -q "\"theirs\":\"$theirs\"" "$SCRATCH/out"
}

approve_and_work() {
    viv task approve "$task" -C "$P"
    expect_code 0 approve
    viv work --drain -C "$P"
    expect_code 0 "work --drain"
}

# The files are compared before the line moves; what is written after that is left alone, and said.
late() {
    local kind=$1
    story "$kind: an edit after the line has the result"
    VIV_CRASH_AT=publish.after-line viv run "change two" --id late -C "$P" -- sh -c "echo 'by the task' >>two.txt"
    expect_code 137 "a host that dies there"
    echo "by hand" >"$P/two.txt"
    viv work --drain -C "$P"
    expect_code 0 "the next host"
    same "state" "$(state_of "$P" late)" ready
    same "what the person wrote" "$(cat "$P/two.txt")" "by hand"
    viv task follow late -C "$P"
    said "your branch and files were left alone: 'two.txt' was changed by hand"
    viv rollback late -C "$P"
    expect_code 0 "rollback"
    same "what the person wrote" "$(cat "$P/two.txt")" "by hand"
    same "state" "$(state_of "$P" late)" rolled_back
}

all_stories() {
    local kind=$1
    story "$kind: both versions are in the inbox, nothing is overwritten"
    meet "${kind}A"
    check_inbox
    story "$kind: approved without a change, the question comes again"
    approve_and_work
    same "state" "$(state_of "$P" "$task")" awaiting_approval
    same "what the person wrote" "$(tail -n 1 "$P/one.txt")" "by hand"
    story "$kind: the person takes the edit back and approves"
    printf 'one\n1\n' >"$P/one.txt"
    approve_and_work
    same "state" "$(state_of "$P" "$task")" ready
    same "the file" "$(tail -n 1 "$P/one.txt")" "by the task"
    viv rollback "$task" -C "$P"
    expect_code 0 rollback
    same "the file rolled back" "$(tail -n 1 "$P/one.txt")" 1

    story "$kind: rejected, the task fails and nothing changes"
    meet "${kind}B"
    viv task reject "$task" --note "mine is better" -C "$P"
    expect_code 0 reject
    viv work --drain -C "$P"
    same "state" "$(state_of "$P" "$task")" failed
    cost=$(field "$P" "$task" cost_micro)
    [ "${cost:-0}" -gt 0 ] && [ "$cost" -lt 20000 ] || fail "a rejected conflict cost $cost, allowed 1 to 20000 of 61000"
    same "what the person wrote" "$(tail -n 1 "$P/one.txt")" "by hand"
    expect "the reason is kept" grep -q "mine is better" <("$VIVHOST" log show --task "$task" -C "$P")
    printf 'one\n1\n' >"$P/one.txt"
}

P=$SCRATCH/repo
make_repo "$P"
make_home "$P"
all_stories repository

story "repository: the person commits the edit, and what can be merged is"
viv_begin a run "change one" -C "$P" -- sh -c ": GITC; kill -STOP \$\$; echo 'by the task' >> one.txt"
await_stopped GITC
echo "by hand" >>"$P/two.txt"
git -C "$P" commit -qam "by hand"
kill -CONT "$stopped_pid"
viv_end a
expect_code 0 "a run beside a commit by hand"
task=$(last_task)
same "state" "$(state_of "$P" "$task")" ready
same "the task's file" "$(tail -n 1 "$P/one.txt")" "by the task"
same "the person's file" "$(tail -n 1 "$P/two.txt")" "by hand"
same "git's status" "$(git -C "$P" status --short)" ""

story "repository: the person commits the same lines, and then merges by hand"
viv_begin a run "change one" -C "$P" -- sh -c ": GITD; kill -STOP \$\$; echo 'again' >> one.txt"
await_stopped GITD
echo "by hand" >>"$P/one.txt"
git -C "$P" commit -qam "by hand"
kill -CONT "$stopped_pid"
viv_end a
expect_code 3 "a run against the same lines"
task=$(last_task)
viv inbox -C "$P"
said "one.txt"
same "the file" "$(tail -n 1 "$P/one.txt")" "by hand"
git -C "$P" merge -q "$(field "$P" "$task" commit)" >/dev/null 2>&1
printf 'one\n1\nby the task\nagain\nby hand\n' >"$P/one.txt"
git -C "$P" commit -qam "both"
approve_and_work
same "state" "$(state_of "$P" "$task")" ready
same "the file" "$(cat "$P/one.txt")" "$(printf 'one\n1\nby the task\nagain\nby hand')"
same "git's status" "$(git -C "$P" status --short)" ""
late repository

P=$SCRATCH/folder
mkdir "$P" && make_files "$P"
make_home "$P"
all_stories folder
late folder

flow_end

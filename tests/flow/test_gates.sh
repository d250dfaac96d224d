# SPDX-License-Identifier: Apache-2.0
# Gates decide what is good enough. Without this test: work that failed a check could be published, reasons could be lost
# on the way to the next attempt, a gate that broke could count as passed, or what a gate writes could slip into the
# result.
. "$(dirname "$0")/lib.sh"
flow_begin
user_policy "branch: follow"
P=$SCRATCH/repo
make_repo "$P"
make_home "$P"
echo '! grep -rq dirt --include=*.txt .' >"$P/no-dirt.sh"
echo 'if [ "$VIV_ATTEMPT" = 1 ]; then echo bad; else echo good-word; fi >two.txt' >"$P/by-attempt.sh"
echo 'test "$(cat *.txt | grep -c both)" -lt 2' >"$P/once.sh"

gates() {
    printf 'version: 1\nbranch: follow\ngates:\n%s\n' "$1" >"$P/vivarium.yaml"
    git -C "$P" add -A
    git -C "$P" diff --cached --quiet || git -C "$P" commit -qm "gates"
    viv trust -C "$P"
    expect_code 0 trust
}

outcomes() {
    events "$P" "$1" gate.answered outcome | tr '\n' ' '
}

story "passed: each stage judges the tree that is published, and what gates write is gone"
gates "  needs_qa: [{run: 'echo dirt >> three.txt; touch made-by-gate; grep -rq new-word --include=*.txt .'}]
  integration: [{run: [grep, -rq, new-word, '--include=*.txt', .]}]
  e2e: [{run: 'test ! -e made-by-gate'}, {run: [sh, ./no-dirt.sh]}]"
viv run "add a word to two.txt" -C "$P" -- sh -c 'echo new-word >> two.txt'
expect_code 0 "a run that passes"
task=$(last_task)
same "verdicts" "$(outcomes "$task")" "passed passed passed "
same "changed paths" "$(git -C "$P" diff-tree --no-commit-id --name-only -r "viv/$task")" two.txt
same "git's status" "$(git -C "$P" status --short)" ""
tree=$(git -C "$P" rev-parse "viv/$task^{tree}")
same "judged trees" "$(events "$P" "$task" gate.answered tree | sort -u)" "$tree"

story "fails, and the next attempt with the reasons succeeds"
gates "  needs_qa: [{run: 'echo the check says: not good; grep -rq good-word --include=*.txt .'}]"
viv run "write the word to two.txt" -C "$P" -- sh ./by-attempt.sh
expect_code 0 "a run whose second attempt passes"
task=$(last_task)
same "verdicts" "$(outcomes "$task")" "failed passed not_configured not_configured "
same "attempt" "$(field "$P" "$task" attempt)" 2
same "the file" "$(cat "$P/two.txt")" good-word
same "reasons of the next attempt" "$(events "$P" "$task" task.rejected reasons | grep -c "the check says: not good")" 1
viv task show "$task" -C "$P"
said "the check says: not good"

story "fails for good, and nothing is published"
git -C "$P" checkout -q HEAD^ -- two.txt && git -C "$P" commit -qm "back"
before=$(git -C "$P" rev-parse HEAD)
viv run "write a bad word to two.txt" --attempts 2 -C "$P" -- sh -c 'echo bad > two.txt'
expect_code 1 "a run whose attempts are used up"
task=$(last_task)
same "verdicts" "$(outcomes "$task")" "failed failed "
same "state" "$(state_of "$P" "$task")" failed
same "the branch" "$(git -C "$P" rev-parse HEAD)" "$before"
refute "a branch names a failed result" git -C "$P" rev-parse -q --verify "viv/$task"
refute "the file was written" grep -q bad "$P/two.txt"

inconclusive() {
    viv run "write $1 to two.txt" -C "$P" -- sh -c "echo $1 > two.txt"
    expect_code 3 "a run with a gate that cannot tell: $1"
    task=$(last_task)
    same "verdicts" "$(outcomes "$task")" "inconclusive "
    same "attempt" "$(field "$P" "$task" attempt)" 1
    same "state" "$(state_of "$P" "$task")" awaiting_approval
    viv inbox -C "$P"
    said "gate-inconclusive"
}

story "a gate whose command is missing or denied cannot tell: a person decides"
gates "  needs_qa: [{run: [no-such-program-here]}]"
inconclusive missing
approve_all "$P" "$task"
same "state" "$(state_of "$P" "$task")" ready
same "the file" "$(cat "$P/two.txt")" missing
gates "  needs_qa: [{run: [sudo, true]}]"
inconclusive denied
viv task reject "$task" -C "$P"
viv work --drain -C "$P"
same "state" "$(state_of "$P" "$task")" failed
same "the file" "$(cat "$P/two.txt")" missing

story "a gate that hangs is ended by its time limit and has failed"
gates "  needs_qa: [{run: 'cat /dev/zero > /dev/null', timeout: 1s}]"
viv run "write hang to two.txt" --attempts 1 -C "$P" -- sh -c 'echo hang > two.txt'
expect_code 1 "a run with a gate that hangs"
task=$(last_task)
same "verdicts" "$(outcomes "$task")" "failed "
viv task show "$task" -C "$P"
said "time"

story "the line moved between: integration judges the merged tree"
gates "  integration: [{run: [sh, ./once.sh]}]"
viv_begin a run "add both to one.txt" -C "$P" -- sh -c ': MERGEA; kill -STOP $$; echo both >> one.txt'
await_stopped MERGEA && one=$stopped_pid
viv_begin b run "add both to two.txt" --attempts 1 -C "$P" -- sh -c ': MERGEB; kill -STOP $$; echo both >> two.txt'
await_stopped MERGEB && two=$stopped_pid
kill -CONT "$one"
until_true "the first result" grep -q ' ready, cost' "$SCRATCH/a.err"
kill -CONT "$two"
viv_end b
expect_code 1 "each alone passes, both together do not"
second=$(last_task)
viv_end a
expect_code 0 "the first"
first=$(last_task)
same "verdicts of the first" "$(outcomes "$first")" "not_configured passed not_configured "
same "verdicts of the second" "$(outcomes "$second")" "not_configured failed "
merged=$(events "$P" "$second" gate.answered tree | tail -n 1)
same "the merged tree" "$(git -C "$P" cat-file blob "$merged:one.txt" | tail -n 1)" both
same "the merged tree" "$(git -C "$P" cat-file blob "$merged:two.txt" | tail -n 1)" both

story "a reason of several lines is shown in its lines"
gates "  needs_qa: [{run: 'echo first; echo second; exit 1'}]"
viv run "write a word to two.txt
and nothing more" --attempts 1 -C "$P" -- sh -c 'echo more >> two.txt'
expect_code 1 "a run that a check rejects"
expect "the reason in the run's words" grep -qzF "      failed with exit code 1
        first
        second
" "$SCRATCH/err"
viv task show "$(last_task)" -C "$P"
expect "the goal" grep -qzF "write a word to two.txt
              and nothing more
" "$SCRATCH/out"
expect "the reason" grep -qzF "failed with exit code 1
              first
              second
" "$SCRATCH/out"
refute "a question mark for a line's end" grep -qF '?' "$SCRATCH/out" "$SCRATCH/err"

flow_end

# SPDX-License-Identifier: Apache-2.0
# Rollback of a task that began on uncommitted work. Without this test: what a person wrote and had not committed was
# taken back with the task, and was in no file any more.
. "$(dirname "$0")/lib.sh"
flow_begin
P=$SCRATCH/project
make_repo "$P"
make_home "$P"
mkdir -p "$HOME/.config/vivarium" && printf 'version: 1\nbranch: follow\n' >"$HOME/.config/vivarium/policy.yaml"

story "a new file and an edited one"
echo "my notes" >"$P/mine.txt"
sed -i '1s/.*/by hand/' "$P/two.txt"
viv run "append" --id fresh -C "$P" -- sh -c 'echo by the task >>mine.txt'
expect_code 0 "a task on a file that is not tracked"
viv run "append" --id edited -C "$P" -- sh -c 'echo by the task >>two.txt'
expect_code 0 "a task on an edited file"
said "its commit takes along what you had not committed in 'two.txt'"
for task in edited fresh; do
    viv rollback $task -C "$P"
    expect_code 0 "a rollback on a file with uncommitted work"
    said "what you had not committed is back in 1 file"
    same "the state" "$(state_of "$P" $task)" rolled_back
done
same "the new file" "$(cat "$P/mine.txt")" "my notes"
same "the edited file" "$(head -n 1 "$P/two.txt"; grep -c task "$P/two.txt")" "by hand
0"
same "what git says" "$(git -C "$P" status --porcelain -- mine.txt two.txt)" " M two.txt
?? mine.txt"

story "deleted by hand, made again by the task"
rm "$P/two.txt"
viv run "write" --id again -C "$P" -- sh -c 'echo by the task >two.txt'
viv rollback again -C "$P"
expect_code 0 "a rollback of a file that had been deleted"
same "what git says" "$(git -C "$P" status --porcelain -- two.txt)" " D two.txt"
git -C "$P" checkout -q two.txt

story "two tasks on one file that was being edited: undoing one keeps the other"
seq 20 >"$P/lines.txt" && git -C "$P" add lines.txt && git -C "$P" commit -qm lines
sed -i '10s/.*/by hand/' "$P/lines.txt"
viv_begin a run "first" --id top -C "$P" -- sh -c ": TOPA; kill -STOP \$\$; sed -i '1s/.*/top/' lines.txt"
viv_begin b run "second" --id bottom -C "$P" -- sh -c ": BOTB; kill -STOP \$\$; sed -i '20s/.*/bottom/' lines.txt"
await_stopped TOPA
first=$stopped_pid
await_stopped BOTB
kill -CONT "$first"
is_ready() { [ "$(state_of "$P" "$1")" = ready ]; }
until_true "the first to be ready" is_ready top
kill -CONT "$stopped_pid"
viv_end a
expect_code 0 "the first"
viv_end b
expect_code 0 "the second"
same "both and the person's" "$(sed -n '1p;10p;20p' "$P/lines.txt" | tr '\n' ' ')" "top by hand bottom "
viv rollback bottom -C "$P"
expect_code 0 "rollback of the second"
same "the first and the person's" "$(sed -n '1p;10p;20p' "$P/lines.txt" | tr '\n' ' ')" "top by hand 20 "
same "what git says" "$(git -C "$P" status --porcelain -- lines.txt)" ""
viv rollback top -C "$P"
expect_code 0 "rollback of the first"
same "the person's" "$(sed -n '1p;10p;20p' "$P/lines.txt" | tr '\n' ' ')" "1 by hand 20 "
same "what git says" "$(git -C "$P" status --porcelain -- lines.txt)" " M lines.txt"
git -C "$P" checkout -q lines.txt

story "edited once more since"
sed -i '1s/.*/by hand/' "$P/two.txt"
viv run "append" --id since -C "$P" -- sh -c 'echo by the task >>two.txt'
echo "more by hand" >>"$P/two.txt"
viv rollback since -C "$P"
expect_code 1 "a rollback of a file that was edited since"
said "'two.txt' was changed by hand"
same "the edited file" "$(tail -n 1 "$P/two.txt")" "more by hand"
git -C "$P" checkout -q two.txt

story "a branch that was renamed"
git -C "$P" branch -m main trunk
viv run "append" --id renamed -C "$P" -- sh -c 'echo by the task >>one.txt'
git -C "$P" branch -m trunk other
viv rollback renamed -C "$P"
expect_code 0 "a rollback when its branch has another name now"
said "still on 'other'; to undo it there too: git cherry-pick"
git -C "$P" cherry-pick -n "$(field "$P" renamed rollback_commit)" || fail "what it says does not work"
refute "what the task wrote" grep -q task "$P/one.txt"
git -C "$P" commit -qm undone && git -C "$P" branch -m other main

story "a result that was thrown away"
viv run "append" --id thrown -C "$P" -- sh -c 'echo thrown >>one.txt'
git -C "$P" reset -q --hard HEAD~1
viv run "append" --id after -C "$P" -- sh -c 'echo by the task >>two.txt'
said "stands on ready work that branch 'main' does not have"
same "the result that is back" "$(tail -n 1 "$P/one.txt")" thrown
viv rollback thrown -C "$P"
expect_code 0 "a rollback of what had been thrown away"
refute "what was thrown away" grep -q thrown "$P/one.txt"

story "beside uncommitted work"
echo "more by hand" >>"$P/three.txt"
viv run "append" --id beside -C "$P" -- sh -c 'echo by the task >>one.txt'
viv rollback beside -C "$P"
expect_code 0 "a rollback beside uncommitted work"
refute "what the task wrote" grep -q task "$P/one.txt"
same "what the person wrote" "$(tail -n 1 "$P/three.txt")" "more by hand"
flow_end

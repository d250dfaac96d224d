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
for task in fresh edited; do
    viv rollback $task -C "$P"
    expect_code 1 "a rollback that would lose what a person wrote"
    said "held uncommitted work of yours when the task began, which a rollback would lose"
    same "the state" "$(state_of "$P" $task)" ready
done
same "the new file" "$(head -n 1 "$P/mine.txt")" "my notes"
same "the edited file" "$(head -n 1 "$P/two.txt")" "by hand"

story "beside uncommitted work"
echo "more by hand" >>"$P/three.txt"
viv run "append" --id beside -C "$P" -- sh -c 'echo by the task >>one.txt'
viv rollback beside -C "$P"
expect_code 0 "a rollback beside uncommitted work"
refute "what the task wrote" grep -q task "$P/one.txt"
same "what the person wrote" "$(tail -n 1 "$P/three.txt")" "more by hand"
flow_end

# SPDX-License-Identifier: Apache-2.0
# A task can be limited to one folder beneath its target. Without this test: a plain folder that is too large could not
# be worked in at all though the refusal names an option; a task told to keep to one folder could publish a change
# elsewhere; a scope could lead out of the project by '..' or a link; a step of a plan or a queue file could lose it.
. "$(dirname "$0")/lib.sh"
flow_begin
user_policy "branch: follow"

# refused CODE WORDS... -- ARGUMENTS: the command ends with CODE and says the words.
refused() {
    local want=$1 words=()
    shift
    while [ "$1" != -- ]; do
        words+=("$1")
        shift
    done
    shift
    viv "$@"
    expect_code "$want" "$*"
    for word in ${words[@]+"${words[@]}"}; do
        said "$word"
    done
}

scope_of() {
    field "$1" "$2" scope
}

# ---- a plain folder that is too large as a whole ----

story "a plain folder too large to read"
P=$SCRATCH/large
mkdir -p "$P/small/in" "$P/big" "$P/none"
(cd "$P/big" && seq 50001 | xargs touch)
printf 'one\n' >"$P/small/one.txt"
printf 'two\n' >"$P/small/in/two.txt"
printf 'top\n' >"$P/top.txt"
make_home "$P"
refused 1 "50001 files or more to copy" "allowed 50000" "--scope DIR" -- run "anything" -C "$P" -- true

story "with a scope it is worked in"
viv run "look around" --scope ./small/ -C "$P" -- sh -c 'find . -type f ! -path "./.git/*" | sort >small/seen.txt; pwd >>small/seen.txt; cat small/one.txt >>small/in/two.txt'
expect_code 0 "a run with a scope"
task=$(last_task)
same "state" "$(state_of "$P" "$task")" ready
same "scope" "$(scope_of "$P" "$task")" small
same "what it saw" "$(grep -c top.txt "$P/small/seen.txt")" 0
expect "its own files at their place" grep -qx ./small/in/two.txt "$P/small/seen.txt"
same "the result" "$(cat "$P/small/in/two.txt")" "$(printf 'two\none')"
viv task show "$task" -C "$P"
said "scope       small"
same "the event" "$(events "$P" "$task" task.submitted scope)" small

story "a result outside is refused"
viv run "write outside" --scope small --attempts 1 -C "$P" -- sh -c 'echo x >small/fine.txt; echo x >top.txt; echo x >outside.txt'
expect_code 1 "a run that writes outside"
task=$(last_task)
same "state" "$(state_of "$P" "$task")" failed
said "the result touches 'outside.txt', which lies outside the task's scope 'small' (2 path(s) do)"
same "top.txt" "$(cat "$P/top.txt")" top
refute "outside.txt is there" test -e "$P/outside.txt"
refute "fine.txt is there" test -e "$P/small/fine.txt"
viv run "the scope itself" --scope small --attempts 1 -C "$P" -- sh -c 'rm -r small; echo x >small'
expect_code 1 "a run that makes its scope a file"
said "the result touches 'small', which lies outside the task's scope 'small'"
expect "the folder" test -d "$P/small/in"

story "a gate sees the same"
printf 'version: 1\ngates: {needs_qa: [{run: ["sh", "-c", "test -f small/one.txt && ! test -e top.txt"]}]}\n' >"$P/vivarium.yaml"
viv trust -C "$P"
expect_code 0 trust
viv run "change with a gate" --scope small -C "$P" -- sh -c 'echo three >small/three.txt'
expect_code 0 "a run with a gate"
task=$(last_task)
same "the gate" "$(events "$P" "$task" gate.answered outcome | head -n 1)" passed
same "three" "$(cat "$P/small/three.txt")" three

story "rollback"
viv rollback "$task" -C "$P"
expect_code 0 rollback
refute "three.txt is there" test -e "$P/small/three.txt"
expect "the others" test -f "$P/small/seen.txt"
same "top.txt" "$(cat "$P/top.txt")" top

flow_end

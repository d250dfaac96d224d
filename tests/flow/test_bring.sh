# SPDX-License-Identifier: Apache-2.0
# The policy's `bring` shows tasks and gates ignored files of the working tree. Without this test: a gate that needs what
# was built before would fail on every task; a brought file, which nobody committed, could become part of a result; a
# pattern could bring nothing without a word.
. "$(dirname "$0")/lib.sh"
flow_begin
user_policy "branch: follow"

P=$SCRATCH/project
make_repo "$P"
printf 'build/\nsecret*\n*.gen\nnode_modules/\n' >"$P/.gitignore"
git -C "$P" add -A && git -C "$P" commit -qm ignores
mkdir -p "$P/build/deep" "$P/web/a/node_modules/x" "$P/web/b/node_modules" "$P/docs/sub"
echo tool >"$P/build/tool"
echo deep >"$P/build/deep/file"
echo x >"$P/web/a/node_modules/x/index"
echo y >"$P/web/b/node_modules/index"
echo gen >"$P/docs/sub/page.gen"
echo top >"$P/top.gen"
make_home "$P"

# trusted YAML [SCRIPT]: the project's policy, trusted, and what its gates run. A script of the project, since no task may
# change what a gate names.
trusted() {
    printf 'version: 1\n%s\n' "$1" >"$P/vivarium.yaml"
    printf '%s\n' "${2-true}" >"$P/check.sh"
    git -C "$P" add vivarium.yaml check.sh && git -C "$P" commit -qm policy
    viv trust -C "$P"
    expect_code 0 trust
}

story "a gate sees what was brought, at every stage"
GATE='[{run: [sh, check.sh]}]'
trusted "bring: [build/]
gates: {needs_qa: $GATE, integration: $GATE, e2e: $GATE}" 'set -e
test "$(cat build/tool build/deep/file)" = "$(printf "tool\ndeep")"
! test -e build/more && ! test -e build/waste && ! test -e secret.txt
echo waste >build/waste'
viv run "use the tool" -C "$P" -- sh -c 'cat build/tool >new.txt; echo changed >build/tool; rm build/deep/file; echo more >build/more'
expect_code 0 "a run with brought files"
task=$(last_task)
same "the gates" "$(events "$P" "$task" gate.answered outcome | sort | uniq -c | tr -s ' ')" " 3 passed"
same "what the verdicts name" "$(events "$P" "$task" gate.answered tree | sort -u)" "$(git -C "$P" rev-parse "viv/$task^{tree}")"
same "what changed" "$(git -C "$P" diff --name-only "viv/$task^" "viv/$task")" new.txt
same "the person's own" "$(cat "$P/build/tool" "$P/build/deep/file"; ls "$P/build")" "$(printf 'tool\ndeep\ndeep\ntool')"
refute "the repository has what was brought" git -C "$P" cat-file -e "$(git -C "$P" hash-object "$P/build/deep/file")"
refute "the line has it" git -C "$P" cat-file -e "viv/$task:build"

story "nothing is changed: the gates see it all the same"
viv run "only look" -C "$P" -- cat build/tool
expect_code 0 "a run without a change"

story "patterns"
trusted "bring: ['web/*/node_modules', '**/*.gen', 'nothing/*/here', 'missing']
gates: {needs_qa: $GATE}" 'cat web/a/node_modules/x/index web/b/node_modules/index docs/sub/page.gen top.gen && ! test -e build'
viv run "look at the patterns" -C "$P" -- sh -c 'cat web/a/node_modules/x/index docs/sub/page.gen top.gen >seen.txt; ! test -e build'
expect_code 0 "a run with patterns"
task=$(last_task)
same "what it saw" "$(git -C "$P" cat-file blob "viv/$task:seen.txt")" "$(printf 'x\ngen\ntop')"

story "a brought file that is not ignored is no result either"
echo draft >"$P/docs/draft.txt"
trusted "uncommitted: leave
bring: [docs/draft.txt]
gates: {needs_qa: $GATE}" 'test "$(cat docs/draft.txt)" = draft'
viv run "change the draft" -C "$P" -- sh -c 'echo more >>docs/draft.txt; echo z >z.txt'
expect_code 0 "a run that changes a brought file"
task=$(last_task)
same "what changed" "$(git -C "$P" diff --name-only "viv/$task^" "viv/$task")" z.txt
same "the draft" "$(cat "$P/docs/draft.txt")" draft
trusted "bring: [docs]"
viv run "change the draft that is uncommitted work" -C "$P" -- sh -c 'echo more >>docs/draft.txt; echo more >>docs/page.txt'
expect_code 0 "a run that changes uncommitted work"
task=$(last_task)
same "what changed" "$(git -C "$P" diff --name-only "viv/$task^" "viv/$task")" "$(printf 'docs/draft.txt\ndocs/page.txt')"

story "what the result has is not brought over it"
trusted "bring: [build]
gates: {needs_qa: $GATE, integration: $GATE}" 'test "$(cat build/tool)" = "$(if test -f committed.txt; then echo committed; else echo tool; fi)"
cat build/deep/file'
viv_begin a run "work while a person commits" -C "$P" -- sh -c ': COMMIT; kill -STOP $$; echo w >w.txt'
await_stopped COMMIT
echo committed | tee "$P/build/tool" >"$P/committed.txt"
git -C "$P" add -f build/tool committed.txt && git -C "$P" commit -qm "the tool is part of it now"
kill -CONT "$stopped_pid"
viv_end a
expect_code 0 "a run whose brought file was committed meanwhile"
task=$(last_task)
same "the gates" "$(events "$P" "$task" gate.answered outcome | tr '\n' ' ')" "passed passed not_configured "
same "the result" "$(git -C "$P" cat-file blob main:build/tool) $(git -C "$P" cat-file blob main:w.txt)" "committed w"
viv run "now it is not brought" -C "$P" -- sh -c 'cat build/tool >now.txt'
expect_code 0 "a run with a committed file under a brought folder"
same "what it saw" "$(git -C "$P" cat-file blob main:now.txt)" committed

story "what cannot be brought"
for entry in "'**'|would be the whole project" "$(printf 'a/%.0s' $(seq 61))x|has more than 60 parts" "'./x'|must be relative"; do
    trusted "bring: [${entry%|*}]"
    viv run "anything" -C "$P" -- true
    expect_code 1 "a run under a policy that is wrong"
    said "${entry##*|}"
    said "to bring"
done

story "in a plain folder all is there anyway"
P=$SCRATCH/plain
make_files "$P"
mkdir "$P/build" && echo tool >"$P/build/tool"
make_home "$P"
printf 'version: 1\nbring: [build]\ngates: {needs_qa: [{run: [cat, build/tool]}]}\n' >"$P/vivarium.yaml"
viv trust -C "$P"
viv run "look" -C "$P" -- sh -c 'cat build/tool >x'
expect_code 0 "a run in a plain folder"

story "what was decided is decided again"
for project in "${flow_homes[@]}"; do
    viv replay -C "$project"
    expect_code 0 "replay of $project"
done

flow_end

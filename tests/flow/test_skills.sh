# SPDX-License-Identifier: Apache-2.0
# Work by a skill alone. Without this test: the host could be wired to one example, a skill that crashes could take the
# host or half of its work with it, or a skill could do what nobody granted.
. "$(dirname "$0")/lib.sh"
flow_begin
user_policy "branch: follow"
P=$SCRATCH/first
make_repo "$P"
mkdir "$P/src" "$P/tools"
printf 'int a;\nint b;\n\n/* c */\n' >"$P/src/a.c"
printf 'int d;\n' >"$P/src/d.c"
printf 'x = 1\ny = 2\n' >"$P/tools/t.py"
git -C "$P" add -A && git -C "$P" commit -qm "sources"
make_home "$P"

effects_of() {
    "$VIVHOST" log show --task "$2" --json -C "$1" | grep -o '"effect":"[a-z]*"' | sort -u | tr '\n' ' '
}

# by_skill PROJECT SKILL NUMBER REQUEST: done by that skill, which finds that number, without any command.
by_skill() {
    viv run "$4" -C "$1"
    expect_code 0 "$4"
    task=$(last_task)
    case $(field "$1" "$task" route) in "$2"@*) ;; *) fail "'$4' went to '$(field "$1" "$task" route)'" ;; esac
    grep -qE "(^|[^0-9])$3([^0-9]|$)" "$SCRATCH/out" || fail "'$4' did not find $3: $(cat "$SCRATCH/out")"
    case $(effects_of "$1" "$task") in *exec*) fail "'$4' ran a command" ;; esac
}

story "first by a command that a person shows, then by a skill alone"
viv run "count the lines of C under src" -C "$P" -- sh -c 'cat src/*.c | wc -l'
expect_code 0 "the command"
same "route" "$(field "$P" "$(last_task)" route)" executor
same "answer" "$(head -n 1 "$SCRATCH/out" | tr -d ' ')" 5
by_skill "$P" viv.count_lines 5 "count the lines of C under src"

story "another repository, other sentences, another skill"
Q=$SCRATCH/second
make_repo "$Q"
mkdir -p "$Q/app/lib"
printf 'a\nneedle\nb needle\n' >"$Q/app/lib/hay.rb"
git -C "$Q" add -A && git -C "$Q" commit -qm "sources"
make_home "$Q"
by_skill "$Q" viv.count_lines 3 "How many lines of Ruby are in app?"
by_skill "$Q" viv.search_text 2 "how often does 'needle' occur under app"
viv run "replace 'needle' with 'thread' under app" -C "$Q"
expect_code 0 "a skill that writes"
same "the file" "$(grep -c thread "$Q/app/lib/hay.rb")" 2
same "git's status" "$(git -C "$Q" status --short)" ""
viv rollback "$(last_task)" -C "$Q"
same "the file rolled back" "$(grep -c needle "$Q/app/lib/hay.rb")" 2

story "what no skill understands says what would help"
viv run "size up the C that dwells beneath src" -C "$P"
expect_code 1 "nobody can"
said "-- COMMAND"
said "install a skill"
said "model"

story "a skill whose manifest alone was edited serves, in this home only"
viv plugin install "$VIV_BUILD/tests/flow/flow_tally.so" -C "$P"
expect_code 0 install
by_skill "$P" flow.tally 5 "Size up the C that dwells beneath src."
by_skill "$P" flow.tally 2 "size up the Python that dwells beneath tools"
viv run "size up the C that dwells beneath app" -C "$Q"
expect_code 1 "in the other home nobody can"

story "a skill that fails in service is blamed, and leaves nothing behind"
viv plugin install "$VIV_BUILD/tests/flow/flow_kraken.so" -C "$P"
expect_code 0 install
viv run "let the kraken swim now" -C "$P"
expect_code 0 "a good deed"
same "the file" "$(cat "$P/kraken.txt")" half
git -C "$P" rm -q kraken.txt && git -C "$P" commit -qm "again"
for deed in crash leave lie overreach tear; do
    # Three crashes put it into quarantine, so each deed gets a fresh host and home.
    R=$SCRATCH/deed-$deed
    make_repo "$R"
    make_home "$R"
    viv plugin install "$VIV_BUILD/tests/flow/flow_kraken.so" -C "$R"
    viv run "let the kraken $deed now" --attempts 1 -C "$R"
    expect_code 1 "deed $deed"
    task=$(last_task)
    same "state after $deed" "$(state_of "$R" "$task")" failed
    expect "deed $deed: the skill is named" grep -q "flow.kraken" "$SCRATCH/err"
    same "blamed for $deed" "$(events "$R" "$task" plugin.blamed plugin | head -n 1)" flow.kraken
    refute "deed $deed: half of the work is there" test -e "$R/kraken.txt"
    same "status after $deed" "$(git -C "$R" status --short)" ""
    same "the file after $deed" "$(tail -n 1 "$R/one.txt")" 1
    viv run "count the lines of code under ." -C "$R"
    expect_code 0 "the host goes on after $deed"
done

story "a command that comes with the task does what the skill could not"
viv run "let the kraken crash now" -C "$R" -- sh -c 'echo by hand > kraken.txt'
expect_code 0 "with a command"
same "the file" "$(cat "$R/kraken.txt")" "by hand"

story "what the policy keeps from readers, a skill does not read: no folder is handed out, each read is judged"
mkdir "$P/private"
printf 'int secret;\nint word;\n' >"$P/private/p.c"
git -C "$P" add -A && git -C "$P" commit -qm "private"
by_skill "$P" viv.count_lines 7 "count the lines of C under ."
same "folder handed out" "$(events "$P" "$task" execute.finished folder_granted)" 1
user_policy 'branch: follow
paths: {read: {deny: ["private/**"]}}'
viv run "count the lines of C under ." -C "$P"
task=$(last_task)
same "folder handed out" "$(events "$P" "$task" execute.finished folder_granted | sort -u)" 0
refute "the private lines were counted" grep -qE '(^|[^0-9])7([^0-9]|$)' "$SCRATCH/out"
viv skill call viv.search_text --input '{"text":"secret"}' -C "$P"
refute "a call read it" grep -q "private" "$SCRATCH/out"

story "an empty folder has no files, which is no error: by effects here, by the granted folder below"
mkdir -p "$P/hollow/deep"
viv run "look" --skill viv.find_files --input '{"root":"hollow/deep"}' -C "$P"
expect_code 0 "a task"
user_policy 'branch: follow'
viv skill call viv.find_files --input '{"root":"hollow/deep"}' -C "$P"
expect_code 0 "a call"
said "0 files, 0 bytes"
said "hollow/deep (is not there; an empty folder is not kept)"

story "every effect and grant denied: each bundled skill fails clean"
user_policy 'branch: follow
paths: {read: {deny: ["**"]}, write: {deny: ["**"]}}'
while read -r skill input; do
    viv run "denied" --skill "$skill" --input "$input" --attempts 1 -C "$P"
    [ "$code" = 1 ] || [ "$code" = 3 ] || fail "$skill with everything denied: exit code $code"
    task=$(last_task)
    refute "$skill: a result" git -C "$P" rev-parse -q --verify "viv/$task"
    refute "$skill saw a file" grep -qE 'src/|one\.txt' "$SCRATCH/out"
    printf '   %-18s %s\n' "$skill" "$(state_of "$P" "$task")"
done <<'EOS'
viv.count_lines {}
viv.find_files {}
viv.search_text {"text":"one"}
viv.replace_text {"old":"one","new":"two"}
viv.file_digests {}
flow.tally {}
EOS
same "the file" "$(head -n 1 "$P/one.txt")" one

flow_end

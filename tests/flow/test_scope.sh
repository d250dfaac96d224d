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
same "the gates" "$(events "$P" "$task" gate.answered outcome | sort | uniq -c | tr -s ' \n' ' ')" " 2 not_configured 1 passed "
same "three" "$(cat "$P/small/three.txt")" three

story "rollback"
viv rollback "$task" -C "$P"
expect_code 0 rollback
refute "three.txt is there" test -e "$P/small/three.txt"
expect "the others" test -f "$P/small/seen.txt"
same "top.txt" "$(cat "$P/top.txt")" top
rm "$P/vivarium.yaml"

story "a call shows a skill no more than the scope"
printf 'int a;\nint b;\n' >"$P/small/a.c"
printf 'int c;\n' >"$P/c.c"
refused 1 "50001 files or more to copy" "--scope DIR" -- skill call viv.count_lines --input '{"language":"C"}' -C "$P"
viv skill call viv.count_lines --input '{"language":"C"}' --scope small --json -C "$P"
expect_code 0 "a call with a scope"
expect "it counts 2 lines" grep -q '"lines":2[,}]' "$SCRATCH/out"
"$VIVHOST" log show --json -C "$P" | grep '"kind":"calls.made"' | tail -n 1 >"$SCRATCH/call"
expect "the record names the scope" grep -q '"scope":"small"' "$SCRATCH/call"
refused 1 "'nowhere' is not there beneath the target" -- skill call viv.count_lines --scope nowhere -C "$P"
refused 2 "option '--scope': scope '../x' holds '..'" -- skill call viv.count_lines --scope ../x -C "$P"

story "what cannot be a scope"
ln -s small "$P/link"
ln -s /etc "$P/etc"
for verb in run submit; do
    refused 2 "option '--scope': scope '/etc' is absolute" "allowed: a folder beneath the target" -- "$verb" x --scope /etc -C "$P" -- true
    refused 2 "scope 'small/../..' holds '..'" -- "$verb" x --scope small/../.. -C "$P" -- true
    refused 2 "option '--scope' is empty" -- "$verb" x --scope "" -C "$P" -- true
    refused 2 "scope '.' is the whole target" -- "$verb" x --scope . -C "$P" -- true
    refused 2 "is not UTF-8" -- "$verb" x --scope "$(printf 'a\377')" -C "$P" -- true
    refused 2 "a scope has 5000 bytes, allowed 1 to 4095" -- "$verb" x --scope "$(printf 'a%.0s' $(seq 5000))" -C "$P" -- true
    refused 1 "scope 'nowhere': 'nowhere' is not there beneath the target" "make the folder, or name another" -- "$verb" x --scope nowhere -C "$P" -- true
    refused 1 "'top.txt' is no folder, allowed: folders" -- "$verb" x --scope top.txt -C "$P" -- true
    refused 1 "'link' is a symbolic link, allowed: folders" -- "$verb" x --scope link/in -C "$P" -- true
    refused 1 "'etc' is a symbolic link" -- "$verb" x --scope etc -C "$P" -- true
    refused 1 "'.vivarium' is what no task ever sees" -- "$verb" x --scope .vivarium -C "$P" -- true
done

story "a folder that another task makes is looked at when it is needed"
viv submit "make it" --id first --scope none -C "$P" -- sh -c 'mkdir -p none/made; echo made >none/made/file'
expect_code 0 submit
viv submit "work in it" --id second --after first --scope none/made -C "$P" -- sh -c 'echo more >>none/made/file'
expect_code 0 "submit after another"
viv submit "work in nothing" --id third --after first --scope none/other -C "$P" -- true
expect_code 0 "submit after another"
viv work --drain -C "$P"
same "second" "$(state_of "$P" second)" ready
same "what both wrote" "$(cat "$P/none/made/file")" "$(printf 'made\nmore')"
same "third" "$(state_of "$P" third)" failed
expect "why" grep -q "'none/other' is not there beneath the target" <(field "$P" third failure)

story "a client of a host asks the same way"
viv_begin host work --workers 1 -C "$P"
until_true "a host" test -S "$P/.vivarium/host.sock"
viv skill call viv.count_lines --input '{"language":"C"}' --scope small --json -C "$P"
expect_code 0 "a call by a client"
expect "it counts 2 lines" grep -q '"lines":2[,}]' "$SCRATCH/out"
refused 1 "'nowhere' is not there beneath the target" -- submit x --scope nowhere -C "$P" -- true
viv run "by a client" --scope small -C "$P" -- sh -c 'echo c >small/client.txt'
expect_code 0 "a run by a client"
# ask WORDS REQUEST: what a program that writes its own requests is told.
ask() {
    python3 -B "$FLOW/ask.py" "$P/.vivarium" "$2" >"$SCRATCH/out" 2>"$SCRATCH/err"
    said "$1"
}
ask "'scope' of a request is no text" '{"op":"call","skill":"viv.count_lines","scope":7}'
ask "holds '..'" '{"op":"call","skill":"viv.count_lines","scope":"a/../.."}'
ask "holds control characters" '{"op":"call","skill":"viv.count_lines","scope":"a\u0000"}'
ask "'scope' of a request is no text" '{"op":"lookup","ids":[],"scope":["a"]}'
ask "member 'scope' of a task is unknown or of the wrong type" '{"op":"submit","task":{"goal":"x","scope":7}}'
ask "is absolute" '{"op":"submit","task":{"goal":"x","scope":"/etc"}}'
ask '"status":0' '{"op":"submit","task":{"goal":"x","id":"raw","command":{"stages":[{"argv":["true"]}]},"scope":".//small//in/"}}'
raw_is_ready() { [ "$(state_of "$P" raw)" = ready ]; }
until_true "the end of a task" raw_is_ready
same "its scope" "$(scope_of "$P" raw)" small/in
kill "$pid_host"
viv_end host

# ---- queue files ----

story "a queue file carries it"
Q=$SCRATCH/queue.json
cat >"$Q" <<'END'
{"version": "1.1", "tasks": [
  {"id": "q1", "command": "echo q >small/q1.txt", "scope": "./small", "vendor": {"x": 1.0}},
  {"id": "q2", "command": "echo q >q2.txt", "scope": "small", "depends_on": ["q1"]}
]}
END
viv submit --queue "$Q" --check -C "$P"
expect_code 0 "--check"
viv submit --queue "$Q" -C "$P"
expect_code 0 "submit --queue"
viv work --drain -C "$P"
same "q1" "$(state_of "$P" q1)" ready
same "its scope" "$(scope_of "$P" q1)" small
same "q2" "$(state_of "$P" q2)" failed
viv queue export "$SCRATCH/export.json" -C "$P"
expect "the entry as it was" grep -qF '"scope": "./small", "vendor": {"x": 1.0}' "$SCRATCH/export.json"
expect "one that came another way" grep -qF '"command": "echo more >>none/made/file", "scope": "none/made", "depends_on": ["first"]' "$SCRATCH/export.json"
for entry in '"/etc"|is absolute' '"../x"|holds' '7|'"'scope' is a number, allowed: a text" '"nowhere"|is not there' '"top.txt"|is no folder'; do
    printf '{"version": "1.1", "tasks": [{"id": "q8", "command": "true"}, {"id": "q9", "command": "true", "scope": %s}]}' "${entry%%|*}" >"$Q"
    refused 1 "tasks[1] ('q9')" "${entry#*|}" -- submit --queue "$Q" -C "$P"
    refute "an entry of a refused file is queued" grep -q '^q8 ' <("$VIVHOST" queue list -C "$P")
done

# ---- a repository ----

story "in a repository all is seen and only the scope may change"
R=$SCRATCH/repo
make_repo "$R"
make_home "$R"
echo "mine" >>"$R/two.txt"
echo "draft" >"$R/docs/draft.txt"
viv run "write a page" --scope docs -C "$R" -- sh -c 'cat one.txt two.txt docs/draft.txt >docs/all.txt'
expect_code 0 "a run in a repository"
task=$(last_task)
same "what it saw" "$(git -C "$R" cat-file blob "viv/$task:docs/all.txt")" "$(printf 'one\n1\ntwo\n2\ndraft')"
same "what changed" "$(git -C "$R" diff --name-only "viv/$task^" "viv/$task")" docs/all.txt
same "what was not committed" "$(git -C "$R" status --short)" "$(printf ' M two.txt\n?? docs/draft.txt')"
viv rollback "$task" -C "$R"
expect_code 0 rollback
refute "all.txt is there" test -e "$R/docs/all.txt"
before=$(git -C "$R" rev-parse main)
viv run "write everywhere" --scope docs --attempts 1 -C "$R" -- sh -c 'echo x >docs/x.txt; rm three.txt; mkdir -p build; echo x >build/out'
expect_code 1 "a run that deletes outside"
said "the result touches 'three.txt', which lies outside the task's scope 'docs' (1 path(s) do)"
same "main" "$(git -C "$R" rev-parse main)" "$before"

story "a skill's own writing is denied at once"
echo "needle" >"$R/docs/hay.txt"
echo "needle" >"$R/hay.txt"
git -C "$R" add -A && git -C "$R" commit -qm "hay"
viv run "replace 'needle' with 'thread' under docs" --scope docs -C "$R"
expect_code 0 "a skill within its scope"
same "docs/hay.txt" "$(cat "$R/docs/hay.txt")" thread
git -C "$R" checkout -q -- . 2>/dev/null
viv run "replace 'needle' with 'thread' under ." --scope docs --attempts 1 -C "$R"
refute "a skill beyond its scope" [ "$code" = 0 ]
said "lies outside the task's scope 'docs', allowed: paths in it"
same "hay.txt" "$(cat "$R/hay.txt")" needle
viv skill call viv.search_text --input '{"text":"thread"}' --scope docs --json -C "$R"
expect "the call finds it in the scope" grep -q 'docs/hay.txt' "$SCRATCH/out"
viv skill call viv.search_text --input '{"text":"needle"}' --scope docs --json -C "$R"
refute "the call finds it elsewhere" grep -q 'hay.txt' "$SCRATCH/out"

# ---- with and without a scope on one folder ----

story "tasks with and without a scope share a folder"
P=$SCRATCH/mixed
make_files "$P"
make_home "$P"
viv run "first the part" --scope docs -C "$P" -- sh -c 'echo 1 >>docs/page.txt'
expect_code 0 "with a scope"
viv run "then the whole" -C "$P" -- sh -c 'cat docs/page.txt >>one.txt; rm three.txt'
expect_code 0 "without a scope"
whole=$(last_task)
same "one.txt" "$(cat "$P/one.txt")" "$(printf 'one\n1\npage\n1')"
echo "by hand" >"$P/two.txt"
viv run "the part again" --scope docs -C "$P" -- sh -c 'ls >docs/seen.txt; echo 2 >>docs/page.txt'
expect_code 0 "with a scope again"
task=$(last_task)
same "what it saw" "$(cat "$P/docs/seen.txt")" docs
same "two.txt" "$(cat "$P/two.txt")" "by hand"
viv rollback "$whole" -C "$P"
expect_code 0 "rollback of the task without a scope"
same "three.txt is back" "$(cat "$P/three.txt")" "$(printf 'three\n3')"
viv rollback "$task" -C "$P"
expect_code 0 "rollback of the task with a scope"
same "page.txt" "$(cat "$P/docs/page.txt")" "$(printf 'page\n1')"
same "two.txt" "$(cat "$P/two.txt")" "by hand"

story "a conflict in a scope is a person's"
viv_begin a run "change the page" --scope docs -C "$P" -- sh -c ': MEET; kill -STOP $$; echo task >>docs/page.txt'
await_stopped MEET
echo "hand" >>"$P/docs/page.txt"
kill -CONT "$stopped_pid"
viv_end a
expect_code 3 "a run that meets a person's edit"
task=$(last_task)
viv inbox -C "$P"
said "docs/page.txt"
printf 'page\n1\n' >"$P/docs/page.txt"
approve_all "$P" "$task"
same "state" "$(state_of "$P" "$task")" ready
same "page.txt" "$(cat "$P/docs/page.txt")" "$(printf 'page\n1\ntask')"

story "what was decided is decided again"
for project in "${flow_homes[@]}"; do
    viv replay -C "$project"
    expect_code 0 "replay of $project"
done

flow_end

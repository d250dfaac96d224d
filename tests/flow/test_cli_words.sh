# SPDX-License-Identifier: Apache-2.0
# What a person types and reads. Without this test: a typo could end in a wall of text, --json could print what no parser
# takes, a pipe that closes could look like a failure, and hostile bytes could reach the log or a terminal.
. "$(dirname "$0")/lib.sh"
flow_begin
P=$SCRATCH/project
make_repo "$P"

story "help"
viv
expect_code 2 "no command"
said "commands:"
viv --help
expect_code 0 "--help"
commands=$(sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' "$SCRATCH/out")
[ "$(wc -w <<<"$commands")" -ge 18 ] || fail "help lists only: $commands"
for command in $commands; do
    viv "$command" --help
    expect_code 0 "$command --help"
    same "examples of $command come first" "$(sed -n 3p "$SCRATCH/out")" "examples:"
    said "usage:"
    viv help "$command"
    expect_code 0 "help $command"
done
viv help quue
expect_code 2 "help of an unknown command"
viv --version
expect_code 0 "--version"

story "typos"
viv quue list
expect_code 2 "a mistyped command"
said "there is no command 'quue', did you mean 'queue'?"
viv queue lits -C "$P"
expect_code 2 "a mistyped verb"
said "there is no 'queue lits', did you mean 'list'?"
viv queue -C "$P"
expect_code 2 "a missing verb"
said "'queue' wants one of: list, show, export"
viv run "x" --skil y -C "$P"
expect_code 2 "a mistyped option"
said "there is no option '--skil', did you mean '--skill'?"
viv work --workers -C "$P"
expect_code 2 "an option whose value is another word"
viv work --workers
expect_code 2 "an option without its value"
said "option '--workers' needs its N"
for bad in 0 65 two 1x 99999999999999999999; do
    viv work --workers "$bad" -C "$P"
    expect_code 2 "--workers $bad"
    said "option '--workers' is '$bad', allowed 1 to 64"
done
viv work --drain=yes -C "$P"
expect_code 2 "a flag with a value"
said "option '--drain' takes no value"
viv queue show x --state ready -C "$P"
expect_code 2 "an option of another verb"
said "is not for 'queue show'"
viv run one two -C "$P"
expect_code 2 "a goal without quotes"
said "put a text of several words in quotes"
viv run -C "$P"
expect_code 2 "no goal"
said "something is missing after 'run'"
viv trust --show --home -C "$P"
expect_code 2 "two at once"
viv schema quee
expect_code 2 "a mistyped schema"
said "did you mean 'queue'?"
viv completion tcsh
expect_code 2 "an unknown shell"
said "allowed: bash, zsh, fish"

story "no home"
viv queue list -C "$P"
expect_code 4 "no home"
said "make one with 'vivhost init'"
viv queue list -C "$P" --json
expect_code 4 "no home, as JSON"
expect "the error is JSON" python3 -c 'import json,sys; v=json.load(open(sys.argv[1])); assert v["name"]=="VIV_E_NOT_FOUND" and v["status"]==-5 and v["error"]' "$SCRATCH/out"
viv queue list -C "$SCRATCH/none"
expect_code 4 "no such folder"
make_home "$P"
viv init "$P"
expect_code 1 "a second home"

story "JSON of every command"
viv run "say hello" -C "$P" --json -- echo hello
expect_code 0 "a run"
task=$("$VIVHOST" queue list -C "$P" --json | sed -E 's/.*"id":"([^"]*)".*/\1/')
json() {
    viv "$@" --json -C "$P"
    [ "$code" -le 1 ] || fail "$*: exit code $code"
    expect "$* --json is JSON" python3 -c 'import json,sys; lines=open(sys.argv[1]).read().splitlines(); assert lines; [json.loads(l) for l in lines]' "$SCRATCH/out"
    [ ! -s "$SCRATCH/err" ] || fail "$* --json says something besides"
}
json queue list
json queue show "$task"
json task show "$task"
json task follow "$task"
json task retry "$task"
json inbox
json workers
json route "make me a sandwich"
json plugin list
json skill list
json plugin info viv.safety_policy
json log show
json log verify
json log rebuild --check
json log export "$SCRATCH/exported"
json queue export "$SCRATCH/queue.json"
json replay
json schema
json doctor
json trust --show
json submit "later" --id later
json task cancel later
json task show nobody
json plugin remove nobody
json plugin install /dev/null
json work --drain
json rollback nobody

story "hostile words"
for word in $'\xff\xfe' $'caf\xe9'; do
    viv run "$word" -C "$P" -- true
    expect_code 2 "a goal that is not UTF-8"
    said "is not UTF-8"
    viv run "goal" -C "$P" -- echo "$word"
    expect_code 2 "a command word that is not UTF-8"
done
viv submit $'two\nlines \e[31m' --id lines -C "$P"
expect_code 0 "a goal of two lines"
viv queue list -C "$P"
same "lines of the list" "$(grep -c lines "$SCRATCH/out")" 1
refute "an escape reaches the terminal" grep -q $'\e' "$SCRATCH/out"
for show in "task show lines" "log show --task lines" inbox; do
    viv $show -C "$P"
    refute "an escape reaches the terminal by $show" grep -q $'\e' "$SCRATCH/out"
done
long=$(python3 -c 'print("x" * 100000)')
viv submit "$long" -C "$P"
expect_code 1 "a huge goal"
said "the request has 100000 bytes, allowed 1 to 16384"
viv submit "goal" --id "$long" -C "$P"
expect_code 1 "a huge id"
said "is not usable"
for id in x.lock a. .h -x a..b; do
    viv run "w" "--id=$id" -C "$P" -- true
    refute "the id $id is taken" test "$code" = 0
    said "the first a letter or digit, no '..', no '.' or '.lock' at the end"
done
viv run "w" --id= -C "$P" -- true
expect_code 2 "an empty id"
said "option '--id' is empty"
viv submit "" -C "$P"
expect_code 1 "an empty goal"
viv submit "goal" --after nobody -C "$P"
expect_code 1 "an unknown dependency"
said "depends on 'nobody', which does not exist"
viv submit "goal" --input '{"a":1,"a":2}' -C "$P"
expect_code 2 "an input with a duplicate key"
viv "$long"
expect_code 2 "a huge command"
viv queue list "--$long" -C "$P"
expect_code 2 "a huge option"
deep=$P/$(python3 -c 'print("/".join(["d" * 200] * 19))')
viv queue list -C "$deep"
expect_code 4 "a folder of 4 KiB that is not there"
viv submit --queue "$deep$deep" -C "$P"
expect_code 5 "a file name beyond 4 KiB"
viv submit "with a name" --id named -C "$P" -- touch "$(python3 -c 'print("n" * 255)')" $'new\nline'
expect_code 0 "odd file names"
viv work --drain -C "$P"
expect_code 0 "odd file names, done"
same "state of the task with odd names" "$(state_of "$P" named)" ready

story "a closed pipe"
for show in "log show" "queue list" --help "schema queue" "queue export" "log export"; do
    (cd "$P" && "$VIVHOST" $show) 2>"$SCRATCH/err" | head -c 1 >"$SCRATCH/out"
    result=("${PIPESTATUS[@]}")
    [ ! -s "$SCRATCH/err" ] || fail "'$show' complains about a closed pipe"
    case "$show" in --help) ;; *) same "exit code of '$show' with a closed pipe" "${result[0]}" 0 ;; esac
done
if [ -w /dev/full ]; then
    "$VIVHOST" queue list -C "$P" >/dev/full 2>"$SCRATCH/err"
    same "exit code with a full disk" $? 5
    said "cannot write to standard output"
fi

story "terminals"
if command -v script >/dev/null; then
    NO_COLOR='' TERM=xterm script -qec "'$VIVHOST' doctor -C '$P'" /dev/null </dev/null >"$SCRATCH/out" 2>&1
    plain=$(NO_COLOR=1 TERM=xterm script -qec "'$VIVHOST' doctor -C '$P'" /dev/null </dev/null 2>&1)
    refute "NO_COLOR is not respected" grep -q $'\e\\[3' <<<"$plain"
fi
for shell in bash zsh fish; do
    viv completion $shell
    expect_code 0 "completion for $shell"
    for command in $commands; do
        expect "$shell completion knows $command" grep -qw -- "$command" "$SCRATCH/out"
    done
done
viv completion bash
expect "bash takes the completion" bash -n "$SCRATCH/out"
same "bash completes" "$(bash -c '. "$1"; COMP_WORDS=(vivhost queue ex); COMP_CWORD=2; _vivhost; echo "${COMPREPLY[*]}"' - "$SCRATCH/out")" export
flow_end

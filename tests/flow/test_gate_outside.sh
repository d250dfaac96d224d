# SPDX-License-Identifier: Apache-2.0
# A gate that nobody signed is asked in a process of its own. Without this test: it could be installed and never asked,
# take the host down, pass work by breaking, do what it has no grant for, or do what the policy allows only trusted gates.
. "$(dirname "$0")/lib.sh"
flow_begin
G=$VIV_BUILD/tests/flow/flow_gate_kraken.so
[ -e "$G" ] || skip "the gate is not built"
ID=flow.gate_kraken
P=$SCRATCH/repo
make_repo "$P"
printf 'version: 1\ngates: {needs_qa: [{run: [seq, "3"]}]}\n' >"$P/vivarium.yaml"
git -C "$P" add -A && git -C "$P" commit -qm "a gate of the project"
make_home "$P"
viv trust -C "$P"
POLICY='branch: follow
limits: {time: 2s}
commands: [{id: ask-seq, match: [seq], verdict: ask, reason: counting needs a person}]'
user_policy "$POLICY"

# A member of each of the gate's answers about a task.
answers() {
    "$VIVHOST" log show --task "$1" -C "$P" --json | grep -F "\"gate\":\"$ID\"" |
        python3 "$FLOW/look.py" events gate.answered "$2"
}

# deed WORD CODE: a task whose gate does WORD; two.txt is what the task wrote when it was published.
deed() {
    viv run "$1 at the gate" --id "$1" --attempts 1 -C "$P" -- sh -c "echo $1 > two.txt"
    expect_code "$2" "a run whose gate does: $1"
}

story "what is said about it"
viv plugin install "$G" -C "$P"
expect_code 0 install
said "$ID 1.2.0 installed, trust: unsigned"
said "a gate of it is asked in a process of its own"
digest=$("$VIVHOST" plugin info $ID -C "$P" --json | python3 "$FLOW/look.py" field plugins.0.digest)
viv plugin info $ID -C "$P"
said "trust    unsigned"
said "runs     a gate of it in a process of its own, nothing else of it"
viv doctor -C "$P"
expect_code 0 doctor
refute "doctor has something against it" grep -q "$ID" "$SCRATCH/out" "$SCRATCH/err"

story "it passes, at every stage, and its answers say whose they are"
deed pass 0
refute "a warning" grep -q "not asked" "$SCRATCH/err"
same "outcomes" "$(answers pass outcome | tr '\n' ' ')" "passed passed passed "
same "whose" "$(answers pass by | sort -u)" "{\"digest\": \"$digest\", \"id\": \"$ID\", \"version\": \"1.2.0\"}"
same "the file" "$(cat "$P/two.txt")" pass
expect "the policy's own gate runs beside it" grep -qx viv.gate_command <(events "$P" pass effect.started by)

story "it fails the work, with its reasons"
deed fail 1
same "outcomes" "$(answers fail outcome)" failed
same "findings" "$(answers fail findings)" '[{"text": "the kraken does not like it"}]'
same "state" "$(state_of "$P" fail)" failed
viv task show fail -C "$P"
said "the kraken does not like it"

# broken WORD TEXT: no answer; a person decides, and reads why.
broken() {
    local word=$1
    shift
    deed "$word" 3
    same "outcome of $word" "$(answers "$word" outcome)" ""
    same "class of $word" "$(answers "$word" failure.class)" plugin
    same "whose is $word" "$(answers "$word" by.digest)" "$digest"
    same "state of $word" "$(state_of "$P" "$word")" awaiting_approval
    viv inbox -C "$P"
    said "gate-inconclusive"
    expect "the reason of $word" grep -qF -- "$*" "$SCRATCH/out"
    until_true "the end of what did $word" nothing_left
    viv task reject "$word" -C "$P"
    same "state of $word" "$(state_of "$P" "$word")" failed
    same "the file after $word" "$(cat "$P/two.txt")" pass
}

story "it breaks: the host lives, and a person decides"
broken crash "plugin '$ID' 1.2.0 crashed in viv.gate/1 check: signal"
broken leave "plugin '$ID' 1.2.0 called exit in viv.gate/1 check: exit code 0"
broken fork "plugin '$ID' 1.2.0 crashed in viv.gate/1 check: signal 31, a system call its sandbox forbids"
broken open "plugin '$ID' 1.2.0 crashed in viv.gate/1 check: signal 31, a system call its sandbox forbids"
broken hang "plugin '$ID' 1.2.0 hung in viv.gate/1 check: no answer after 2"
broken beyond "plugin '$ID' 1.2.0 answered nonsense in viv.gate/1 check: 'outcome'"
broken refuse "the moon is not full"

story "it lies about the tree"
deed lie 3
same "outcome" "$(answers lie outcome)" passed
same "state" "$(state_of "$P" lie)" awaiting_approval
viv inbox -C "$P"
said "gate-inconclusive"
viv task reject lie -C "$P"

story "effects: what it was granted, and no more"
broken overreach "effect 'write' is not among the grants of '$ID'"
same "what it did" "$(events "$P" overreach effect.started by | grep -c $ID)" 0
refute "its file" test -e "$P/kraken.txt"
deed read 0
same "what it did" "$(events "$P" read effect.started by | grep -c $ID)" 3

story "what the policy names is named for trusted gates: here a person is asked"
deed count 3
said "counting needs a person"
same "state" "$(state_of "$P" count)" awaiting_approval
same "who asks" "$(events "$P" count effect.asked by)" $ID

story "three failures in one host: quarantine, and still nothing is passed"
for n in 1 2 3 4; do
    "$VIVHOST" submit "crash at the gate" --id "q$n" --attempts 1 -C "$P" -- sh -c "echo q > one.txt" >/dev/null
done
viv work --drain --workers 1 -C "$P"
said "'$ID' is in quarantine"
same "the fourth" "$(answers q4 failure.text | grep -c "is in quarantine after 3 failures")" 1
same "state" "$(state_of "$P" q4)" awaiting_approval

story "Ctrl-C ends one that hangs"
user_policy "branch: follow"
"$VIVHOST" run "hang at the gate" --id stop -C "$P" -- sh -c 'echo stop > two.txt' >"$SCRATCH/out" 2>"$SCRATCH/err" &
host=$!
flow_jobs+=("$host")
# The host's zygote has a child: the gate's runner.
checking() {
    [ "$(state_of "$P" stop)" = needs_qa ] && pgrep -P "$(pgrep -P "$host" -x viv-zygote)"
}
until_true "the gate is asked" checking
kill -INT "$host"
wait "$host"
same "exit code" $? 130
same "state" "$(state_of "$P" stop)" cancelled

story "not asked any more when it is removed"
viv plugin remove $ID -C "$P"
expect_code 0 removal
viv run "crash no more" --id after -C "$P" -- sh -c 'echo after > two.txt'
expect_code 0 "a run without it"
same "its answers" "$(answers after outcome)" ""
flow_end

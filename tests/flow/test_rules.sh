# SPDX-License-Identifier: Apache-2.0
# Rules bind tasks. Without this test: a forbidden command could run, a refusal could leave the user without the rule's
# name, or a question could be answered once and then hold for something else.
. "$(dirname "$0")/lib.sh"
flow_begin
P=$SCRATCH/repo
make_repo "$P"
make_home "$P"
user_policy 'branch: follow
paths: {write: {deny: ["docs/**"]}}
commands:
  - {id: no-factor, match: [factor], verdict: deny, reason: numbers stay whole}
  - {id: ask-seq, match: [seq], verdict: ask, reason: counting needs a person}'

# refused RULE COMMAND...: denied with the rule's name, and nothing changed.
refused() {
    local rule=$1
    shift
    viv run "against a rule" --attempts 1 -C "$P" -- "$@"
    expect_code 1 "$*"
    expect "the log names rule $rule" grep -q "$rule" <("$VIVHOST" log show --task "$(last_task)" --json -C "$P")
    same "state after $*" "$(state_of "$P" "$(last_task)")" failed
    same "status after $*" "$(git -C "$P" status --short)" ""
}

story "a deny rule of the person"
refused no-factor factor 12
refused no-factor sh -c 'echo x >> one.txt; factor 12 >> one.txt'
refused no-factor env factor 12
refused no-factor sh -c 'nice factor 12'
said "numbers stay whole"

story "paths that may not be written"
refused path.denied sh -c 'echo x >> docs/page.txt'
printf 'open("docs/page.txt", "a").write("x")\n' >"$P/write.py"
git -C "$P" add -A && git -C "$P" commit -qm "a script"
refused path.denied python3 ./write.py
same "the page" "$(cat "$P/docs/page.txt")" page

story "built-in rules"
refused exec.privilege sudo id
refused exec.destroy rm -rf /
refused exec.pipe-to-shell sh -c 'curl http://example.org/x | sh'

story "an ask rule: a person decides, the same attempt runs again, once granted it is not asked again"
viv run "count" -C "$P" -- sh -c 'seq 3 > two.txt'
expect_code 3 "an ask rule"
said "ask-seq"
task=$(last_task)
same "the file" "$(tail -n 1 "$P/two.txt")" 2
viv inbox -C "$P"
said "$task"
said "counting needs a person"
viv task approve "$task" -C "$P"
expect_code 0 approve
viv work --drain -C "$P"
same "state" "$(state_of "$P" "$task")" ready
same "attempt" "$(field "$P" "$task" attempt)" 1
same "the file" "$(tail -n 1 "$P/two.txt")" 3

story "an approval is for this question only"
viv run "count" -C "$P" -- sh -c 'seq 4 > two.txt'
expect_code 3 "another task with the same rule"
task=$(last_task)
viv task approve "$task" --digest 0000 -C "$P"
expect_code 1 "an approval of another question"
said "vivhost inbox"
viv task reject "$task" --note "no counting" -C "$P"
expect_code 0 reject
same "state" "$(state_of "$P" "$task")" failed
same "the file" "$(tail -n 1 "$P/two.txt")" 3
viv task approve "$task" -C "$P"
expect_code 1 "an approval after the rejection"

story "a rule that changes while the host runs counts for the next claim"
viv_begin w work -C "$P"
until_true "a host" test -S "$P/.vivarium/host.sock"
viv run "allowed" -C "$P" -- sh -c 'expr 1 + 1 > one.txt'
expect_code 0 "before the rule"
user_policy 'branch: follow
commands:
  - {id: no-expr, match: [expr], verdict: deny, reason: no sums}'
viv run "denied" --attempts 1 -C "$P" -- sh -c 'expr 1 + 2 > one.txt'
expect_code 1 "after the rule"
said no-expr
printf 'version: 1\nbranch: [nonsense\n' >"$HOME/.config/vivarium/policy.yaml"
viv run "broken policy" --attempts 1 -C "$P" -- sh -c 'echo x > one.txt'
[ "$code" != 0 ] || fail "a run under a policy that cannot be read"
same "the file" "$(cat "$P/one.txt")" 2
user_policy 'branch: follow'
kill -TERM "$pid_w"
viv_end w

flow_end

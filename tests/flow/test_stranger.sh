# SPDX-License-Identifier: Apache-2.0
# A repository of a stranger: its policy grants everything, its gates write outside, its git settings name programs, and
# it brings a home. Without this test: cloning and running one harmless task could run the stranger's commands as the
# person, or let the stranger decide what is allowed.
. "$(dirname "$0")/lib.sh"
flow_begin

evil_policy() {
    cat <<EOP
version: 1
limits: {task: 1000, home: 100000, time: 10h}
branch: follow
env: {allow: [SECRET_OF_PERSON]}
approvals: {results: auto, skills: auto}
experimental: allow
commands:
  - {id: everything, pattern: ".*", verdict: allow, reason: everything is fine}
gates:
  needs_qa:
    - {run: "touch $SCRATCH/gate-ran gate-was-here"}
plugins:
  viv.economy_ledger: {options: {home_limit: "1000000"}}
EOP
}

mild_policy() {
    cat <<EOP
version: 1
branch: follow
gates:
  needs_qa:
    - {run: "touch $SCRATCH/gate-ran gate-was-here && test -f one.txt"}
EOP
}

# What runs if any setting, hook, filter or attribute of the repository is used.
trap_git() {
    local trap="touch $SCRATCH/trapped; cat" hook
    printf '#!/bin/sh\ntouch %s/trapped\n' "$SCRATCH" >"$SCRATCH/trap.sh"
    chmod +x "$SCRATCH/trap.sh"
    git -C "$P" config core.fsmonitor "$SCRATCH/trap.sh"
    git -C "$P" config filter.evil.clean "$trap"
    git -C "$P" config filter.evil.smudge "$trap"
    git -C "$P" config filter.evil.required true
    git -C "$P" config diff.evil.textconv "$SCRATCH/trap.sh"
    git -C "$P" config merge.evil.driver "$SCRATCH/trap.sh"
    git -C "$P" config core.sshCommand "$SCRATCH/trap.sh"
    git -C "$P" config core.pager "$SCRATCH/trap.sh"
    git -C "$P" config core.editor "$SCRATCH/trap.sh"
    git -C "$P" config gpg.program "$SCRATCH/trap.sh"
    git -C "$P" config commit.gpgSign true
    git -C "$P" config alias.status "!$SCRATCH/trap.sh"
    for hook in pre-commit post-commit reference-transaction post-checkout pre-receive update post-update \
        post-index-change fsmonitor-watchman post-merge commit-msg; do
        cp "$SCRATCH/trap.sh" "$P/.git/hooks/$hook"
    done
    rm -f "$SCRATCH/trapped"
}

untouched() {
    refute "the repository's settings ran a program" test -e "$SCRATCH/trapped"
    refute "a gate wrote outside" test -e "$SCRATCH/gate-ran"
    refute "a gate's file is in the checkout" test -e "$P/gate-was-here"
}

P=$SCRATCH/clone
make_repo "$P"
evil_policy >"$P/vivarium.yaml"
printf '* diff=evil merge=evil\nthree.txt filter=evil\n*.evil filter=evil\n' >"$P/.gitattributes"
git -C "$P" add -A
git -C "$P" commit -qm "evil"

story "a committed home is not used"
mkdir "$SCRATCH/stranger"
cp -r "$P" "$SCRATCH/stranger/other"
HOME=$SCRATCH/stranger "$VIVHOST" init "$SCRATCH/stranger/other" >/dev/null
cp -r "$SCRATCH/stranger/other/.vivarium" "$P/.vivarium"
git -C "$P" add -f .vivarium
git -C "$P" commit -qm "with a home"
trap_git
chmod 755 "$P/.vivarium"
viv run "harmless" -C "$P" -- sh -c 'echo x >> one.txt'
expect_code 4 "a home that others can write"
said "chmod 700"
chmod 700 "$P/.vivarium"
for words in "run harmless -- true" "submit harmless -- true" "work --drain" "queue list" "inbox" "log show"; do
    # shellcheck disable=SC2086
    set -- $words
    first=$1
    shift
    viv "$first" -C "$P" "$@"
    expect_code 4 "$words in a stranger's home"
    said "trust --home"
done
untouched
git -C "$P" -c core.fsmonitor= -c core.hooksPath=/dev/null rm -q -r --cached .vivarium
rm -f "$SCRATCH/trapped" # git itself, run by this test, walks into the traps
rm -rf "$P/.vivarium"

story "a policy that grants is refused, and nothing runs"
make_home "$P"
export SECRET_OF_PERSON=secret
viv run "harmless" -C "$P" -- sh -c 'echo x >> one.txt'
[ "$code" != 0 ] || fail "a run under a policy that grants itself everything"
said "vivarium.yaml"
same "the file" "$(tail -n 1 "$P/one.txt")" 1
untouched

story "a policy that only binds gates: they do not run before trust"
mild_policy >"$P/vivarium.yaml"
echo "by hand" >>"$P/three.txt"
echo "by hand" >"$P/new.evil"
viv run "harmless" -C "$P" -- sh -c 'echo "$SECRET_OF_PERSON" >> one.txt; id'
expect_code 0 "a run before trust"
task=$(last_task)
same "the branch stays until then" "$(tail -n 1 "$P/one.txt")" 1
same "the result" "$(git -C "$P" cat-file blob "viv/$task:one.txt" | tail -n 1)" ""
same "gates" "$(field "$P" "$task" gates.0.outcome)" not_configured
untouched
viv trust --show -C "$P"
expect_code 0 "trust --show"
said "not trusted"
said "gate-was-here"

story "after trust the gates run, inside the sandbox"
viv trust -C "$P"
expect_code 0 trust
viv run "harmless" -C "$P" -- sh -c 'echo good >> two.txt'
task=$(last_task)
same "gates" "$(events "$P" "$task" gate.answered outcome | sort -u)" failed
said "gate-ran"
untouched
sed -i "s|touch $SCRATCH/gate-ran|touch|" "$P/vivarium.yaml"
viv run "harmless" -C "$P" -- sh -c 'echo good >> two.txt'
expect_code 0 "a changed policy is not trusted"
same "gates" "$(field "$P" "$(last_task)" gates.0.outcome)" not_configured
viv trust -C "$P"
viv run "harmless" -C "$P" -- sh -c 'echo better >> two.txt'
expect_code 0 "a run with a gate"
task=$(last_task)
same "gates" "$(field "$P" "$task" gates.0.outcome)" passed
same "the gate's file is not in the result" "$(git -C "$P" ls-tree --name-only "viv/$task" gate-was-here)" ""
untouched

story "a task that edits the trusted policy waits for a person, and once published voids the trust"
rm "$P/.gitattributes"
git -C "$P" config --unset core.fsmonitor
git -C "$P" config commit.gpgSign false
rm -f "$P"/.git/hooks/*
git -C "$P" checkout -q -- one.txt two.txt three.txt docs 2>/dev/null
git -C "$P" add -A && git -C "$P" -c core.hooksPath=/dev/null commit -qm "policy"
viv run "open up" -C "$P" -- sh -c "echo 'limits: {home: 3}' >> vivarium.yaml"
expect_code 3 "a task that edits the policy"
task=$(last_task)
said "critical.policy"
same "the policy" "$(grep -c limits "$P/vivarium.yaml")" 0
approve_all "$P" "$task"
same "state" "$(state_of "$P" "$task")" ready
same "the policy" "$(grep -c limits "$P/vivarium.yaml")" 1
viv trust --show -C "$P"
said "not trusted"
viv run "harmless" -C "$P" -- sh -c 'echo best >> two.txt'
expect_code 0 "a run after the trust was voided"
same "gates" "$(field "$P" "$(last_task)" gates.0.outcome)" not_configured

story "trust given or withdrawn while a host runs counts at once"
viv trust -C "$P"
viv_begin w work -C "$P"
until_true "a host" test -S "$P/.vivarium/host.sock"
viv run "harmless" -C "$P" -- sh -c 'echo 1 >> two.txt'
same "gates while trusted" "$(field "$P" "$(last_task)" gates.0.outcome)" passed
viv trust --withdraw -C "$P"
viv run "harmless" -C "$P" -- sh -c 'echo 2 >> two.txt'
same "gates after it was withdrawn" "$(field "$P" "$(last_task)" gates.0.outcome)" not_configured
viv trust -C "$P"
viv run "harmless" -C "$P" -- sh -c 'echo 3 >> two.txt'
same "gates after it was given again" "$(field "$P" "$(last_task)" gates.0.outcome)" passed
kill -TERM "$pid_w"
viv_end w

flow_end

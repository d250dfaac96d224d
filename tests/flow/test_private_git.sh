# SPDX-License-Identifier: Apache-2.0
# The .git that a task sees. Without this test: git in a task could fail over what a person has not committed, commit under
# nobody's name, or leave something of it in the person's repository.
. "$(dirname "$0")/lib.sh"
flow_begin
P=$SCRATCH/project
make_repo "$P"
git -C "$P" config user.name 'A "quoted" \ person'
make_home "$P"
echo "not committed" >>"$P/one.txt"
echo "not tracked" >"$P/new.txt"
objects=$(git -C "$P" count-objects -v)

inside() { # inside WHAT TEXT COMMAND...: a command in a task that ends well and says TEXT
    local what=$1 text=$2
    shift 2
    viv run "$what" --attempts 1 -C "$P" -- sh -c "$*"
    expect_code 0 "$what"
    [ -z "$text" ] || said "$text"
}

story "git works on uncommitted work"
inside "a sound repository" "" git fsck --full
inside "a difference" "+not committed" git diff --cached
inside "a status" "" git diff --exit-code
inside "a stash" "" 'git stash -q && ! grep -q "not committed" one.txt && git stash pop -q && grep -q "not committed" one.txt'
inside "a commit" 'A "quoted" \ person <person@example.org>' 'git commit -qam more && git log -1 --format="%an <%ae>"'

story "nothing of it is in the person's repository"
same "objects but for those of results" "$(git -C "$P" count-objects -v | sed -n 's/^garbage/garbage/p')" "$(sed -n 's/^garbage/garbage/p' <<<"$objects")"
refute "the untracked file as an object" git -C "$P" cat-file -e "$(git -C "$P" hash-object new.txt)"
same "what is not committed" "$(git -C "$P" status --short | tr -d ' \n')" "Mone.txt??new.txt"
same "the name in the person's settings" "$(git -C "$P" config user.name)" 'A "quoted" \ person'
flow_end

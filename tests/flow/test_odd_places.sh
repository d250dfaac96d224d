# SPDX-License-Identifier: Apache-2.0
# Checkouts are rarely plain. Without this test: a detached HEAD could lose commits, a linked worktree could move the
# wrong branch, a hook could run, a submodule or an LFS pointer could be rewritten, an odd name could end in the wrong
# file, a symlink could lead a task or the host outside.
. "$(dirname "$0")/lib.sh"
flow_begin
user_policy "branch: follow"

# begin NAME: a repository with a home.
begin() {
    story "$1"
    P=$SCRATCH/$(echo "$1" | tr -c 'a-z\n' -)
    make_repo "$P"
    make_home "$P"
}

add_line() {
    viv run "add a line to one.txt" -C "$P" -- sh -c 'echo more >> one.txt'
    expect_code 0 "a run"
    task=$(last_task)
    same "state" "$(state_of "$P" "$task")" ready
}

begin "detached head"
git -C "$P" checkout -q --detach
before=$(git -C "$P" rev-parse HEAD)
add_line
same "HEAD" "$(git -C "$P" rev-parse HEAD)" "$before"
same "the checkout" "$(tail -n 1 "$P/one.txt")" 1
same "the result" "$(git -C "$P" cat-file blob "viv/$task:one.txt" | tail -n 1)" more
same "the result stands on HEAD" "$(git -C "$P" rev-parse "viv/$task^")" "$before"
same "main" "$(git -C "$P" rev-parse main)" "$before"

story "linked worktree"
Q=$P
git -C "$Q" checkout -q main
git -C "$Q" worktree add -q -b side "$SCRATCH/side" main
P=$SCRATCH/side
make_home "$P"
add_line
same "side" "$(git -C "$Q" rev-parse side)" "$(git -C "$Q" rev-parse "viv/$task")"
same "main" "$(git -C "$Q" rev-parse main)" "$before"
same "the other worktree" "$(tail -n 1 "$Q/one.txt")" 1
same "this worktree" "$(tail -n 1 "$P/one.txt")" more
same "git's status here" "$(git -C "$P" status --short)" ""
same "git's status there" "$(git -C "$Q" status --short)" ""

begin "another branch is checked out meanwhile"
git -C "$P" branch other
viv_begin a run "add a line to one.txt" -C "$P" -- sh -c ': SWITCH; kill -STOP $$; echo more >> one.txt'
await_stopped SWITCH
git -C "$P" checkout -q other
echo elsewhere >"$P/other.txt" && git -C "$P" add other.txt && git -C "$P" commit -qm other
other=$(git -C "$P" rev-parse other)
kill -CONT "$stopped_pid"
viv_end a
expect_code 0 "a run whose branch was left"
task=$(last_task)
same "the branch that is checked out now" "$(git -C "$P" rev-parse other)" "$other"
same "its files" "$(tail -n 1 "$P/one.txt")" 1
same "git's status" "$(git -C "$P" status --short)" ""
same "the result on the line of main" "$(git -C "$P" cat-file blob refs/viv/line/main:one.txt | tail -n 1)" more
refute "the result has the other branch's file" git -C "$P" cat-file -e "viv/$task:other.txt"

begin "hooks"
for hook in pre-commit post-commit commit-msg reference-transaction post-checkout post-merge pre-push post-index-change; do
    printf '#!/bin/sh\ntouch %s/hooked\nexit 1\n' "$SCRATCH" >"$P/.git/hooks/$hook"
    chmod +x "$P/.git/hooks/$hook"
done
add_line
same "the checkout" "$(tail -n 1 "$P/one.txt")" more
viv rollback "$task" -C "$P"
expect_code 0 rollback
refute "a hook ran" test -e "$SCRATCH/hooked"

begin "no user.email"
git -C "$P" config --unset user.email
git -C "$P" config --unset user.name
add_line
same "author" "$(git -C "$P" log -1 --format='%ae' "viv/$task")" "vivarium@localhost"

begin "submodule"
make_repo "$SCRATCH/library"
git -C "$P" -c protocol.file.allow=always submodule --quiet add "$SCRATCH/library" lib
git -C "$P" commit -qm "a submodule"
module=$(git -C "$P" ls-tree HEAD lib)
viv run "write into the submodule and one.txt" -C "$P" -- sh -c 'echo more >> one.txt; echo x > lib/new.txt'
task=$(last_task)
case $(state_of "$P" "$task") in ready | failed) ;; *) fail "state $(state_of "$P" "$task")" ;; esac
same "the submodule in the checkout" "$(git -C "$P/lib" status --short)" ""
add_line
same "the submodule in the result" "$(git -C "$P" ls-tree "viv/$task" lib)" "$module"
same "git's status" "$(git -C "$P" status --short)" ""

begin "lfs pointer"
printf '*.bin filter=lfs diff=lfs merge=lfs -text\n' >"$P/.gitattributes"
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 12\n' 7 >"$P/data.bin"
git -C "$P" -c filter.lfs.clean=cat -c filter.lfs.smudge=cat add -A && git -C "$P" commit -qm "a pointer"
add_line
same "the pointer" "$(git -C "$P" rev-parse "viv/$task:data.bin")" "$(git -C "$P" rev-parse HEAD~1:data.bin)"
expect "the pointer in the checkout" grep -q "size 12" "$P/data.bin"
viv run "copy the pointer" -C "$P" -- sh -c 'cat data.bin > copy.bin'
expect_code 0 "a task that reads it"
expect "what the task saw" grep -q "size 12" "$P/copy.bin"

viv run "break the pointer" --id smudged -C "$P" -- sh -c 'echo content > data.bin'
expect_code 1 "a task that puts content where a pointer belongs"
said "git converts 'data.bin' (filter=lfs by git attributes) between working tree and repository"
refute "a result" git -C "$P" rev-parse -q --verify viv/smudged

begin "other line ends in the working tree"
printf '*.bat text eol=crlf\n*.txt text eol=lf\n' >"$P/.gitattributes"
printf 'one\r\n' >"$P/run.bat"
git -C "$P" add -A && git -C "$P" commit -qm "line ends"
viv run "change both" --id bat -C "$P" -- sh -c 'echo two >>run.bat; echo two >>one.txt'
expect_code 1 "a task that changes a file with other line ends"
said "git converts 'run.bat' (eol=crlf by git attributes)"
viv run "change one" -C "$P" -- sh -c 'echo two >>one.txt'
expect_code 0 "what is not converted can be changed"

begin "attributes that are nobody's but the repository's"
printf '*.txt text eol=crlf\n' >"$(git -C "$P" rev-parse --absolute-git-dir)/info/attributes"
viv run "change it" --id infoattr -C "$P" -- sh -c 'echo two >>one.txt'
expect_code 1 "a task that changes a file which .git/info/attributes converts"
said "git converts 'one.txt' (eol=crlf by git attributes)"

story "empty repository without commits"
P=$SCRATCH/empty
git init -q -b main "$P" && git -C "$P" config user.email a@example.org && git -C "$P" config user.name A
make_home "$P"
viv run "change nothing" --id nothing -C "$P" -- true
expect_code 0 "a task that changes nothing where no commit is"
refute "a commit of it" git -C "$P" rev-parse -q --verify HEAD
viv run "write the first file" -C "$P" -- sh -c 'echo first > one.txt'
expect_code 0 "a run"
task=$(last_task)
same "the file" "$(cat "$P/one.txt")" first
same "the branch" "$(git -C "$P" rev-parse main)" "$(git -C "$P" rev-parse "viv/$task")"
same "git's status" "$(git -C "$P" status --short)" ""

begin "names with newline, blanks, quotes, bytes that are not UTF-8"
cat >"$P/names.sh" <<'NAMES'
echo 1 > "$(printf 'new\nline.txt')"
echo 2 > 'a blank and "quotes".txt'
echo 3 > "$(printf 'latin-\351.txt')"
echo 4 > -dash.txt
mkdir -p 'deep folder' && echo 5 > 'deep folder/%41.txt'
NAMES
git -C "$P" add -A && git -C "$P" commit -qm "a script"
viv run "write odd names" -C "$P" -- sh ./names.sh
expect_code 0 "a run"
task=$(last_task)
same "newline" "$(cat "$P/$(printf 'new\nline.txt')")" 1
same "quotes" "$(cat "$P/a blank and \"quotes\".txt")" 2
same "latin" "$(cat "$P/$(printf 'latin-\351.txt')")" 3
same "dash" "$(cat "$P/-dash.txt")" 4
same "percent" "$(cat "$P/deep folder/%41.txt")" 5
same "git's status" "$(git -C "$P" status --short)" ""
expect "the log is UTF-8" sh -c '"$0" log show --json --task "$1" -C "$2" | iconv -f UTF-8 -t UTF-8' "$VIVHOST" "$task" "$P"
viv rollback "$task" -C "$P"
expect_code 0 rollback
same "files after the rollback" "$(ls "$P" | tr '\n' ' ')" "docs names.sh one.txt secret.txt three.txt two.txt "

begin "symlinks to outside"
echo outside >"$SCRATCH/outside.txt"
ln -s "$SCRATCH/outside.txt" "$P/link.txt"
ln -s "$SCRATCH" "$P/folder"
git -C "$P" add -A && git -C "$P" commit -qm "links"
viv run "write through links" --attempts 1 -C "$P" -- sh -c 'echo x >> link.txt; echo y > folder/made.txt; echo more >> one.txt'
same "the file outside" "$(cat "$SCRATCH/outside.txt")" outside
refute "a file was made outside" test -e "$SCRATCH/made.txt"
viv run "replace the file by a link" -C "$P" -- sh -c "ln -sf $SCRATCH/outside.txt three.txt"
expect_code 0 "a task that makes a link"
same "the link" "$(readlink "$P/three.txt")" "$SCRATCH/outside.txt"
same "the file outside" "$(cat "$SCRATCH/outside.txt")" outside
viv run "write to the former link" --attempts 1 -C "$P" -- sh -c 'rm three.txt; echo own > three.txt'
expect_code 0 "a task that replaces a link"
same "the file outside" "$(cat "$SCRATCH/outside.txt")" outside
same "the file" "$(cat "$P/three.txt")" own
viv rollback "$(last_task)" -C "$P"
expect_code 0 rollback
same "the link again" "$(readlink "$P/three.txt")" "$SCRATCH/outside.txt"
same "the file outside" "$(cat "$SCRATCH/outside.txt")" outside
# While a task runs, a folder of its path becomes a link to outside: publishing must not follow it.
mkdir "$SCRATCH/away"
viv_begin a run "write into docs" -C "$P" -- sh -c ': LINKED; kill -STOP $$; echo new > docs/new.txt'
await_stopped LINKED
mv "$P/docs" "$SCRATCH/kept" && ln -s "$SCRATCH/away" "$P/docs"
kill -CONT "$stopped_pid"
viv_end a
expect_code 3 "a folder that became a link is a conflict"
same "what lies outside" "$(ls -A "$SCRATCH/away")" ""
rm "$P/docs" && mv "$SCRATCH/kept" "$P/docs"
approve_all "$P" "$(last_task)"
same "the file" "$(cat "$P/docs/new.txt")" new

begin "executable bits and deletions"
viv run "make one.txt a program, delete two.txt" -C "$P" -- sh -c 'chmod +x one.txt; rm two.txt'
expect_code 0 "a run"
task=$(last_task)
mode=100755
on_plain_copies "$P" && mode=100644 && said "the sandbox is reduced, some programs cannot work in it ('vivhost doctor')"
[ $mode = 100644 ] || expect "the bit" test -x "$P/one.txt"
refute "the deleted file is there" test -e "$P/two.txt"
same "the mode in the result" "$(git -C "$P" ls-tree "viv/$task" one.txt | cut -c 1-6)" $mode
same "git's status" "$(git -C "$P" status --short)" ""
viv rollback "$task" -C "$P"
refute "the bit after the rollback" test -x "$P/one.txt"
same "the file after the rollback" "$(tail -n 1 "$P/two.txt")" 2

begin "a rollback of what was changed since is refused"
add_line
echo "by hand" >>"$P/one.txt"
viv rollback "$task" -C "$P"
expect_code 1 "a rollback over an edit by hand"
same "the edit" "$(tail -n 1 "$P/one.txt")" "by hand"
same "state" "$(state_of "$P" "$task")" ready
said one.txt

begin "a merge that is under way"
git -C "$P" checkout -q -b side && echo side >>"$P/one.txt" && git -C "$P" commit -qam side
git -C "$P" checkout -q main && echo main >>"$P/one.txt" && git -C "$P" commit -qam main
git -C "$P" merge -q side >/dev/null 2>&1
status=$(git -C "$P" status --short)
viv_begin a run "write new.txt" --json -C "$P" -- sh -c 'echo new > new.txt'
until_true "an end or a delay" sh -c '! kill -0 "$0" || grep -q "task.delayed\|awaiting_approval" "$1"' "$pid_a" "$SCRATCH/a.out"
same "git's status" "$(git -C "$P" status --short)" "$status"
git -C "$P" merge --abort
viv_end a
same "the file" "$(cat "$P/new.txt")" new

flow_end

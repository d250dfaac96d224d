# SPDX-License-Identifier: Apache-2.0
# Whose home it is. Without this test: a home that came with somebody's folder could pass for the user's own by naming no
# id at all; two homes made at once could forget each other; a failed 'init' could leave a home nobody can use; git and
# tasks could see, publish or overwrite the home of a linked worktree or of a folder inside a repository.
. "$(dirname "$0")/lib.sh"
flow_begin
umask 077

story "a home without an id is not the user's, however it is written"
for text in '{"version":1}' '{"id":"","version":1}' '{"id":"..","version":1}' '{"id":7,"version":1}'; do
    P=$SCRATCH/carried
    rm -rf "$P"
    mkdir -p "$P" "$SCRATCH/made"
    "$VIVHOST" init "$SCRATCH/made" >/dev/null 2>&1
    cp -a "$SCRATCH/made/.vivarium" "$P/"
    printf '%s' "$text" >"$P/.vivarium/home.json"
    viv submit "do it" -C "$P" -- true
    expect_code 5 "submit in a home with $text"
    said "has no usable id"
    viv queue list -C "$P"
    refute "list in a home with $text" [ "$code" = 0 ]
done
viv trust --home -C "$P"
refute "taking over a home without an id" [ "$code" = 0 ]

story "homes made at once know each other"
for i in 1 2 3 4 5 6; do
    mkdir -p "$SCRATCH/many/$i"
    viv_begin "init$i" init "$SCRATCH/many/$i"
done
for i in 1 2 3 4 5 6; do
    viv_end "init$i"
    expect_code 0 "init $i"
done
for i in 1 2 3 4 5 6; do
    viv submit "do it" -C "$SCRATCH/many/$i" -- true
    expect_code 0 "submit in home $i"
    flow_homes+=("$SCRATCH/many/$i")
done

story "an init that fails leaves nothing"
P=$SCRATCH/$(printf 'caf\xe9')
mkdir -p "$P"
viv init "$P"
refute "init in a folder that is not UTF-8" [ "$code" = 0 ]
said "is not UTF-8"
refute "a home in it" [ -e "$P/.vivarium" ]
P=$SCRATCH/lost
mkdir -p "$P"
HOME='' XDG_DATA_HOME='' viv init "$P"
refute "init without a user's folder" [ "$code" = 0 ]
said "set HOME"
refute "a home in it" [ -e "$P/.vivarium" ]
viv init "$P"
expect_code 0 "init once it can be"

untracked() {
    git -C "$1" status --porcelain -uall
}

story "git sees no home of a linked worktree"
R=$SCRATCH/linked
make_repo "$R" && git -C "$R" worktree add -q "$SCRATCH/tree" && rm -r "$R/.git/info"
make_home "$SCRATCH/tree"
same "what git sees of the worktree" "$(untracked "$SCRATCH/tree")" ""
make_home "$R"
same "what git sees of the main tree" "$(untracked "$R")" ""
same "lines of exclude" "$(cat "$R/.git/info/exclude")" "/.vivarium/"

story "git sees no home of a folder in a repository, whatever its name"
R=$SCRATCH/whole
make_repo "$R"
printf '/.vivarium/ is not this line' >"$R/.git/info/exclude" # and it has no line break at its end
odd='!# o[d]*d?\x '
for name in sub/dir "$odd" $'two\nlines' 'ødd'; do
    mkdir -p "$R/$name"
    make_home "$R/$name"
    same "what git sees beside the home of '$name'" "$(untracked "$R")" ""
done
rm -rf "$R/sub/dir/.vivarium" && viv init "$R/sub/dir"
expect_code 0 "init again"
same "lines for one folder" "$(grep -c '^/sub/dir/.vivarium/$' "$R/.git/info/exclude")" 1
mkdir -p "$R/!# odxd1\\x /.vivarium" "$R/sub/dir/deep/.vivarium"
touch "$R/!# odxd1\\x /.vivarium/db" "$R/sub/dir/deep/.vivarium/db"
same "files beside them that are no home's" "$(untracked "$R" | wc -l)" 2
rm -r "$R/!# odxd1\\x " "$R/sub/dir/deep"

story "an exclude file that cannot be written: no home is left"
mv "$R/.git/info/exclude" "$SCRATCH/exclude" && mkdir "$R/.git/info/exclude" "$R/late"
viv init "$R/late"
refute "init that cannot hide its home" [ "$code" = 0 ]
said "to keep the home out of git"
refute "a home in it" [ -e "$R/late/.vivarium" ]
rmdir "$R/.git/info/exclude" "$R/late"

story "a task of the root sees no home of a folder, excluded or not, and cannot write into one"
make_home "$R"
echo more >"$R/sub/dir/own.txt"
user_policy 'bring: [sub]'
for exclude in "$SCRATCH/exclude" /dev/null; do
    cat "$exclude" >"$R/.git/info/exclude"
    viv run "look" -C "$R" -- sh -c 'find . / -xdev -name .vivarium; cat sub/dir/own.txt'
    expect_code 0 "a look"
    viv task output "$(last_task)" -C "$R"
    same "what the task saw" "$(cat "$SCRATCH/out")" "more"
done
before=$(sha256sum <"$R/sub/dir/.vivarium/home.json")
echo 'd=sub/dir/.viv; mkdir ${d}arium && echo {} >${d}arium/home.json' >"$R/overwrite.sh"
viv run "overwrite" -C "$R" -- sh ./overwrite.sh
expect_code 1 "a task that writes into a home"
said "'sub/dir/.vivarium' belongs to the host"
same "the home of the folder" "$(sha256sum <"$R/sub/dir/.vivarium/home.json")" "$before"

story "an init that is cut short is none"
P=$SCRATCH/cut
mkdir -p "$P"
(VIV_CRASH_AT=stage.before-rename "$VIVHOST" init "$P") >"$SCRATCH/out" 2>"$SCRATCH/err"
said "crash place 'stage.before-rename' reached"
refute "half a home" [ -e "$P/.vivarium" ]
viv init "$P"
expect_code 0 "init after a crash"
said "which an init that was cut short has left"
same "nothing beside the home" "$(find "$P" -maxdepth 1 -name '.vivarium.*')" ""
viv submit "do it" -C "$P" -- true
expect_code 0 "submit in a home made after a crash"
flow_homes+=("$P")

flow_end

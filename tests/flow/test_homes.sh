# SPDX-License-Identifier: Apache-2.0
# Whose home it is. Without this test: a home that came with somebody's folder could pass for the user's own by naming no
# id at all; two homes made at once could forget each other; a failed 'init' could leave a home nobody can use.
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

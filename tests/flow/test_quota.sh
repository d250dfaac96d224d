# SPDX-License-Identifier: Apache-2.0
# What the home may take of the disk. Without this test: a home could fill the disk, a full one could refuse what frees room
# or undoes, gc could take a tree that a layer or a task stands on, or half a tree be used after a crash.
. "$(dirname "$0")/lib.sh"
flow_begin
P=$SCRATCH/project
make_repo "$P"
make_home "$P"
T=$P/.vivarium/trees

entries() { find "$T" -mindepth 2 -maxdepth 2 -name stamp | wc -l; }
aside() { find "$T" -maxdepth 1 -name '.new-gone-*' | wc -l; }
# Measured again: what is known of it may be a little late.
stale() { rm -f "$T/size"; }
used() { "$VIVHOST" doctor -C "$P" --json | tr ',' '\n' | sed -n 's/.*the home takes \([0-9]*\)\..*/\1/p'; }

story "without a bound"
viv run "make a file" --id first -C "$P" -- sh -c 'echo first >first.txt'
expect_code 0 "a task"
viv doctor -C "$P"
said "MiB, without a bound: 'limits: disk' of the policy sets one"
mib=$(used)
expect "doctor says how much" test -n "$mib"

story "a bound that is none"
user_policy 'limits: {disk: 5}'
viv run "no" --id none -C "$P" -- true
refute "a task with such a policy" test "$code" = 0
said "'disk' is '5', allowed: 1MiB to 1048576GiB, with a unit: KiB, MiB, GiB"

story "over it"
user_policy "limits: {disk: $((mib + 6))MiB}"
viv doctor -C "$P"
said "MiB, allowed $((mib + 6)).0 MiB"
viv run "twice" --id keyed --key once -C "$P" -- true
expect_code 0 "a task with a key"
head -c 8000000 /dev/urandom >"$P/big.bin" && git -C "$P" add big.bin && git -C "$P" commit -qm big
viv run "see the big file" --id second -C "$P" -- sh -c 'echo second >second.txt'
expect_code 0 "the task that fills it"
stale
viv run "one too many" --id third -C "$P" -- sh -c 'echo third >third.txt'
refute "a task over the bound" test "$code" = 0
said "the home takes "
said "allowed $((mib + 6)).0 MiB ('limits: disk' of the policy), so no new task is taken in; make room by 'vivhost gc"
viv submit "twice" --id keyed --key once -C "$P" -- true
expect_code 0 "what was taken in before, asked for again"
viv submit "another" --id other --key new -C "$P" -- true
refute "a new task with a key" test "$code" = 0
viv task show third -C "$P"
said "there is no task 'third'"
viv doctor -C "$P"
said "no new task is taken in: 'vivhost gc' makes room"

story "what only takes commands refuses too, and goes by the policy as it is now"
viv submit "later" --id fourth -C "$P" -- true
refute "a task added over the bound" test "$code" = 0
said "no new task is taken in"
user_policy "limits: {disk: $((mib + 100))MiB}"
viv submit "later" --id fifth -C "$P" -- true
expect_code 0 "a task after the bound was raised"
viv task cancel fifth -C "$P"
expect_code 0 "cancel"
printf 'version: 1\nlimits: {disk: %dMiB}\n' $((mib + 6)) >"$P/vivarium.yaml"
stale
viv submit "later" --id sixth -C "$P" -- true
refute "a task over the project's bound" test "$code" = 0
said "allowed $((mib + 6)).0 MiB"
rm "$P/vivarium.yaml"
user_policy "limits: {disk: $((mib + 6))MiB}"

story "what undoes and saves is never refused"
viv rollback second -C "$P"
expect_code 0 "rollback over the bound"
viv backup "$SCRATCH/backup" -C "$P"
expect_code 0 "backup over the bound"

story "gc, and a crash in its middle"
before=$(entries)
expect "there are trees" test "$before" -gt 1
viv gc --keep 1 -C "$P"
said "0 trees removed, 0 bytes"
viv gc --keep 0 --dry-run -C "$P"
said "$before trees would be removed"
same "trees after counting" "$(entries)" "$before"
VIV_CRASH_AT=gc.before-trees viv gc --keep 0 -C "$P"
refute "gc got past the crash" test "$code" = 0
expect "trees are put aside" test "$(aside)" -gt 0
viv gc --keep 0 -C "$P"
expect_code 0 "gc after the crash"
same "what was put aside" "$(aside)" 0
same "trees" "$(find "$T" -mindepth 2 -maxdepth 2 -name stamp -not -path '*/.new-*' | wc -l)" 0

story "and on it goes"
viv run "go on" --id seventh -C "$P" -- sh -c 'cat first.txt >seventh.txt'
expect_code 0 "a task after gc"
stale
viv doctor -C "$P"
viv rollback first -C "$P"
expect_code 0 "an old task rolls back after gc"
line=$(git -C "$P" ls-tree --name-only refs/viv/line/main)
refute "what the old task wrote is on the line" grep -qx first.txt <<<"$line"

story "a layer stays while another stands on it, a tree while a task works"
viv gc --keep 0 -C "$P"
user_policy "limits: {disk: $((mib + 100))MiB}"
viv run "one" --id one -C "$P" -- sh -c 'echo 1 >1.txt'
viv run "two" --id two -C "$P" -- sh -c 'echo 2 >2.txt'
for stamp in "$T"/*/stamp; do
    grep -q '"parent":""' "$stamp" && touch -d '3 days ago' "$stamp"
done
below=$(entries)
viv gc --keep 1 -C "$P"
said "0 trees removed"
same "trees" "$(entries)" "$below"
viv_begin long run "long" --id long -C "$P" -- sh -c ': QUOTALONG; kill -STOP $$; cat 1.txt 2.txt >long.txt'
await_stopped QUOTALONG
viv gc --keep 0 -C "$P"
expect_code 0 "gc beside a task"
expect "what the task works on stays" test "$(entries)" -gt 0
same "what was put aside" "$(aside)" 0
kill -CONT "$stopped_pid"
viv_end long
expect_code 0 "the task that gc went around"
viv gc --keep 0 -C "$P"
same "trees when nobody works" "$(entries)" 0
flow_end

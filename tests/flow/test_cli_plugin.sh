# SPDX-License-Identifier: Apache-2.0
# Plugins put in and taken out. Without this test: a file that breaks a rule could be installed, an unsigned plugin could
# run inside the host or keep it from starting, a removal could take what is bundled, and none of it could be seen later.
. "$(dirname "$0")/lib.sh"
flow_begin
F=$VIV_BUILD/tests/fault
[ -e "$F/good.so" ] || skip "the faulty plugins are not built"
P=$SCRATCH/project
make_repo "$P"
make_home "$P"

known() { "$VIVHOST" plugin list -C "$P" --json | grep -c "\"id\":\"$1\""; }
# refused FILE WORDS: not installed, with rule and cure.
refused() {
    viv plugin install "$1" -C "$P"
    expect_code 1 "install of $1"
    said "$2"
}

story "refusals"
bundled=$("$VIVHOST" plugin list -C "$P" | wc -l)
refused "$F/no_note.so" "cure: build it with viv_add_plugin"
refused "$F/newer_abi.so" "use a newer host"
refused "$F/older_abi.so" "rebuild the plugin"
refused "$F/execstack.so" "cure: link with -z noexecstack"
refused "$F/text_relocation.so" "rule '"
refused "$F/extra_export.so" "rule '"
refused "$F/machine_made.so" "is made by a machine"
refused "$F/experimental.so" "the policy must allow experimental plugins"
refused "$F/unknown_interface.so" "fault.unknown_interface"
refused /dev/null "file name 'null' is not allowed"
refused "$SCRATCH/none.so" "cannot find"
head -c 3000 "$F/good.so" >"$SCRATCH/torn.so"
refused "$SCRATCH/torn.so" "torn.so"
head -c 100000 /dev/urandom >"$SCRATCH/noise.so"
refused "$SCRATCH/noise.so" "noise.so"
cp "$F/good.so" "$SCRATCH/good.so"
echo "vivarium-signature 1 00 00" >"$SCRATCH/good.so.sig"
refused "$SCRATCH/good.so" "signature"
same "plugins after refusals" "$("$VIVHOST" plugin list -C "$P" | wc -l)" "$bundled"

story "an unsigned skill"
viv plugin install "$F/skill.so" -C "$P"
expect_code 0 "install of a skill"
said "fault.skill_00000 1.0.0 installed, trust: unsigned"
same "it is known" "$(known fault.skill_00000)" 1
viv skill list -C "$P"
said '"look under {root:path}"'
viv skill info fault.skill_00000 -C "$P"
expect_code 0 "its manifest"
viv route "look under docs" -C "$P"
expect_code 0 "its sentence"
said "fault.skill_00000"
refused "$F/skill.so" "is installed already, the same bytes"

story "an unsigned plugin that is no skill"
viv plugin install "$F/good.so" -C "$P"
expect_code 0 "install of a critic"
said "it never runs inside the host"
viv doctor -C "$P"
expect_code 0 "doctor"
said "fault.good 1.2.3: not signed by your key"
said "a gate of it is asked in a process of its own, nothing else of it is asked"
viv plugin info fault.good -C "$P"
said "trust    unsigned"
viv run "say hello" --id hello -C "$P" -- echo hello
expect_code 0 "a run beside it"
same "who reviewed" "$(events "$P" hello review.made by.id)" viv.critic_rubric

story "signed with a key of one's own"
rm -f "$SCRATCH/good.so.sig"
viv plugin remove fault.good -C "$P"
expect_code 0 "removal of the unsigned one"
viv plugin sign "$SCRATCH/none.so"
expect_code 1 "signing what is not there"
said "none.so"
refute "a signature of nothing" test -e "$SCRATCH/none.so.sig"
viv plugin sign "$SCRATCH/good.so"
expect_code 0 "signing"
said "your key is made in"
same "the key's mode" "$(find "$HOME" "${XDG_DATA_HOME:-$HOME}" -name plugin-key -printf '%m\n' | head -n 1)" 600
viv plugin sign "$SCRATCH/good.so"
expect_code 0 "signing again"
refute "a second key" grep -q "is made in" "$SCRATCH/err"
viv plugin install "$SCRATCH/good.so" -C "$P"
expect_code 0 "install of signed bytes"
said "fault.good 1.2.3 installed, trust: user"
viv run "say hello" --id signed -C "$P" -- echo hello
expect_code 0 "a run with it"
expect "it reviewed" grep -q fault.good <(events "$P" signed review.made by.id)
viv plugin remove fault.good -C "$P"
expect_code 0 "removal of the signed one"
cp "$SCRATCH/good.so.sig" "$SCRATCH/other.so.sig" && cp "$F/skill.so" "$SCRATCH/other.so"
refused "$SCRATCH/other.so" "signature"
viv plugin install "$F/good.so" -C "$P"
expect_code 0 "install of the unsigned bytes again"

story "the next key"
keys=$(dirname "$(find "$HOME" "${XDG_DATA_HOME:-$HOME}" -name plugin-key | head -n 1)")
Q=$SCRATCH/rotated
make_repo "$Q"
make_home "$Q"
cp "$F/good.so" "$SCRATCH/good.so"
for words in "key" "key list now" "key retire" "key forge" "key rotate now"; do
    # shellcheck disable=SC2086
    viv plugin $words
    expect_code 2 "'plugin $words'"
done
said "'plugin key' is followed by 'rotate now', allowed: list, rotate, retire KEY"
viv plugin sign "$SCRATCH/good.so"
viv plugin install "$SCRATCH/good.so" -C "$Q"
expect_code 0 "install with the first key"
viv plugin key list
expect_code 0 "the list of one"
first=$(sed -nE 's/^([0-9a-f]{64}) signs$/\1/p' "$SCRATCH/out")
same "digits of the key" "${#first}" 64
VIV_CRASH_AT=trust.rotate.before-key viv plugin key rotate
refute "the rotation got past the crash" test "$code" = 0
viv plugin key list
same "keys after the crash" "$(cat "$SCRATCH/out")" "$first signs"
viv plugin sign "$SCRATCH/good.so"
expect_code 0 "signing after the crash"
viv plugin key rotate
expect_code 0 "the rotation"
said "$first kept"
said "stay good until 'vivhost plugin key retire KEY'"
same "modes of the keys" "$(stat -c %a "$keys" "$keys/plugin-key" "$keys/old-keys" | tr '\n' ' ')" "700 600 600 "
viv plugin info fault.good -C "$Q"
said "trust    user"
viv plugin key retire "$first" --json
expect_code 0 "retiring"
said "{\"key\":\"$first\",\"state\":\"retired\"}"
viv plugin install "$SCRATCH/good.so" -C "$P"
expect_code 1 "install of what the retired key signed"
said "plugin '$SCRATCH/good.so': it is signed by the key ${first:0:16}, which is retired; 'vivhost plugin sign' with this"
viv run "say hello" -C "$Q" -- echo hello
refute "a host with it started" test "$code" = 0
said "good.so': it is signed by the key ${first:0:16}, which is retired; 'vivhost plugin sign' with this file"
installed=$(sed -nE "s/.*plugin '([^']*)': it is signed.*/\\1/p" "$SCRATCH/err" | head -n 1)
viv plugin sign "$installed"
expect_code 0 "the command that the refusal names"
viv run "say hello" --id again -C "$Q" -- echo hello
expect_code 0 "a run after it"
expect "it reviewed" grep -q fault.good <(events "$Q" again review.made by.id)

story "out again"
viv plugin remove viv.find_files -C "$P"
expect_code 1 "removal of a bundled one"
said "is bundled with the program; disable it in the policy instead"
viv plugin remove fault.skill_00001 -C "$P"
expect_code 1 "removal of an unknown one"
viv plugin remove fault.good 9.9.9 -C "$P"
expect_code 1 "removal of a version that is not there"
viv plugin remove fault.good 1.2.3 -C "$P"
expect_code 0 "removal"
viv plugin remove fault.skill_00000 -C "$P"
expect_code 0 "removal of the skill"
same "plugins at the end" "$("$VIVHOST" plugin list -C "$P" | wc -l)" "$bundled"
viv route "look under docs" -C "$P"
expect_code 1 "its sentence, which nobody understands any more"
viv log show -C "$P"
same "installs recorded" "$(grep -c 'plugin.installed' "$SCRATCH/out")" 4
same "removals recorded" "$(grep -c 'plugin.removed' "$SCRATCH/out")" 4

story "while another host works"
viv_begin work work -C "$P" --workers 1
working() { "$VIVHOST" workers -C "$P" | grep -q w1; }
until_true "a worker" working
viv plugin install "$F/skill.so" -C "$P"
expect_code 0 "install as a client"
viv route "look under docs" -C "$P"
expect_code 0 "the other host routes by it at once"
viv submit "look under docs" --id looked -C "$P"
settled() { case "$(state_of "$P" looked)" in ready | failed | awaiting_approval) true ;; *) false ;; esac; }
until_true "the task of the new skill" settled
expect "the new skill was chosen" grep -q fault.skill_00000 <(events "$P" looked route.chosen route)
kill -INT "$pid_work"
viv_end work
flow_end

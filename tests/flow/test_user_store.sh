# SPDX-License-Identifier: Apache-2.0
# The user's store, seen from every project. Without this test: a skill would have to be put into each project by itself,
# a project could not keep its own version, what others can write to would be used, one bad file would keep every project
# from starting, or a bundled gate could be pushed aside from there.
. "$(dirname "$0")/lib.sh"
flow_begin
F=$VIV_BUILD/tests/fault
[ -e "$F/good.so" ] || skip "the faulty plugins are not built"
STORE=$HOME/.local/share/vivarium/plugins
A=$SCRATCH/a B=$SCRATCH/b
make_repo "$A"
make_repo "$B"
make_home "$A"
make_home "$B"
SKILL=fault.skill_00000

digest() { sha256sum "$1" | cut -d' ' -f1; }
# from PROJECT ID: where each version comes from, newest first.
from() {
    "$VIVHOST" plugin list -C "$1" --json 2>/dev/null |
        python3 -c "import json,sys; print(*('%s %s %s' % (p['version'], p['from'], p.get('behind', '') or ('refused' if 'refused' in p else 'serves'))
        for p in json.load(sys.stdin)['plugins'] if p['id'] == '$2'), sep='; ')"
}

story "installed once, seen from every project, without any home"
refute "a store before there is anything in it" test -e "$STORE"
cd "$SCRATCH"
viv plugin install --user "$F/skill.so"
expect_code 0 "install for the user"
said "$SKILL 1.0.0 installed for all your projects, trust: unsigned"
same "the store's mode" "$(stat -c %a "$STORE")" 700
for project in "$A" "$B"; do
    same "where it comes from" "$(from "$project" $SKILL)" "1.0.0 user serves"
    viv skill list -C "$project"
    said "skill   user    a skill for the tests"
    said "skill   bundled "
    viv route "look under docs" -C "$project"
    expect_code 0 "its sentence"
    said "$SKILL"
done
viv submit "look under docs" --id looked -C "$A"
viv work --drain -C "$A"
expect "a task was done by it" grep -q "$SKILL@$(digest "$F/skill.so")" <(events "$A" looked route.chosen route)
viv plugin install --user "$F/skill.so" --json
expect_code 1 "the same bytes again"
said "is installed already, the same bytes"

story "a project's own comes first, and is told"
viv plugin install "$F/skill.so" -C "$A"
expect_code 0 "the same into one home"
same "in that project" "$(from "$A" $SKILL)" "1.0.0 home serves; 1.0.0 user 1.0.0 home"
same "in the other" "$(from "$B" $SKILL)" "1.0.0 user serves"
viv skill list -C "$A"
said "not used here: behind 1.0.0 home"
sed 's/"version":"1.0.0"/"version":"2.0.0"/' "$F/skill.so" >"$SCRATCH/skill.so"
viv plugin install --user "$SCRATCH/skill.so"
expect_code 0 "a newer one for the user"
same "the home's version is a pin" "$(from "$A" $SKILL)" "2.0.0 user 1.0.0 home; 1.0.0 home serves; 1.0.0 user 1.0.0 home"
same "the highest one serves in the other" "$(from "$B" $SKILL)" "2.0.0 user serves; 1.0.0 user 2.0.0 user"
viv submit "look under docs" --id pinned -C "$A"
viv work --drain -C "$A"
expect "the pinned one did it" grep -q "$(digest "$F/skill.so")" <(events "$A" pinned route.chosen route)
viv submit "look under docs" --id newest -C "$B"
viv work --drain -C "$B"
expect "the newest did it" grep -q "$(digest "$SCRATCH/skill.so")" <(events "$B" newest route.chosen route)
sed 's/"version":"1.0.0"/"version":"2.0.0"/; s/a skill for the tests/A skill for the tests/' "$F/skill.so" >"$SCRATCH/other.so"
viv plugin install --user "$SCRATCH/other.so"
expect_code 1 "other bytes of the same version"
said "2.0.0 is there with other bytes"
viv plugin remove $SKILL -C "$A"
expect_code 0 "the pin goes"
same "the user's serve again" "$(from "$A" $SKILL)" "2.0.0 user serves; 1.0.0 user 2.0.0 user"
viv plugin remove $SKILL -C "$A"
expect_code 1 "a home does not take out of the user's store"
said "not in this home but in your store, which all your projects see; to remove it there: vivhost plugin remove --user $SKILL"

story "the same rules as for a home"
viv plugin install --user "$F/execstack.so"
expect_code 1 "the audit"
said "cure: link with -z noexecstack"
cp "$F/good.so" "$SCRATCH/good.so"
echo "vivarium-signature 1 00 00" >"$SCRATCH/good.so.sig"
viv plugin install --user "$SCRATCH/good.so"
expect_code 1 "a signature that is none"
said "signature"
rm "$SCRATCH/good.so.sig"
viv plugin install --user "$SCRATCH/good.so"
expect_code 0 "an unsigned critic"
said "it never runs inside the host"
viv run "say hello" --id unsigned -C "$A" -- echo hello
expect_code 0 "a run beside it"
same "who reviewed" "$(events "$A" unsigned review.made by.id)" viv.critic_rubric
viv plugin remove --user fault.good
expect_code 0 "removal"
said "fault.good 1.2.3 removed from all your projects"
viv plugin sign "$SCRATCH/good.so"
viv plugin install --user "$SCRATCH/good.so"
said "trust: user"
for project in "$A" "$B"; do
    viv run "say hello" --id signed -C "$project" -- echo hello
    expect "the signed one reviews in $project" grep -q fault.good <(events "$project" signed review.made by.id)
done
viv plugin remove --user viv.find_files
expect_code 1 "removal of a bundled one"
said "is bundled with the program"
viv plugin remove --user fault.goof
expect_code 1 "removal of an unknown one"
said "there is no plugin 'fault.goof'; nearest: 'fault.good'"

story "bytes that were changed in the store: every project starts, the bundled critic is back, it is told"
good=$STORE/$(digest "$SCRATCH/good.so")
cp "$good/good.so" "$SCRATCH/kept.so"
chmod u+w "$good/good.so"
printf x >>"$good/good.so"
for project in "$A" "$B"; do
    viv run "say hello" --id changed -C "$project" -- echo hello
    expect_code 0 "a run in spite of it"
    expect "it is told" grep -q "'fault.good' of your store is refused: .*has the bytes" "$SCRATCH/err"
    same "who reviewed" "$(events "$project" changed review.made by.id)" viv.critic_rubric
    viv doctor -C "$project"
    said "fault.good 1.2.3: plugin '$good/good.so' has the bytes"
done
cat "$SCRATCH/kept.so" >"$good/good.so"
chmod a-w "$good/good.so"

story "what others may write to"
chmod 0664 "$good/good.so"
viv plugin list -C "$A"
said "refused: '$good/good.so' has mode 0664, others may write, allowed: no bit of 0022; run: chmod go-w '$good/good.so'"
same "it is told as refused" "$(from "$A" fault.good)" "1.2.3 user refused"
viv run "say hello" --id writable -C "$A" -- echo hello
expect_code 0 "a run in spite of it"
same "who reviewed" "$(events "$A" writable review.made by.id)" viv.critic_rubric
chmod 0444 "$good/good.so"
for place in "$STORE" "${STORE%/plugins}"; do
    chmod 0770 "$place"
    viv plugin list -C "$A"
    expect_code 0 "the list"
    expect "it names the store" grep -qF "refused: '$STORE': '$place' has mode 0770, others may write, allowed: no bit of 0022; run: chmod go-w '$place'" "$SCRATCH/out"
    same "nothing of it is there" "$(from "$A" $SKILL)$(from "$A" fault.good)" ""
    viv run "say hello" --id "in-${place##*/}" -C "$A" -- echo hello
    expect_code 0 "a run in spite of it"
    viv plugin install --user "$F/larger.so"
    expect_code 1 "install into it"
    said "chmod go-w '$place'"
    viv plugin remove --user $SKILL
    expect_code 1 "removal from it"
    said "chmod go-w '$place'"
    chmod 0700 "$place"
done
same "mended, all of it is back" "$(from "$A" fault.good)" "1.2.3 user serves"

story "a folder that cannot be understood"
torn=$STORE/$(digest "$F/larger.so")
viv plugin install --user "$F/larger.so"
chmod u+w "$torn" "$torn/manifest.json"
echo '{"id":' >"$torn/manifest.json"
rm "$STORE.index"
for _ in 1 2; do
    viv plugin list -C "$B"
    expect_code 0 "the list"
    expect "it is named with its reason" grep -q "^refused: '$torn': .*the manifest is no JSON" "$SCRATCH/out"
done
viv run "say hello" --id torn -C "$B" -- echo hello
expect_code 0 "a run in spite of it"
rm -r "$torn"
viv plugin list -C "$B"
refute "it is told after it is gone" grep -q refused "$SCRATCH/out" "$SCRATCH/err"

story "a bundled plugin's id, put there by hand, pushes nothing aside"
python3 - "$F/good.so" "$STORE" <<'END'
import hashlib, os, re, sys
data = open(sys.argv[1], "rb").read()
at = data.index(b'"id":"fault.good"')
start, end = data.rindex(b"\0", 0, at) + 1, data.index(b"\0", at)
start = data.index(b"{", start)
note = data[start:end].replace(b'"id":"fault.good"', b'"id":"viv.critic_rubric"').replace(b'"version":"1.2.3"', b'"version":"9.2.3"')
too_long = len(note) - (end - start)
note = re.sub(rb'("description":")(.{%d})' % too_long, rb"\1", note)
data = data[:start] + note + data[end:]
folder = sys.argv[2] + "/" + hashlib.sha256(data).hexdigest()
os.mkdir(folder, 0o700)
for name, content in (("good.so", data), ("manifest.json", note)):
    with open(folder + "/" + name, "wb") as file:
        file.write(content)
END
viv plugin list -C "$B"
expect "it is known" grep -q "viv.critic_rubric *9.2.3 *plugin *user" "$SCRATCH/out"
viv plugin remove --user fault.good
viv run "say hello" --id pushed -C "$B" -- echo hello
expect_code 0 "a run in spite of it"
expect "it is told" grep -q "of your store is refused: 'viv.critic_rubric' is the id of a bundled plugin" "$SCRATCH/err"
same "who reviewed" "$(events "$B" pushed review.made by.id)" viv.critic_rubric
viv doctor -C "$B"
said "viv.critic_rubric 9.2.3: 'viv.critic_rubric' is the id of a bundled plugin"
same "which one" "$(events "$B" pushed review.made by.version | cut -d. -f1)" 0
viv plugin remove --user viv.critic_rubric
expect_code 0 "removal"

story "while hosts work"
viv plugin remove --user $SKILL 2.0.0
viv plugin remove --user $SKILL
expect_code 0 "removal"
viv_begin work work -C "$A" --workers 1
working() { "$VIVHOST" workers -C "$A" | grep -q w1; }
until_true "a worker" working
viv route "look under docs" -C "$A"
expect_code 1 "nobody understands it"
viv plugin install --user "$F/skill.so"
expect_code 0 "install beside a host"
viv route "look under docs" -C "$A"
expect_code 0 "the host sees it at its next look"
viv submit "look under docs" --id while -C "$A"
settled() { case "$(state_of "$A" while)" in ready | failed | awaiting_approval) true ;; *) false ;; esac; }
until_true "the task of the new skill" settled
expect "the new skill was chosen" grep -q $SKILL <(events "$A" while route.chosen route)
kill -INT "$pid_work"
viv_end work

story "another place for it, and none"
XDG_DATA_HOME=$SCRATCH/data viv plugin install --user "$F/skill.so"
expect "it lies there" test -e "$SCRATCH/data/vivarium/plugins/$(digest "$F/skill.so")/skill.so"
HOME='' viv plugin install --user "$F/skill.so"
expect_code 5 "no folder of the user"
said "neither HOME nor XDG_DATA_HOME is an absolute path"
flow_end

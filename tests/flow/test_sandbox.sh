# SPDX-License-Identifier: Apache-2.0
# Each set-up step of the sandbox made to fail in turn. Without this test: a machine that refuses one of them could run a
# task with less than what stands in its record, or bare. What the task finds in fact is compared with what is recorded.
. "$(dirname "$0")/lib.sh"
flow_begin
P=$SCRATCH/repo
make_repo "$P"
make_home "$P"
user_policy "branch: follow"

# What holds in fact, one word a line.
cat >"$P/facts.sh" <<EOP
exec >facts.txt 2>/dev/null
status() { sed -n "s/^\$1:[[:space:]]*//p" /proc/self/status; }
if cat /proc/self/status >/dev/null; then
    [ "\$(status Seccomp)" = 2 ] && echo seccomp
    [ "\$(status NoNewPrivs)" = 1 ] && echo no-new-privileges
    [ "\$(status CapEff)\$(status CapPrm)\$(status CapBnd)" = 000000000000000000000000000000000000000000000000 ] &&
        echo capabilities
else # as in the profile that has no /proc: by what cannot be done
    unshare -U true || echo seccomp
    chown 12345 facts.txt || echo capabilities
    echo no-new-privileges
fi
[ "\$(ulimit -c)" = 0 ] && echo rlimits
[ "\$(ls /proc | grep -cE '^[0-9]+\$')" -lt 9 ] && echo pidns
[ "\$(sed -nE 's/^ *([a-z0-9]+):.*/\1/p' /proc/net/dev | sort -u | tr -d '\n')" = lo ] && echo netns
[ "\$(readlink /proc/self/ns/mnt)" != "$(readlink /proc/self/ns/mnt)" ] && echo mountns
[ "\$(readlink /proc/self/ns/user)" != "$(readlink /proc/self/ns/user)" ] && echo userns
[ "\$(readlink /proc/self/ns/ipc)" != "$(readlink /proc/self/ns/ipc)" ] && echo ipcns
[ "\$(readlink /proc/self/ns/uts)" != "$(readlink /proc/self/ns/uts)" ] && echo utsns
grep -q ' / [^ ]*/work .* overlay \| /work .* - overlay ' /proc/self/mountinfo && echo overlay
cat "$HOME/.ssh/id_ed25519" >/dev/null || echo keys-hidden
cat "$P/.vivarium/vivarium.db" >/dev/null || echo home-hidden
cat "$P/secret.txt" >/dev/null || echo checkout-hidden
(: >"$SCRATCH/escaped") || echo outside-read-only
EOP
git -C "$P" add -A
git -C "$P" commit -qm "facts"


# Whatever is on record must be so in fact; keys, home and checkout are hidden in every profile.
check_facts() {
    local step=$1 facts=$2 profile word
    profile=$("$VIVHOST" log show --json -C "$P" | grep '"kind":"policy.loaded"' |
        sed -nE 's/.*"profile":"([^"]*)".*/\1/p' | tail -n 1)
    for word in $profile keys-hidden home-hidden checkout-hidden outside-read-only no-new-privileges; do
        case $word in
        userns | mountns | pidns | netns | ipcns | utsns | overlay | seccomp | capabilities | rlimits | *-hidden | outside* | no-new*)
            grep -qx -- "$word" <<<"$facts" || fail "step $step: '$word' stands in the record, not so in fact: $profile" ;;
        esac
    done
    refute "step $step: the task wrote outside" test -e "$SCRATCH/escaped"
    printf '   %-15s %s\n' "$step" "ran in: $profile"
}

# ends or is delayed
decided() {
    ! kill -0 "$pid_a" 2>/dev/null || grep -q '"kind":"task.delayed"' "$SCRATCH/a.out"
}

with_step() {
    local step=$1 task=tstep$2 state option=(--fail-step "$1")
    [ "$step" != none ] || option=()
    viv_begin a run "look" --json --id "$task" ${option[@]+"${option[@]}"} -C "$P" -- sh ./facts.sh
    until_true "an end or a delay with step $step" decided
    kill -INT "$(pgrep -P "$pid_a")" 2>/dev/null
    viv_end a
    state=$(state_of "$P" "$task")
    if [ "$state" = ready ]; then
        check_facts "$step" "$(git -C "$P" cat-file blob "viv/$task:facts.txt")"
        ran=$((ran + 1))
        git -C "$P" rm -q facts.txt && git -C "$P" commit -qm "again"
        return
    fi
    stopped=$((stopped + 1))
    printf '   %-15s %s\n' "$step" "nothing ran: ${state:-the host did not start}"
    expect "step '$step' is named" grep -qF -- "step '$step'" "$SCRATCH/err" "$SCRATCH/out" ||
        cat "$SCRATCH/out" >&2
    refute "step $step: the command ran" test -e "$P/facts.txt"
    refute "step $step: there is a result" git -C "$P" rev-parse -q --verify "viv/$task"
    case $(field "$P" "$task" cost_micro) in "" | 0) ;; *) fail "step $step: what never ran cost something" ;; esac
    case $state in "" | cancelled) ;; *) fail "step $step: state $state" ;; esac
}

story "no step fails"
ran=0
stopped=0
with_step none 0
same "runs" "$ran" 1

# The launcher says its names itself: a step that is added is tried here without a word.
steps=$("$VIV_BUILD/host/launcher/viv-launcher" --steps)
[ "$(echo "$steps" | wc -l)" -ge 36 ] || fail "only these steps were found: $steps"
story "each step in turn"
number=0
for step in $steps; do
    number=$((number + 1))
    with_step "$step" "$number"
done
[ "$stopped" -ge 5 ] || fail "$stopped steps stopped the work, at least five must in every profile"

flow_end

# SPDX-License-Identifier: Apache-2.0
# What a task sees and reaches. Without this test: a task, or an instruction hidden in what it reads, could take the
# person's keys, read files that were never committed, talk to the host as if it were the person, or phone home.
. "$(dirname "$0")/lib.sh"
flow_begin

# Reads only: files by name, by content and by place. ROOTS, TEXTS and SECRETS are put in by the test.
look() {
    sed -e "s|ROOTS|$1|" -e "s|TEXTS|$2|" -e "s|SECRETS|$3|" <<'PROBE'
exec >seen.txt 2>/dev/null
echo "files:"
find ROOTS -xdev \( -name 'id_*' -o -name '*.db' -o -name host.lock -o -name 'secret*' -o -name policy.yaml \
    -o -name known.json -o -name plugins.index -o -name skill.so -o -name execution_log.jsonl -o -name .vivarium -o -name shadow -o -type s \) -print | sort
echo "content:"
grep -rlE 'a key that no [t]ask may see|hidden [w]ord' TEXTS
for place in SECRETS; do
    cat "$place" && echo "read $place"
    ls "$place" && echo "listed $place"
done
PROBE
}

# Other processes, environment, network.
reach() {
    sed -e "s|PORT|$1|" -e "s|ABSTRACT|$2|" <<'PROBE'
for process in /proc/[0-9]*; do
    ls "$process/root/root" "$process/cwd/.vivarium"
    ls -l "$process/fd" | grep -E 'vivarium|/user|socket:'
    tr '\0' '\n' <"$process/environ" | grep -E 'SSH|TOKEN|viv-flow|SECRET_OF_PERSON'
done
echo "environment:"
env | sed 's/=.*//' | sort | tr '\n' ' '
echo
echo "processes:"
ls /proc | grep -cE '^[0-9]+$'
echo "network:"
sed -nE 's/^ *([a-z0-9]+):.*/\1/p' /proc/net/dev | tr '\n' ' '
echo
python3 - <<'PYTHON'
import socket
for family, address in ((socket.AF_INET, ("127.0.0.1", PORT)), (socket.AF_INET, ("192.0.2.1", 80)),
                        (socket.AF_UNIX, b"\0ABSTRACT")):
    try:
        with socket.socket(family, socket.SOCK_STREAM) as s:
            s.settimeout(2)
            s.connect(address)
            print("connected to", address)
    except OSError:
        print("refused")
PYTHON
echo "end"
PROBE
}

# What would do harm outside: only ever put behind the probe inside a task, never run by the test itself.
attempts() {
    cat <<'PROBE'
echo "writing outside:"
for place in /usr/bin/probe /etc/probe /dev/probe /git-objects/probe /probe /proc/sys/kernel/hostname; do
    (: >"$place") && echo "wrote $place"
done
mount -t tmpfs none /tmp && echo "mounted"
unshare -U true && echo "made a user namespace"
echo "end of attempts"
PROBE
}

# A listener on TCP and on an abstract socket: only a task that gets out can reach it.
listen() {
    python3 - "$SCRATCH/port" <<'PYTHON' &
import os, socket, sys
tcp = socket.create_server(("127.0.0.1", 0))
unix = socket.socket(socket.AF_UNIX)
unix.bind(b"\0viv-flow-%d" % os.getppid())
unix.listen()
with open(sys.argv[1] + ".new", "w") as file:
    file.write(str(tcp.getsockname()[1]))
os.rename(sys.argv[1] + ".new", sys.argv[1])
tcp.accept()
PYTHON
    listener=$!
    flow_jobs+=($!)
    until_true "a listener" test -s "$SCRATCH/port"
}

section() {
    awk -v section="$1:" '/^[a-z ]+:$/ { in_it = $0 == section; next } /^end/ { in_it = 0 } in_it && NF' "$P/seen.txt"
}

check_sight() {
    expect_code 0 "the probe"
    expect "the probe came to its end" grep -q '^end$' "$P/seen.txt"
    expect "the attempts came to their end" grep -q '^end of attempts$' "$P/seen.txt"
    same "files in sight" "$(section files)" ""
    if on_plain_copies "$P"; then # that a file of this name exists can be found out; no folder is listed, nothing is read
        same "content in sight" "$(section content | grep -vxF "$(for place in $secrets; do
            [ -d "$place" ] || printf '%s\nlisted %s\n' "$place" "$place"
        done)")" ""
    else
        same "content in sight" "$(section content)" ""
    fi
    same "environment" "$(section environment)" "HOME LANG PATH PWD TMPDIR TZ USER VIV_ATTEMPT VIV_REASONS VIV_TASK "
    [ "$(section processes)" -le 8 ] || fail "$(section processes) processes in sight"
    refute "a connection went out" grep -q '^connected' "$P/seen.txt"
    same "refused connections" "$(grep -c '^refused' "$P/seen.txt")" 3
    same "written outside" "$(section 'writing outside')" ""
}

[ -e "$VIV_BUILD/tests/fault/skill.so" ] || skip "the faulty plugins are not built"
"$VIVHOST" plugin install --user "$VIV_BUILD/tests/fault/skill.so" >"$SCRATCH/out" || fail "no skill in the user's store"
plugins=$HOME/.local/share/vivarium/plugins
installed=$plugins/$(sha256sum "$VIV_BUILD/tests/fault/skill.so" | cut -d' ' -f1)
listen
export SSH_AUTH_SOCK=$SCRATCH/agent SECRET_OF_PERSON=yes GITHUB_TOKEN=none
user_policy "branch: follow"
for kind in repository folder; do
    story "what a task sees of a $kind"
    P=$SCRATCH/$kind
    if [ "$kind" = repository ]; then
        make_repo "$P"
    else
        mkdir "$P" && make_files "$P"
    fi
    make_home "$P"
    secrets="$HOME/.ssh/id_ed25519 $P/.vivarium/vivarium.db $P/.vivarium /root $HOME $P"
    secrets="$secrets $plugins.index $installed/manifest.json $installed $plugins"
    [ "$kind" = folder ] || secrets="$secrets $P/secret.txt /work/secret.txt"
    { look "/ /home /tmp /run /var /work /etc" "/work /home /root /tmp /run /var /etc /git-objects /dev/shm" "$secrets" &&
        reach "$(cat "$SCRATCH/port")" "viv-flow-$$" && attempts; } >"$P/probe.sh"
    viv run "look around" -C "$P" -- sh ./probe.sh
    check_sight
done
kill "$listener"

story "the same look from outside finds what it must: it can fail"
(cd "$P" && look "$HOME" "$HOME" "$secrets" >"$SCRATCH/look.sh" && sh "$SCRATCH/look.sh")
same "files in sight from outside" "$(section files)" "$HOME/.config/vivarium/policy.yaml
$HOME/.local/share/vivarium/known.json
$HOME/.local/share/vivarium/plugins.index
$installed/skill.so
$HOME/.ssh/id_ed25519"
same "content in sight from outside" "$(section content | head -n 1)" "$HOME/.ssh/id_ed25519"
rm "$P/seen.txt"

flow_end

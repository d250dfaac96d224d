# SPDX-License-Identifier: Apache-2.0
# Hosts by policy. Without this test: a task could reach what nobody allowed it, what is allowed could not be reached, or
# nobody could tell afterwards what a task has sent.
. "$(dirname "$0")/lib.sh"
flow_begin
P=$SCRATCH/project
make_repo "$P"
# Asks the task's own proxy for http://$1/, or, with "direct", dials it. What came goes to got.txt.
cat >"$P/fetch.sh" <<'SCRIPT'
place=$1
[ "${2:-}" != direct ] || exec 3<>"/dev/tcp/${place%:*}/${place##*:}" || exit 9
[ "${2:-}" = direct ] || exec 3<>/dev/tcp/127.0.0.1/3128 || exit 8
printf 'GET http://%s/ HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$place" "$place" >&3
cat <&3 | tr -d '\r' | sed -n '1p;$p' >got.txt
cat got.txt
grep -q ' 200 ' got.txt
SCRIPT
printf 'env | grep -i proxy | LC_ALL=C sort >proxies.txt; true\n' >"$P/proxies.sh"
git -C "$P" add -A && git -C "$P" commit -qm scripts
make_home "$P"

python3 -B "$FLOW/canary.py" "$SCRATCH/port" "$SCRATCH/heard" &
canary=$!
flow_jobs+=($canary)
gone() {
    kill "$canary"
    wait "$canary" 2>/dev/null
}
touch "$SCRATCH/heard"
until_true "the canary's port" test -s "$SCRATCH/port"
PORT=$(cat "$SCRATCH/port")
heard() { wc -l <"$SCRATCH/heard"; }
fetch() { # fetch TASK NET... -- WORDS
    local id=$1 options=(--id "$1" --attempts 1)
    shift
    while [ "$1" != -- ]; do
        options+=(--net "$1")
        shift
    done
    shift
    viv run "look" "${options[@]}" -C "$P" -- bash fetch.sh "$@"
}

story "without a policy there is no network"
fetch alone -- "127.0.0.1:$PORT" direct
expect_code 1 "a task that dials by itself"
fetch asks "127.0.0.1:$PORT" -- "127.0.0.1:$PORT"
expect_code 1 "a task that asks"
said "network.not-allowed: the task asks for '127.0.0.1:$PORT', which no network.allow lists"
same "what the canary heard" "$(heard)" 0
case $("$VIVHOST" log show --json -C "$P" | grep -o '"profile":"[a-z-]*:' | tail -n 1) in
*'"full:') ;;
*)
    story "the profile is less than full: whoever asks is refused, and told why"
    user_policy "network: {allow: [\"127.0.0.1:$PORT\"], default: [\"127.0.0.1:$PORT\"]}"
    fetch reduced "127.0.0.1:$PORT" -- "127.0.0.1:$PORT"
    expect_code 1 "a task that asks"
    said "network.profile: the task asks for '127.0.0.1:$PORT', and the profile 'reduced-"
    said "run it where user namespaces are; 'vivhost doctor' says what is missing"
    viv run "look" --id plain -C "$P" -- sh ./proxies.sh
    expect_code 0 "a task that asks for nothing"
    same "proxies" "$(git -C "$P" show "viv/plain:proxies.txt")" ""
    same "what the canary heard" "$(heard)" 0
    gone
    flow_end
    ;;
esac

story "what the user's policy names is reached, and counted"
user_policy "network: {allow: [\"127.0.0.1:$PORT\", \"*.example.org:443\"]}"
fetch reached "127.0.0.1:$PORT" -- "127.0.0.1:$PORT"
expect_code 0 "the task"
same "what it got" "$(git -C "$P" show viv/reached:got.txt | tail -n 1)" canary
same "what the canary heard" "$(heard)" 1
same "hosts of the capability set" "$(field "$P" reached capability.hosts)" "[\"127.0.0.1:$PORT\"]"
same "connections of the record" "$(events "$P" reached effect.finished network.connections)" 1
viv task show reached -C "$P"
said "hosts       127.0.0.1:$PORT"
said "bytes in, "
said "127.0.0.1:$PORT: "
[ "$(field "$P" reached network.bytes_in)" -gt 0 ] || fail "no bytes were counted"
refute "a task that had none and tells of it" grep -q '"network":{' <("$VIVHOST" task show alone --json -C "$P")

story "and nothing else, by whatever way"
fetch other "127.0.0.1:$PORT" -- "127.0.0.1:1"
expect_code 1 "another port"
viv task show other -C "$P"
said "refused 1 times: 127.0.0.1:1"
fetch direct "127.0.0.1:$PORT" -- "127.0.0.1:$PORT" direct
expect_code 1 "dialling it without the proxy"
fetch mine "www.example.org:443" -- "127.0.0.1:$PORT"
expect_code 1 "a host that the policy allows and this task did not ask for"
same "hosts of it" "$(field "$P" mine capability.hosts)" '["www.example.org:443"]'
same "what the canary heard" "$(heard)" 1

story "what programs are told"
viv run "look" --id told --net "127.0.0.1:$PORT" -C "$P" -- sh ./proxies.sh
expect_code 0 "with hosts"
same "proxies" "$(git -C "$P" show viv/told:proxies.txt)" "ALL_PROXY=http://127.0.0.1:3128
HTTPS_PROXY=http://127.0.0.1:3128
HTTP_PROXY=http://127.0.0.1:3128
NO_PROXY=localhost,127.0.0.1,::1
all_proxy=http://127.0.0.1:3128
http_proxy=http://127.0.0.1:3128
https_proxy=http://127.0.0.1:3128
no_proxy=localhost,127.0.0.1,::1"
viv run "look" --id untold -C "$P" -- sh ./proxies.sh
expect_code 0 "without"
same "proxies" "$(git -C "$P" show viv/untold:proxies.txt)" ""

story "a default, and doing without it"
user_policy "network: {allow: [\"127.0.0.1:$PORT\"], default: [\"127.0.0.1:$PORT\"]}"
fetch default -- "127.0.0.1:$PORT"
expect_code 0 "a task that names nothing"
fetch none none -- "127.0.0.1:$PORT"
expect_code 1 "a task that wants none"
same "hosts of it" "$(field "$P" none capability.hosts)" "[]"
same "what the canary heard" "$(heard)" 2

story "bytes have a bound"
user_policy "network: {allow: [\"127.0.0.1:$PORT\"], bytes: 1KiB}"
printf 'i=0; while [ $i -lt 40 ]; do bash ./fetch.sh "$1" || exit 7; i=$((i + 1)); done\n' >"$P/many.sh"
git -C "$P" add -A && git -C "$P" commit -qm many
before=$(heard)
viv run "look" --id many --net "127.0.0.1:$PORT" --attempts 1 -C "$P" -- sh ./many.sh "127.0.0.1:$PORT"
expect_code 1 "more than its bytes"
[ "$(($(heard) - before))" -lt 20 ] || fail "$(($(heard) - before)) answers came through 1 KiB"
[ "$(($(heard) - before))" -ge 1 ] || fail "not even one answer came through 1 KiB"

story "a project narrows, and grants when it is trusted"
printf 'version: 1\nnetwork: {allow: ["www.example.org:443"]}\n' >"$P/vivarium.yaml"
git -C "$P" add -A && git -C "$P" commit -qm policy
fetch narrowed "127.0.0.1:$PORT" -- "127.0.0.1:$PORT"
expect_code 1 "what the project does not list"
said "network.not-allowed: '127.0.0.1:$PORT' is not in network.allow of the project's policy, which narrows yours"
user_policy ""
fetch stranger "www.example.org:443" -- x
expect_code 1 "what a stranger's project grants"
said "which no network.allow lists"
printf 'version: 1\nnetwork: {allow: ["127.0.0.1:%s"]}\nprepare: {run: [bash, fetch.sh, "127.0.0.1:%s"], hosts: ["127.0.0.1:%s"]}
gates: {needs_qa: [{run: [bash, fetch.sh, "127.0.0.1:%s"], hosts: ["127.0.0.1:%s"]}, {run: [sh, -c, "! bash fetch.sh 127.0.0.1:%s"]}]}\n' \
    "$PORT" "$PORT" "$PORT" "$PORT" "$PORT" "$PORT" >"$P/vivarium.yaml"
git -C "$P" add -A && git -C "$P" commit -qm more
viv trust -C "$P"
expect_code 0 trust
before=$(heard)
fetch trusted "127.0.0.1:$PORT" -- "127.0.0.1:$PORT"
expect_code 0 "what a trusted project grants, with its gates"
same "what the canary heard of prepare, task and the first gate" "$(($(heard) - before))" 3
viv trust --withdraw -C "$P"
rm "$P/vivarium.yaml" && git -C "$P" add -A && git -C "$P" commit -qm "no policy"

story "a queue file asks in its own words"
user_policy "network: {allow: [\"127.0.0.1:$PORT\"]}"
printf '{"version":"1.1","tasks":[{"id":"queued","prompt":"look","command":"bash fetch.sh 127.0.0.1:%s","hosts":["127.0.0.1:%s"]}]}\n' \
    "$PORT" "$PORT" >"$SCRATCH/queue.json"
viv submit --queue "$SCRATCH/queue.json" -C "$P"
expect_code 0 "the queue file"
viv work --drain -C "$P"
same "its task" "$(state_of "$P" queued)" ready
sed 's/"hosts":\[[^]]*\]/"hosts":["example.org"]/; s/queued/second/' "$SCRATCH/queue.json" >"$SCRATCH/bad.json"
viv submit --queue "$SCRATCH/bad.json" -C "$P"
expect_code 1 "a host without a port"
said "tasks[0] ('second'): host 'example.org' has no port, like :443"
sed 's/"hosts":\[[^]]*\]/"hosts":"example.org:443"/; s/queued/third/' "$SCRATCH/queue.json" >"$SCRATCH/bad.json"
viv submit --queue "$SCRATCH/bad.json" -C "$P"
expect_code 1 "no list"
said "'hosts' is a text, allowed: a list of texts like example.org:443"
viv queue export -C "$P"
same "tasks of the export that name the host" "$(grep -c "\"hosts\": \\?\\[\"127.0.0.1:$PORT\"\\]" "$SCRATCH/out")" \
    "$(grep -c "127.0.0.1:$PORT\"\\]" "$SCRATCH/out")"

story "words that name no host"
viv run "look" --net example.org -C "$P" -- true
expect_code 2 "no port"
said "option '--net': host 'example.org' has no port, like :443"
viv run "look" --net "*.example.org:443" -C "$P" -- true
expect_code 2 "a rule"
said "option '--net': host '*.example.org:443' has a '*' elsewhere"
viv run "look" --net none --net example.org:443 -C "$P" -- true
expect_code 2 "none and one"
said "option '--net' is 'none' and a host as well, allowed: one of them"
user_policy 'network: {allow: ["https://example.org"]}'
viv run "look" -C "$P" -- true
expect_code 5 "a policy with a scheme"
said "policy.yaml line 2: host 'https://example.org' has a scheme, allowed: HOST:PORT alone"
user_policy ""

gone
flow_end

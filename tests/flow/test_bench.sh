# SPDX-License-Identifier: Apache-2.0
# The benchmarks as programs. Without this test: a mistyped option would be ignored and a figure read as one of something
# else, or rows that people compare could vanish. What is timed is not looked at here, only that it is.
. "$(dirname "$0")/lib.sh"
flow_begin
TOOL=$FLOW/../../tools/bench

bench() {
    timeout 120 "$@" >"$SCRATCH/out" 2>"$SCRATCH/err"
    code=$?
}

# row WHAT: the value or the least of a row; the whole line must be one object.
row() {
    python3 -c 'import json, sys
for row in map(json.loads, sys.stdin):
    if row["what"] == sys.argv[1]: print(row.get("value", row.get("least_ns")))' "$1" <"$SCRATCH/out"
}

above() {
    python3 -c 'import sys; sys.exit(not float(sys.argv[1] or 0) > float(sys.argv[2]))' "$1" "$2"
}

story "each benchmark refuses what it does not know, and names what it does"
count=0
for program in "$VIV_BUILD"/tests/bench/bench_*; do
    [ -x "$program" ] && [ -f "$program" ] || continue
    count=$((count + 1)) name=${program##*/bench_}
    for word in --no-such no-such --rounds=3 -json --; do
        bench "$program" "$word" 3
        expect_code 2 "$name $word"
        said "$name: there is no option '$word', allowed: --json, --rounds N"
        same "rows of $name" "$(cat "$SCRATCH/out")" ""
    done
    for number in 0 -1 x 3x 10000001 ""; do
        bench "$program" --rounds "$number"
        expect_code 2 "$name --rounds $number"
        said "$name: option '--rounds' is '$number', allowed: a whole number from 1 to 10000000"
    done
    bench "$program" --json --rounds
    expect_code 2 "$name --rounds without a number"
done
[ "$count" -ge 8 ] || fail "only $count benchmarks were found"
bench "$VIV_BUILD/tests/bench/bench_durable" --files 3
said "allowed: --json, --rounds N, --tasks N, --events N"
bench "$TOOL" all --tasks 3
expect_code 2 "all of them with an option of one"
said "there is no option '--tasks' for all of them, allowed: --json, --rounds N"
bench "$TOOL" no-such
expect_code 2 "a benchmark that is not there"
said "there is no benchmark 'no-such'"

story "durable counts syncs beside commits: each commit has its own"
bench "$VIV_BUILD/tests/bench/bench_durable" --json --tasks 20 --events 200
expect_code 0 "durable"
for producers in 1 32; do
    syncs=$(row "syncs a task: $producers producers") commits=$(row "commits a task: $producers producers")
    expect "$producers producers: $syncs syncs, $commits commits" above "$syncs" "$commits"
    expect "$producers producers: $commits commits" above "$commits" 0
done

story "start measures the whole program over the store it filled"
bench "$VIV_BUILD/tests/bench/bench_start" --json --skills 30 --rounds 2
expect_code 0 "start"
for what in "start, unchanged store" "plain fork+exec: true" "vivhost --version, no home" "vivhost queue list" \
    "vivhost skill info, one" "vivhost route" "vivhost skill list, all manifests"; do
    expect "start has no row '$what'" above "$(row "$what")" 0
done

flow_end

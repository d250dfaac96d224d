# SPDX-License-Identifier: Apache-2.0
# A row that no log leads to: a disk that lies, or a mistake of the core. Without this test: the host could decide on from
# it, tell the result as the truth, or end without a word of what to do.
. "$(dirname "$0")/lib.sh"
flow_begin
P=$SCRATCH/project
make_repo "$P"
make_home "$P"

story "a host that would break an invariant says so, keeps what came before, and stops"
viv submit "first" --id first -C "$P" -- sh -c 'echo 1 >first.txt'
expect_code 0 "submit"
viv submit "second" --id second -C "$P" -- sh -c 'echo 2 >second.txt'
expect_code 0 "submit"
python3 "$FLOW/look.py" row "$P/.vivarium/vivarium.db" second '{"recoveries":9}'
viv work --drain -C "$P"
refute "work that ends well" [ "$code" = 0 ]
same "its exit code" "$code" 5
said "'task.claimed' of task 'second' would break invariant I11: recovery 9, allowed 6; it was not recorded and the host stops"
said "no further work is admitted"
viv log verify -C "$P"
expect_code 0 "log verify"
viv task show second -C "$P"
expect_code 0 "the task that was not claimed"
said "pending"

story "put right, it goes on"
viv log rebuild --check -C "$P"
expect_code 1 "log rebuild --check"
said '"recoveries":9'
viv log rebuild -C "$P"
expect_code 0 "log rebuild"
viv work --drain -C "$P"
expect_code 0 "work"
same "the first task" "$(state_of "$P" first)" ready
same "the second task" "$(state_of "$P" second)" ready
flow_end

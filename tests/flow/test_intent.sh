# SPDX-License-Identifier: Apache-2.0
# What a request rules out binds what its command does. Without this test: "only under docs", "do not change one.txt" or
# "at most N" would be words in a record while the task writes, and spends, what it likes.
. "$(dirname "$0")/lib.sh"
flow_begin

P=$SCRATCH/project
make_repo "$P"
make_home "$P"

story "what is asked for only under a folder waits for a person elsewhere"
viv run "Add a line to the pages, only under docs/" -C "$P" -- sh -c 'echo more >> docs/page.txt'
expect_code 0 "a change inside the folder"
task=$(last_task)
same "the write list" "$(field "$P" "$task" capability.write)" '["docs"]'
viv run "Add a line to the pages, only under docs/" -C "$P" -- sh -c 'echo more >> docs/page.txt; echo more >> one.txt'
expect_code 3 "a change outside of it"
task=$(last_task)
same "state" "$(state_of "$P" "$task")" awaiting_approval
viv inbox -C "$P"
said "one.txt"

story "what is ruled out is denied, and no approval is asked"
viv run "Add a line to the pages but do not change two.txt" -C "$P" -- sh -c 'echo more >> two.txt'
refute "a change of what was ruled out" [ "$code" = 0 ]
task=$(last_task)
same "state" "$(state_of "$P" "$task")" failed
same "what is avoided" "$(field "$P" "$task" capability.avoid)" '["two.txt"]'
viv run "Add a line to the pages but do not change two.txt" -C "$P" -- sh -c 'echo more >> three.txt'
expect_code 0 "a change of something else"

story "at most so much money"
viv run "Add a line to one.txt for at most 0.000001 dollars" -C "$P" -- sh -c 'echo more >> one.txt'
refute "a task that may cost more" [ "$code" = 0 ]
task=$(last_task)
same "state" "$(state_of "$P" "$task")" failed
said "budget"
viv run "Add a line to one.txt for at most 5 dollars" -C "$P" -- sh -c 'echo more >> one.txt'
expect_code 0 "a task within its budget"

story "no network is what every task has"
viv run "Check one.txt without the network" -C "$P" -- cat one.txt
expect_code 0 "an offline task"
task=$(last_task)
same "the network" "$(field "$P" "$task" capability.network)" 0

flow_end

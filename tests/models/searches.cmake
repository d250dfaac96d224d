# Which searches there are, and which cores are wrong on purpose. A floor is about two thirds of the states at the time of
# writing: a search that gets smaller looks at less.
#     name        floor  tasks shape         trouble kinds                   limit
model(alone       37000  1     MODEL_ALONE   2       MODEL_ALL               35)
model(alone_ends  2000   1     MODEL_ALONE   1       MODEL_ALL               35 ends)
model(chain       450000 2     MODEL_CHAIN   2       MODEL_ALL               35)
model(money       40000  2     MODEL_ALONE   1       MODEL_ALL               14)
model(money_ends  80000  2     MODEL_ALONE   1       MODEL_ALL               14 ends)
model(plan        500000 3     MODEL_PLANNED 2       MODEL_ALL-MODEL_RETRY   35)
model(people      170000 2     MODEL_CHAIN   3       MODEL_BAD+MODEL_CANCEL+MODEL_RETRY+MODEL_ROLLBACK 35)
model(lost        6500   1     MODEL_ALONE   7       MODEL_CRASH             35)
model(delayed     130000 1     MODEL_ALONE   6       MODEL_INFRA             35)
model(rejected    21000  1     MODEL_ALONE   4       MODEL_BAD               100)

#          name            search   what is said
wrong_core(no_lease        alone    "under lease" step.c
    "!step->task.leased || step->task.lease != lease || step->task.epoch" "lease < 0 || step->task.epoch")
wrong_core(no_epoch        alone    "under lease" step.c " || step->task.epoch != number_of(epoch)" "")
wrong_core(gates_skipped   alone    "not every gate passed that tree" step_gates.c
    "if (status || (gates && step->task.gate_index < (int64_t)gates->count)) {"
    "if (status || (gates && step->task.gate_index < 1)) {")
wrong_core(publish_first   alone    "not every gate passed that tree" step_gates.c
    "return bound_gates(step) ? VIV_OK : leave_stage(step)" "return leave_stage(step)")
wrong_core(other_tree      alone    "not every gate passed that tree" step_gates.c
    "if (!vh_str_equal(vh_step_str(step, \"tree\"), stage_tree(task))) {"
    "if (vh_step_str(step, \"tree\").len == 0) {")
wrong_core(settled_twice   alone    "settled that is not open" step_money.c
    "return status ? status : settle(step, cost, \"settled\")"
    "status = status ? status : settle(step, cost, \"settled\"); return status ? status : settle(step, 0, \"settled\")")
wrong_core(hold_forgotten  alone    "hold is open for ever" step_life.c
    "bool settle = step->task.held_micro > 0 && step->task.leased" "bool settle = false")
wrong_core(no_limit        money    "reserved of" step_money.c "if (micro > now) {" "if (micro > now + 1000) {")
wrong_core(attempts        rejected "attempt 4 of a was judged" step_life.c
    "bool last = step->task.attempt >= step->task.attempts_max" "bool last = false")
wrong_core(recoveries      lost     "in a row" step_life.c
    "bool often = step->task.recoveries > VIV_RECOVERIES_MAX" "bool often = false")
wrong_core(delays          delayed  "in a row" step_life.c
    "if (recoveries > VIV_RECOVERIES_MAX) {" "if (recoveries > 100) {")
wrong_core(early           chain    "before a is ready" step_life.c
    "*ret_open += other.state != VH_STATE_READY" "*ret_open += 0")
wrong_core(cancel_anyway   alone    "cancelled" step_people.c "if (vh_step_publishing(step)) {" "if (step->seq < 0) {")
wrong_core(cancel_step     plan     "cancelled" step_followers.c " || vh_step_publishing(step)" "")
wrong_core(back_to_start   alone    "does not return to" step_people.c
    "enum vh_state to = (enum vh_state)step->task.resume_state" "enum vh_state to = VH_STATE_PENDING")
wrong_core(any_answer      alone    "a yes to another question" step_people.c
    "if (!vh_str_equal(seen, step->task.awaiting_digest)) {" "if (seen.len > 1000) {")
wrong_core(stuck           chain    "nobody will move one" step_followers.c
    "return vh_step_move(step, VH_STATE_PENDING, VH_PHASE_IDLE, VH_STR(\"dependencies are ready\"), 0)" "return VIV_OK")
wrong_core(never_ends      alone_ends "non-progress cycle" step_money.c
    "return status ? status : settle(step, cost, \"settled\")" "return status")

#             wrong core     search   its own assertion
asserted_core(no_lease       alone    I4)
asserted_core(no_epoch       alone    I4)
asserted_core(gates_skipped  alone    I6)
asserted_core(publish_first  alone    I6)
asserted_core(other_tree     alone    I6)
asserted_core(settled_twice  alone    I9)
asserted_core(hold_forgotten alone    I12)
asserted_core(no_limit       money    I9)
asserted_core(recoveries     lost     I11)
asserted_core(delays         delayed  I11)
asserted_core(early          chain    I8)
asserted_core(cancel_anyway  alone    I7)
asserted_core(cancel_step    plan     I7)

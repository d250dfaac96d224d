/* SPDX-License-Identifier: Apache-2.0 */
/*
 *             +-> blocked
 * submit -> pending -> running -> needs_qa -> integration -> e2e -> ready -> rolled_back
 *             ^          |           |            |           |
 *             +--- rejected or lost --+------------+-----------+--> failed, awaiting_approval, cancelled
 */
#include "moves.h"

#define MOVE(from, to, why) { VH_STATE_##from, VH_STATE_##to, why }

const struct vh_move vh_moves[] = {
    MOVE(NONE, PENDING, "submitted, nothing to wait for"),
    MOVE(NONE, BLOCKED, "submitted, waits for other tasks"),
    MOVE(BLOCKED, PENDING, "all dependencies are ready"),
    MOVE(BLOCKED, FAILED, "a dependency failed"),
    MOVE(BLOCKED, CANCELLED, "cancelled by a person"),
    MOVE(PENDING, RUNNING, "claimed"),
    MOVE(PENDING, CANCELLED, "cancelled by a person"),
    MOVE(RUNNING, PENDING, "requeued: rejected, asked again, lease lost or infrastructure"),
    MOVE(RUNNING, NEEDS_QA, "the result is frozen"),
    MOVE(RUNNING, FAILED, "a rule forbids it, or attempts are used up"),
    MOVE(RUNNING, AWAITING, "a person must decide"),
    MOVE(RUNNING, EXPANDED, "the task became a plan"),
    MOVE(RUNNING, CANCELLED, "cancelled by a person"),
    MOVE(NEEDS_QA, INTEGRATION, "every gate of the stage passed"),
    MOVE(NEEDS_QA, PENDING, "rejected, requeued with the reasons"),
    MOVE(NEEDS_QA, FAILED, "rejected, attempts are used up"),
    MOVE(NEEDS_QA, AWAITING, "a gate was inconclusive"),
    MOVE(NEEDS_QA, CANCELLED, "cancelled by a person"),
    MOVE(INTEGRATION, E2E, "every gate of the stage passed on the merged tree"),
    MOVE(INTEGRATION, PENDING, "rejected, requeued with the reasons"),
    MOVE(INTEGRATION, FAILED, "rejected, attempts are used up"),
    MOVE(INTEGRATION, AWAITING, "a conflict, or a gate was inconclusive"),
    MOVE(INTEGRATION, CANCELLED, "cancelled by a person"),
    MOVE(E2E, READY, "published"),
    MOVE(E2E, INTEGRATION, "the target moved meanwhile"),
    MOVE(E2E, PENDING, "rejected, requeued with the reasons"),
    MOVE(E2E, FAILED, "rejected, attempts are used up"),
    MOVE(E2E, AWAITING, "a person must decide"),
    MOVE(E2E, CANCELLED, "cancelled by a person"),
    MOVE(READY, ROLLED_BACK, "rolled back by a person"),
    MOVE(AWAITING, PENDING, "approved, runs again"),
    MOVE(AWAITING, NEEDS_QA, "approved, goes on where the question arose"),
    MOVE(AWAITING, INTEGRATION, "approved, goes on where the question arose"),
    MOVE(AWAITING, E2E, "approved, goes on where the question arose"),
    MOVE(AWAITING, FAILED, "rejected by a person"),
    MOVE(AWAITING, CANCELLED, "cancelled by a person"),
    MOVE(EXPANDED, READY, "every child is ready"),
    MOVE(EXPANDED, FAILED, "a child failed"),
    MOVE(EXPANDED, CANCELLED, "cancelled by a person"),
    MOVE(FAILED, PENDING, "retried by a person"),
    MOVE(FAILED, BLOCKED, "retried by a person, waits for other tasks"),
    MOVE(CANCELLED, PENDING, "retried by a person"),
    MOVE(CANCELLED, BLOCKED, "retried by a person, waits for other tasks"),
};

const size_t vh_moves_count = sizeof vh_moves / sizeof *vh_moves;

bool
vh_moves_allowed(int64_t from, int64_t to)
{
    for (size_t i = 0; i < vh_moves_count; i++) {
        if (vh_moves[i].from == (enum vh_state)from && vh_moves[i].to == (enum vh_state)to) {
            return true;
        }
    }
    return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A zygote, plans for the plugins of tests/fault/tier1, and calls with short deadlines; for the tests of runners and
 * pools. */
#ifndef SUPPORT_TIER1_H
#define SUPPORT_TIER1_H

#include "cm.h"

#include "base/error.h"
#include "base/str.h"
#include "run/runner.h"

#define TIER1_DEADLINE_NS INT64_C(300000000)
#define TIER1_PATIENCE_MS 20000
#define TIER1_PLANS_MAX 128

struct tier1 {
    struct vh_arena *arena;
    struct vh_zygote *zygote;
    struct viv_skill_run_request skill_request;
    struct viv_gate_check_request gate_request;
    int fds[TIER1_PLANS_MAX];
    size_t fd_count;
};

struct tier1_plan {
    struct vh_runner_plan plan;
};

struct tier1_answer {
    struct viv_skill_run_answer skill;
    struct viv_gate_check_answer gate;
    struct vh_runner_result result;
    struct viv_error err;
};

extern const char *const tier1_zygote; /* path of the program */

int tier1_setup(void **state);
int tier1_teardown(void **state);
int tier1_seal(struct tier1 *tier1, const char *name);
void tier1_plan(struct tier1 *tier1, const char *name, struct tier1_plan *ret_plan);
struct vh_runner *tier1_start(struct tier1 *tier1, const struct tier1_plan *plan);
/* A sanitizer reports before the signal that would have come, and dies of something else. */
void tier1_sanitized(char *text);
void tier1_refused(struct tier1 *tier1, const struct tier1_plan *plan, enum vh_runner_failure wanted,
                   const char *says);
struct vh_runner_call tier1_skill(struct tier1 *tier1, const struct viv_value *values, uint32_t count);
struct vh_runner_call tier1_gate(struct tier1 *tier1, const char *stage);
viv_status tier1_run(struct tier1 *tier1, struct vh_runner *runner, const struct vh_runner_call *call,
                     struct tier1_answer *ret_answer);
/* After whatever happened, a good plugin is served. */
void tier1_works(struct tier1 *tier1);
/* How many children the zygote has: every runner that ended was collected, none was left behind. */
int tier1_children(struct tier1 *tier1);
int tier1_pidfd(pid_t pid);
int tier1_gone(int pidfd);

#endif

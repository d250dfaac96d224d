/* SPDX-License-Identifier: Apache-2.0 */
/* What a stage's checks are, and what the outcomes of their commands mean. No host, no I/O.
 * Read next: gate_command.c. */
#ifndef GATE_COMMAND_CHECKS_H
#define GATE_COMMAND_CHECKS_H

#include <viv/viv.h>

struct json_t;

/* Commands of one stage. */
#define CHECKS_MAX 64
/* Longest time a policy may give one check: a day. */
#define CHECKS_TIME_MAX_NS INT64_C(86400000000000)

/* The last `lines` lines of a text, at most `bytes` of it. Borrowed from `text`. */
struct viv_str checks_tail(struct viv_str text, int64_t lines, int64_t bytes);

/* The checks a policy binds to a stage, [{"run":[words],"timeout_ns":N}], each checked; NULL and
 * VIV_OK when there are none (empty text, [] or {}). Release with json_decref(). VIV_E_INVALID
 * names the check at fault. */
viv_status checks_read(struct viv_str config_json, struct json_t **ret_checks,
                       struct viv_error *err);

/* The exec document of one check. */
struct json_t *checks_spec(const struct json_t *check, int64_t time_ns, uint32_t *failed);

/* VIV_GATE_*: what a command's end says about the stage. Not started is inconclusive: nothing was
 * checked. */
uint32_t checks_outcome(const struct viv_effect_outcome *outcome);

/* {"text","command","exit_code"} for a check that did not pass; `tail` is cited under the first
 * line. */
struct json_t *checks_finding(const struct json_t *check, const struct viv_effect_outcome *outcome,
                              struct viv_str tail, uint32_t *failed);

/* The same for a check whose effect did not happen: what the door answered. */
struct json_t *checks_refused(const struct json_t *check, viv_status status,
                              const struct viv_error *err, uint32_t *failed);

#endif

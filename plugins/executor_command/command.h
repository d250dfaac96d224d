/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the command that came with a task and words what came of it. No host, no I/O. Read next:
 * executor_command.c. */
#ifndef EXECUTOR_COMMAND_COMMAND_H
#define EXECUTOR_COMMAND_COMMAND_H

#include <viv/viv.h>

struct json_t;

/* Pipelines of one command. */
#define COMMAND_PIPELINES_MAX 64

/* The pipelines of {"stages":[...]} or {"pipelines":[{"stages":[...]},...]}, each checked, as a
 * JSON array; members beside "stages" (cwd, timeout_ns, redirections) stay as they are. Release
 * with json_decref(). VIV_E_UNAVAILABLE: there is no command. VIV_E_INVALID: it is none that could
 * run. */
viv_status command_read(struct viv_str command_json, struct json_t **ret_pipelines,
                        struct viv_error *err);

/* One line on how a pipeline ended: its words and exit code, signal or time. */
void command_summary(const struct json_t *pipeline, const struct viv_effect_outcome *outcome,
                     char *buffer, uint64_t size);

/* At most `max` bytes of `text`: all of it, or its first and last half with the number of bytes
 * left out between. */
struct json_t *command_excerpt(struct viv_str text, uint64_t max);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What tools.c, tools_files.c and tools_run.c share. */
#ifndef EXECUTOR_MODEL_TOOLS_INSIDE_H
#define EXECUTOR_MODEL_TOOLS_INSIDE_H

#include "tools.h"

/* One call while it is done. */
struct tool {
    struct door *door;
    const struct executor_model_config *config;
    const struct json_t *input; /* an object */
    struct tool_answer *answer;
    struct viv_error *err;
};

/* A text argument; without it the model is told and 0 is given. `least` 1: it may not be empty. */
uint32_t tool_text(struct tool *tool, const char *key, uint32_t least, struct viv_str *ret_text);
/* An argument that may be absent: a whole number from 1, or a truth. */
uint32_t tool_number(struct tool *tool, const char *key, int64_t fallback, int64_t *ret_number);
uint32_t tool_truth(struct tool *tool, const char *key, uint32_t *ret_truth);

/* The call failed: the model is told in these words. Always VIV_OK. */
viv_status tool_fails(struct tool *tool, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* It worked; takes over `text`. Always VIV_OK. */
viv_status tool_says(struct tool *tool, struct json_t *text);

/* One effect. 0: it did not work; the model was told, or `*ret_status` ends the run. */
uint32_t tool_effect(struct tool *tool, const struct viv_effect_request *request,
                     struct viv_effect_outcome *ret_outcome, viv_status *ret_status);

viv_status tool_read_file(struct tool *tool);
viv_status tool_write_file(struct tool *tool);
viv_status tool_replace_in_file(struct tool *tool);
viv_status tool_list_files(struct tool *tool);
viv_status tool_move_file(struct tool *tool);
viv_status tool_delete_file(struct tool *tool);
viv_status tool_search(struct tool *tool);
viv_status tool_run(struct tool *tool);
viv_status tool_call_skill(struct tool *tool);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The tools a model has, each one an effect at the door (replace_in_file is two). What it asks for is checked here for
 * form alone; what it may do is the door's business. Read next: tools_inside.h. */
#ifndef EXECUTOR_MODEL_TOOLS_H
#define EXECUTOR_MODEL_TOOLS_H

#include "door.h"

struct json_t;
struct executor_model_config;

/* What the model is told of one call. */
struct tool_answer {
    struct json_t *text; /* NULL: no memory */
    uint32_t error;
    uint32_t done; /* it said that the work is complete; `summary` and `claimed` are its words */
    struct json_t *summary;
    struct json_t *claimed;
};

/* The tools as a request names them. */
struct json_t *tools_list(uint32_t *failed);

/* Do one call. Its failures are told in `ret_answer`; a status other than VIV_OK ends the run. Release the answer by
 * tool_answer_close(). */
viv_status tools_call(struct door *door, const struct executor_model_config *config, const struct json_t *call,
                      struct tool_answer *ret_answer, struct viv_error *err);
void tool_answer_close(struct tool_answer *answer);

#endif

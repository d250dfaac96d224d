/* SPDX-License-Identifier: Apache-2.0 */
/* The tools a model is given: each call is one effect at the door, and what came of it is told back as text. What a
 * model writes is data: a call that is no call, or that the door refuses, is answered, never obeyed. */
#ifndef EXECUTOR_MODEL_TOOLS_H
#define EXECUTOR_MODEL_TOOLS_H

#include <viv/viv.h>

struct json_t;

struct tools {
    const struct viv_effects *effects;
    struct viv_call *call;
    uint64_t shown_max; /* bytes of a file or an output shown at once */
    uint32_t denied;    /* effects that the door denied so far */
    uint32_t ended;     /* the model called `done` */
    struct json_t *claimed;
    char summary[400];
    char rule[300]; /* what the door said last when it denied */
};

/* Schemas for the request, docs/contract/model.schema.json. */
struct json_t *tools_list(uint32_t *failed);

/* Do one call. `*ret_text` is a new text for the model, `*ret_error` whether it failed. A status ends the work: the door
 * wants a person, the work is cancelled or late, or the machine cannot. */
viv_status tools_do(struct tools *tools, struct viv_str name, struct viv_str input_json, struct json_t **ret_text,
                    uint32_t *ret_error, struct viv_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* One try of a call to a model: entered, held, recorded; called; priced, recorded, settled. Which model is asked, and
 * whether there is another try, is effect_model.c's. */
#ifndef VH_MODEL_TRY_H
#define VH_MODEL_TRY_H

#include "run/effect_inside.h"
#include "run/model_call.h"
#include "run/model_choice.h"

/* One call on its way, over all its tries. */
struct vh_calling {
    struct vh_effect *effect;
    struct vh_work *work;
    struct vh_model_choice choice;
    const struct vh_plugin *plugin;
    const char *host_port;
    struct vh_json *request; /* with what the host fills in */
    struct vh_json *max_tokens; /* a member of it */
    int64_t input_tokens;
    int64_t output_tokens; /* asked for; lowered while no account has room */
    int64_t give_up_ns;
};

/* Texts live in the work's arena. */
struct vh_model_one {
    struct vh_model_hold hold;
    struct viv_model_complete_answer answer;
    viv_status status; /* of the plugin */
    struct viv_error fault;
    struct vh_json *usage;
    int64_t cost_micro; /* -1: all that was held */
    enum vh_model_end end;
    bool called;  /* as far as anybody knows */
    bool no_room; /* nothing was begun: others hold what is missing */
    bool again;   /* nothing of an answer came, and another try may get one */
    int64_t retry_after_ns;
};

/* The request with what is asked for now; no text: it is not UTF-8, or there is no memory. */
struct viv_str vh_model_request(struct vh_calling *calling);

int64_t vh_model_now_ns(const struct vh_calling *calling);

viv_status vh_model_try(struct vh_calling *calling, struct vh_model_one *one, struct viv_error *err);

#endif

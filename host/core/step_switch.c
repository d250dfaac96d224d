/* SPDX-License-Identifier: Apache-2.0 */
/* The switch that people stop all work with: "run", "pause" (nothing new begins) or "halt" (what runs ends, too). It is
 * a fact, so it outlives the host; only a person's word brings it back to "run". */
#include "step_inside.h"

#include <string.h>

/* NULL: nobody ever touched it. */
static viv_status
read_switch(struct vh_stepping *step, const struct vh_json **ret_switch)
{
    struct viv_str text = { NULL, 0 };
    struct vh_json *value = NULL;
    viv_status status = step->state->get_fact(step->state->data, step->arena, "switch", &text, step->err);
    if (status == VIV_OK && text.len) {
        status = vh_json_read(step->arena, text, &value, step->err);
    }
    *ret_switch = value;
    return status;
}

static const char *
word_of(struct viv_str state)
{
    return vh_str_is(state, "halt") ? "halted" : vh_str_is(state, "pause") ? "paused" : "running";
}

viv_status
vh_step_switched(struct vh_stepping *step, bool halt_only, viv_status refusal)
{
    const struct vh_json *there = NULL;
    viv_status status = read_switch(step, &there);
    struct viv_str state = vh_json_str(there, "state"), note = vh_json_str(there, "note");
    bool held = vh_str_is(state, "halt") || (!halt_only && vh_str_is(state, "pause"));
    if (status || !held) {
        return status;
    }
    return vh_error_set(step->err, refusal, "switch", "work is %s by '%.*s'%s%.*s; 'vivhost resume' goes on",
                        word_of(state), VH_STR_ARGS(vh_json_str(there, "by")), note.len ? ": " : "",
                        VH_STR_ARGS(note));
}

viv_status
vh_step_switch_set(struct vh_stepping *step)
{
    const struct vh_json *there = NULL;
    struct viv_str to = vh_step_str(step, "state"), from = { NULL, 0 };
    viv_status status = read_switch(step, &there);
    if (status) {
        return status;
    }
    from = there ? vh_json_str(there, "state") : VH_STR("run");
    if (!vh_str_is(to, "run") && !vh_str_is(to, "pause") && !vh_str_is(to, "halt")) {
        return vh_error_set(step->err, VIV_E_INVALID, "switch", "the switch knows no '%.*s', allowed: run, pause, halt",
                            VH_STR_ARGS(to));
    }
    if (vh_str_equal(from, to)) {
        return vh_error_set(step->err, VIV_E_STATE, "switch", "work is %s already", word_of(to));
    }
    if (vh_str_is(from, "halt") && vh_str_is(to, "pause")) {
        return vh_error_set(step->err, VIV_E_STATE, "switch", "work is halted, which is more than paused; 'vivhost "
                            "resume' first");
    }
    struct vh_json *data = vh_step_object(step);
    vh_json_set_str(step->arena, data, "by", step->command->actor.name);
    vh_json_set_str(step->arena, data, "note", vh_step_str(step, "note"));
    vh_json_set_int(step->arena, data, "since_us", step->time_us);
    vh_json_set_str(step->arena, data, "state", to);
    return vh_step_input_as(step, "switch.set", data);
}

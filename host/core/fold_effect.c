/* SPDX-License-Identifier: Apache-2.0 */
/* Rows about effects: each has one row of its own by task, round and ordinal, and the task knows the next ordinal and
 * whether anything left the workspace. What is held for an effect stands in its row until it is settled. */
#include "fold_rows.h"

#include "base/error.h"
#include "base/str.h"

static viv_status
put_effect(struct vh_folding *fold, const char *state)
{
    struct vh_effect_row row = {
        .task = fold->event->task,
        .round = fold->task.round,
        .ordinal = vh_fold_int(fold, "ordinal"),
        .kind = vh_fold_str(fold, "effect"),
        .digest = vh_fold_str(fold, "digest"),
        .state = vh_str(state),
        .lease = vh_fold_int(fold, "lease"),
    };
    return fold->state->put_effect(fold->state->data, &row, fold->err);
}

viv_status
vh_fold_effect_started(struct vh_folding *fold)
{
    fold->task.effects = vh_fold_int(fold, "ordinal") + 1;
    if (vh_fold_int(fold, "outside")) {
        fold->task.outside = 1;
    }
    return put_effect(fold, "started");
}

viv_status
vh_fold_effect_refused(struct vh_folding *fold)
{
    fold->task.effects = vh_fold_int(fold, "ordinal") + 1;
    return put_effect(fold, "refused");
}

viv_status
vh_fold_effect_asked(struct vh_folding *fold)
{
    fold->task.effects = vh_fold_int(fold, "ordinal") + 1;
    return put_effect(fold, "asked");
}

/* What was held for it is settled next, by an event that says by itself what that was. */
viv_status
vh_fold_effect_finished(struct vh_folding *fold)
{
    return put_effect(fold, "finished");
}

/* ---- money ---- */

/* `hold` empty: none any more. */
static viv_status
put_hold(struct vh_folding *fold, struct viv_str hold)
{
    struct vh_effect_row row;
    viv_status status = fold->state->get_effect(fold->state->data, fold->arena, fold->event->task, fold->task.round,
                                                vh_fold_int(fold, "ordinal"), &row, fold->err);
    if (status) {
        return vh_error_extend(fold->err, status, "event %lld is about the money of effect %lld",
                               (long long)fold->event->seq, (long long)vh_fold_int(fold, "ordinal"));
    }
    row.hold = hold;
    return fold->state->put_effect(fold->state->data, &row, fold->err);
}

viv_status
vh_fold_effect_held(struct vh_folding *fold)
{
    struct vh_json *hold = vh_json_object(fold->arena);
    struct vh_json *names = vh_json_array(fold->arena);
    const struct vh_json *scopes = vh_json_get(fold->event->data, "scopes");
    for (const struct vh_json *s = scopes ? scopes->child : NULL; s; s = s->next) {
        vh_json_push(names, vh_json_string(fold->arena, vh_json_str(s, "scope")));
    }
    vh_json_set_int(fold->arena, hold, "micro", vh_fold_int(fold, "micro"));
    vh_json_set(hold, "scopes", names);
    vh_json_set_int(fold->arena, hold, "seq", fold->event->seq);
    struct viv_str text = vh_json_print(fold->arena, hold);
    if (!text.data) {
        return vh_error_set(fold->err, VIV_E_MEMORY, "fold", "no memory for the hold of an effect");
    }
    viv_status status = put_hold(fold, text);
    return status ? status : vh_fold_scopes(fold, vh_fold_int(fold, "micro"), 0);
}

viv_status
vh_fold_effect_settled(struct vh_folding *fold)
{
    fold->task.cost_micro += vh_fold_int(fold, "micro");
    viv_status status = put_hold(fold, (struct viv_str){ NULL, 0 });
    return status ? status : vh_fold_scopes(fold, -vh_fold_int(fold, "held_micro"), vh_fold_int(fold, "micro"));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Rows about effects: each has one row of its own by task, round and ordinal, and the task knows the next ordinal and
 * whether anything left the workspace. */
#include "fold_rows.h"

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

viv_status
vh_fold_effect_finished(struct vh_folding *fold)
{
    return put_effect(fold, "finished");
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "intents.h"

#include <stdio.h>

#include "base/error.h"
#include "base/str.h"

bool
vh_intents_want(struct viv_str kind)
{
    return vh_str_is(kind, "effect.started") || vh_str_is(kind, "effect.finished") ||
           vh_str_is(kind, "publish.finished") || vh_str_is(kind, "rollback.finished");
}

static void
take(struct vh_intents *intents, size_t at)
{
    intents->count--;
    memmove(&intents->open[at], &intents->open[at + 1], (intents->count - at) * sizeof *intents->open);
}

static void
note(struct vh_intents *intents, const struct vh_unmatched *one)
{
    struct vh_verify_result *result = intents->result;
    if (result->unmatched < VH_VERIFY_SHOWN) {
        result->first[result->unmatched] = *one;
    }
    result->unmatched++;
}

static void
open_one(struct vh_intents *intents, const struct vh_event *event)
{
    if (intents->count == VH_INTENTS_MAX) {
        note(intents, &intents->open[0]);
        take(intents, 0);
    }
    struct vh_unmatched *one = &intents->open[intents->count++];
    *one = (struct vh_unmatched){ .seq = event->seq,
                                  .ordinal = vh_json_int(event->data, "ordinal", 0),
                                  .lease = vh_json_int(event->data, "lease", 0) };
    snprintf(one->task, sizeof one->task, "%.*s", VH_STR_ARGS(event->task));
    snprintf(one->effect, sizeof one->effect, "%.*s", VH_STR_ARGS(vh_json_str(event->data, "effect")));
}

void
vh_intents_add(struct vh_intents *intents, const struct vh_event *event)
{
    int64_t ordinal = vh_json_int(event->data, "ordinal", 0), lease = vh_json_int(event->data, "lease", 0);
    bool whole = !vh_str_is(event->kind, "effect.finished"); /* publication and rollback have their own outcome */
    const char *effect = vh_str_is(event->kind, "publish.finished") ? "publish" : "rollback";
    if (vh_str_is(event->kind, "effect.started")) {
        open_one(intents, event);
        return;
    }
    for (size_t i = intents->count; i-- > 0;) {
        const struct vh_unmatched *one = &intents->open[i];
        bool same = vh_str_is(event->task, one->task) && one->lease == lease;
        if (same && (whole ? strcmp(one->effect, effect) == 0 : one->ordinal == ordinal)) {
            take(intents, i);
            return;
        }
    }
}

viv_status
vh_intents_end(struct vh_intents *intents, const struct vh_state_ops *live, struct viv_error *err)
{
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    viv_status status = arena ? VIV_OK : vh_error_set(err, VIV_E_MEMORY, "log", "no memory to verify");
    for (size_t i = 0; i < intents->count && status == VIV_OK; i++) {
        struct vh_task task = { .lease = 0 };
        if (live) {
            vh_arena_reset(arena);
            status = live->get_task(live->data, arena, vh_str(intents->open[i].task), &task, err);
            status = status == VIV_E_NOT_FOUND ? VIV_OK : status;
        }
        if (status == VIV_OK && !(task.leased && task.lease == intents->open[i].lease)) {
            note(intents, &intents->open[i]);
        }
    }
    vh_arena_destroy(arena);
    return status;
}

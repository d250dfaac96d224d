/* SPDX-License-Identifier: Apache-2.0 */
#include "conflict.h"

#include "base/str.h"
#include "run/tree.h"

static struct vh_json *
list_of(struct vh_work *work, const struct vh_conflicts *conflicts)
{
    struct vh_json *list = vh_json_array(work->arena);
    for (size_t i = 0; i < conflicts->count; i++) {
        const struct vh_conflict *c = &conflicts->conflict[i];
        struct vh_json *item = vh_json_object(work->arena);
        vh_json_set_text(work->arena, item, "base", c->base.hex);
        vh_json_set_text(work->arena, item, "ours", c->ours.hex);
        vh_json_set_str(work->arena, item, "path", vh_tree_escape(work->arena, c->path));
        vh_json_set_text(work->arena, item, "reason", c->reason ? c->reason : "");
        vh_json_set_text(work->arena, item, "theirs", c->theirs.hex);
        vh_json_push(list, item);
    }
    return list;
}

void
vh_conflict_set(struct vh_work *work, struct vh_json *data, const struct vh_conflicts *conflicts, const char *text)
{
    struct vh_json *list = list_of(work, conflicts);
    struct viv_str printed = vh_json_print(work->arena, list);
    char *hex = vh_arena_alloc(work->arena, VH_HASH_HEX);
    if (hex) {
        vh_hash_text(printed, hex);
        vh_json_set_text(work->arena, data, "digest", hex);
    }
    vh_json_set(data, "conflicts", list);
    vh_run_failure(work, data, "conflict", text);
}

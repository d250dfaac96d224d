/* SPDX-License-Identifier: Apache-2.0 */
#include "state.h"

#include "base/str.h"

struct viv_str
vh_state_scope_text(struct vh_arena *arena, const struct vh_scope *scope)
{
    struct vh_json *value = vh_json_object(arena);
    vh_json_set_int(arena, value, "limit_micro", scope->limit_micro);
    vh_json_set_int(arena, value, "reserved_micro", scope->reserved_micro);
    vh_json_set_int(arena, value, "settled_micro", scope->settled_micro);
    return vh_json_print(arena, value);
}

struct viv_str
vh_state_effect_key(struct vh_arena *arena, const struct vh_effect_row *effect)
{
    char *key = vh_arena_format(arena, "%.*s/%lld/%06lld", VH_STR_ARGS(effect->task), (long long)effect->round,
                                (long long)effect->ordinal);
    return vh_str(key);
}

struct viv_str
vh_state_effect_text(struct vh_arena *arena, const struct vh_effect_row *effect)
{
    struct vh_json *value = vh_json_object(arena);
    vh_json_set_str(arena, value, "digest", effect->digest);
    if (effect->hold.len) {
        vh_json_set_str(arena, value, "hold", effect->hold);
    }
    vh_json_set_str(arena, value, "kind", effect->kind);
    vh_json_set_int(arena, value, "lease", effect->lease);
    vh_json_set_str(arena, value, "state", effect->state);
    return vh_json_print(arena, value);
}

viv_status
vh_state_effect_read(struct vh_arena *arena, struct viv_str text, struct vh_effect_row *effect, struct viv_error *err)
{
    struct vh_json *value = NULL;
    viv_status status = vh_json_read(arena, text, &value, err);
    if (status == VIV_OK) {
        effect->digest = vh_json_str(value, "digest");
        effect->hold = vh_json_str(value, "hold");
        effect->kind = vh_json_str(value, "kind");
        effect->lease = vh_json_int(value, "lease", 0);
        effect->state = vh_json_str(value, "state");
    }
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The facts "caps" and "learned": objects by account and by kind of goal. */
#include "fold_rows.h"

#include "base/error.h"
#include "base/str.h"

#define LEARNED_MAX 256

/* The object without `key`, at most `max` of its members, the last in order of their names dropped. */
static viv_status
without(struct vh_folding *fold, const char *fact, struct viv_str key, uint32_t max, struct vh_json **ret_object)
{
    struct viv_str text = { NULL, 0 };
    struct vh_json *old = NULL, *object = vh_json_object(fold->arena);
    viv_status status = fold->state->get_fact(fold->state->data, fold->arena, fact, &text, fold->err);
    if (status == VIV_OK && text.len) {
        status = vh_json_read(fold->arena, text, &old, fold->err);
    }
    for (const struct vh_json *m = status == VIV_OK && old ? old->child : NULL; m; m = m->next) {
        char *name = vh_arena_text_of(fold->arena, m->key);
        if (!vh_str_equal(m->key, key) && object && object->count < max) {
            vh_json_set(object, name ? name : "", vh_json_clone(fold->arena, m));
            object->failed = object->failed || !name;
        }
    }
    *ret_object = object;
    return status;
}

static viv_status
put(struct vh_folding *fold, const char *fact, struct vh_json *object)
{
    struct viv_str text = vh_json_print(fold->arena, object);
    return text.data ? fold->state->put_fact(fold->state->data, fact, text, fold->err)
                     : vh_error_set(fold->err, VIV_E_MEMORY, "fold", "no memory for fact '%s'", fact);
}

viv_status
vh_fold_capped(struct vh_folding *fold)
{
    struct vh_json *caps = NULL;
    struct viv_str account = vh_fold_str(fold, "account");
    int64_t micro = vh_fold_int(fold, "limit_micro");
    viv_status status = without(fold, "caps", account, UINT32_MAX, &caps);
    char *key = vh_arena_text_of(fold->arena, account);
    if (status == VIV_OK && micro >= 0) {
        vh_json_set_int(fold->arena, caps, key ? key : "", micro);
        caps->failed = caps->failed || !key;
    }
    return status ? status : put(fold, "caps", caps);
}

viv_status
vh_fold_learned(struct vh_folding *fold)
{
    struct vh_json *learned = NULL;
    struct viv_str pattern = vh_fold_str(fold, "pattern");
    viv_status status = without(fold, "learned", pattern, LEARNED_MAX - 1, &learned);
    char *key = vh_arena_text_of(fold->arena, pattern);
    if (status == VIV_OK) {
        vh_json_set_str(fold->arena, learned, key ? key : "", vh_fold_str(fold, "tier"));
        learned->failed = learned->failed || !key;
    }
    return status ? status : put(fold, "learned", learned);
}

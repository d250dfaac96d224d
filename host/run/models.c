/* SPDX-License-Identifier: Apache-2.0 */
#include "models.h"

#include <stdio.h>

#include "base/error.h"
#include "base/str.h"

bool
vh_models_any(const struct vh_run_policy *policy)
{
    const struct vh_json *models = vh_run_setting(policy, "models");
    return models && models->count > 0;
}

static const struct vh_json *
member(const struct vh_json *object, struct viv_str name)
{
    for (const struct vh_json *m = object ? object->child : NULL; m; m = m->next) {
        if (vh_str_equal(m->key, name)) {
            return m;
        }
    }
    return NULL;
}

viv_status
vh_models_find(const struct vh_run_policy *policy, struct viv_str name, struct vh_model *ret_model,
               struct viv_error *err)
{
    const struct vh_json *json = member(vh_run_setting(policy, "models"), name);
    if (!json) {
        return vh_error_set(err, VIV_E_NOT_FOUND, "model", "the policy has no model '%.*s'; 'vivhost model list' shows "
                            "what it has", VH_STR_ARGS(name));
    }
    *ret_model = (struct vh_model){
        .name = json->key,
        .plugin = vh_json_str(json, "plugin"),
        .base_url = vh_json_str(json, "base_url"),
        .model = vh_json_str(json, "model"),
        .secret = vh_json_str(json, "secret"),
        .tier = vh_json_str(json, "tier"),
        .context = vh_json_int(json, "context", 0),
        .output = vh_json_int(json, "output", 0),
        .concurrent = vh_json_int(json, "concurrent", 1),
        .requests = vh_json_int(json, "requests", 0),
        .tokens = vh_json_int(json, "tokens", 0),
        .time_ns = vh_json_int(json, "time_ns", 0),
        .price = vh_json_get(json, "price"),
    };
    return VIV_OK;
}

viv_status
vh_models_prices(const struct vh_run_policy *policy, struct vh_arena *arena, struct viv_str *ret_json, char *ret_hex,
                 struct viv_error *err)
{
    const struct vh_json *models = vh_run_setting(policy, "models");
    struct vh_json *prices = vh_json_object(arena);
    for (const struct vh_json *m = models ? models->child : NULL; m; m = m->next) {
        const struct vh_json *price = vh_json_get(m, "price");
        char *key = vh_arena_text_of(arena, m->key);
        vh_json_set(prices, key ? key : "", price ? vh_json_clone(arena, price) : NULL);
    }
    *ret_json = vh_json_print(arena, prices);
    if (!ret_json->data) {
        return vh_error_set(err, VIV_E_MEMORY, "model", "no memory for the table of prices");
    }
    vh_hash_text(*ret_json, ret_hex);
    return VIV_OK;
}

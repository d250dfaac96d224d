/* SPDX-License-Identifier: Apache-2.0 */
/* What every account may spend, holds and has spent. It is what the core decides by. */
#include "control_inside.h"

#include "base/error.h"
#include "base/str.h"
#include "run/models.h"
#include "run/policy.h"

#define ACCOUNTS_PAGE 1000

struct accounts {
    struct vh_controlling *c;
    struct vh_json *list;
    struct vh_json *caps; /* limits set by a person; NULL: none */
};

static const struct vh_json *
cap_of(const struct accounts *accounts, struct viv_str name)
{
    for (const struct vh_json *cap = accounts->caps ? accounts->caps->child : NULL; cap; cap = cap->next) {
        if (vh_str_equal(cap->key, name)) {
            return cap;
        }
    }
    return NULL;
}

static bool
add_account(void *data, const struct vh_scope *scope)
{
    struct accounts *accounts = data;
    struct vh_arena *arena = accounts->c->arena;
    if (accounts->list->count == ACCOUNTS_PAGE) {
        vh_json_set_int(arena, accounts->c->response, "more", 1);
        return false;
    }
    struct vh_json *json = vh_json_object(arena);
    const struct vh_json *cap = cap_of(accounts, scope->name);
    vh_json_set_str(arena, json, "account", scope->name);
    if (cap) {
        vh_json_set_int(arena, json, "cap_micro", cap->integer);
    }
    vh_json_set_int(arena, json, "limit_micro", scope->limit_micro);
    vh_json_set_int(arena, json, "reserved_micro", scope->reserved_micro);
    vh_json_set_int(arena, json, "settled_micro", scope->settled_micro);
    vh_json_push(accounts->list, json);
    return true;
}

static viv_status
read_accounts(void *data, struct vh_store *store, struct viv_error *err)
{
    struct accounts *accounts = data;
    struct viv_str after = vh_json_str(accounts->c->request, "account"), caps = { NULL, 0 };
    struct vh_state_ops state = vh_store_state(store);
    viv_status status = state.get_fact(state.data, accounts->c->arena, "caps", &caps, err);
    if (status == VIV_OK && caps.len) {
        status = vh_json_read(accounts->c->arena, caps, &accounts->caps, err);
    }
    return status ? status : vh_reader_scopes(store, accounts->c->arena, after, add_account, accounts, err);
}

viv_status
vh_control_accounts(struct vh_controlling *c)
{
    struct accounts accounts = { c, vh_json_array(c->arena), NULL };
    vh_json_set_int(c->arena, c->response, "more", 0);
    viv_status status = vh_control_read(c, read_accounts, &accounts);
    vh_json_set(c->response, "accounts", accounts.list);
    return status;
}

/* "account", "limit_micro": -1 for none. */
viv_status
vh_control_cap(struct vh_controlling *c)
{
    struct vh_json *data = vh_json_object(c->arena);
    vh_json_set_str(c->arena, data, "account", vh_json_str(c->request, "account"));
    vh_json_set_int(c->arena, data, "limit_micro", vh_json_int(c->request, "limit_micro", -2));
    return vh_control_send(c, "budget.capped", (struct viv_str){ NULL, 0 }, data);
}

/* ---- models ---- */

static struct vh_json *
model_json(struct vh_controlling *c, const struct vh_json *model, struct viv_str name)
{
    static const char *const texts[] = { "base_url", "model", "plugin", "secret", "tier" };
    struct vh_json *json = vh_json_object(c->arena);
    vh_json_set_int(c->arena, json, "context", vh_json_int(model, "context", 0));
    vh_json_set_str(c->arena, json, "name", name);
    vh_json_set_int(c->arena, json, "output", vh_json_int(model, "output", 0));
    vh_json_set(json, "price", vh_json_clone(c->arena, vh_json_get(model, "price")));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (vh_json_str(model, texts[i]).len) {
            vh_json_set_str(c->arena, json, texts[i], vh_json_str(model, texts[i]));
        }
    }
    return json;
}

/* As a text, which outlives the policy. */
static viv_status
models_text(struct vh_controlling *c, const struct vh_run_policy *policy, struct viv_str *ret_text)
{
    char hex[VH_HASH_HEX] = "";
    struct viv_str table = { NULL, 0 };
    struct vh_json *all = vh_json_object(c->arena), *list = vh_json_array(c->arena);
    const struct vh_json *models = vh_run_setting(policy, "models"), *routing = vh_run_setting(policy, "routing");
    for (const struct vh_json *m = models ? models->child : NULL; m; m = m->next) {
        vh_json_push(list, model_json(c, m, m->key));
    }
    viv_status status = vh_models_prices(policy, c->arena, &table, hex, &c->err);
    vh_json_set(all, "models", list);
    vh_json_set_text(c->arena, all, "prices", hex);
    vh_json_set(all, "routing", routing ? vh_json_clone(c->arena, routing) : vh_json_object(c->arena));
    *ret_text = vh_json_print(c->arena, all);
    return status || ret_text->data ? status
                                    : vh_error_set(&c->err, VIV_E_MEMORY, "model", "no memory for a list of models");
}

viv_status
vh_control_models(struct vh_controlling *c)
{
    static const char *const members[] = { "models", "prices", "routing" };
    struct vh_run_policy *policy = NULL;
    struct viv_str text = { NULL, 0 };
    struct vh_json *all = NULL;
    viv_status status = vh_policy_look(c->run, &policy, &c->err);
    if (status) {
        return status;
    }
    status = models_text(c, policy, &text);
    vh_policy_give(c->run, policy);
    status = status ? status : vh_json_read(c->arena, text, &all, &c->err);
    for (size_t i = 0; status == VIV_OK && i < sizeof members / sizeof *members; i++) {
        vh_json_set(c->response, members[i], vh_json_clone(c->arena, vh_json_get(all, members[i])));
    }
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What every account may spend, holds and has spent. It is what the core decides by. */
#include "control_inside.h"

#define ACCOUNTS_PAGE 1000

struct accounts {
    struct vh_controlling *c;
    struct vh_json *list;
};

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
    vh_json_set_str(arena, json, "account", scope->name);
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
    struct viv_str after = vh_json_str(accounts->c->request, "account");
    return vh_reader_scopes(store, accounts->c->arena, after, add_account, accounts, err);
}

viv_status
vh_control_accounts(struct vh_controlling *c)
{
    struct accounts accounts = { c, vh_json_array(c->arena) };
    vh_json_set_int(c->arena, c->response, "more", 0);
    viv_status status = vh_control_read(c, read_accounts, &accounts);
    vh_json_set(c->response, "accounts", accounts.list);
    return status;
}

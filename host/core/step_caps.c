/* SPDX-License-Identifier: Apache-2.0 */
/* Two small tables that outlive every task: what a person allows an account below what the policy does, and which kinds
 * of goals a stronger model was needed for. Both are facts, and bounded. */
#include "step_inside.h"

#define CAPS_MAX 64
#define ACCOUNT_MAX 160
#define MICRO_MAX INT64_C(1000000000000)
#define PATTERN_MAX 400

static viv_status
read_fact(struct vh_stepping *step, const char *name, const struct vh_json **ret_value)
{
    struct viv_str text = { NULL, 0 };
    struct vh_json *value = NULL;
    viv_status status = step->state->get_fact(step->state->data, step->arena, name, &text, step->err);
    if (status == VIV_OK && text.len) {
        status = vh_json_read(step->arena, text, &value, step->err);
    }
    *ret_value = value;
    return status;
}

static const struct vh_json *
find(const struct vh_json *object, struct viv_str key)
{
    for (const struct vh_json *m = object ? object->child : NULL; m; m = m->next) {
        if (vh_str_equal(m->key, key)) {
            return m;
        }
    }
    return NULL;
}

viv_status
vh_step_cap(struct vh_stepping *step, struct viv_str account, int64_t *limit)
{
    const struct vh_json *caps = NULL;
    viv_status status = read_fact(step, "caps", &caps);
    const struct vh_json *cap = find(caps, account);
    if (cap && cap->integer < *limit) {
        *limit = cap->integer;
    }
    return status;
}

/* Names as the economy plugin makes them: "home", "task:ID", "home:day:2026-01-31". */
static bool
usable_account(struct viv_str account)
{
    bool good = account.len > 0 && account.len <= ACCOUNT_MAX;
    for (uint64_t i = 0; good && i < account.len; i++) {
        char c = account.data[i];
        good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ':' || c == '.' ||
               c == '-' || c == '_';
    }
    return good;
}

viv_status
vh_step_budget_capped(struct vh_stepping *step)
{
    struct viv_str account = vh_step_str(step, "account");
    const struct vh_json *caps = NULL;
    viv_status status = read_fact(step, "caps", &caps);
    if (status) {
        return status;
    }
    if (!usable_account(account)) {
        return vh_error_set(step->err, VIV_E_INVALID, "budget", "account '%.*s' is no name of one, allowed: 1 to %d "
                            "letters, digits, ':', '.', '-', '_'; 'vivhost budget show' has those in use",
                            (int)(account.len < 80 ? account.len : 80), account.len ? account.data : "", ACCOUNT_MAX);
    }
    int64_t micro = vh_step_int(step, "limit_micro", -1);
    bool lifted = micro == -1;
    if (micro < -1 || micro > MICRO_MAX) {
        return vh_error_set(step->err, VIV_E_INVALID, "budget", "a limit of %lld micro-units is out of range, allowed: "
                            "0 to %lld, or -1 for none", (long long)micro, (long long)MICRO_MAX);
    }
    const struct vh_json *there = find(caps, account);
    if (lifted && !there) {
        return vh_error_set(step->err, VIV_E_NOT_FOUND, "budget", "nobody has set a limit for account '%.*s'",
                            VH_STR_ARGS(account));
    }
    if (!lifted && !there && caps && caps->count >= CAPS_MAX) {
        return vh_error_set(step->err, VIV_E_LIMIT, "budget", "%d accounts have limits set by hand, which is all there "
                            "may be; take one back first", CAPS_MAX);
    }
    return vh_step_input(step);
}

viv_status
vh_step_model_learned(struct vh_stepping *step)
{
    struct viv_str pattern = vh_step_str(step, "pattern"), tier = vh_step_str(step, "tier");
    if (pattern.len == 0 || pattern.len > PATTERN_MAX || tier.len == 0 || tier.len > VIV_ID_MAX) {
        return vh_error_set(step->err, VIV_E_INVALID, "model", "a kind of goal and the tier that it needs are texts of "
                            "1 to %d and 1 to %d bytes", PATTERN_MAX, VIV_ID_MAX);
    }
    return vh_step_input(step);
}

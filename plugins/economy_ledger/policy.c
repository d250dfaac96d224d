/* SPDX-License-Identifier: Apache-2.0 */
#include "policy.h"

#include <jansson.h>
#include <string.h>

size_t
policy_layers(const json_t *policy)
{
    return json_is_array(policy) ? json_array_size(policy) : 1;
}

const json_t *
policy_layer(const json_t *policy, size_t at)
{
    return json_is_array(policy) ? json_array_get(policy, at) : policy;
}

viv_status
policy_limit(const json_t *policy, const char *name, int64_t fallback, int64_t *ret_limit,
             struct viv_error *err)
{
    int found = 0;
    for (size_t i = 0; i < policy_layers(policy); i++) {
        const json_t *layer = policy_layer(policy, i);
        const json_t *limits = json_object_get(layer, "limits");
        const json_t *limit = json_object_get(limits, name);
        if (!json_is_object(layer) || (limits && !json_is_object(limits)) ||
            (limit && !json_is_integer(limit))) {
            return viv_tree_fail(err, VIV_E_INVALID, "policy",
                                 "limits.%s of the policy is not an integer", name);
        }
        int64_t value = limit ? (int64_t)json_integer_value(limit) : 0;
        if (value < 0) {
            return viv_tree_fail(err, VIV_E_INVALID, "policy",
                                 "limits.%s is %lld, allowed 0 and more", name, (long long)value);
        }
        if (limit && (!found || value < *ret_limit)) {
            *ret_limit = value;
            found = 1;
        }
    }
    if (!found) {
        *ret_limit = fallback;
    }
    /* What a project nobody has trusted asks for only ever lowers. */
    int64_t ceiling = viv_tree_integer(json_object_get(policy, "ceilings"), name, -1);
    if (ceiling >= 0 && ceiling < *ret_limit) {
        *ret_limit = ceiling;
    }
    return VIV_OK;
}

viv_status
policy_holds(const json_t *policy, enum policy_holds *ret_holds, struct viv_error *err)
{
    static const char *const names[] = {"strict", "expected", "borrow"};
    const size_t count = sizeof names / sizeof *names;
    size_t strictest = count;
    for (size_t i = 0; i < policy_layers(policy); i++) {
        const json_t *limits = json_object_get(policy_layer(policy, i), "limits");
        const json_t *holds = json_object_get(limits, "holds");
        const char *text = json_is_string(holds) ? json_string_value(holds) : "";
        size_t mode = 0;
        while (mode < count && strcmp(text, names[mode]) != 0) {
            mode++;
        }
        if (holds && mode == count) {
            return viv_tree_fail(err, VIV_E_INVALID, "policy",
                                 "limits.holds is '%.64s', allowed: strict, expected, borrow",
                                 json_is_string(holds) ? text : "no text");
        }
        strictest = holds && mode < strictest ? mode : strictest;
    }
    *ret_holds = strictest == count ? POLICY_STRICT : (enum policy_holds)strictest;
    return VIV_OK;
}

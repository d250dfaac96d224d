/* SPDX-License-Identifier: Apache-2.0 */
#include "door.h"

#include <stdio.h>
#include <tree.h>

viv_status
door_pass(struct door *door, const struct viv_effect_request *request, struct viv_effect_outcome *ret_outcome,
          struct viv_error *err)
{
    struct viv_error fault = VIV_ERROR_INIT;
    struct viv_effect_outcome outcome = { .size = (uint32_t)sizeof outcome, .rev = 1 };
    if (door->call->cancelled(door->call))
        return viv_tree_fail(err, VIV_E_CANCELLED, "executor", "the work was cancelled");
    viv_status status = door->effects->perform(door->effects, door->call, request, &outcome, &fault);
    if (status == VIV_E_DENIED && request->kind != VIV_EFFECT_MODEL) {
        door->denied++;
        (void)snprintf(door->rule, sizeof door->rule, "%s", fault.text);
    }
    if (status != VIV_OK)
        return viv_tree_fail(err, status, fault.where, "%s", fault.text);
    door->bytes += outcome.output.len + outcome.errors.len + outcome.detail_json.len;
    *ret_outcome = outcome;
    return VIV_OK;
}

uint32_t
door_tells(viv_status status)
{
    switch (status) {
    case VIV_E_INVALID:
    case VIV_E_UNSUPPORTED:
    case VIV_E_DENIED:
    case VIV_E_NOT_FOUND:
    case VIV_E_EXISTS:
    case VIV_E_CONFLICT:
    case VIV_E_LIMIT:
    case VIV_E_IO:
    case VIV_E_BUSY:
    case VIV_E_PLUGIN:
    case VIV_E_UNAVAILABLE:
        return 1;
    default:
        return 0;
    }
}

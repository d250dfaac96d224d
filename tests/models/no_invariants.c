/* SPDX-License-Identifier: Apache-2.0 */
/* A core that does not look at what it does (core/invariant.h): a wrong core must be caught by the model itself, which
 * tells what must hold from other things than the core's rows. */
#include "core/invariant.h"

viv_status
vh_invariant_event(const struct vh_invariant *now)
{
    (void)now;
    return VIV_OK;
}

viv_status
vh_invariant_effect(const struct vh_invariant *now)
{
    (void)now;
    return VIV_OK;
}

viv_status
vh_invariant_rest(const struct vh_task *task, struct viv_error *err)
{
    (void)task;
    (void)err;
    return VIV_OK;
}

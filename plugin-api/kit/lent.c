/* SPDX-License-Identifier: Apache-2.0 */
/* Services by id into one struct per life; a refusal gives nothing and leaves nothing behind. */
#include "lent.h"

#include <stdlib.h>

#include "buf.h"

static viv_status
acquire(const struct viv_host *host, uint32_t wanted, const char *id, const void **ret_table, struct viv_error *err)
{
    return wanted ? host->acquire(host, id, ret_table, err) : VIV_OK;
}

viv_status
viv_kit_lent_create(const struct viv_host *host, uint32_t services, void **ret_self, struct viv_error *err)
{
    const void *log = NULL;
    const void *clock = NULL;
    const void *effects = NULL;
    viv_status status = acquire(host, services & VIV_KIT_LOG, VIV_SERVICE_LOG, &log, err);
    if (status == VIV_OK) {
        status = acquire(host, services & VIV_KIT_CLOCK, VIV_SERVICE_CLOCK, &clock, err);
    }
    if (status == VIV_OK) {
        status = acquire(host, services & VIV_KIT_EFFECTS, VIV_SERVICE_EFFECT, &effects, err);
    }
    if (status != VIV_OK)
        return status;
    struct viv_kit_lent *lent = calloc(1, sizeof *lent);
    if (!lent)
        return viv_kit_fail(err, VIV_E_MEMORY, "lent", "no memory for a new life of the plugin");
    lent->log = log;
    lent->clock = clock;
    lent->effects = effects;
    *ret_self = lent;
    return VIV_OK;
}

void
viv_kit_lent_destroy(void *self)
{
    free(self);
}

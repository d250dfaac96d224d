/* SPDX-License-Identifier: Apache-2.0 */
/* What the host lends for a plugin's life, acquired once in create(). One piece of the process's memory per life,
 * given back in destroy(): the only allocation outside the call's arena. */
#ifndef VIV_KIT_LENT_H
#define VIV_KIT_LENT_H

#include <viv/host.h>

#define VIV_KIT_LOG UINT32_C(1)
#define VIV_KIT_CLOCK UINT32_C(2)
#define VIV_KIT_EFFECTS UINT32_C(4)

struct viv_kit_lent {
    const struct viv_log *log;
    const struct viv_clock *clock;
    const struct viv_effects *effects;
};

/* create() and destroy() of a skill in one line each. Fails as viv_host.acquire does; `ret_self` is a
 * struct viv_kit_lent with the services asked for. */
viv_status viv_kit_lent_create(const struct viv_host *host, uint32_t services, void **ret_self,
                               struct viv_error *err);
void viv_kit_lent_destroy(void *self);

#endif

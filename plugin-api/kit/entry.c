/* SPDX-License-Identifier: Apache-2.0 */
/* One comparison; see entry.h. */
#include "entry.h"

#include <stdio.h>

const struct viv_plugin *
viv_kit_entry(const struct viv_plugin *plugin, const struct viv_host_offer *offer,
              struct viv_refusal *ret_refusal)
{
    if (offer && offer->abi_major == VIV_ABI_MAJOR) {
        return plugin;
    }
    if (ret_refusal) {
        ret_refusal->status = VIV_E_VERSION;
        (void)snprintf(ret_refusal->text, sizeof ret_refusal->text,
                       "plugin '%s' was built for plugin ABI %u, the host offers %u; rebuild it "
                       "with the headers of "
                       "this host",
                       plugin->id, VIV_ABI_MAJOR, offer ? offer->abi_major : 0u);
    }
    return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The body of viv_plugin_entry(): hands out the descriptor, or refuses a host of another ABI naming
 * both values. */
#ifndef VIV_KIT_ENTRY_H
#define VIV_KIT_ENTRY_H

#include <viv/plugin.h>

const struct viv_plugin *viv_kit_entry(const struct viv_plugin *plugin,
                                       const struct viv_host_offer *offer,
                                       struct viv_refusal *ret_refusal);

#endif

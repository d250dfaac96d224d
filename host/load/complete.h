/* SPDX-License-Identifier: Apache-2.0 */
/* Struct evolution on receipt: copy the other side's descriptor or table, older and smaller or newer and larger, into
 * a full-size one of our own and fill what is missing with stubs, so that nothing at a call site can be NULL. Used by
 * the host and by the runner; libc and the generated stubs only. */
#ifndef VH_COMPLETE_H
#define VH_COMPLETE_H

#include <viv/plugin.h>

struct viv_interface;

#define VH_COMPLETE_DESCRIPTOR_MIN 56u /* up to and with offer_stride */

/* Checks magic, size and ABI, in this order, and fills `ret_full`. VIV_E_PLUGIN, VIV_E_VERSION. */
viv_status vh_complete_descriptor(const struct viv_plugin *given, struct viv_plugin *ret_full, struct viv_error *err);

/* Fill `ret_full`, which has interface->table_size bytes. VIV_E_PLUGIN when the head is not a table's. */
viv_status vh_complete_table(const struct viv_interface *interface, const void *given, void *ret_full,
                             struct viv_error *err);

/* Ask the entry for its descriptor and complete it: the plugin's refusal in its own words, or VIV_E_PLUGIN when it
 * gives neither. */
viv_status vh_complete_entry(viv_plugin_entry_fn entry, struct viv_plugin *ret_full, struct viv_error *err);

/* A table of the descriptor's offers by interface id, or NULL. */
const void *vh_complete_find(const struct viv_plugin *plugin, const char *interface_id);

#endif

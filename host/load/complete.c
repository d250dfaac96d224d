/* SPDX-License-Identifier: Apache-2.0 */
#include "complete.h"

#include <string.h>
#include <viv_interfaces.h>

#include "base/error.h"

#define HEAD_BYTES 8u /* size and rev */
#define SLOT_BYTES 8u
#define TABLE_BYTES_MAX 4096u /* a larger size is no table's, whoever made it */

static viv_status
create_nothing(const struct viv_host *host, const void *config, void **ret_self, struct viv_error *err)
{
    (void)host;
    (void)config;
    (void)err;
    *ret_self = NULL;
    return VIV_OK;
}

static void
destroy_nothing(void *self)
{
    (void)self;
}

static viv_status
check_arrays(const struct viv_plugin *plugin, struct viv_error *err)
{
    if (!plugin->offers || plugin->offer_count == 0 || plugin->offer_count > VIV_OPTIONS_MAX ||
        plugin->offer_stride < sizeof(struct viv_offer) || plugin->offer_stride % 8 != 0) {
        return vh_error_set(err, VIV_E_PLUGIN, "size",
                            "the descriptor offers %u interfaces of %u bytes, allowed 1 to %d of %zu and more",
                            plugin->offer_count, plugin->offer_stride, VIV_OPTIONS_MAX, sizeof(struct viv_offer));
    }
    if (plugin->option_count > VIV_OPTIONS_MAX || (plugin->option_count > 0 && !plugin->options) ||
        (plugin->option_count > 0 &&
         (plugin->option_stride < sizeof(struct viv_option) || plugin->option_stride % 8 != 0))) {
        return vh_error_set(err, VIV_E_PLUGIN, "size",
                            "the descriptor has %u options of %u bytes, allowed 0 to %d of %zu and more",
                            plugin->option_count, plugin->option_stride, VIV_OPTIONS_MAX, sizeof(struct viv_option));
    }
    return VIV_OK;
}

viv_status
vh_complete_descriptor(const struct viv_plugin *given, struct viv_plugin *ret_full, struct viv_error *err)
{
    struct viv_plugin full = { 0 };
    if (given->magic != VIV_PLUGIN_MAGIC) {
        return vh_error_set(err, VIV_E_PLUGIN, "magic", "the descriptor's magic is 0x%llx, allowed 0x%llx",
                            (unsigned long long)given->magic, (unsigned long long)VIV_PLUGIN_MAGIC);
    }
    if (given->size < VH_COMPLETE_DESCRIPTOR_MIN || given->size > TABLE_BYTES_MAX || given->size % 8 != 0) {
        return vh_error_set(err, VIV_E_PLUGIN, "size", "the descriptor has %u bytes, allowed %u to %u", given->size,
                            VH_COMPLETE_DESCRIPTOR_MIN, TABLE_BYTES_MAX);
    }
    if (given->abi_major != VIV_ABI_MAJOR) {
        return vh_error_set(err, VIV_E_VERSION, "major",
                            "the plugin was built for ABI %u.%u, this host offers %u.%u; rebuild the plugin",
                            given->abi_major, given->abi_minor, VIV_ABI_MAJOR, VIV_ABI_MINOR);
    }
    memcpy(&full, given, given->size < sizeof full ? given->size : sizeof full);
    full.size = (uint32_t)sizeof full;
    full.create = full.create ? full.create : create_nothing;
    full.destroy = full.destroy ? full.destroy : destroy_nothing;
    viv_status status = check_arrays(&full, err);
    if (status) {
        return status;
    }
    *ret_full = full;
    return VIV_OK;
}

viv_status
vh_complete_table(const struct viv_interface *interface, const void *given, void *ret_full, struct viv_error *err)
{
    uint32_t size = 0;
    if (given) {
        memcpy(&size, given, sizeof size);
    }
    if (size < HEAD_BYTES + SLOT_BYTES || size > TABLE_BYTES_MAX || size % SLOT_BYTES != 0) {
        return vh_error_set(err, VIV_E_PLUGIN, "offers",
                            "the table of '%s' has %u bytes, allowed %u to %u in steps of %u", interface->id, size,
                            HEAD_BYTES + SLOT_BYTES, TABLE_BYTES_MAX, SLOT_BYTES);
    }
    memcpy(ret_full, interface->stubs, interface->table_size);
    const unsigned char *from = given;
    unsigned char *to = ret_full;
    uint32_t end = size < interface->table_size ? size : interface->table_size;
    memcpy(to + sizeof size, from + sizeof size, sizeof size); /* its revision */
    for (uint32_t at = HEAD_BYTES; at < end; at += SLOT_BYTES) {
        uint64_t slot;
        memcpy(&slot, from + at, sizeof slot);
        if (slot != 0) {
            memcpy(to + at, &slot, sizeof slot);
        }
    }
    return VIV_OK;
}

viv_status
vh_complete_entry(viv_plugin_entry_fn entry, struct viv_plugin *ret_full, struct viv_error *err)
{
    struct viv_host_offer offer = { (uint32_t)sizeof offer, 1, VIV_ABI_MAJOR, VIV_ABI_MINOR };
    struct viv_refusal refusal = { .size = (uint32_t)sizeof refusal, .rev = 1 };
    const struct viv_plugin *given = entry(&offer, &refusal);
    refusal.text[sizeof refusal.text - 1] = '\0';
    if (!given && (refusal.status >= 0 || refusal.text[0] == '\0')) {
        return vh_error_set(err, VIV_E_PLUGIN, "entry",
                            "the entry gave neither a descriptor nor a refusal with status and text, one of them is "
                            "needed");
    }
    if (!given) {
        return vh_error_set(err, refusal.status >= VIV_STATUS_LAST ? refusal.status : VIV_E_PLUGIN, "entry",
                            "the plugin refuses: %s", refusal.text);
    }
    return vh_complete_descriptor(given, ret_full, err);
}

const void *
vh_complete_find(const struct viv_plugin *plugin, const char *interface_id)
{
    const unsigned char *at = (const unsigned char *)plugin->offers;
    for (uint32_t i = 0; i < plugin->offer_count; i++, at += plugin->offer_stride) {
        struct viv_offer offer;
        memcpy(&offer, at, sizeof offer);
        if (offer.interface_id && strcmp(offer.interface_id, interface_id) == 0) {
            return offer.table;
        }
    }
    return NULL;
}

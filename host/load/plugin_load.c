/* SPDX-License-Identifier: Apache-2.0 */
/* Loading for tier 0. Each check is one function, in the order of plugin.h; each says both values. */
#include "plugin.h"

#include <string.h>
#include <viv_interfaces.h>

#include "base/error.h"
#include "base/str.h"
#include "complete.h"
#include "map.h"
#include "options.h"

/* Only plugins somebody answers for enter the host's process, and never what a machine made. */
static viv_status
check_tier(const struct vh_plugin_file *file, struct viv_error *err)
{
    const struct vh_manifest *manifest = file->manifest;
    if (!manifest || vh_audit_refusal(&file->audit)) {
        return vh_error_set(err, VIV_E_DENIED, "tier", "it did not pass inspection");
    }
    if (file->trust == VH_TRUST_UNSIGNED) {
        return vh_error_set(err, VIV_E_DENIED, "signature",
                            "it is unsigned, allowed in the host's process: bundled, or signed by your key; look at it "
                            "and sign it (vivhost plugin sign), or let it run in a runner");
    }
    if (manifest->kind == VH_MANIFEST_SKILL || manifest->machine_made) {
        return vh_error_set(err, VIV_E_DENIED, "tier", "it is %s, which only ever runs in a runner",
                            manifest->machine_made ? "made by a machine" : "a skill");
    }
    for (int rule = 0; rule < VH_AUDIT_RULE_COUNT && file->audit.mode != VH_AUDIT_STRICT; rule++) {
        const struct vh_audit_row *row = &file->audit.row[rule];
        if (!row->passed) {
            return vh_error_set(err, VIV_E_DENIED, "tier",
                                "rule '%s' of the host's process: found %s; allowed: %s; cure: %s, or let it run in a "
                                "runner",
                                row->rule, row->found, row->allowed, row->cure);
        }
    }
    return VIV_OK;
}

static viv_status
differs(struct viv_error *err, const char *what, const char *found, const char *allowed)
{
    return vh_error_set(err, VIV_E_PLUGIN, "manifest",
                        "its descriptor says %s '%s', its manifest '%s'; rebuild it, so that both come from "
                        "manifest.json",
                        what, found ? found : "(nothing)", allowed);
}

/* The descriptor's option rows, by name, against the manifest's: same types, ranges and places. */
static viv_status
check_options(const struct viv_plugin *plugin, const struct vh_manifest *manifest, struct viv_error *err)
{
    if (plugin->option_count != manifest->option_count ||
        (plugin->option_count > 0 && plugin->config_size != manifest->config_bytes)) {
        return vh_error_set(err, VIV_E_PLUGIN, "manifest",
                            "its descriptor has %u options in %llu bytes, its manifest %u in %u; rebuild it",
                            plugin->option_count, (unsigned long long)plugin->config_size, manifest->option_count,
                            manifest->config_bytes);
    }
    for (uint32_t i = 0; i < manifest->option_count; i++) {
        const struct vh_manifest_option *want = &manifest->options[i];
        bool same = false;
        for (uint32_t j = 0; j < plugin->option_count && !same; j++) {
            struct viv_option have;
            memcpy(&have, (const char *)plugin->options + (size_t)j * plugin->option_stride, sizeof have);
            same = have.name && strcmp(have.name, want->name) == 0 && have.type == want->type &&
                   have.offset == want->offset && have.min == want->min && have.max == want->max;
        }
        if (!same) {
            return vh_error_set(err, VIV_E_PLUGIN, "manifest",
                                "its descriptor's row of option '%s' is not the manifest's; rebuild it", want->name);
        }
    }
    return VIV_OK;
}

static viv_status
check_agreement(const struct viv_plugin *plugin, const struct vh_manifest *manifest, struct viv_error *err)
{
    if (!plugin->id || strcmp(plugin->id, manifest->id) != 0) {
        return differs(err, "id", plugin->id, manifest->id);
    }
    if (!plugin->version || strcmp(plugin->version, manifest->version) != 0) {
        return differs(err, "version", plugin->version, manifest->version);
    }
    if (plugin->offer_count != manifest->interface_count) {
        return vh_error_set(err, VIV_E_PLUGIN, "manifest", "its descriptor offers %u interfaces, its manifest %u",
                            plugin->offer_count, manifest->interface_count);
    }
    for (uint32_t i = 0; i < manifest->interface_count; i++) {
        if (!vh_complete_find(plugin, manifest->interfaces[i].id)) {
            return differs(err, "no table for", manifest->interfaces[i].id, manifest->interfaces[i].id);
        }
    }
    return check_options(plugin, manifest, err);
}

static viv_status
check_id_free(const struct vh_plugin_set *set, const struct vh_manifest *manifest, struct viv_error *err)
{
    for (const struct vh_plugin *other = set ? set->first : NULL; other; other = other->next) {
        if (strcmp(other->id, manifest->id) == 0 && strcmp(other->version, manifest->version) == 0) {
            return vh_error_set(err, VIV_E_EXISTS, "id", "'%s' %s is loaded already, from bytes %.16s", manifest->id,
                                manifest->version, other->digest_hex);
        }
    }
    return VIV_OK;
}

static viv_status
take_offers(struct vh_arena *arena, const struct vh_manifest *manifest, struct vh_plugin *plugin,
            struct viv_error *err)
{
    struct vh_plugin_offer *offers = vh_arena_array(arena, manifest->interface_count, sizeof *offers);
    if (!offers) {
        return vh_error_set(err, VIV_E_MEMORY, "offers", "no memory for its tables");
    }
    for (uint32_t i = 0; i < manifest->interface_count; i++) {
        const struct viv_interface *interface = manifest->interfaces[i].known;
        void *table = vh_arena_alloc(arena, interface->table_size);
        viv_status status = table ? vh_complete_table(interface, vh_complete_find(&plugin->descriptor, interface->id),
                                                      table, err)
                                  : vh_error_set(err, VIV_E_MEMORY, "offers", "no memory for its tables");
        if (status) {
            return status;
        }
        offers[i] = (struct vh_plugin_offer){ interface, table };
    }
    plugin->offers = offers;
    plugin->offer_count = manifest->interface_count;
    return VIV_OK;
}

static void
end_plugin(void *data)
{
    struct vh_plugin *plugin = data;
    plugin->descriptor.destroy(plugin->self);
    pthread_mutex_destroy(plugin->entry);
}

static viv_status
begin_plugin(struct vh_arena *arena, struct vh_plugin *plugin, const struct viv_host *host, const void *config,
             struct viv_error *err)
{
    struct viv_error own = VIV_ERROR_INIT;
    void *self = NULL;
    plugin->entry = vh_arena_alloc(arena, sizeof *plugin->entry);
    if (!plugin->entry || pthread_mutex_init(plugin->entry, NULL)) {
        return vh_error_set(err, VIV_E_MEMORY, "create", "no memory for its lock");
    }
    viv_status status = plugin->descriptor.create(host, config, &self, &own);
    own.text[sizeof own.text - 1] = '\0';
    if (status) {
        return vh_error_set(err, status < 0 && status >= VIV_STATUS_LAST ? status : VIV_E_PLUGIN, "create",
                            "it could not begin: %s", own.text[0] ? own.text : vh_status_text(status));
    }
    plugin->self = self;
    if (vh_arena_on_end(arena, end_plugin, plugin)) {
        end_plugin(plugin);
        return vh_error_set(err, VIV_E_MEMORY, "create", "no memory for its end");
    }
    return VIV_OK;
}

/* `arena` is the plugin's own: when this fails it ends, and with it what create() began. */
static viv_status
load(struct vh_arena *arena, const struct vh_plugin_file *file, const struct viv_host *host,
     struct viv_str settings_json, const struct vh_plugin_set *set, struct vh_plugin *plugin, struct viv_error *err)
{
    struct vh_map map;
    void *config = NULL;
    viv_status status = check_tier(file, err);
    status = status ? status
                    : vh_map_bytes(file->bytes.data, (size_t)file->bytes.len, file->manifest->id, &map, err);
    status = status ? status : vh_complete_entry(map.entry, &plugin->descriptor, err);
    status = status ? status : check_agreement(&plugin->descriptor, file->manifest, err);
    status = status ? status : check_id_free(set, file->manifest, err);
    status = status ? status : vh_options_fill(arena, file->manifest, settings_json, &config, err);
    status = status ? status : begin_plugin(arena, plugin, host, config, err);
    return status ? status : take_offers(arena, file->manifest, plugin, err);
}

viv_status
vh_plugin_load(struct vh_arena *arena, const struct vh_plugin_file *file, const struct viv_host *host,
               struct viv_str settings_json, struct vh_plugin_set *set, struct vh_plugin **ret_plugin,
               struct viv_error *err)
{
    struct vh_arena *own = vh_arena_create(arena, 0);
    struct vh_plugin *plugin = own ? vh_arena_alloc(own, sizeof *plugin) : NULL;
    if (!plugin) {
        vh_arena_destroy(own);
        return vh_error_set(err, VIV_E_MEMORY, "load", "no memory to load '%s'", file->path);
    }
    viv_status status = load(own, file, host, settings_json, set, plugin, err);
    if (status) {
        vh_arena_destroy(own);
        return vh_error_extend(err, status, "plugin '%s'", file->path);
    }
    plugin->id = file->manifest->id;
    plugin->version = file->manifest->version;
    plugin->trust = file->trust;
    plugin->manifest = file->manifest;
    memcpy(plugin->digest_hex, file->digest_hex, sizeof plugin->digest_hex);
    if (set) {
        plugin->next = set->first;
        set->first = plugin;
        set->count++;
    }
    *ret_plugin = plugin;
    return VIV_OK;
}

const void *
vh_plugin_table(const struct vh_plugin *plugin, uint32_t interface_index)
{
    for (uint32_t i = 0; i < plugin->offer_count; i++) {
        if (plugin->offers[i].interface == &viv_interfaces[interface_index]) {
            return plugin->offers[i].table;
        }
    }
    return NULL;
}

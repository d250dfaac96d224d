/* SPDX-License-Identifier: Apache-2.0 */
/* Reads everything from the manifest and the audit; nothing of the plugin runs. Read runner_plan.h first. */
#include "runner_plan.h"

#include <string.h>

#include "base/error.h"
#include "load/options.h"

static viv_status
interfaces(const struct vh_manifest *manifest, uint64_t *ret_mask, struct viv_error *err)
{
    uint64_t mask = 0;
    for (uint32_t i = 0; i < manifest->interface_count; i++) {
        const struct vh_manifest_interface *interface = &manifest->interfaces[i];
        if (!interface->known || interface->index >= 64) {
            return vh_error_set(err, VIV_E_UNSUPPORTED, "runner",
                                "plugin '%s' offers '%s', which this host does not know", manifest->id,
                                interface->id);
        }
        mask |= UINT64_C(1) << interface->index;
    }
    *ret_mask = mask;
    return VIV_OK;
}

static bool
is_text(uint32_t type)
{
    return type == VIV_OPTION_TEXT || type == VIV_OPTION_JSON;
}

static viv_status
options(struct vh_arena *arena, const struct vh_manifest *manifest, struct viv_str settings_json,
        struct vh_runner_plan *plan, struct viv_error *err)
{
    const struct vh_options_value *resolved = NULL;
    viv_status status = vh_options_resolve(arena, manifest, settings_json, &resolved, err);
    if (status != VIV_OK) {
        return status;
    }
    struct viv_value *values = vh_arena_array(arena, manifest->option_count, sizeof *values);
    if (!values) {
        return vh_error_set(err, VIV_E_MEMORY, "runner", "no memory for the options of '%s'", manifest->id);
    }
    for (uint32_t i = 0; i < manifest->option_count; i++) {
        const struct vh_manifest_option *option = &manifest->options[i];
        values[i] = (struct viv_value){
            .name = {option->name, strlen(option->name)},
            .type = is_text(option->type) ? VIV_VALUE_TEXT : VIV_VALUE_INTEGER,
            .integer = resolved[i].number,
            .text = is_text(option->type) ? resolved[i].text : (struct viv_str){NULL, 0},
        };
    }
    plan->options = values;
    plan->option_count = manifest->option_count;
    return VIV_OK;
}

viv_status
vh_runner_plan_fill(struct vh_arena *arena, const struct vh_plugin_file *file, struct viv_str settings_json,
                    int root_fd, struct vh_runner_plan *ret_plan, const char **ret_key, struct viv_error *err)
{
    const struct vh_manifest *manifest = file->manifest;
    char settings_hex[VH_HASH_HEX];
    struct vh_runner_plan plan = {
        .id = manifest->id,
        .version = manifest->version,
        .plugin_fd = -1,
        .root_fd = manifest->folder_read ? root_fd : -1,
        .services = manifest->services,
        .service_count = manifest->service_count,
        .libraries = manifest->libraries,
        .library_count = manifest->library_count,
        .no_constructors = file->audit.row[VH_AUDIT_CONSTRUCTORS].passed,
    };
    viv_status status = interfaces(manifest, &plan.interfaces, err);
    if (status == VIV_OK) {
        status = options(arena, manifest, settings_json, &plan, err);
    }
    if (status != VIV_OK) {
        return status;
    }
    vh_hash_text(settings_json, settings_hex);
    const char *key = vh_arena_format(arena, "%s:%s", file->digest_hex, settings_hex);
    if (!key || settings_hex[0] == '\0') {
        return vh_error_set(err, VIV_E_MEMORY, "runner", "no memory for the plan of '%s'", manifest->id);
    }
    *ret_plan = plan;
    *ret_key = key;
    return VIV_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* From a fresh fork to a created plugin, in this order, and no other:
 *   start document -> call memory -> limits -> Landlock -> filter `mapping` -> map -> filter `warm` or `folder`
 *   -> entry -> agreement with the manifest -> settings -> tables -> create
 * So no function of the plugin itself ever runs before the last filter; only constructors do, and they cannot leave
 * anything behind. Read serve.h first. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/str.h"
#include "confine.h"
#include "filter.h"
#include "load/complete.h"
#include "load/map.h"
#include "serve.h"

static viv_status
read_start(uint64_t len, struct viv_error *err)
{
    /* A copy: the area is used for the first call's request. */
    void *copy = len <= VH_AREA_BYTES ? malloc(len ? (size_t)len : 1) : NULL;
    if (!copy) {
        return vh_error_set(err, VIV_E_MEMORY, "runner", "the start document of %llu bytes does not fit",
                            (unsigned long long)len);
    }
    memcpy(copy, vh_serve.bytes + VH_AREA_HEAD_BYTES, (size_t)len);
    const char *bad = vh_marshal_decode(&vh_marshal_start, copy, len, vh_serve.items, &vh_serve.start);
    if (bad) {
        return vh_error_set(err, VIV_E_INTERNAL, "runner", "the start document is wrong at '%s'", bad);
    }
    return VIV_OK;
}

static viv_status
enter(enum vh_filter_kind kind, const char *name, struct viv_error *err)
{
    if (vh_filter_enter(kind) != 0) {
        return vh_error_errno(err, VIV_E_UNAVAILABLE, "runner", "the kernel refused the '%s' system-call filter",
                              name);
    }
    return VIV_OK;
}

static viv_status
confine(struct viv_error *err)
{
    vh_serve_stage(VH_STAGE_CONFINE);
    if (vh_lend_prepare() != 0) {
        return vh_error_errno(err, VIV_E_MEMORY, "runner", "memory for calls cannot be reserved");
    }
    viv_status status = vh_confine_limits(&vh_serve.start, err);
    if (status == VIV_OK) {
        status = vh_confine_landlock(&vh_serve.start, err);
    }
    if (status != VIV_OK || vh_serve.start.no_constructors) {
        return status;
    }
    return enter(VH_FILTER_MAPPING, "mapping", err);
}

/* Map, then close the last door. */
static viv_status
map(struct vh_map *ret_map, struct viv_error *err)
{
    char id[VIV_ID_MAX + 1] = {0};
    size_t len = vh_serve.start.id.len < VIV_ID_MAX ? (size_t)vh_serve.start.id.len : VIV_ID_MAX;
    memcpy(id, vh_serve.start.id.data, len);
    vh_serve_stage(VH_STAGE_MAP);
    viv_status status = vh_map_open(VH_FD_PLUGIN, id, ret_map, err);
    close(VH_FD_PLUGIN);
    if (status == VIV_OK) {
        status = vh_confine_files(&vh_serve.start, err);
    }
    if (status != VIV_OK) {
        return status;
    }
    return vh_serve.start.has_root ? enter(VH_FILTER_FOLDER, "folder", err) : enter(VH_FILTER_WARM, "warm", err);
}

static viv_status
agree(const char *what, struct viv_str manifest, const char *descriptor, struct viv_error *err)
{
    if (!descriptor || !vh_str_is(manifest, descriptor)) {
        return vh_error_set(err, VIV_E_PLUGIN, "agree",
                            "the descriptor's %s is '%s', the manifest says '%.*s'; rebuild the plugin from its "
                            "manifest",
                            what, descriptor ? descriptor : "", VH_STR_ARGS(manifest));
    }
    return VIV_OK;
}

static const struct viv_option *
find_option(struct viv_str name)
{
    const char *at = (const char *)vh_serve.plugin.options;
    for (uint32_t i = 0; i < vh_serve.plugin.option_count; i++, at += vh_serve.plugin.option_stride) {
        const struct viv_option *option = (const struct viv_option *)(const void *)at;
        if (option->name && vh_str_is(name, option->name)) {
            return option;
        }
    }
    return NULL;
}

static viv_status
set_option(const struct viv_value *item, char *config, struct viv_error *err)
{
    struct viv_str name = {item->name.data + 7, item->name.len - 7};
    const struct viv_option *option = find_option(name);
    int is_text = option && (option->type == VIV_OPTION_TEXT || option->type == VIV_OPTION_JSON);
    uint64_t bytes = is_text ? sizeof(struct viv_str) : option && option->type == VIV_OPTION_BOOL ? 4 : 8;
    if (!option || is_text != (item->type == VIV_VALUE_TEXT) ||
        option->offset + bytes > vh_serve.plugin.config_size) {
        return vh_error_set(err, VIV_E_PLUGIN, "options",
                            "option '%.*s' of the manifest is not in the descriptor with the same type; rebuild the "
                            "plugin from its manifest",
                            VH_STR_ARGS(name));
    }
    int64_t measure = is_text ? (int64_t)item->text.len : item->integer;
    if (measure < option->min || measure > option->max) {
        return vh_error_set(err, VIV_E_INVALID, "options", "option '%.*s' is %lld, allowed %lld to %lld",
                            VH_STR_ARGS(name), (long long)measure, (long long)option->min, (long long)option->max);
    }
    uint32_t truth = item->integer != 0;
    const void *from = is_text ? (const void *)&item->text : bytes == 4 ? (const void *)&truth : &item->integer;
    memcpy(config + option->offset, from, (size_t)bytes);
    return VIV_OK;
}

static viv_status
settings(const void **ret_config, struct viv_error *err)
{
    uint64_t size = vh_serve.plugin.config_size;
    char *config = size <= VIV_MANIFEST_MAX ? calloc(1, size ? (size_t)size : 1) : NULL;
    if (!config) {
        return vh_error_set(err, VIV_E_PLUGIN, "options", "the config struct has %llu bytes, allowed %u",
                            (unsigned long long)size, VIV_MANIFEST_MAX);
    }
    if (vh_serve.plugin.defaults && size) {
        memcpy(config, vh_serve.plugin.defaults, (size_t)size);
    }
    for (uint32_t i = 0; i < vh_serve.start.items_count; i++) {
        const struct viv_value *item = &vh_serve.items[i];
        if (vh_str_starts(item->name, "option.")) {
            viv_status status = set_option(item, config, err);
            if (status != VIV_OK) {
                return status;
            }
        }
    }
    *ret_config = config;
    return VIV_OK;
}

static viv_status
tables(struct viv_error *err)
{
    for (uint32_t i = 0; i < viv_interface_count && i < VH_SERVE_INTERFACES_MAX; i++) {
        vh_serve.tables[i] = viv_interfaces[i].stubs;
        const void *given = vh_complete_find(&vh_serve.plugin, viv_interfaces[i].id);
        if (!given) {
            continue;
        }
        void *full = calloc(1, viv_interfaces[i].table_size);
        if (!full) {
            return vh_error_set(err, VIV_E_MEMORY, "runner", "no memory for the table of '%s'", viv_interfaces[i].id);
        }
        viv_status status = vh_complete_table(&viv_interfaces[i], given, full, err);
        if (status != VIV_OK) {
            return status;
        }
        vh_serve.tables[i] = full;
        vh_serve.offered |= UINT64_C(1) << i;
    }
    return VIV_OK;
}

static viv_status
create(const void *config, struct viv_error *err)
{
    vh_serve_stage(VH_STAGE_CREATE);
    viv_status status = vh_serve.plugin.create(&vh_lend_host, config, &vh_serve.self, err);
    if (status != VIV_OK && err->text[0] == '\0') {
        vh_error_set(err, status, "create", "create() failed: %s", vh_status_text(status));
    }
    return status;
}

viv_status
vh_begin(uint64_t start_len, struct viv_error *err)
{
    struct vh_map mapped;
    const void *config = NULL;
    viv_status status = read_start(start_len, err);
    status = status == VIV_OK ? confine(err) : status;
    status = status == VIV_OK ? map(&mapped, err) : status;
    if (status != VIV_OK) {
        return status;
    }
    vh_serve_stage(VH_STAGE_ENTRY);
    status = vh_complete_entry(mapped.entry, &vh_serve.plugin, err);
    status = status == VIV_OK ? agree("id", vh_serve.start.id, vh_serve.plugin.id, err) : status;
    status = status == VIV_OK ? agree("version", vh_serve.start.version, vh_serve.plugin.version, err) : status;
    status = status == VIV_OK ? settings(&config, err) : status;
    status = status == VIV_OK ? tables(err) : status;
    return status == VIV_OK ? create(config, err) : status;
}

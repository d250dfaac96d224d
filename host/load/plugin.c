/* SPDX-License-Identifier: Apache-2.0 */
/* Inspecting: everything up to the point where code would run. Loading: plugin_load.c. */
#include "plugin.h"

#include <string.h>
#include <viv_interfaces.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"

static viv_status
hash_file(struct vh_plugin_file *file, struct viv_error *err)
{
    if (!vh_hash_bytes(file->bytes.data, (size_t)file->bytes.len, &file->digest)) {
        return vh_error_set(err, VIV_E_INTERNAL, "hash", "libcrypto cannot hash '%s'", file->path);
    }
    vh_hash_hex(&file->digest, file->digest_hex);
    return VIV_OK;
}

static viv_status
check_abi(const struct vh_manifest *manifest, struct viv_error *err)
{
    if (manifest->abi_min <= VIV_ABI_MAJOR && VIV_ABI_MAJOR <= manifest->abi_max) {
        return VIV_OK;
    }
    return vh_error_set(err, VIV_E_UNSUPPORTED, "manifest",
                        "'%s' %s wants ABI %u to %u, this host offers %u; %s", manifest->id, manifest->version,
                        manifest->abi_min, manifest->abi_max, VIV_ABI_MAJOR,
                        manifest->abi_min > VIV_ABI_MAJOR ? "use a newer host" : "rebuild the plugin");
}

static viv_status
check_interface(bool allow_drafts, const struct vh_manifest *manifest, const struct vh_manifest_interface *interface,
                struct viv_error *err)
{
    uint32_t rev = 0;
    if (!interface->known) {
        return vh_error_set(err, VIV_E_UNSUPPORTED, "manifest",
                            "'%s' offers '%s', which this host does not know; use a newer host or an older plugin",
                            manifest->id, interface->id);
    }
    memcpy(&rev, (const char *)interface->known->stubs + sizeof rev, sizeof rev);
    if (interface->rev > rev) {
        return vh_error_set(err, VIV_E_UNSUPPORTED, "manifest",
                            "'%s' wants revision %u of '%s', this host has %u; use a newer host", manifest->id,
                            interface->rev, interface->id, rev);
    }
    if (interface->known->draft && !allow_drafts) {
        return vh_error_set(err, VIV_E_UNSUPPORTED, "manifest",
                            "'%s' offers '%s', which is a draft; the policy must allow drafts", manifest->id,
                            interface->id);
    }
    return VIV_OK;
}

/* A draft that came with this very host is the one it knows. */
static viv_status
check_manifest(const struct vh_plugin_rules *rules, const struct vh_plugin_file *file, struct viv_error *err)
{
    const struct vh_manifest *manifest = file->manifest;
    bool allow_drafts = rules->allow_drafts || file->trust == VH_TRUST_BUNDLED;
    viv_status status = check_abi(manifest, err);
    for (uint32_t i = 0; status == VIV_OK && i < manifest->interface_count; i++) {
        status = check_interface(allow_drafts, manifest, &manifest->interfaces[i], err);
    }
    if (status == VIV_OK && manifest->experimental && !rules->allow_experimental) {
        status = vh_error_set(err, VIV_E_UNSUPPORTED, "manifest",
                              "'%s' is marked experimental; the policy must allow experimental plugins", manifest->id);
    }
    return status == VIV_OK && manifest->machine_made ? vh_manifest_machine_made(manifest, err) : status;
}

static viv_status
audit_refusal(const struct vh_audit *audit, struct viv_error *err)
{
    const struct vh_audit_row *row = vh_audit_refusal(audit);
    if (!row) {
        return VIV_OK;
    }
    return vh_error_set(err, VIV_E_DENIED, "audit", "rule '%s': found %s; allowed: %s; cure: %s", row->rule, row->found,
                        row->allowed, row->cure);
}

/* Strict when that passes. A plugin that fails only where a runtime of another language may be at fault is audited in
 * the other mode: it can still run in a runner, and is refused for the host's process by name. */
static void
audit_file(const struct vh_elf *elf, struct vh_plugin_file *file)
{
    const struct vh_manifest *manifest = file->manifest;
    bool own = manifest && !manifest->machine_made; /* its list of libraries counts */
    const char *const *libraries = own ? manifest->libraries : NULL;
    uint32_t count = own ? manifest->library_count : 0;
    vh_audit_run(elf, VH_AUDIT_STRICT, libraries, count, &file->audit);
    if (own && manifest->kind == VH_MANIFEST_PLUGIN && file->audit.failed > 0) {
        vh_audit_run(elf, VH_AUDIT_REPORTED, libraries, count, &file->audit);
    }
}

viv_status
vh_plugin_inspect_bytes(const struct vh_seam *seam, struct vh_arena *arena, const struct vh_plugin_rules *rules,
                        int dir, const char *path, struct vh_plugin_file *file, struct viv_error *err)
{
    struct vh_elf *elf = vh_arena_alloc(arena, sizeof *elf);
    struct viv_error manifest_err = VIV_ERROR_INIT;
    file->path = vh_arena_text(arena, path);
    if (!elf || !file->path) {
        return vh_error_set(err, VIV_E_MEMORY, "note", "no memory to inspect '%s'", path);
    }
    bool sound = vh_elf_read(file->bytes.data, (size_t)file->bytes.len, elf);
    viv_status manifest_status = VIV_E_DENIED; /* no note: the audit has the words */
    if (sound && elf->note_count == 1) {
        manifest_status = vh_manifest_read(arena, vh_elf_manifest(elf), &file->manifest, &manifest_err);
    }
    viv_status status = hash_file(file, err);
    status = status ? status : vh_trust_judge(seam, &rules->trust, dir, path, &file->digest, &file->trust, err);
    audit_file(elf, file);
    if (status == VIV_OK && manifest_status != VIV_OK && sound && elf->note_count == 1) {
        if (err) {
            *err = manifest_err;
        }
        status = manifest_status;
    }
    status = status ? status : audit_refusal(&file->audit, err);
    status = status ? status : check_manifest(rules, file, err);
    return status ? vh_error_extend(err, status, "plugin '%s'", path) : VIV_OK;
}

viv_status
vh_plugin_inspect(const struct vh_seam *seam, struct vh_arena *arena, const struct vh_plugin_rules *rules, int dir,
                  const char *path, struct vh_plugin_file *ret_file, struct viv_error *err)
{
    memset(ret_file, 0, sizeof *ret_file);
    viv_status status = vh_fs_read(seam, arena, dir, path, VIV_PLUGIN_FILE_MAX, &ret_file->bytes, err);
    return status ? status : vh_plugin_inspect_bytes(seam, arena, rules, dir, path, ret_file, err);
}

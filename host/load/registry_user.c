/* SPDX-License-Identifier: Apache-2.0 */
/* The user's store, which all homes share: whose its files are and who may write them, and what of it is refused, with
 * the reason. Nothing here makes anything more trusted: bytes are judged by vh_plugin_inspect wherever they lie. */
#include "registry_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"

/* Whoever can change it could put his own in its place. What is not there is fine. */
static viv_status
check_own(const struct vh_seam *seam, const char *path, bool follow, struct viv_error *err)
{
    struct stat stat;
    if (seam->stat(seam->data, AT_FDCWD, path, &stat, follow ? 0 : AT_SYMLINK_NOFOLLOW)) {
        return errno == ENOENT ? VIV_OK : vh_error_errno(err, VIV_E_IO, "registry", "cannot look at '%s'", path);
    }
    if (stat.st_uid != geteuid()) {
        return vh_error_set(err, VIV_E_DENIED, "registry",
                            "'%s' belongs to user %u, allowed: %u, who runs this program; run: chown %u '%s'", path,
                            (unsigned)stat.st_uid, (unsigned)geteuid(), (unsigned)geteuid(), path);
    }
    if (S_ISLNK(stat.st_mode)) {
        return vh_error_set(err, VIV_E_DENIED, "registry", "'%s' is a link, allowed: files and folders", path);
    }
    if (stat.st_mode & 022) {
        return vh_error_set(err, VIV_E_DENIED, "registry",
                            "'%s' has mode %04o, others may write, allowed: no bit of 0022; run: chmod go-w '%s'", path,
                            (unsigned)stat.st_mode & 07777, path);
    }
    return VIV_OK;
}

viv_status
vh_registry_check_store(const struct vh_registry_shelf *shelf, struct viv_error *err)
{
    viv_status status = check_own(shelf->seam, shelf->parent, true, err);
    status = status ? status : check_own(shelf->seam, shelf->store, true, err);
    return status ? status : check_own(shelf->seam, shelf->index_path, false, err);
}

viv_status
vh_registry_check_files(const struct vh_registry_shelf *shelf, const char *name, const char *const *files,
                        size_t count, struct viv_error *err)
{
    char path[VIV_PATH_MAX + 1];
    viv_status status = VIV_OK;
    for (size_t i = 0; shelf->flag && status == VIV_OK && i <= count; i++) {
        int len = snprintf(path, sizeof path, "%s/%s%s%s", shelf->store, name, i ? "/" : "", i ? files[i - 1] : "");
        status = len < (int)sizeof path
                     ? check_own(shelf->seam, path, false, err)
                     : vh_error_set(err, VIV_E_LIMIT, "registry", "path '%.64s...' is too long", path);
    }
    return status;
}

/* ---- refused ---- */

viv_status
vh_registry_refuse(struct vh_registry *registry, const struct vh_registry_entry *entry, const char *reason,
                   struct viv_error *err)
{
    struct vh_registry_refused *refused = vh_arena_alloc(registry->arena, sizeof *refused);
    const char *text = vh_arena_text(registry->arena, reason);
    if (!refused || !text) {
        return vh_error_set(err, VIV_E_MEMORY, "registry", "no memory to refuse a plugin");
    }
    *refused = (struct vh_registry_refused){ registry->refused, entry->digest, text };
    registry->refused = refused;
    return VIV_OK;
}

viv_status
vh_registry_check(const struct vh_registry *registry, const struct vh_registry_entry *entry, struct viv_error *err)
{
    char hex[VH_HASH_HEX], file[VIV_ID_MAX + 1], signature[VIV_ID_MAX + 5];
    const char *const files[] = { "manifest.json", file, signature };
    if (!(entry->flags & VH_REGISTRY_USER)) {
        return VIV_OK;
    }
    for (const struct vh_registry_refused *one = registry->refused; one; one = one->next) {
        if (memcmp(&one->digest, &entry->digest, sizeof one->digest) == 0) {
            return vh_error_set(err, VIV_E_DENIED, "registry", "%s", one->reason);
        }
    }
    snprintf(file, sizeof file, "%.*s", VH_STR_ARGS(entry->file));
    snprintf(signature, sizeof signature, "%s.sig", file);
    vh_hash_hex(&entry->digest, hex);
    return vh_registry_check_files(&registry->shelf[VH_REGISTRY_OWN], hex, files, 3, err);
}

struct refusals {
    struct vh_arena *arena;
    const struct vh_registry_refusal **last; /* where the next goes */
    uint32_t flag;
    uint32_t count;
};

static viv_status
add(struct refusals *refusals, const char *path, const char *reason, struct viv_error *err)
{
    struct vh_registry_refusal *refusal = vh_arena_alloc(refusals->arena, sizeof *refusal);
    const char *text = vh_arena_text(refusals->arena, reason);
    if (!refusal || !path || !text) {
        return vh_error_set(err, VIV_E_MEMORY, "registry", "no memory for what is refused");
    }
    *refusal = (struct vh_registry_refusal){ .path = path, .reason = text, .flags = refusals->flag };
    *refusals->last = refusal;
    refusals->last = (const struct vh_registry_refusal **)&refusal->next;
    refusals->count++;
    return VIV_OK;
}

/* A store whose index holds all of it is not looked at again. */
static viv_status
look_through(const struct vh_registry_shelf *shelf, struct refusals *refusals, struct viv_error *err)
{
    struct vh_fs_names names = { 0 };
    if (shelf->refused[0]) {
        return add(refusals, shelf->store, shelf->refused, err);
    }
    const struct vh_index_item *known = shelf->damaged ? vh_registry_by_digest(shelf, refusals->arena) : NULL;
    if (shelf->damaged && !known) {
        return vh_error_set(err, VIV_E_MEMORY, "registry", "no memory for what is refused");
    }
    viv_status status =
        shelf->damaged ? vh_fs_list(shelf->seam, refusals->arena, AT_FDCWD, shelf->store, &names, err) : VIV_OK;
    for (size_t i = 0; !status && i < names.count && refusals->count < VH_REGISTRY_REFUSALS_MAX; i++) {
        struct viv_error fault = VIV_ERROR_INIT;
        struct vh_index_item item;
        struct vh_hash digest;
        if (!vh_hash_parse(vh_str(names.name[i]), &digest) ||
            vh_registry_known(known, shelf->index.head.count, names.name[i])) {
            continue;
        }
        if (vh_registry_read_folder(shelf, refusals->arena, names.name[i], &item, &fault)) {
            const char *path = vh_arena_format(refusals->arena, "%s/%s", shelf->store, names.name[i]);
            status = add(refusals, path, fault.text, err);
        }
    }
    return status;
}

viv_status
vh_registry_refusals(const struct vh_registry *registry, struct vh_arena *arena,
                     const struct vh_registry_refusal **ret_first, struct viv_error *err)
{
    const struct vh_registry_refusal *first = NULL;
    struct refusals refusals = { .arena = arena, .last = &first };
    viv_status status = VIV_OK;
    for (int i = 0; status == VIV_OK && i < VH_REGISTRY_SHELVES; i++) {
        refusals.flag = registry->shelf[i].flag;
        refusals.count = 0;
        status = registry->shelf[i].store ? look_through(&registry->shelf[i], &refusals, err) : VIV_OK;
    }
    if (status == VIV_OK) {
        *ret_first = first;
    }
    return status;
}

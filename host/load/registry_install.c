/* SPDX-License-Identifier: Apache-2.0 */
/* Changing the store: draft folder -> files synced -> draft synced -> renamed to the digest -> store synced -> index.
 * A crash leaves a draft, which the next change sweeps away, or a plugin the next start finds by the folder's time. */
#include "registry_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"

#define DRAFT ".draft-"

static viv_status
take_lock(const struct vh_registry_shelf *shelf, int *ret_fd, struct viv_error *err)
{
    const struct vh_seam *seam = shelf->seam;
    if (!shelf->store) {
        return vh_error_set(err, VIV_E_UNSUPPORTED, "registry", "there is no store to change");
    }
    int fd = seam->open(seam->data, AT_FDCWD, shelf->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return vh_error_errno(err, VIV_E_IO, "registry", "cannot open '%s'", shelf->lock_path);
    }
    if (seam->lock(seam->data, fd, 1)) {
        viv_status status = vh_error_set(err, VIV_E_BUSY, "registry",
                                         "another process is changing the store '%s'; try again when it has ended",
                                         shelf->store);
        seam->close(seam->data, fd);
        return status;
    }
    *ret_fd = fd;
    return VIV_OK;
}

/* What a crash left behind. Failing to remove it harms nothing. */
static void
sweep(const struct vh_registry_shelf *shelf, struct vh_arena *arena)
{
    struct vh_fs_names names = { 0 };
    if (vh_fs_list(shelf->seam, arena, AT_FDCWD, shelf->store, &names, NULL)) {
        return;
    }
    for (size_t i = 0; i < names.count; i++) {
        if (strncmp(names.name[i], DRAFT, sizeof DRAFT - 1) == 0) {
            const char *path = vh_arena_format(arena, "%s/%s", shelf->store, names.name[i]);
            (void)(path ? vh_fs_remove_tree(shelf->seam, AT_FDCWD, path, NULL) : VIV_OK);
        }
    }
}

static const char *
draft_path(const struct vh_registry_shelf *shelf, struct vh_arena *arena)
{
    uint64_t salt;
    if (shelf->seam->random(shelf->seam->data, &salt, sizeof salt)) {
        return NULL;
    }
    return vh_arena_format(arena, "%s/" DRAFT "%016llx", shelf->store, (unsigned long long)salt);
}

static const char *
file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static viv_status
write_file(const struct vh_seam *seam, struct vh_arena *arena, const char *folder, const char *name,
           struct viv_str bytes, struct viv_error *err)
{
    const char *path = vh_arena_format(arena, "%s/%s", folder, name);
    int fd = path ? seam->open(seam->data, AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444) : -1;
    if (fd < 0) {
        return vh_error_errno(err, VIV_E_IO, "registry", "cannot make '%s' in '%s'", name, folder);
    }
    viv_status status = vh_fs_write_all(seam, fd, bytes, err);
    if (status == VIV_OK && seam->sync(seam->data, fd)) {
        status = vh_error_errno(err, VIV_E_IO, "registry", "cannot sync '%s'", path);
    }
    seam->close(seam->data, fd);
    return status;
}

/* The signature that lies beside the source goes along; without one the plugin is bundled or unsigned. */
static viv_status
copy_signature(const struct vh_registry_shelf *shelf, struct vh_arena *arena, int dir, const char *path,
               const char *folder, struct viv_error *err)
{
    const char *from = vh_arena_format(arena, "%s.sig", path);
    const char *name = vh_arena_format(arena, "%s.sig", file_name(path));
    struct viv_str bytes;
    if (!from || !name) {
        return vh_error_set(err, VIV_E_MEMORY, "registry", "no memory for a signature");
    }
    viv_status status = vh_fs_read(shelf->seam, arena, dir, from, 4096, &bytes, err);
    if (status) {
        return status == VIV_E_NOT_FOUND ? VIV_OK : status;
    }
    return write_file(shelf->seam, arena, folder, name, bytes, err);
}

static viv_status
put_folder(struct vh_registry_shelf *shelf, struct vh_arena *arena, int dir, const struct vh_plugin_file *file,
           struct viv_error *err)
{
    const struct vh_seam *seam = shelf->seam;
    const char *draft = draft_path(shelf, arena);
    const char *final = vh_arena_format(arena, "%s/%s", shelf->store, file->digest_hex);
    if (!draft || !final) {
        return vh_error_set(err, VIV_E_MEMORY, "registry", "no memory or no randomness to install '%s'", file->path);
    }
    if (seam->mkdir(seam->data, AT_FDCWD, draft, 0700)) {
        return vh_error_errno(err, VIV_E_IO, "registry", "cannot make '%s'", draft);
    }
    viv_status status = write_file(seam, arena, draft, file_name(file->path), file->bytes, err);
    status = status ? status : write_file(seam, arena, draft, "manifest.json", file->manifest->text, err);
    status = status ? status : copy_signature(shelf, arena, dir, file->path, draft, err);
    status = status ? status : vh_fs_sync_folder(seam, AT_FDCWD, draft, err);
    VH_PLACE(seam, "install-written");
    if (status == VIV_OK && seam->rename(seam->data, AT_FDCWD, draft, AT_FDCWD, final, 0)) {
        status = errno == ENOTEMPTY || errno == EEXIST
                     ? vh_error_set(err, VIV_E_EXISTS, "registry", "'%s' is installed already", file->manifest->id)
                     : vh_error_errno(err, VIV_E_IO, "registry", "cannot rename '%s' to '%s'", draft, final);
    }
    VH_PLACE(seam, "install-renamed");
    if (status) {
        (void)vh_fs_remove_tree(seam, AT_FDCWD, draft, NULL); /* the error at hand matters more */
        return status;
    }
    return vh_fs_sync_folder(seam, AT_FDCWD, shelf->store, err);
}

/* Against the list as it would be. */
static viv_status
check_free(const struct vh_registry_shelf *shelf, const struct vh_index_item *items, uint32_t count,
           const struct vh_plugin_file *file, struct viv_error *err)
{
    const struct vh_manifest *m = file->manifest;
    struct vh_registry_entry other;
    bool taken = vh_registry_find(shelf->registry, m->id, m->version, &other, NULL) == VIV_OK &&
                 ((other.flags & VH_REGISTRY_BUNDLED) || (other.flags & VH_REGISTRY_USER) == shelf->flag);
    struct vh_hash digest = taken ? other.digest : file->digest;
    for (uint32_t i = shelf->index.head.count; i < count && !taken; i++) {
        taken = vh_str_is(items[i].id, m->id) &&
                vh_manifest_compare_versions(items[i].record.version, m->version_part) == 0;
        digest = taken ? items[i].record.digest : digest;
    }
    if (!taken) {
        return VIV_OK;
    }
    if (memcmp(&digest, &file->digest, sizeof digest) == 0) {
        return vh_error_set(err, VIV_E_EXISTS, "registry", "'%s' %s is installed already, the same bytes", m->id,
                            m->version);
    }
    char hex[VH_HASH_HEX];
    vh_hash_hex(&digest, hex);
    return vh_error_set(err, VIV_E_CONFLICT, "registry",
                        "'%s' %s is there with other bytes: %.16s, these are %.16s; raise the version", m->id,
                        m->version, hex, file->digest_hex);
}

viv_status
vh_registry_check_id(const struct vh_registry *registry, const struct vh_plugin_file *file, struct viv_error *err)
{
    const struct vh_manifest *m = file->manifest;
    for (uint32_t i = 0; i < registry->bundled_count && file->trust == VH_TRUST_UNSIGNED; i++) {
        if (m->kind != VH_MANIFEST_SKILL && vh_str_is(registry->bundled[i].entry.id, m->id)) {
            return vh_error_set(err, VIV_E_DENIED, "registry",
                                "'%s' is the id of a bundled plugin, and these bytes are not signed by your key; "
                                "give it an id of its own", m->id);
        }
    }
    return VIV_OK;
}

/* The one that changes are made to. */
static struct vh_registry_shelf *
changed_shelf(struct vh_registry *registry)
{
    return &registry->shelf[registry->shelf[VH_REGISTRY_HOME].store ? VH_REGISTRY_HOME : VH_REGISTRY_OWN];
}

/* The user's store is only made when something goes into it. */
static viv_status
refresh(struct vh_registry_shelf *shelf, struct viv_error *err)
{
    viv_status status = vh_registry_refresh(shelf, err);
    return status == VIV_OK && shelf->refused[0] ? vh_error_set(err, VIV_E_DENIED, "registry", "%s", shelf->refused)
                                                 : status;
}

/* One change under way: the list as it will be, and where the files come from. */
struct install {
    struct vh_registry_shelf *shelf;
    struct vh_arena *arena; /* what is known of each file lives here */
    const struct vh_plugin_rules *rules;
    int dir;
    uint32_t count;
    struct vh_index_item *items;
};

static viv_status
install_one(struct install *in, const char *path, struct vh_plugin_file *ret_file, struct viv_error *err)
{
    struct vh_registry_shelf *shelf = in->shelf;
    struct viv_str name = vh_str(file_name(path));
    if (!vh_str_id(name) || name.len < 4 || strcmp(name.data + name.len - 3, ".so") != 0) {
        return vh_error_set(err, VIV_E_INVALID, "registry", "file name '%s' is not allowed, use a word and .so",
                            name.data);
    }
    viv_status status = vh_plugin_inspect(shelf->seam, in->arena, in->rules, in->dir, path, ret_file, err);
    status = status ? status : vh_registry_check_id(shelf->registry, ret_file, err);
    status = status ? status : check_free(shelf, in->items, in->count, ret_file, err);
    status = status ? status : put_folder(shelf, in->arena, in->dir, ret_file, err);
    if (status == VIV_OK) {
        vh_registry_item(ret_file->manifest, &ret_file->digest, vh_str(file_name(ret_file->path)),
                         &in->items[in->count++]);
    }
    return status;
}

static viv_status
begin_install(struct install *in, struct vh_arena *scratch, uint32_t more, struct viv_error *err)
{
    viv_status status = scratch ? refresh(in->shelf, err)
                                : vh_error_set(err, VIV_E_MEMORY, "registry", "no memory to install");
    if (status) {
        return status;
    }
    in->count = in->shelf->index.head.count;
    if (more > VH_REGISTRY_PLUGINS_MAX - in->count) {
        return vh_error_set(err, VIV_E_LIMIT, "registry", "the store would hold %llu plugins, allowed %u",
                            (unsigned long long)in->count + more, VH_REGISTRY_PLUGINS_MAX);
    }
    in->items = vh_registry_items(in->shelf, scratch, more);
    if (!in->items) {
        return vh_error_set(err, VIV_E_MEMORY, "registry", "no memory to install");
    }
    sweep(in->shelf, scratch);
    return VIV_OK;
}

static viv_status
install(struct install *in, const char *const *paths, uint32_t path_count, struct vh_plugin_file *ret_file,
        struct viv_error *err)
{
    struct vh_registry_shelf *shelf = in->shelf;
    int lock;
    viv_status status = shelf->flag && shelf->store
                            ? vh_fs_keep_folders(shelf->seam, AT_FDCWD, shelf->store, 0700, err)
                            : VIV_OK;
    status = status ? status : take_lock(shelf, &lock, err);
    if (status) {
        return status;
    }
    struct vh_arena *scratch = vh_arena_create(NULL, 0);
    status = begin_install(in, scratch, path_count, err);
    uint32_t before = in->count;
    for (uint32_t i = 0; status == VIV_OK && i < path_count; i++) {
        status = install_one(in, paths[i], ret_file, err);
    }
    if (in->count > before) {
        viv_status published = vh_registry_publish(shelf, in->items, in->count, 0, true, status ? NULL : err);
        status = status ? status : published;
    }
    vh_arena_destroy(scratch);
    shelf->seam->close(shelf->seam->data, lock);
    return status;
}

viv_status
vh_registry_install(struct vh_registry *registry, const struct vh_plugin_rules *rules, int dir, const char *path,
                    struct vh_plugin_file *ret_file, struct viv_error *err)
{
    struct install in = {
        .shelf = changed_shelf(registry), .arena = registry->arena, .rules = rules, .dir = dir };
    return install(&in, &path, 1, ret_file, err);
}

viv_status
vh_registry_install_all(struct vh_registry *registry, const struct vh_plugin_rules *rules, int dir,
                        const char *const *paths, uint32_t count, struct viv_error *err)
{
    struct vh_plugin_file file;
    struct install in = {
        .shelf = changed_shelf(registry), .arena = vh_arena_create(NULL, 0), .rules = rules, .dir = dir };
    viv_status status = in.arena ? install(&in, paths, count, &file, err)
                                 : vh_error_set(err, VIV_E_MEMORY, "registry", "no memory to install");
    vh_arena_destroy(in.arena);
    return status;
}

static uint32_t
find_digest(const struct vh_registry_shelf *shelf, const struct vh_hash *digest)
{
    uint32_t i = 0;
    while (i < shelf->index.head.count && memcmp(&shelf->index.records[i].digest, digest, sizeof *digest) != 0) {
        i++;
    }
    return i;
}

static viv_status
remove_folder(struct vh_registry_shelf *shelf, struct vh_arena *arena, const struct vh_hash *digest,
              struct viv_error *err)
{
    const struct vh_seam *seam = shelf->seam;
    char hex[VH_HASH_HEX];
    vh_hash_hex(digest, hex);
    const char *path = vh_arena_format(arena, "%s/%s", shelf->store, hex);
    const char *draft = draft_path(shelf, arena);
    if (!path || !draft) {
        return vh_error_set(err, VIV_E_MEMORY, "registry", "no memory or no randomness to remove a plugin");
    }
    if (seam->rename(seam->data, AT_FDCWD, path, AT_FDCWD, draft, 0)) {
        return vh_error_errno(err, VIV_E_IO, "registry", "cannot rename '%s'", path);
    }
    (void)vh_fs_remove_tree(seam, AT_FDCWD, draft, NULL); /* swept away later if not now */
    return vh_fs_sync_folder(seam, AT_FDCWD, shelf->store, err);
}

static viv_status
remove_record(struct vh_registry_shelf *shelf, struct vh_arena *arena, const struct vh_hash *digest,
              struct viv_error *err)
{
    uint32_t at = find_digest(shelf, digest), count = shelf->index.head.count;
    if (at == count) {
        char hex[VH_HASH_HEX];
        vh_hash_hex(digest, hex);
        return vh_error_set(err, VIV_E_NOT_FOUND, "registry", "no plugin with the bytes %s is installed", hex);
    }
    struct vh_index_item *items = vh_registry_items(shelf, arena, 0);
    if (!items) {
        return vh_error_set(err, VIV_E_MEMORY, "registry", "no memory to remove a plugin");
    }
    viv_status status = remove_folder(shelf, arena, digest, err);
    memmove(&items[at], &items[at + 1], (count - at - 1) * sizeof *items);
    return status ? status : vh_registry_publish(shelf, items, count - 1, 0, true, err);
}

viv_status
vh_registry_remove(struct vh_registry *registry, const struct vh_hash *digest, struct viv_error *err)
{
    for (uint32_t i = 0; i < registry->bundled_count; i++) {
        if (memcmp(&registry->bundled[i].entry.digest, digest, sizeof *digest) == 0) {
            return vh_error_set(err, VIV_E_DENIED, "registry", "'%.*s' is bundled with the program; disable it in the "
                                "policy instead", VH_STR_ARGS(registry->bundled[i].entry.id));
        }
    }
    int lock;
    struct vh_registry_shelf *shelf = changed_shelf(registry);
    viv_status status = take_lock(shelf, &lock, err);
    if (status) {
        return status;
    }
    struct vh_arena *scratch = vh_arena_create(NULL, 0);
    status = scratch ? refresh(shelf, err)
                     : vh_error_set(err, VIV_E_MEMORY, "registry", "no memory to remove a plugin");
    status = status ? status : remove_record(shelf, scratch, digest, err);
    vh_arena_destroy(scratch);
    shelf->seam->close(shelf->seam->data, lock);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The store's index: read when it is sound and the folder did not change, rebuilt from the manifest.json files
 * otherwise. No plugin file is opened either way; what a plugin really is, its bytes say when it is loaded. */
#include "registry_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"

/* A change of the folder this close before the index was written may share its time stamp with a later one. */
#define RACY_NS INT64_C(50000000)

static int64_t
change_ns(const struct stat *stat)
{
    return (int64_t)stat->st_mtim.tv_sec * INT64_C(1000000000) + stat->st_mtim.tv_nsec;
}

void
vh_registry_item(const struct vh_manifest *manifest, const struct vh_hash *digest, struct viv_str file,
                 struct vh_index_item *ret_item)
{
    struct vh_index_record record = { .digest = *digest,
                                      .abi_min = (uint16_t)manifest->abi_min,
                                      .abi_max = (uint16_t)manifest->abi_max };
    memcpy(record.version, manifest->version_part, sizeof record.version);
    record.flags = (manifest->kind == VH_MANIFEST_SKILL ? VH_REGISTRY_SKILL : 0u) |
                   (manifest->experimental ? VH_REGISTRY_EXPERIMENTAL : 0u) |
                   (manifest->machine_made ? VH_REGISTRY_MACHINE_MADE : 0u);
    for (uint32_t i = 0; i < manifest->interface_count; i++) {
        if (manifest->interfaces[i].known) {
            record.interfaces |= UINT64_C(1) << manifest->interfaces[i].index;
        }
    }
    *ret_item = (struct vh_index_item){ record, vh_str(manifest->id), file };
}

/* Rises even when the old index is lost, as long as the clock does not go back. */
static uint64_t
next_generation(const struct vh_registry_shelf *shelf, int64_t wall_us)
{
    uint64_t next = shelf->index.head.generation + 1;
    return wall_us > 0 && (uint64_t)wall_us > next ? (uint64_t)wall_us : next;
}

struct vh_index_item *
vh_registry_items(const struct vh_registry_shelf *shelf, struct vh_arena *arena, uint32_t more)
{
    const struct vh_index *index = &shelf->index;
    struct vh_index_item *items = vh_arena_array(arena, (size_t)index->head.count + more, sizeof *items);
    for (uint32_t i = 0; items && i < index->head.count; i++) {
        items[i] = (struct vh_index_item){ index->records[i], vh_index_id(index, i), vh_index_file(index, i) };
    }
    return items;
}

viv_status
vh_registry_publish(struct vh_registry_shelf *shelf, struct vh_index_item *items, uint32_t count, uint64_t generation,
                    bool must_write, struct viv_error *err)
{
    const struct vh_seam *seam = shelf->seam;
    struct stat stat;
    if (seam->stat(seam->data, AT_FDCWD, shelf->store, &stat, 0)) {
        return vh_error_errno(err, VIV_E_IO, "registry", "cannot look at '%s'", shelf->store);
    }
    struct vh_arena *arena = vh_arena_create(shelf->arena, 0);
    if (!arena) {
        return vh_error_set(err, VIV_E_MEMORY, "registry", "no memory for the index");
    }
    /* With a folder that was not understood it is never up to date, so that a mended one is found. */
    struct vh_index_head head = { .folder_ns = shelf->damaged ? 0 : change_ns(&stat), .folder_inode = stat.st_ino };
    head.written_us = seam->wall_us(seam->data);
    head.generation = generation ? generation : next_generation(shelf, head.written_us);
    struct viv_str bytes;
    struct vh_index index = { 0 };
    viv_status status = vh_index_build(arena, &head, items, count, &bytes, err);
    status = status ? status : vh_index_open(bytes, &index, err);
    if (status == VIV_OK) {
        status = vh_fs_replace(seam, AT_FDCWD, shelf->index_path, bytes, 0600, err);
        status = must_write ? status : VIV_OK;
    }
    if (status) {
        vh_arena_destroy(arena);
        return status;
    }
    return vh_registry_take(shelf, arena, &index, err);
}

static bool
is_plugin_file(struct viv_str name)
{
    return name.len > 3 && vh_str_id(name) && memcmp(name.data + name.len - 3, ".so", 3) == 0;
}

/* One folder of the store: its manifest.json and the name of its one plugin file. */
viv_status
vh_registry_read_folder(const struct vh_registry_shelf *shelf, struct vh_arena *arena, const char *name,
                        struct vh_index_item *ret_item, struct viv_error *err)
{
    const struct vh_seam *seam = shelf->seam;
    const struct vh_manifest *manifest = NULL;
    const char *folder = vh_arena_format(arena, "%s/%s", shelf->store, name);
    const char *path = vh_arena_format(arena, "%s/%s/manifest.json", shelf->store, name);
    struct vh_fs_names files = { 0 };
    struct vh_hash digest;
    struct viv_str text, file = { NULL, 0 };
    if (!folder || !path) {
        return vh_error_set(err, VIV_E_MEMORY, "registry", "no memory to read the store");
    }
    viv_status status = vh_fs_list(seam, arena, AT_FDCWD, folder, &files, err);
    status = status ? status : vh_registry_check_files(shelf, name, files.name, files.count, err);
    status = status ? status : vh_fs_read(seam, arena, AT_FDCWD, path, VIV_MANIFEST_MAX, &text, err);
    status = status ? status : vh_manifest_read(arena, text, &manifest, err);
    for (size_t i = 0; i < files.count && !file.data; i++) {
        file = is_plugin_file(vh_str(files.name[i])) ? vh_str(files.name[i]) : file;
    }
    if (status == VIV_OK && (!file.data || !vh_hash_parse(vh_str(name), &digest))) {
        status = vh_error_set(err, VIV_E_CORRUPT, "registry", "it holds no plugin file");
    }
    if (status) {
        return vh_error_extend(err, status, "'%s'", folder);
    }
    vh_registry_item(manifest, &digest, file, ret_item);
    return VIV_OK;
}

static bool
is_digest(const char *name)
{
    struct vh_hash digest;
    return vh_hash_parse(vh_str(name), &digest);
}

static int
by_digest(const void *a, const void *b)
{
    const struct vh_index_item *left = a, *right = b;
    return memcmp(&left->record.digest, &right->record.digest, sizeof left->record.digest);
}

struct vh_index_item *
vh_registry_by_digest(const struct vh_registry_shelf *shelf, struct vh_arena *arena)
{
    struct vh_index_item *known = vh_registry_items(shelf, arena, 0);
    if (known) {
        qsort(known, shelf->index.head.count, sizeof *known, by_digest);
    }
    return known;
}

const struct vh_index_item *
vh_registry_known(const struct vh_index_item *known, uint32_t count, const char *name)
{
    struct vh_index_item key = { .id = { NULL, 0 } };
    return vh_hash_parse(vh_str(name), &key.record.digest) ? bsearch(&key, known, count, sizeof key, by_digest) : NULL;
}

/* Read every folder that the last index, when there is one, does not know. */
static viv_status
rebuild(struct vh_registry_shelf *shelf, struct viv_error *err)
{
    const uint32_t known_count = shelf->index.head.count;
    struct vh_arena *arena = vh_arena_create(shelf->arena, 0);
    struct vh_fs_names names = { 0 };
    struct vh_index_item *items = NULL, *known = NULL;
    uint32_t count = 0;
    viv_status status = arena ? vh_fs_list(shelf->seam, arena, AT_FDCWD, shelf->store, &names, err)
                              : vh_error_set(err, VIV_E_MEMORY, "registry", "no memory to read the store");
    if (status == VIV_OK) {
        items = vh_arena_array(arena, names.count, sizeof *items);
        known = vh_registry_by_digest(shelf, arena);
        status = items && known ? VIV_OK : vh_error_set(err, VIV_E_MEMORY, "registry", "no memory to read the store");
    }
    uint32_t fresh = 0;
    shelf->damaged = 0;
    for (size_t i = 0; status == VIV_OK && i < names.count && count < VH_REGISTRY_PLUGINS_MAX; i++) {
        struct viv_error fault = VIV_ERROR_INIT;
        if (!is_digest(names.name[i])) {
            continue;
        }
        const struct vh_index_item *old = vh_registry_known(known, known_count, names.name[i]);
        if (old) {
            items[count++] = *old;
            continue;
        }
        viv_status read = vh_registry_read_folder(shelf, arena, names.name[i], &items[count], &fault);
        count += read == VIV_OK;
        fresh += read == VIV_OK;
        shelf->damaged += read != VIV_OK;
        if (read == VIV_E_MEMORY) {
            status = vh_error_set(err, read, "registry", "%s", fault.text);
        }
    }
    bool same = shelf->damaged && !fresh && count == known_count && shelf->index_arena; /* found so before */
    status = status || same ? status : vh_registry_publish(shelf, items, count, 0, false, err);
    vh_arena_destroy(arena);
    return status;
}

/* Whether the folder holds exactly the digests of the index. They come sorted differently, so their sums are
 * compared: digests are as good as random, and nobody gains by fooling this. */
static bool
holds_the_same(const struct vh_registry_shelf *shelf)
{
    const struct vh_index *index = &shelf->index;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_fs_names names = { 0 };
    bool same = arena && vh_fs_list(shelf->seam, arena, AT_FDCWD, shelf->store, &names, NULL) == VIV_OK;
    uint64_t folded[4] = { 0 };
    uint32_t count = 0;
    for (size_t i = 0; same && i < names.count; i++) {
        struct vh_hash digest;
        uint64_t part[4];
        if (vh_hash_parse(vh_str(names.name[i]), &digest)) {
            memcpy(part, digest.bytes, sizeof part);
            for (int word = 0; word < 4; word++) {
                folded[word] += part[word];
            }
            count++;
        }
    }
    for (uint32_t i = 0; same && i < index->head.count; i++) {
        uint64_t part[4];
        memcpy(part, index->records[i].digest.bytes, sizeof part);
        for (int word = 0; word < 4; word++) {
            folded[word] -= part[word];
        }
    }
    vh_arena_destroy(arena);
    return same && count == index->head.count && (folded[0] | folded[1] | folded[2] | folded[3]) == 0;
}

/* The index as it lies there, when it can be used. One that is only out of date is kept for rebuild(). */
static bool
use_index(struct vh_registry_shelf *shelf)
{
    const struct vh_seam *seam = shelf->seam;
    struct stat stat;
    struct vh_index index;
    struct vh_arena *arena = vh_arena_create(shelf->arena, 0);
    bool sound = arena && !seam->stat(seam->data, AT_FDCWD, shelf->store, &stat, 0) &&
                 vh_index_read(seam, arena, shelf->index_path, &index, NULL) == VIV_OK;
    if (!sound) {
        vh_arena_destroy(arena);
        return false;
    }
    if (vh_registry_take(shelf, arena, &index, NULL)) {
        return false;
    }
    if (index.head.folder_ns != change_ns(&stat) || index.head.folder_inode != stat.st_ino) {
        return false;
    }
    if (index.head.written_us * 1000 - index.head.folder_ns > RACY_NS) {
        return true;
    }
    if (!holds_the_same(shelf)) {
        return false;
    }
    struct vh_arena *scratch = vh_arena_create(NULL, 0);
    struct vh_index_item *items = scratch ? vh_registry_items(shelf, scratch, 0) : NULL;
    if (items) { /* stamp it again, so that the next start need not look; without, it only looks again */
        (void)vh_registry_publish(shelf, items, index.head.count, index.head.generation, false, NULL);
    }
    vh_arena_destroy(scratch);
    return true;
}

static viv_status
refresh_home(struct vh_registry_shelf *shelf, struct viv_error *err)
{
    const struct vh_seam *seam = shelf->seam;
    if (!vh_fs_exists(seam, AT_FDCWD, shelf->store)) {
        viv_status status = vh_fs_keep_folders(seam, AT_FDCWD, shelf->store, 0700, err);
        if (status && seam->mkdir(seam->data, AT_FDCWD, shelf->store, 0700) &&
            (errno == EROFS || errno == EACCES)) {
            return VIV_OK; /* nothing there and nothing can be: an empty store */
        }
        if (status) {
            return status;
        }
    }
    return use_index(shelf) ? VIV_OK : rebuild(shelf, err);
}

/* False when it is not there; one that cannot be looked at is there, and will be refused. */
static bool
note_seen(struct vh_registry_shelf *shelf)
{
    struct stat stat = { 0 };
    bool missing = shelf->seam->stat(shelf->seam->data, AT_FDCWD, shelf->store, &stat, 0) && errno == ENOENT;
    shelf->seen_ns = change_ns(&stat);
    shelf->seen_inode = stat.st_ino;
    shelf->seen_us = shelf->seam->wall_us(shelf->seam->data);
    return !missing;
}

static viv_status
refresh_user(struct vh_registry_shelf *shelf, struct viv_error *err)
{
    const struct vh_index empty = { .records = NULL };
    struct viv_error fault = VIV_ERROR_INIT;
    shelf->refused[0] = '\0';
    if (!note_seen(shelf)) {
        return vh_registry_take(shelf, NULL, &empty, err);
    }
    viv_status status = vh_registry_check_store(shelf, &fault);
    if (status == VIV_OK && !use_index(shelf)) {
        status = rebuild(shelf, &fault);
    }
    if (status == VIV_OK) {
        return status;
    }
    snprintf(shelf->refused, sizeof shelf->refused, "%s", fault.text);
    viv_status emptied = vh_registry_take(shelf, NULL, &empty, err);
    return status == VIV_E_MEMORY ? vh_error_set(err, status, "registry", "%s", fault.text) : emptied;
}

viv_status
vh_registry_refresh(struct vh_registry_shelf *shelf, struct viv_error *err)
{
    shelf->damaged = 0;
    return shelf->flag ? refresh_user(shelf, err) : refresh_home(shelf, err);
}

void
vh_registry_look(struct vh_registry *registry)
{
    struct vh_registry_shelf *shelf = &registry->shelf[VH_REGISTRY_OWN];
    struct stat stat;
    if (!shelf->store) {
        return;
    }
    bool there = shelf->seam->stat(shelf->seam->data, AT_FDCWD, shelf->store, &stat, 0) == 0;
    bool same = there ? change_ns(&stat) == shelf->seen_ns && stat.st_ino == shelf->seen_inode &&
                            shelf->seen_us * 1000 - shelf->seen_ns > RACY_NS
                      : shelf->seen_inode == 0;
    if (!same || shelf->refused[0] || shelf->damaged || (there && vh_registry_check_store(shelf, NULL))) {
        (void)vh_registry_refresh(shelf, NULL); /* what is wrong with it, it notes itself */
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "folder_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/str.h"
#include "target.h"
#include <viv/limits.h>

#define RECENT_NS INT64_C(100000000) /* well over the kernel's clock tick */

struct head {
    char magic[8];
    uint64_t count;
    char commit[VH_GIT_HEX + 7];
    char list[VH_GIT_HEX + 7];
    char digest[VH_HASH_HEX + 7]; /* over what follows the head */
};

static const char magic[8] = { 'V', 'I', 'V', 'F', 'L', 'D', '0', '1' };

static const char *
cache_path(const struct vh_target *target, struct vh_arena *arena)
{
    return vh_arena_format(arena, "store/folder-%s.cache", strrchr(target->branch, '/') + 1);
}

viv_status
vh_folder_cache_read(const struct vh_target *target, struct vh_arena *arena, struct vh_folder_cache *ret_cache,
                     struct viv_error *err)
{
    const struct vh_git_tools *tools = target->tools;
    struct viv_str text = { NULL, 0 };
    struct head head;
    char digest[VH_HASH_HEX];
    size_t max = sizeof head + (size_t)VIV_BASE_FILES_MAX * 4 * sizeof(struct vh_folder_known);
    const char *path = cache_path(target, arena);
    *ret_cache = (struct vh_folder_cache){ 0 };
    if (!path) {
        return vh_error_set(err, VIV_E_MEMORY, "folder", "no memory for the cache of a folder");
    }
    if (vh_fs_read(tools->seam, arena, tools->home, path, max, &text, NULL) || text.len < sizeof head) {
        return VIV_OK;
    }
    memcpy(&head, text.data, sizeof head);
    struct viv_str rest = { text.data + sizeof head, text.len - sizeof head };
    vh_hash_text(rest, digest);
    head.digest[VH_HASH_HEX - 1] = '\0';
    if (memcmp(head.magic, magic, sizeof magic) || strcmp(head.digest, digest) ||
        head.count != rest.len / sizeof(struct vh_folder_known)) {
        return VIV_OK;
    }
    ret_cache->known = vh_arena_copy(arena, rest.data, (size_t)rest.len);
    ret_cache->count = ret_cache->known ? (size_t)head.count : 0;
    memcpy(ret_cache->commit.hex, head.commit, sizeof ret_cache->commit.hex);
    memcpy(ret_cache->list, head.list, sizeof ret_cache->list);
    ret_cache->commit.hex[VH_GIT_HEX - 1] = ret_cache->list[VH_GIT_HEX - 1] = '\0';
    return VIV_OK;
}

static int
by_inode(const void *a, const void *b)
{
    const struct vh_folder_known *x = a;
    const struct vh_folder_known *y = b;
    if (x->dev != y->dev) {
        return x->dev < y->dev ? -1 : 1;
    }
    return x->ino < y->ino ? -1 : x->ino > y->ino;
}

viv_status
vh_folder_cache_write(const struct vh_target *target, struct vh_arena *arena, struct vh_folder_cache *cache,
                      struct viv_error *err)
{
    const struct vh_git_tools *tools = target->tools;
    size_t size = cache->count * sizeof *cache->known;
    struct head head = { .count = cache->count };
    char *bytes = vh_arena_alloc(arena, sizeof head + size);
    const char *path = cache_path(target, arena);
    if (!bytes || !path) {
        return vh_error_set(err, VIV_E_MEMORY, "folder", "no memory for the cache of a folder");
    }
    if (cache->count) {
        qsort(cache->known, cache->count, sizeof *cache->known, by_inode);
        memcpy(bytes + sizeof head, cache->known, size);
    }
    memcpy(head.magic, magic, sizeof magic);
    memcpy(head.commit, cache->commit.hex, sizeof cache->commit.hex);
    memcpy(head.list, cache->list, sizeof cache->list);
    vh_hash_text((struct viv_str){ bytes + sizeof head, size }, head.digest);
    memcpy(bytes, &head, sizeof head);
    return vh_fs_replace(tools->seam, tools->home, path, (struct viv_str){ bytes, sizeof head + size }, 0600, err);
}

static struct vh_folder_known
known_of(const struct stat *stat)
{
    return (struct vh_folder_known){
        .dev = (uint64_t)stat->st_dev,
        .ino = (uint64_t)stat->st_ino,
        .size = (uint64_t)stat->st_size,
        .mtime_ns = (int64_t)stat->st_mtim.tv_sec * 1000000000 + stat->st_mtim.tv_nsec,
        .ctime_ns = (int64_t)stat->st_ctim.tv_sec * 1000000000 + stat->st_ctim.tv_nsec,
    };
}

const char *
vh_folder_cache_find(const struct vh_folder_cache *cache, const struct stat *stat)
{
    struct vh_folder_known key = known_of(stat);
    const struct vh_folder_known *found =
        cache->count ? bsearch(&key, cache->known, cache->count, sizeof key, by_inode) : NULL;
    bool same = found && found->size == key.size && found->mtime_ns == key.mtime_ns &&
                found->ctime_ns == key.ctime_ns;
    return same ? found->id : NULL;
}

void
vh_folder_cache_add(struct vh_folder_cache *cache, const struct stat *stat, const struct vh_git_id *id,
                    int64_t now_us)
{
    struct vh_folder_known known = known_of(stat);
    if (cache->count >= cache->room || known.ctime_ns > now_us * 1000 - RECENT_NS ||
        known.mtime_ns > now_us * 1000 - RECENT_NS) {
        return;
    }
    memcpy(known.id, id->hex, sizeof id->hex);
    cache->known[cache->count++] = known;
}

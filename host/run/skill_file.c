/* SPDX-License-Identifier: Apache-2.0 */
#include "skill_file.h"

#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "load/map.h"

#define KEPT_MAX 128

struct vh_skill_files {
    const struct vh_seam *seam;
    pthread_mutex_t lock;
    struct vh_skill_file *kept[KEPT_MAX];
    int64_t takes;
};

static void
drop(struct vh_skill_files *files, size_t i)
{
    struct vh_skill_file *file = files->kept[i];
    if (file) {
        files->seam->close(files->seam->data, file->plugin_fd);
        vh_arena_destroy(file->arena);
        files->kept[i] = NULL;
    }
}

static void
end_all(void *data)
{
    struct vh_skill_files *files = data;
    for (size_t i = 0; i < KEPT_MAX; i++) {
        drop(files, i);
    }
    pthread_mutex_destroy(&files->lock);
}

struct vh_skill_files *
vh_skill_files_create(struct vh_arena *arena, const struct vh_seam *seam)
{
    struct vh_skill_files *files = vh_arena_alloc(arena, sizeof *files);
    if (!files || vh_arena_on_end(arena, end_all, files)) {
        return NULL;
    }
    files->seam = seam;
    pthread_mutex_init(&files->lock, NULL);
    return files;
}

/* The registry's entry for an id, or for exactly one digest. */
static viv_status
find_entry(struct vh_run *run, struct vh_arena *arena, struct viv_str id, const char *digest_hex,
           struct vh_registry_entry *ret_entry, struct viv_error *err)
{
    char *text = vh_arena_text_of(arena, id);
    if (!text) {
        return vh_error_set(err, VIV_E_MEMORY, "skill", "no memory for a skill");
    }
    if (!digest_hex) {
        return vh_registry_find(run->registry, text, NULL, ret_entry, err);
    }
    for (uint32_t i = 0; i < vh_registry_count(run->registry); i++) {
        char hex[VH_HASH_HEX];
        vh_registry_at(run->registry, i, ret_entry);
        vh_hash_hex(&ret_entry->digest, hex);
        if (strcmp(hex, digest_hex) == 0) {
            return VIV_OK;
        }
    }
    return vh_error_set(err, VIV_E_NOT_FOUND, "skill", "the version of '%s' this task was routed to is gone", text);
}

static viv_status
open_file(struct vh_run *run, const struct vh_registry_entry *entry, struct vh_skill_file **ret_file,
          struct viv_error *err)
{
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_skill_file *file = arena ? vh_arena_alloc(arena, sizeof *file) : NULL;
    viv_status status = file ? vh_registry_inspect(run->registry, arena, &run->rules, entry, &file->file, err)
                             : vh_error_set(err, VIV_E_MEMORY, "skill", "no memory for a skill");
    if (status == VIV_OK && file->file.manifest->kind != VH_MANIFEST_SKILL) {
        status = vh_error_set(err, VIV_E_INVALID, "skill", "'%s' is a plugin, not a skill", file->file.manifest->id);
    }
    if (status == VIV_OK) {
        status = vh_map_seal(file->file.bytes.data, (size_t)file->file.bytes.len, file->file.manifest->id,
                             &file->plugin_fd, err);
    }
    if (status) {
        vh_arena_destroy(arena);
        return status;
    }
    file->arena = arena;
    *ret_file = file;
    return VIV_OK;
}

/* A free place, or that of the one unused longest; KEPT_MAX when all are in use. */
static size_t
place_for(struct vh_skill_files *files)
{
    size_t best = KEPT_MAX;
    for (size_t i = 0; i < KEPT_MAX; i++) {
        if (!files->kept[i]) {
            return i;
        }
        if (files->kept[i]->used == 0 && (best == KEPT_MAX || files->kept[i]->last < files->kept[best]->last)) {
            best = i;
        }
    }
    if (best < KEPT_MAX) {
        drop(files, best);
    }
    return best;
}

static viv_status
take_locked(struct vh_run *run, const struct vh_registry_entry *entry, struct vh_skill_file **ret_file,
            struct viv_error *err)
{
    struct vh_skill_files *files = run->skill_files;
    for (size_t i = 0; i < KEPT_MAX; i++) {
        struct vh_skill_file *kept = files->kept[i];
        if (kept && memcmp(kept->file.digest.bytes, entry->digest.bytes, VH_HASH_BYTES) == 0) {
            *ret_file = kept;
            return VIV_OK;
        }
    }
    size_t place = place_for(files);
    if (place == KEPT_MAX) {
        return vh_error_set(err, VIV_E_BUSY, "skill", "%d skills are in use at once, no room for one more", KEPT_MAX);
    }
    viv_status status = open_file(run, entry, ret_file, err);
    if (status == VIV_OK) {
        files->kept[place] = *ret_file;
    }
    return status;
}

viv_status
vh_skill_file_take(struct vh_run *run, struct viv_str id, const char *digest_hex, struct vh_skill_file **ret_file,
                   struct viv_error *err)
{
    struct vh_registry_entry entry;
    struct vh_skill_files *files = run->skill_files;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    if (!arena) {
        return vh_error_set(err, VIV_E_MEMORY, "skill", "no memory for a skill");
    }
    pthread_mutex_lock(&files->lock);
    pthread_mutex_lock(run->registry_lock);
    vh_registry_look(run->registry);
    viv_status status = find_entry(run, arena, id, digest_hex, &entry, err);
    if (status == VIV_OK) {
        status = take_locked(run, &entry, ret_file, err);
    }
    pthread_mutex_unlock(run->registry_lock);
    if (status == VIV_OK) {
        (*ret_file)->used++;
        (*ret_file)->last = ++files->takes;
    }
    pthread_mutex_unlock(&files->lock);
    vh_arena_destroy(arena);
    return status;
}

void
vh_skill_file_give(struct vh_run *run, struct vh_skill_file *file)
{
    pthread_mutex_lock(&run->skill_files->lock);
    file->used--;
    pthread_mutex_unlock(&run->skill_files->lock);
}

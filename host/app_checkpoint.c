/* SPDX-License-Identifier: Apache-2.0 */
/* Signed checkpoints of the log (keep/checkpoint.h) as files of the home, log/checkpoints/EVENTS.json. A host writes
 * one by itself every VH_APP_CHECKPOINT_EVENTS events and at its end, on its way out of the log's export; it never
 * signs what contradicts the newest that it finds. They are for others to keep: what lies in the home only shows what
 * nobody who can write there wanted to hide. No checkpoint is no reason to refuse work, so a failure is told and no
 * more. */
#include "app_checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"

#define NAME_SIZE 64
#define HALF_WRITTEN_US INT64_C(3600000000) /* a draft of this age is nobody's any more */
#define OWN_EVENTS 2 /* a host that came and went has nothing else to tell */

viv_status
vh_app_log_keys(struct vh_app *app, bool make, struct vh_trust *ret_keys, struct viv_error *err)
{
    const char *folder = app->user.keys;
    *ret_keys = (struct vh_trust){ .names = &vh_trust_log };
    if (!folder) {
        return vh_error_set(err, VIV_E_UNAVAILABLE, "checkpoint", "there is no folder for your key: neither HOME nor "
                            "XDG_DATA_HOME is an absolute path");
    }
    viv_status status = vh_trust_read_key(app->seam, AT_FDCWD, folder, ret_keys, err);
    if (status == VIV_OK && make && !ret_keys->has_key) {
        status = vh_trust_make_key(app->seam, AT_FDCWD, folder, &vh_trust_log, err);
        status = status == VIV_E_EXISTS ? VIV_OK : status; /* somebody made it meanwhile */
        status = status ? status : vh_trust_read_key(app->seam, AT_FDCWD, folder, ret_keys, err);
    }
    return status;
}

viv_status
vh_app_checkpoint_sign(struct vh_app *app, struct vh_checkpoint *checkpoint, struct viv_error *err)
{
    struct vh_trust keys;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    viv_status status = vh_app_log_keys(app, true, &keys, err);
    memcpy(checkpoint->key, keys.key, sizeof checkpoint->key);
    struct viv_str text = arena ? vh_checkpoint_signed(arena, checkpoint) : (struct viv_str){ NULL, 0 };
    if (status == VIV_OK && !text.data) {
        status = vh_error_set(err, VIV_E_MEMORY, "checkpoint", "no memory for a checkpoint");
    }
    if (status == VIV_OK) {
        status = vh_trust_sign_text(app->seam, AT_FDCWD, app->user.keys, &vh_trust_log, text, checkpoint->signature,
                                    err);
    }
    vh_arena_destroy(arena);
    return status;
}

viv_status
vh_app_checkpoint_check(const struct vh_checkpoint *checkpoint, const struct vh_trust *keys, struct viv_error *err)
{
    char hex[VH_HASH_HEX];
    struct vh_hash key;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    const struct vh_trust_old *old = NULL;
    bool known = keys->has_key && memcmp(keys->key, checkpoint->key, sizeof keys->key) == 0;
    for (uint32_t i = 0; i < keys->old_count && !known; i++) {
        old = memcmp(keys->old[i].key, checkpoint->key, sizeof checkpoint->key) == 0 ? &keys->old[i] : old;
    }
    memcpy(key.bytes, checkpoint->key, sizeof key.bytes);
    vh_hash_hex(&key, hex);
    viv_status status = VIV_OK;
    struct viv_str text = arena ? vh_checkpoint_signed(arena, checkpoint) : (struct viv_str){ NULL, 0 };
    if (!text.data) {
        status = vh_error_set(err, VIV_E_MEMORY, "checkpoint", "no memory for a checkpoint");
    } else if (!known && !old) {
        status = vh_error_set(err, VIV_E_DENIED, "checkpoint", "it is signed by the key %s, which is none of those "
                              "that are trusted here; 'vivhost log key list' shows yours, '--key' names others", hex);
    } else if (old && old->retired) {
        status = vh_error_set(err, VIV_E_DENIED, "checkpoint", "it is signed by the key %.16s, which is retired", hex);
    } else if (!vh_trust_check_text(text, checkpoint->key, checkpoint->signature)) {
        status = vh_error_set(err, VIV_E_CORRUPT, "checkpoint", "its signature does not fit its words: it was altered, "
                              "or forged in the name of the key %.16s", hex);
    }
    vh_arena_destroy(arena);
    return status;
}

/* ---- the files ---- */

/* 0: not the name of one. */
static int64_t
events_of(const char *name)
{
    char again[NAME_SIZE];
    int64_t events = strspn(name, "0123456789") == 12 ? strtoll(name, NULL, 10) : 0;
    snprintf(again, sizeof again, VH_APP_CHECKPOINT_NAME, (long long)events);
    return strcmp(name, again) == 0 ? events : 0;
}

/* The newest good one of this home; `events` 0: none. What is no good is told and left. */
static viv_status
find_newest(struct vh_app *app, struct vh_arena *arena, const struct vh_fs_names *names, const struct vh_trust *keys,
            struct vh_checkpoint *ret_newest)
{
    ret_newest->events = 0;
    for (size_t i = names->count; i-- > 0 && ret_newest->events == 0;) {
        struct viv_error err = VIV_ERROR_INIT;
        struct viv_str text;
        struct vh_checkpoint found = { .events = 0 };
        const char *path = vh_arena_format(arena, VH_APP_CHECKPOINTS "/%s", names->name[i]);
        if (!events_of(names->name[i])) {
            continue;
        }
        viv_status status = path ? vh_fs_read(app->seam, arena, app->home, path, VH_CHECKPOINT_BYTES_MAX, &text, &err)
                                 : VIV_E_MEMORY;
        status = status ? status : vh_checkpoint_read(arena, text, &found, &err);
        status = status ? status : vh_app_checkpoint_check(&found, keys, &err);
        if (status == VIV_E_MEMORY) {
            return status;
        }
        if (status == VIV_OK) {
            *ret_newest = found;
        } else {
            vh_log(VH_LOG_WARNING, "checkpoint", "'%s' is left out: %s", path, err.text);
        }
    }
    return VIV_OK;
}

static viv_status
list_files(struct vh_app *app, struct vh_arena *arena, struct vh_fs_names *ret_names, struct viv_error *err)
{
    viv_status status = arena ? vh_fs_list(app->seam, arena, app->home, VH_APP_CHECKPOINTS, ret_names, err)
                              : vh_error_set(err, VIV_E_MEMORY, "checkpoint", "no memory for a checkpoint");
    if (status == VIV_E_NOT_FOUND) {
        ret_names->count = 0;
    }
    return status == VIV_E_NOT_FOUND ? VIV_OK : status;
}

viv_status
vh_app_checkpoint_newest(struct vh_app *app, struct vh_checkpoint *ret_newest, struct viv_error *err)
{
    struct vh_trust keys;
    struct vh_fs_names names = { NULL, 0 };
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    viv_status status = list_files(app, arena, &names, err);
    ret_newest->events = 0;
    if (status == VIV_OK && names.count) {
        status = vh_app_log_keys(app, false, &keys, err);
        status = status ? status : find_newest(app, arena, &names, &keys, ret_newest);
    }
    vh_arena_destroy(arena);
    return status;
}

static void
remove_file(struct vh_app *app, struct vh_arena *arena, const char *name)
{
    const char *path = vh_arena_format(arena, VH_APP_CHECKPOINTS "/%s", name);
    if (path) {
        (void)app->seam->unlink(app->seam->data, app->home, path, 0); /* another took it, or the next time does */
    }
}

/* Few old ones, more new ones: the one goes whose neighbours lie closest for their age; first and newest stay. */
static void
thin_out(struct vh_app *app, struct vh_arena *arena, struct vh_fs_names *names)
{
    int64_t newest = names->count ? events_of(names->name[names->count - 1]) : 0;
    for (size_t left = names->count; left > VH_APP_CHECKPOINTS_MAX; left--) {
        size_t least = 1;
        double density = -1;
        for (size_t i = 1; i + 1 < left; i++) {
            int64_t before = events_of(names->name[i - 1]), after = events_of(names->name[i + 1]);
            double own = (double)(after - before) / (double)(newest - events_of(names->name[i]) + 1);
            least = density < 0 || own < density ? i : least;
            density = density < 0 || own < density ? own : density;
        }
        remove_file(app, arena, names->name[least]);
        memmove(&names->name[least], &names->name[least + 1], (left - least - 1) * sizeof *names->name);
    }
}

/* What a crash left half written, and more than is kept. */
static void
tidy(struct vh_app *app, struct vh_arena *arena)
{
    struct vh_fs_names names = { NULL, 0 }, ours = { NULL, 0 };
    struct stat stat;
    if (list_files(app, arena, &names, NULL) || names.count <= 1) {
        return;
    }
    ours.name = names.name;
    for (size_t i = 0; i < names.count; i++) {
        const char *path = vh_arena_format(arena, VH_APP_CHECKPOINTS "/%s", names.name[i]);
        bool draft = names.name[i][0] == '.' && path &&
                     app->seam->stat(app->seam->data, app->home, path, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
                     app->seam->wall_us(app->seam->data) - stat.st_mtime * INT64_C(1000000) > HALF_WRITTEN_US;
        if (draft) {
            remove_file(app, arena, names.name[i]);
        } else if (events_of(names.name[i])) {
            ours.name[ours.count++] = names.name[i];
        }
    }
    thin_out(app, arena, &ours);
}

static viv_status
keep_file(struct vh_app *app, struct vh_arena *arena, const struct vh_checkpoint *checkpoint, struct viv_error *err)
{
    struct viv_str line = vh_checkpoint_print(arena, checkpoint);
    const char *path = vh_arena_format(arena, VH_APP_CHECKPOINTS "/" VH_APP_CHECKPOINT_NAME,
                                       (long long)checkpoint->events);
    viv_status status = line.data && path ? vh_fs_keep_folders(app->seam, app->home, VH_APP_CHECKPOINTS, 0700, err)
                                          : vh_error_set(err, VIV_E_MEMORY, "checkpoint", "no memory for a checkpoint");
    status = status ? status : vh_fs_replace(app->seam, app->home, path, line, 0600, err);
    VH_PLACE(app->seam, "checkpoint.written");
    if (status == VIV_OK) {
        tidy(app, arena);
    }
    return status;
}

viv_status
vh_app_checkpoint(struct vh_app *app, struct vh_store *store, bool keep, struct vh_checkpoint *ret_checkpoint,
                  struct viv_error *err)
{
    struct vh_checkpoint newest = { .events = 0 };
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    viv_status status = arena ? vh_app_checkpoint_newest(app, &newest, err)
                              : vh_error_set(err, VIV_E_MEMORY, "checkpoint", "no memory for a checkpoint");
    status = status ? status : vh_checkpoint_make(store, newest.events ? &newest : NULL, ret_checkpoint, err);
    if (status == VIV_E_CONFLICT) {
        return vh_error_extend(err, status, "nothing is signed against '" VH_APP_CHECKPOINTS "/" VH_APP_CHECKPOINT_NAME
                               "'; if you put an older database there yourself, move that folder away",
                               (long long)newest.events);
    }
    status = status ? status : vh_app_checkpoint_sign(app, ret_checkpoint, err);
    status = status || !keep ? status : keep_file(app, arena, ret_checkpoint, err);
    vh_arena_destroy(arena);
    return status;
}

/* ---- by itself ---- */

static int64_t
newest_events(struct vh_app *app)
{
    struct vh_fs_names names = { NULL, 0 };
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    int64_t newest = 0;
    if (list_files(app, arena, &names, NULL) == VIV_OK) {
        for (size_t i = names.count; i-- > 0 && newest == 0;) {
            newest = events_of(names.name[i]);
        }
    }
    vh_arena_destroy(arena);
    return newest;
}

void
vh_app_checkpoint_due(struct vh_app *app, struct vh_store *store, bool ends)
{
    struct vh_checkpoint made;
    struct viv_error err = VIV_ERROR_INIT;
    int64_t events = vh_store_seq(store);
    app->checkpointed = app->checkpointed ? app->checkpointed : newest_events(app);
    int64_t least = ends ? OWN_EVENTS + 1 : VH_APP_CHECKPOINT_EVENTS;
    bool fewer = events < app->checkpointed; /* a conflict, and told as one */
    if (!app->user.keys || (!fewer && events - app->checkpointed < least)) {
        return;
    }
    if (vh_app_checkpoint(app, store, true, &made, &err)) {
        vh_log(VH_LOG_WARNING, "checkpoint", "no checkpoint of the log is written: %s", err.text);
    }
    app->checkpointed = events;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `backup`, while tasks run. Nothing is published while the database and the private repository are copied: they must
 * tell of the same commits. Content of the store is written before the event that names it and never changes, so it
 * is copied afterwards. */
#include "control_inside.h"

#include <errno.h>
#include <fcntl.h>

#include "base/log.h"
#include "keep/backup.h"
#include "run/socket.h"

#define LINE_LOOK_MS 20

struct backing {
    struct vh_controlling *c;
    struct vh_run *run;
    struct vh_arena *arena; /* lists of many files; the request's own is small */
    const char *path;
    int folder;
    struct vh_backup backup;
};

static viv_status
copy_part(struct backing *b, enum vh_backup_part part)
{
    return vh_backup_copy_part(b->run->seam, b->arena, b->run->home, b->folder, part, &b->backup, &b->c->err);
}

/* The database as it is committed at this moment, and what it ends with. */
static viv_status
copy_database(struct backing *b)
{
    struct vh_store *store = NULL, *copy = NULL;
    struct viv_error *err = &b->c->err;
    const char *from = vh_arena_format(b->arena, "%s/vivarium.db", b->run->home_path);
    const char *to = vh_arena_format(b->arena, "%s/vivarium.db", b->path);
    viv_status status = from && to ? vh_store_open_read(b->arena, from, &store, err)
                                   : vh_error_set(err, VIV_E_MEMORY, "backup", "no memory for a backup");
    if (status == VIV_OK) { /* made here for its mode */
        status = vh_fs_replace(b->run->seam, b->folder, "vivarium.db", VH_STR(""), 0600, err);
        status = status ? status : vh_store_copy(store, to, err);
        vh_store_close(store);
    }
    status = status ? status : vh_store_open_immutable(b->arena, to, &copy, err);
    if (status == VIV_OK) {
        struct vh_state_ops state = vh_store_state(copy);
        b->backup.seq = vh_store_seq(copy);
        b->backup.head = vh_store_head(copy);
        b->backup.time_us = vh_store_time_us(copy);
        status = state.get_fact(state.data, b->arena, "home", &b->backup.home, err);
        vh_store_close(copy);
    }
    return status;
}

static viv_status
copy_line(struct backing *b)
{
    struct vh_fs_names moves = { 0 };
    struct viv_error *err = &b->c->err;
    while (pthread_mutex_trylock(b->run->line_lock)) {
        if (b->c->stop && atomic_load(b->c->stop)) {
            return vh_error_set(err, VIV_E_CANCELLED, "backup", "the host ends");
        }
        vh_socket_pause(LINE_LOOK_MS); /* a task is being checked and published */
    }
    viv_status status = vh_fs_list(b->run->seam, b->arena, b->run->home, "store/moves", &moves, err);
    status = status == VIV_E_NOT_FOUND ? VIV_OK : status;
    if (moves.count) { /* known by their journals alone, which are no part of a backup */
        status = vh_error_set(err, VIV_E_STATE, "backup", "a crash cut a move of files short; 'vivhost doctor' "
                              "finishes or undoes it, then make the backup");
    }
    status = status ? status : copy_database(b);
    VH_PLACE(b->run->seam, "backup.database");
    status = status ? status : copy_part(b, VH_BACKUP_LINE);
    pthread_mutex_unlock(b->run->line_lock);
    return status;
}

static viv_status
fill(struct backing *b)
{
    viv_status status = copy_line(b);
    if (status == VIV_OK) {
        pthread_mutex_lock(b->run->registry_lock);
        status = copy_part(b, VH_BACKUP_PLUGINS);
        pthread_mutex_unlock(b->run->registry_lock);
    }
    status = status ? status : copy_part(b, VH_BACKUP_REST);
    status = status ? status : vh_backup_seal(b->run->seam, b->arena, b->folder, &b->backup, &b->c->err);
    char *parent = vh_arena_format(b->arena, "%s/..", b->path);
    return status || !parent ? status : vh_fs_sync_folder(b->run->seam, AT_FDCWD, parent, &b->c->err);
}

static viv_status
record(struct backing *b)
{
    char hex[VH_HASH_HEX];
    struct vh_controlling *c = b->c;
    struct vh_json *data = vh_json_object(c->arena);
    vh_hash_hex(&b->backup.head, hex);
    vh_json_set_int(c->arena, data, "bytes", b->backup.bytes);
    vh_json_set_int(c->arena, data, "files", (int64_t)b->backup.count);
    vh_json_set_str(c->arena, data, "folder", vh_json_str(c->request, "path"));
    vh_json_set_text(c->arena, data, "head", vh_arena_text(c->arena, hex));
    vh_json_set_int(c->arena, data, "last", b->backup.seq);
    return vh_control_record(c, "backup.made", data);
}

static viv_status
make_folder(struct backing *b)
{
    const struct vh_run *run = b->run;
    struct viv_error *err = &b->c->err;
    if (!run->sequencer) {
        return vh_error_set(err, VIV_E_UNAVAILABLE, "control", "this process only reads the home");
    }
    if (!b->path || b->path[0] != '/' || vh_target_below(vh_str(b->path), run->project)) {
        return vh_error_set(err, VIV_E_INVALID, "backup", "'%s' is not absolute, or lies in the project '%s' and would "
                            "be lost with it; name a folder elsewhere", b->path ? b->path : "", run->project);
    }
    if (run->seam->mkdir(run->seam->data, AT_FDCWD, b->path, 0700)) {
        viv_status status = errno == EEXIST ? VIV_E_EXISTS : VIV_E_IO;
        return vh_error_errno(err, status, "backup", "cannot make '%s', which must be a new folder", b->path);
    }
    b->folder = run->seam->open(run->seam->data, AT_FDCWD, b->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    return b->folder < 0 ? vh_error_errno(err, VIV_E_IO, "backup", "cannot open '%s'", b->path) : VIV_OK;
}

/* "path": absolute, of a folder that does not exist yet. */
viv_status
vh_control_backup(struct vh_controlling *c)
{
    const struct vh_seam *seam = c->run->seam;
    struct viv_error ignored = VIV_ERROR_INIT;
    struct backing b = { .c = c, .run = c->run, .arena = vh_arena_create(NULL, 0), .folder = -1 };
    b.path = b.arena ? vh_arena_text_of(b.arena, vh_json_str(c->request, "path")) : NULL;
    b.backup.project = vh_str(c->run->project);
    viv_status status = make_folder(&b);
    if (status == VIV_OK) {
        pthread_mutex_lock(c->run->collect_lock); /* what the database names stays until it is copied */
        status = fill(&b);
        pthread_mutex_unlock(c->run->collect_lock);
        status = status ? status : record(&b);
        seam->close(seam->data, b.folder);
        if (status && vh_fs_remove_tree(seam, AT_FDCWD, b.path, &ignored)) {
            vh_log(VH_LOG_WARNING, "backup", "what was begun stays unfinished: %s", ignored.text);
        }
    }
    vh_arena_destroy(b.arena);
    return status;
}

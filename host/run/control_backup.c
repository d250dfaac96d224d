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
    struct vh_arena *arena; /* lists of many files; the request's own is small */
    const char *path;
    int folder;
    struct vh_backup backup;
};

static viv_status
no_memory(struct backing *b)
{
    return vh_error_set(&b->c->err, VIV_E_MEMORY, "backup", "no memory for a backup");
}

static viv_status
read_home(void *data, struct vh_store *store, struct viv_error *err)
{
    struct backing *b = data;
    struct vh_state_ops state = vh_store_state(store);
    b->backup.project = vh_str(b->c->run->project);
    return state.get_fact(state.data, b->arena, "home", &b->backup.home, err);
}

/* The database as it is committed at this moment, and what it ends with. */
static viv_status
copy_database(struct backing *b)
{
    const struct vh_run *run = b->c->run;
    struct vh_store *store = NULL, *copy = NULL;
    const char *from = vh_arena_format(b->arena, "%s/vivarium.db", run->home_path);
    const char *to = vh_arena_format(b->arena, "%s/vivarium.db", b->path);
    /* Made here for its mode. */
    int fd = run->seam->open(run->seam->data, b->folder, "vivarium.db", O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (!from || !to || fd < 0) {
        return fd < 0 ? vh_error_errno(&b->c->err, VIV_E_IO, "backup", "cannot write '%s'", b->path) : no_memory(b);
    }
    run->seam->close(run->seam->data, fd);
    viv_status status = vh_store_open_read(b->arena, from, &store, &b->c->err);
    status = status ? status : vh_store_copy(store, to, &b->c->err);
    vh_store_close(store);
    status = status ? status : vh_store_open_immutable(b->arena, to, &copy, &b->c->err);
    if (status == VIV_OK) {
        b->backup.seq = vh_store_seq(copy);
        b->backup.head = vh_store_head(copy);
        b->backup.time_us = vh_store_time_us(copy);
        vh_store_close(copy);
    }
    return status;
}

/* A move that a crash cut short is known by its journal alone, which is no part of a backup. */
static viv_status
check_moves(struct backing *b)
{
    struct vh_fs_names names = { 0 };
    const struct vh_run *run = b->c->run;
    viv_status status = vh_fs_list(run->seam, b->arena, run->home, "store/moves", &names, &b->c->err);
    return status == VIV_E_NOT_FOUND || (status == VIV_OK && names.count == 0) ? VIV_OK
           : status ? status
                    : vh_error_set(&b->c->err, VIV_E_STATE, "backup", "a crash cut a move of files short; 'vivhost "
                                   "doctor' finishes or undoes it, then make the backup");
}

static viv_status
copy_line(struct backing *b)
{
    struct vh_run *run = b->c->run;
    while (pthread_mutex_trylock(run->line_lock)) {
        if (b->c->stop && atomic_load(b->c->stop)) {
            return vh_error_set(&b->c->err, VIV_E_CANCELLED, "backup", "the host ends");
        }
        vh_socket_pause(LINE_LOOK_MS); /* a task is being checked and published */
    }
    viv_status status = check_moves(b);
    status = status ? status : copy_database(b);
    VH_PLACE(run->seam, "backup.database");
    status = status ? status : vh_backup_copy_part(run->seam, b->arena, run->home, b->folder, VH_BACKUP_LINE,
                                                   &b->backup, &b->c->err);
    pthread_mutex_unlock(run->line_lock);
    return status;
}

static viv_status
fill(struct backing *b)
{
    struct vh_run *run = b->c->run;
    viv_status status = vh_control_read(b->c, read_home, b);
    status = status ? status : copy_line(b);
    if (status == VIV_OK) {
        pthread_mutex_lock(run->registry_lock);
        status = vh_backup_copy_part(run->seam, b->arena, run->home, b->folder, VH_BACKUP_PLUGINS, &b->backup,
                                     &b->c->err);
        pthread_mutex_unlock(run->registry_lock);
    }
    status = status ? status : vh_backup_copy_part(run->seam, b->arena, run->home, b->folder, VH_BACKUP_REST,
                                                   &b->backup, &b->c->err);
    status = status ? status : vh_backup_note(run->seam, b->arena, b->folder, "vivarium.db", &b->backup, &b->c->err);
    return status ? status : vh_backup_seal(run->seam, b->arena, b->folder, &b->backup, &b->c->err);
}

static viv_status
record(struct backing *b)
{
    struct vh_controlling *c = b->c;
    struct vh_json *data = vh_json_object(c->arena);
    char hex[VH_HASH_HEX];
    int64_t bytes = 0;
    for (size_t i = 0; i < b->backup.count; i++) {
        bytes += b->backup.file[i].bytes;
    }
    vh_hash_hex(&b->backup.head, hex);
    vh_json_set_int(c->arena, data, "bytes", bytes);
    vh_json_set_int(c->arena, data, "files", (int64_t)b->backup.count);
    vh_json_set_text(c->arena, data, "folder", vh_arena_text(c->arena, b->path));
    vh_json_set_text(c->arena, data, "head", vh_arena_text(c->arena, hex));
    vh_json_set_int(c->arena, data, "last", b->backup.seq);
    for (const struct vh_json *m = data ? data->child : NULL; m; m = m->next) {
        vh_json_set(c->response, vh_arena_text_of(c->arena, m->key), vh_json_clone(c->arena, m));
    }
    return vh_control_send(c, "backup.made", (struct viv_str){ NULL, 0 }, data);
}

static viv_status
make_folder(struct backing *b)
{
    const struct vh_run *run = b->c->run;
    size_t len = strlen(run->project);
    if (strncmp(b->path, run->project, len) == 0 && (b->path[len] == '/' || len == 1)) {
        return vh_error_set(&b->c->err, VIV_E_INVALID, "backup", "'%s' lies in the project '%s' and would be lost with "
                            "it; name a folder elsewhere", b->path, run->project);
    }
    if (run->seam->mkdir(run->seam->data, AT_FDCWD, b->path, 0700)) {
        return errno == EEXIST ? vh_error_set(&b->c->err, VIV_E_EXISTS, "backup", "'%s' is there already; name a new "
                                              "folder", b->path)
                               : vh_error_errno(&b->c->err, VIV_E_IO, "backup", "cannot make folder '%s'", b->path);
    }
    b->folder = run->seam->open(run->seam->data, AT_FDCWD, b->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    return b->folder < 0 ? vh_error_errno(&b->c->err, VIV_E_IO, "backup", "cannot open '%s'", b->path) : VIV_OK;
}

/* "path": absolute, of a folder that does not exist yet. */
viv_status
vh_control_backup(struct vh_controlling *c)
{
    const struct vh_seam *seam = c->run->seam;
    struct backing b = { .c = c, .arena = vh_arena_create(NULL, 0), .folder = -1 };
    b.path = b.arena ? vh_arena_text_of(b.arena, vh_json_str(c->request, "path")) : NULL;
    viv_status status = !b.path ? no_memory(&b)
                        : b.path[0] != '/'
                            ? vh_error_set(&c->err, VIV_E_INVALID, "backup", "'path' must be absolute, a new folder")
                        : !c->run->sequencer ? vh_error_set(&c->err, VIV_E_UNAVAILABLE, "control",
                                                            "this process only reads the home")
                                             : make_folder(&b);
    if (status == VIV_OK) {
        status = fill(&b);
        char *parent = vh_arena_format(b.arena, "%s/..", b.path);
        status = status ? status : parent ? vh_fs_sync_folder(seam, AT_FDCWD, parent, &c->err) : no_memory(&b);
        status = status ? status : record(&b);
        seam->close(seam->data, b.folder);
        struct viv_error ignored = VIV_ERROR_INIT;
        if (status && vh_fs_remove_tree(seam, AT_FDCWD, b.path, &ignored)) {
            vh_log(VH_LOG_WARNING, "backup", "what was begun stays unfinished: %s", ignored.text);
        }
    }
    vh_arena_destroy(b.arena);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Homes: finding, making, knowing whose they are. A home that this user did not make grants nothing: its id must stand
 * in the user's own `known.json`, which no repository can carry. */
#include "app.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "run/socket.h"

#define HOME_NAME ".vivarium"
#define KNOWN_BYTES_MAX (1u << 20)
#define KNOWN_LOCK_NS INT64_C(10000000000)
#define HOME_VERSION 1
#define HOME_ID_BYTES 16

static viv_status
known_path(struct vh_app *app, struct vh_arena *arena, const char **ret_path, struct viv_error *err)
{
    if (!app->user.data) {
        return vh_error_set(err, VIV_E_UNAVAILABLE, "user",
                "the user's folder is not known; set HOME or XDG_DATA_HOME");
    }
    *ret_path = vh_arena_format(arena, "%s/known.json", app->user.data);
    return *ret_path ? VIV_OK : vh_error_set(err, VIV_E_MEMORY, "user", "no memory");
}

static viv_status
read_known(struct vh_app *app, struct vh_arena *arena, struct vh_json **ret_known, struct viv_error *err)
{
    const char *path = NULL;
    struct viv_str text;
    viv_status status = known_path(app, arena, &path, err);
    if (status) {
        return status;
    }
    status = vh_fs_read(app->seam, arena, AT_FDCWD, path, KNOWN_BYTES_MAX, &text, err);
    if (status == VIV_E_NOT_FOUND) {
        *ret_known = vh_json_object(arena);
        return *ret_known ? VIV_OK : vh_error_set(err, VIV_E_MEMORY, "user", "no memory");
    }
    if (status == VIV_OK && text.len && text.data[text.len - 1] == '\n') {
        text.len--;
    }
    if (status == VIV_OK) {
        status = vh_json_read(arena, text, ret_known, err);
    }
    return status ? vh_error_extend(err, status, "'%s'", path) : VIV_OK;
}

/* Two commands must not change the file at once: each would write the other's line away. */
static viv_status
lock_known(struct vh_app *app, int *ret_fd, struct viv_error *err)
{
    const struct vh_seam *seam = app->seam;
    char *path = vh_arena_format(app->arena, "%s/known.lock", app->user.data);
    int fd = path ? seam->open(seam->data, AT_FDCWD, path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600) : -1;
    if (fd < 0) {
        return vh_error_errno(err, VIV_E_IO, "user", "cannot open 'known.lock' in '%s'", app->user.data);
    }
    int64_t until = seam->monotonic_ns(seam->data) + KNOWN_LOCK_NS;
    while (seam->lock(seam->data, fd, 1)) {
        if (seam->monotonic_ns(seam->data) >= until) {
            seam->close(seam->data, fd);
            return vh_error_set(err, VIV_E_BUSY, "user", "another vivhost changes '%s/known.json'", app->user.data);
        }
        vh_socket_pause(5);
    }
    *ret_fd = fd;
    return VIV_OK;
}

/* known[table][project] = value, on disk; the lock is held. */
static viv_status
put_known(struct vh_app *app, const char *table, const char *value, struct viv_error *err)
{
    struct vh_json *known = NULL;
    const char *path = NULL;
    viv_status status = read_known(app, app->arena, &known, err);
    if (status == VIV_OK) {
        status = known_path(app, app->arena, &path, err);
    }
    if (status) {
        return status;
    }
    const struct vh_json *there = vh_json_get(known, table);
    struct vh_json *rows = there ? vh_json_clone(app->arena, there) : vh_json_object(app->arena);
    vh_json_set_text(app->arena, rows, app->project, value);
    vh_json_set(known, table, rows);
    struct viv_str text = vh_json_print(app->arena, known);
    return text.data ? vh_fs_replace(app->seam, AT_FDCWD, path, text, 0600, err)
                     : vh_error_set(err, VIV_E_MEMORY, "user", "no memory");
}

static viv_status
note_known(struct vh_app *app, const char *table, const char *value, struct viv_error *err)
{
    int lock = -1;
    const char *path = NULL;
    if (!vh_str_utf8(vh_str(app->project))) {
        return vh_error_set(err, VIV_E_INVALID, "user", "the path '%s' is not UTF-8; rename the folder", app->project);
    }
    viv_status status = known_path(app, app->arena, &path, err);
    if (status == VIV_OK) {
        status = vh_fs_make_folders(app->seam, AT_FDCWD, app->user.data, 0700, err);
    }
    if (status == VIV_OK) {
        status = lock_known(app, &lock, err);
    }
    if (status == VIV_OK) {
        status = put_known(app, table, value, err);
        app->seam->close(app->seam->data, lock);
    }
    return status;
}

/* Asked by workers for each claim: in an arena of its own. */
bool
vh_app_trusts(struct vh_app *app, const char *digest_hex)
{
    struct vh_json *known = NULL;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    bool trusts = arena && digest_hex[0] && read_known(app, arena, &known, NULL) == VIV_OK &&
                  vh_str_is(vh_json_str(vh_json_get(known, "policies"), app->project), digest_hex);
    vh_arena_destroy(arena);
    return trusts;
}

viv_status
vh_app_trust_policy(struct vh_app *app, const char *digest_hex, struct viv_error *err)
{
    return note_known(app, "policies", digest_hex, err);
}

/* A home without an id must not pass for one that the user does not know either. */
static bool
is_home_id(struct viv_str id)
{
    bool good = id.len == 2 * HOME_ID_BYTES;
    for (uint64_t i = 0; good && i < id.len; i++) {
        good = (id.data[i] >= '0' && id.data[i] <= '9') || (id.data[i] >= 'a' && id.data[i] <= 'f');
    }
    return good;
}

viv_status
vh_app_home_id(struct vh_app *app, const char **ret_id, struct viv_error *err)
{
    struct viv_str text;
    struct vh_json *home = NULL;
    viv_status status = vh_fs_read(app->seam, app->arena, app->home, "home.json", 4096, &text, err);
    if (status == VIV_OK) {
        status = vh_json_read(app->arena, text, &home, err);
    }
    if (status) {
        return vh_error_extend(err, status, "'%s/home.json'", app->home_path);
    }
    int64_t version = vh_json_int(home, "version", 0);
    if (version != HOME_VERSION) {
        return vh_error_set(err, VIV_E_VERSION, "home", "home '%s' has version %lld, this program knows %d; use the "
                            "vivhost that made it", app->home_path, (long long)version, HOME_VERSION);
    }
    struct viv_str id = vh_json_str(home, "id");
    if (!is_home_id(id)) {
        return vh_error_set(err, VIV_E_CORRUPT, "home", "home '%s' has no usable id in 'home.json', allowed: %d hex "
                            "digits", app->home_path, 2 * HOME_ID_BYTES);
    }
    *ret_id = vh_arena_text_of(app->arena, id);
    return *ret_id ? VIV_OK : vh_error_set(err, VIV_E_MEMORY, "home", "no memory");
}

viv_status
vh_app_check_home(struct vh_app *app, struct viv_error *err)
{
    struct vh_json *known = NULL;
    const char *id = NULL;
    struct stat stat;
    if (app->seam->fstat(app->seam->data, app->home, &stat)) {
        return vh_error_errno(err, VIV_E_IO, "home", "cannot look at '%s'", app->home_path);
    }
    if ((int64_t)stat.st_uid != app->user.uid) {
        return vh_error_set(err, VIV_E_DENIED, "home", "home '%s' belongs to user %u, you are %lld", app->home_path,
                            (unsigned)stat.st_uid, (long long)app->user.uid);
    }
    if (stat.st_mode & 077) {
        return vh_error_set(err, VIV_E_DENIED, "home", "home '%s' has mode %03o, others can get in; run 'chmod 700 %s'",
                            app->home_path, (unsigned)stat.st_mode & 0777, app->home_path);
    }
    viv_status status = vh_app_home_id(app, &id, err);
    if (status == VIV_OK) {
        status = read_known(app, app->arena, &known, err);
    }
    if (status == VIV_OK && !vh_str_is(vh_json_str(vh_json_get(known, "homes"), app->project), id)) {
        status = vh_error_set(err, VIV_E_DENIED, "home",
                              "home '%s' was not made by you here (it came with the folder, or the folder was moved); "
                              "nothing in it runs or grants; 'vivhost trust --home' takes it over", app->home_path);
    }
    return status;
}

viv_status
vh_app_trust_home(struct vh_app *app, struct viv_error *err)
{
    const char *id = NULL;
    viv_status status = vh_app_home_id(app, &id, err);
    return status ? status : note_known(app, "homes", id, err);
}

static viv_status
open_home(struct vh_app *app, struct viv_error *err)
{
    app->home = app->seam->open(app->seam->data, AT_FDCWD, app->home_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    return app->home < 0 ? vh_error_errno(err, VIV_E_IO, "home", "cannot open '%s'", app->home_path) : VIV_OK;
}

viv_status
vh_app_find(struct vh_app *app, const char *start, struct viv_error *err)
{
    char path[VIV_PATH_MAX + 1];
    char *real = realpath(start, path);
    if (!real) {
        return vh_error_errno(err, VIV_E_NOT_FOUND, "home", "cannot find '%s'", start);
    }
    if (!vh_str_utf8(vh_str(path))) {
        return vh_error_set(err, VIV_E_INVALID, "home", "folder '%s' is not UTF-8 and could not be recorded; rename it",
                            path);
    }
    for (;;) {
        char candidate[VIV_PATH_MAX + 16];
        struct stat stat;
        snprintf(candidate, sizeof candidate, "%s/" HOME_NAME, strcmp(path, "/") == 0 ? "" : path);
        if (app->seam->stat(app->seam->data, AT_FDCWD, candidate, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISDIR(stat.st_mode)) {
            app->project = vh_arena_text(app->arena, path);
            app->home_path = vh_arena_text(app->arena, candidate);
            if (!app->project || !app->home_path) {
                return vh_error_set(err, VIV_E_MEMORY, "home", "no memory");
            }
            return open_home(app, err);
        }
        char *slash = strrchr(path, '/');
        if (strcmp(path, "/") == 0 || !slash) {
            return vh_error_set(err, VIV_E_NOT_FOUND, "home",
                                "there is no home here or above '%s'; make one with 'vivhost init'", start);
        }
        slash[slash == path ? 1 : 0] = '\0';
    }
}

/* A repository shall not see the home: .git/info/exclude, which is the user's own and never committed. */
static viv_status
exclude_from_git(struct vh_app *app, struct viv_error *err)
{
    struct viv_str text = { NULL, 0 };
    char *folder = vh_arena_format(app->arena, "%s/.git", app->project);
    char *path = vh_arena_format(app->arena, "%s/.git/info/exclude", app->project);
    struct stat stat;
    if (!folder || !path || app->seam->stat(app->seam->data, AT_FDCWD, folder, &stat, 0) || !S_ISDIR(stat.st_mode)) {
        return VIV_OK; /* no repository, or a linked worktree, whose exclude file is the main one's */
    }
    viv_status status = vh_fs_read(app->seam, app->arena, AT_FDCWD, path, 1u << 20, &text, err);
    if (status && status != VIV_E_NOT_FOUND) {
        return status;
    }
    struct vh_buf buf;
    vh_buf_init(&buf, app->arena, 2u << 20);
    vh_buf_str(&buf, text);
    if (text.len && strstr(text.data, "/" HOME_NAME "/")) {
        return VIV_OK;
    }
    if (text.len && text.data[text.len - 1] != '\n') {
        vh_buf_char(&buf, '\n');
    }
    vh_buf_text(&buf, "/" HOME_NAME "/\n");
    char *info = vh_arena_format(app->arena, "%s/.git/info", app->project);
    status = info && !buf.failed ? vh_fs_make_folders(app->seam, AT_FDCWD, info, 0755, err)
                                 : vh_error_set(err, VIV_E_MEMORY, "home", "no memory");
    return status ? status : vh_fs_replace(app->seam, AT_FDCWD, path, vh_buf_view(&buf), 0644, err);
}

static const char *
random_hex(struct vh_app *app, size_t bytes)
{
    uint8_t raw[32];
    char *hex = vh_arena_alloc(app->arena, 2 * bytes + 1);
    if (!hex || bytes > sizeof raw || app->seam->random(app->seam->data, raw, bytes)) {
        return NULL;
    }
    for (size_t i = 0; i < bytes; i++) {
        snprintf(hex + 2 * i, 3, "%02x", raw[i]);
    }
    return hex;
}

/* The first events of the log: genesis. */
static viv_status
genesis(struct vh_app *app, const char *id, struct viv_error *err)
{
    struct vh_sequencer_options options = { .pid = app->user.pid, .uid = app->user.uid };
    struct vh_sequencer *sequencer = NULL;
    struct vh_store *store = NULL;
    char *path = vh_arena_format(app->arena, "%s/vivarium.db", app->home_path);
    const char *seed = random_hex(app, 16);
    if (!path || !seed) {
        return vh_error_set(err, VIV_E_MEMORY, "home", "no memory or no random bytes");
    }
    /* Made here for its mode, which what SQLite puts beside it takes over. */
    static const int flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
    int fd = app->seam->open(app->seam->data, app->home, "vivarium.db", flags, 0600);
    if (fd < 0) {
        return vh_error_errno(err, VIV_E_IO, "home", "cannot make '%s'", path);
    }
    app->seam->close(app->seam->data, fd);
    viv_status status = vh_store_open(app->arena, path, NULL, &store, err);
    if (status == VIV_OK) {
        status = vh_sequencer_start(app->seam, store, app->arena, &options, &sequencer, err);
    }
    if (status == VIV_OK) {
        struct vh_json *data = vh_json_object(app->arena);
        vh_json_set_text(app->arena, data, "home", id);
        vh_json_set_text(app->arena, data, "seed", seed);
        struct vh_command command = { .kind = VH_STR("home.created"),
                                      .actor = { VH_STR("person"), vh_str(app->user.name), app->user.uid,
                                                 app->user.pid },
                                      .data = data };
        struct vh_answer answer;
        status = vh_sequencer_call(sequencer, &command, false, app->arena, &answer, err);
        viv_status stopped = vh_sequencer_stop(sequencer, status ? NULL : err);
        status = status ? status : stopped;
    }
    vh_store_close(store);
    return status;
}

static viv_status
fill_home(struct vh_app *app, const char *id, struct viv_error *err)
{
    static const char *const parts[] = { "log", "store", "trees", "work" };
    viv_status status = open_home(app, err);
    for (size_t i = 0; i < sizeof parts / sizeof *parts && status == VIV_OK; i++) {
        status = vh_fs_make_folders(app->seam, app->home, parts[i], 0700, err);
    }
    if (status == VIV_OK) {
        status = genesis(app, id, err);
    }
    if (status == VIV_OK) {
        char *text = vh_arena_format(app->arena, "{\"id\":\"%s\",\"version\":%d}", id, HOME_VERSION);
        status = text ? vh_fs_replace(app->seam, app->home, "home.json", vh_str(text), 0600, err)
                      : vh_error_set(err, VIV_E_MEMORY, "home", "no memory");
    }
    return status;
}

viv_status
vh_app_init(struct vh_app *app, const char *folder, struct viv_error *err)
{
    char path[VIV_PATH_MAX + 1];
    if (!realpath(folder, path)) {
        return vh_error_errno(err, VIV_E_NOT_FOUND, "home", "cannot find '%s'", folder);
    }
    if (!vh_str_utf8(vh_str(path))) {
        return vh_error_set(err, VIV_E_INVALID, "home", "folder '%s' is not UTF-8 and could not be recorded; rename it",
                            path);
    }
    app->project = vh_arena_text(app->arena, path);
    app->home_path = vh_arena_format(app->arena, "%s/" HOME_NAME, path);
    const char *id = random_hex(app, HOME_ID_BYTES);
    if (!app->project || !app->home_path || !id) {
        return vh_error_set(err, VIV_E_MEMORY, "home", "no memory or no random bytes");
    }
    if (vh_fs_exists(app->seam, AT_FDCWD, app->home_path)) {
        return vh_error_set(err, VIV_E_EXISTS, "home", "'%s' is there already", app->home_path);
    }
    if (app->seam->mkdir(app->seam->data, AT_FDCWD, app->home_path, 0700)) {
        return vh_error_errno(err, VIV_E_IO, "home", "cannot make '%s'", app->home_path);
    }
    viv_status status = fill_home(app, id, err);
    if (status == VIV_OK) {
        status = note_known(app, "homes", id, err);
    }
    if (status) { /* nobody could use what is half made */
        struct viv_error ignored = VIV_ERROR_INIT;
        (void)vh_fs_remove_tree(app->seam, AT_FDCWD, app->home_path, &ignored);
        return status;
    }
    return exclude_from_git(app, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Homes: finding and making them. Whose they are: app_known.c. */
#include "app.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "run/repository.h"
#include <viv/limits.h>

#define EXCLUDE_MAX (1u << 20)

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
        snprintf(candidate, sizeof candidate, "%s/" VH_APP_HOME, strcmp(path, "/") == 0 ? "" : path);
        bool there = app->seam->stat(app->seam->data, AT_FDCWD, candidate, &stat, AT_SYMLINK_NOFOLLOW) == 0;
        if (!there && errno != ENOENT && errno != ENOTDIR && errno != EACCES) {
            return vh_error_errno(err, VIV_E_IO, "home", "cannot look at '%s'", candidate);
        }
        if (there && S_ISDIR(stat.st_mode)) {
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

/* A path as a pattern of gitignore that means this path and no other; only a line break cannot be written there, '?'
 * stands for it. */
static void
put_pattern(struct vh_buf *buf, const char *path)
{
    for (; *path; path++) {
        if (strchr("\\*?[", *path)) {
            vh_buf_char(buf, '\\');
        }
        vh_buf_char(buf, *path == '\n' ? '?' : *path);
    }
}

static bool
has_line(struct viv_str text, struct viv_str line)
{
    const char *end = text.data + text.len;
    for (const char *at = text.data; at && at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        if (vh_str_equal((struct viv_str){ at, (uint64_t)(stop - at) }, line)) {
            return true;
        }
        at = stop + 1;
    }
    return false;
}

/* Appended in one write: two homes of one repository may be made at once. */
static viv_status
append_line(struct vh_app *app, const char *path, struct viv_str line, struct viv_error *err)
{
    struct viv_str text = { NULL, 0 };
    struct vh_buf buf;
    viv_status status = vh_fs_read(app->seam, app->arena, AT_FDCWD, path, EXCLUDE_MAX, &text, err);
    if ((status && status != VIV_E_NOT_FOUND) || has_line(text, line)) {
        return status;
    }
    vh_buf_init(&buf, app->arena, EXCLUDE_MAX);
    vh_buf_text(&buf, text.len && text.data[text.len - 1] != '\n' ? "\n" : "");
    vh_buf_str(&buf, line);
    vh_buf_char(&buf, '\n');
    if (buf.failed) {
        return vh_error_set(err, VIV_E_MEMORY, "home", "no memory");
    }
    int fd = app->seam->open(app->seam->data, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        return vh_error_errno(err, VIV_E_IO, "home", "cannot open it");
    }
    status = vh_fs_write_all(app->seam, fd, vh_buf_view(&buf), err);
    if (status == VIV_OK && app->seam->sync(app->seam->data, fd)) {
        status = vh_error_errno(err, VIV_E_IO, "home", "cannot sync it");
    }
    app->seam->close(app->seam->data, fd);
    return status;
}

/* A repository shall not see the home: info/exclude, which is the user's own and never committed. Linked worktrees
 * share that of the common git directory. */
viv_status
vh_app_exclude(struct vh_app *app, struct viv_error *err)
{
    struct vh_git_tools tools = { .seam = app->seam };
    struct vh_target target = { .tools = &tools };
    struct vh_buf line;
    bool found = false;
    viv_status status = vh_repository_find(&target, app->arena, app->project, &found, err);
    if (status || !found) {
        return status == VIV_E_INVALID ? VIV_OK : status; /* nothing that git could take for a working tree */
    }
    vh_buf_init(&line, app->arena, 2 * VIV_PATH_MAX + 16);
    vh_buf_char(&line, '/');
    put_pattern(&line, target.prefix);
    vh_buf_text(&line, VH_APP_HOME "/");
    const char *info = vh_arena_format(app->arena, "%s/info", target.common_dir);
    const char *path = vh_arena_format(app->arena, "%s/info/exclude", target.common_dir);
    if (!info || !path || line.failed) {
        return vh_error_set(err, VIV_E_MEMORY, "home", "no memory");
    }
    status = vh_fs_make_folders(app->seam, AT_FDCWD, info, 0755, err);
    status = status ? status : append_line(app, path, vh_buf_view(&line), err);
    return status ? vh_error_extend(err, status, "to keep the home out of git, '%s'", path) : VIV_OK;
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

viv_status
vh_app_record(struct vh_app *app, const char *kind, struct vh_json *data, struct viv_error *err)
{
    struct vh_sequencer_options options = { .pid = app->user.pid, .uid = app->user.uid };
    struct vh_sequencer *sequencer = NULL;
    struct vh_store *store = NULL;
    char *path = vh_arena_format(app->arena, "%s/vivarium.db", app->home_path);
    viv_status status = path ? vh_store_open(app->arena, path, NULL, &store, err)
                             : vh_error_set(err, VIV_E_MEMORY, "home", "no memory");
    if (status == VIV_OK) {
        status = vh_sequencer_start(app->seam, store, app->arena, &options, &sequencer, err);
    }
    if (status == VIV_OK) {
        struct vh_command command = { .kind = vh_str(kind),
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

/* The first events of the log: genesis. */
static viv_status
genesis(struct vh_app *app, const char *id, struct viv_error *err)
{
    struct vh_json *data = vh_json_object(app->arena);
    const char *seed = random_hex(app, 16);
    if (!data || !seed) {
        return vh_error_set(err, VIV_E_MEMORY, "home", "no memory or no random bytes");
    }
    /* Made here for its mode, which what SQLite puts beside it takes over. */
    static const int flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
    int fd = app->seam->open(app->seam->data, app->home, "vivarium.db", flags, 0600);
    if (fd < 0) {
        return vh_error_errno(err, VIV_E_IO, "home", "cannot make '%s/vivarium.db'", app->home_path);
    }
    app->seam->close(app->seam->data, fd);
    vh_json_set_text(app->arena, data, "home", id);
    vh_json_set_text(app->arena, data, "project", app->project);
    vh_json_set_text(app->arena, data, "seed", seed);
    return vh_app_record(app, "home.created", data, err);
}

viv_status
vh_app_make_parts(struct vh_app *app, struct viv_error *err)
{
    static const char *const parts[] = { "log", "store", "trees", "work" };
    viv_status status = open_home(app, err);
    for (size_t i = 0; i < sizeof parts / sizeof *parts && status == VIV_OK; i++) {
        status = vh_fs_keep_folders(app->seam, app->home, parts[i], 0700, err);
    }
    return status;
}

static viv_status
fill_home(struct vh_app *app, const char *id, struct viv_error *err)
{
    viv_status status = genesis(app, id, err);
    if (status == VIV_OK) {
        char *text = vh_arena_format(app->arena, "{\"id\":\"%s\",\"version\":%d}", id, VH_APP_HOME_VERSION);
        status = text ? vh_fs_replace(app->seam, app->home, "home.json", vh_str(text), 0600, err)
                      : vh_error_set(err, VIV_E_MEMORY, "home", "no memory");
    }
    return status;
}

viv_status
vh_app_place(struct vh_app *app, const char *folder, struct viv_error *err)
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
    app->home_path = vh_arena_format(app->arena, "%s/" VH_APP_HOME, path);
    return app->project && app->home_path ? VIV_OK : vh_error_set(err, VIV_E_MEMORY, "home", "no memory");
}

viv_status
vh_app_init(struct vh_app *app, const char *folder, struct viv_error *err)
{
    viv_status status = vh_app_place(app, folder, err);
    const char *id = status ? NULL : random_hex(app, VH_APP_ID_BYTES);
    if (!id) {
        return status ? status : vh_error_set(err, VIV_E_MEMORY, "home", "no memory or no random bytes");
    }
    if (vh_fs_exists(app->seam, AT_FDCWD, app->home_path)) {
        return vh_error_set(err, VIV_E_EXISTS, "home", "'%s' is there already", app->home_path);
    }
    struct vh_app_stage stage;
    const char *place = app->home_path;
    status = vh_app_stage_take(app, "init", &stage, err);
    status = status ? status : vh_app_stage_make(app, &stage, err);
    status = status ? status : fill_home(app, id, err);
    status = status ? status : vh_app_stage_place(app, &stage, id, err);
    vh_app_stage_end(app, &stage);
    app->home_path = place;
    return status;
}

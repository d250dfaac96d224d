/* SPDX-License-Identifier: Apache-2.0 */
/* backup and restore. A backup is made by the host that has the home; a restored home is built beside its place,
 * checked as a whole, and named in one step: a crash leaves no home or the whole one. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "backup_list.h"
#include "keep/migrate.h"
#include "keep/verify.h"
#include "line_check.h"

/* ---- backup ---- */

/* The folder does not exist yet, the one it goes into does. */
static viv_status
absolute(struct vh_cli *cli, const char *path, const char **ret_path, struct viv_error *err)
{
    char real[VIV_PATH_MAX + 1];
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    char *whole = vh_arena_format(cli->arena, "%.*s", (int)len, path);
    char *slash = whole ? strrchr(whole, '/') : NULL;
    const char *name = slash ? slash + 1 : whole;
    const char *parent = slash == whole ? "/" : slash ? whole : ".";
    if (!whole || !*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return vh_error_set(err, VIV_E_INVALID, "backup", "'%s' does not name a new folder", path);
    }
    if (slash) {
        *slash = '\0';
    }
    if (!realpath(*parent ? parent : "/", real)) {
        return vh_error_errno(err, VIV_E_NOT_FOUND, "backup", "cannot find '%s' for the backup to go into", parent);
    }
    *ret_path = vh_arena_format(cli->arena, "%s/%s", strcmp(real, "/") == 0 ? "" : real, name);
    return *ret_path && vh_str_utf8(vh_str(*ret_path))
               ? VIV_OK
               : vh_error_set(err, VIV_E_INVALID, "backup", "the path of '%s' is not UTF-8 and could not be recorded",
                              path);
}

int
vh_cli_backup(struct vh_cli *cli)
{
    int code = VH_EXIT_OK;
    const char *path = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    if (!vh_cli_no_more_options(cli, 1, 1)) {
        return VH_EXIT_USAGE;
    }
    viv_status status = absolute(cli, cli->argv[0], &path, &err);
    if (status) {
        return vh_cli_fail(cli, status, &err);
    }
    if (!vh_cli_open(cli, VH_APP_WRITE, 0, &code)) {
        return code;
    }
    struct vh_json *request = vh_cli_request(cli, "backup");
    vh_json_set_text(cli->arena, request, "path", path);
    struct vh_json *response = vh_cli_ask(cli, request, &code);
    if (response && cli->json) {
        vh_cli_print_json(cli, response);
    } else if (response) {
        printf("backup in %s: %lld events, %lld files, %lld bytes\nhead %.*s\n", path,
               (long long)vh_json_int(response, "last", 0), (long long)vh_json_int(response, "files", 0),
               (long long)vh_json_int(response, "bytes", 0), VH_STR_ARGS(vh_json_str(response, "head")));
    }
    vh_cli_close(cli);
    return code;
}

/* ---- restore ---- */

struct restoring {
    struct vh_cli *cli;
    struct vh_app *app; /* its home is the one being built */
    const struct vh_seam *seam;
    const char *folder; /* absolute, of the backup */
    int from;
    const char *place; /* where the home goes */
    struct vh_app_stage stage;
    struct vh_backup backup;
    struct viv_error err;
};

static viv_status
no_memory(struct restoring *r)
{
    return vh_error_set(&r->err, VIV_E_MEMORY, "restore", "no memory to restore");
}

static viv_status
read_list(struct restoring *r)
{
    struct viv_str text;
    char real[VIV_PATH_MAX + 1];
    const char *named = r->cli->argv[0];
    r->folder = realpath(named, real) ? vh_arena_text(r->cli->arena, real) : NULL;
    if (r->folder) {
        r->from = r->seam->open(r->seam->data, AT_FDCWD, r->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    }
    if (r->from < 0) {
        return vh_error_errno(&r->err, VIV_E_NOT_FOUND, "restore", "cannot open the backup '%s'", named);
    }
    int fd = r->seam->open_beneath(r->seam->data, r->from, VH_BACKUP_NAME, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, 1);
    if (fd < 0 && errno == ENOENT) {
        return vh_error_set(&r->err, VIV_E_NOT_FOUND, "restore", "'%s' has no '" VH_BACKUP_NAME "': it is no backup, "
                            "or one that was not finished; use another", r->folder);
    }
    if (fd < 0) {
        return vh_error_errno(&r->err, VIV_E_CORRUPT, "restore", "cannot open '%s/" VH_BACKUP_NAME "'", r->folder);
    }
    viv_status status = vh_fs_read_fd(r->seam, r->cli->arena, fd, VH_BACKUP_BYTES_MAX, &text, &r->err);
    r->seam->close(r->seam->data, fd);
    status = status ? status : vh_backup_list_read(r->cli->arena, text, &r->backup, &r->err);
    return status ? vh_error_extend(&r->err, status, "backup '%s'", r->folder) : VIV_OK;
}

static viv_status
check_place(struct restoring *r)
{
    if (vh_fs_exists(r->seam, AT_FDCWD, r->place)) {
        return vh_error_set(&r->err, VIV_E_EXISTS, "restore", "'%s' has a home already; to put the backup in its "
                            "place, move '%s' away first", r->app->project, r->place);
    }
    return vh_app_stage_take(r->app, "restore", &r->stage, &r->err);
}

static viv_status
bad(struct restoring *r, const char *what)
{
    return vh_error_set(&r->err, VIV_E_CORRUPT, "restore", "%s", what);
}

/* The log against itself, against the list, and the tables against the log; what of them no dump shows is made anew. */
static viv_status
check_store(struct restoring *r, struct vh_store *store)
{
    struct viv_str home;
    struct vh_verify_result log;
    struct vh_rebuild_result tables;
    struct vh_state_ops state = vh_store_state(store);
    viv_status status = vh_verify_log(store, &log, &r->err);
    if (status == VIV_OK && log.bad_seq) {
        return vh_error_set(&r->err, VIV_E_CORRUPT, "restore", "its log does not verify, event %lld is bad: %s",
                            (long long)log.bad_seq, log.problem);
    }
    if (status == VIV_OK && (log.events != r->backup.seq || memcmp(&log.head, &r->backup.head, sizeof log.head) != 0)) {
        return bad(r, "its log ends elsewhere than '" VH_BACKUP_NAME "' says");
    }
    status = status ? status : vh_verify_rebuild(store, true, &tables, &r->err);
    if (status == VIV_OK && !tables.same_documents) { /* what follows from them was made anew just now */
        return bad(r, "its tables are not what its log says");
    }
    status = status ? status : state.get_fact(state.data, r->cli->arena, "home", &home, &r->err);
    return status || vh_str_equal(home, r->backup.home) ? status : bad(r, "its log is that of another home");
}

static viv_status
check_home(struct restoring *r)
{
    const char *id = NULL;
    struct vh_store *store = NULL;
    const char *path = vh_arena_format(r->cli->arena, "%s/vivarium.db", r->app->home_path);
    viv_status status = vh_app_home_id(r->app, &id, &r->err);
    if (status == VIV_OK && !vh_str_is(r->backup.home, id)) {
        return bad(r, "its 'home.json' is that of another home");
    }
    status = status ? status : path ? vh_migrate(r->seam, r->cli->arena, path, &r->err) : no_memory(r);
    status = status ? status : vh_store_open(r->cli->arena, path, NULL, &store, &r->err);
    status = status ? status : check_store(r, store);
    vh_store_close(store);
    return status;
}

static viv_status
record(struct restoring *r)
{
    char hex[VH_HASH_HEX];
    struct vh_json *data = vh_json_object(r->cli->arena);
    vh_hash_hex(&r->backup.head, hex);
    vh_json_set_text(r->cli->arena, data, "from", r->folder);
    vh_json_set_text(r->cli->arena, data, "head", hex);
    vh_json_set_int(r->cli->arena, data, "last", r->backup.seq);
    return data ? vh_app_record(r->app, "home.restored", data, &r->err) : no_memory(r);
}

static viv_status
build(struct restoring *r)
{
    const char *id = NULL;
    viv_status status = vh_app_stage_make(r->app, &r->stage, &r->err);
    if (status) {
        return status;
    }
    status = vh_backup_list_take(r->seam, r->cli->arena, r->from, r->app->home, &r->backup, &r->err);
    VH_PLACE(r->seam, "restore.copied");
    status = status ? status : check_home(r);
    status = status ? vh_error_extend(&r->err, status, "backup '%s'", r->folder) : record(r);
    VH_PLACE(r->seam, "restore.recorded");
    status = status ? status : vh_app_home_id(r->app, &id, &r->err);
    return status ? status : vh_app_stage_place(r->app, &r->stage, id, &r->err);
}

struct told {
    struct vh_cli *cli;
    struct vh_json *lines;
};

static void
say_line(void *data, const char *text)
{
    struct told *told = data;
    vh_cli_note(told->cli, "%s", text);
    vh_json_push(told->lines, vh_json_string(told->cli->arena, vh_str(text)));
}

/* The home is whole already: what cannot be looked at now, doctor looks at. */
static struct vh_json *
look_at_lines(struct vh_cli *cli)
{
    int bad = 0;
    struct viv_error err = VIV_ERROR_INIT;
    struct told told = { cli, vh_json_array(cli->arena) };
    viv_status status = vh_app_find(&cli->app, cli->project, &err);
    status = status ? status : vh_app_open(&cli->app, VH_APP_WORK, 0, &err);
    if (status == VIV_OK) {
        status = cli->app.client ? VIV_E_BUSY : vh_app_need_sandbox(&cli->app, &err);
        if (status == VIV_OK) {
            (void)vh_line_check(cli, say_line, &told, &bad);
        }
        vh_cli_close(cli);
    }
    if (status) {
        say_line(&told, vh_arena_format(cli->arena, "where the lines of work stand was not looked at, 'vivhost doctor' "
                                        "does: %s", err.text[0] ? err.text : vh_status_text(status)));
    }
    return told.lines;
}

static viv_status
restore(struct restoring *r)
{
    r->seam = r->app->seam;
    viv_status status = vh_app_place(r->app, r->cli->project, &r->err);
    r->place = r->app->home_path;
    status = status ? status : check_place(r);
    status = status ? status : read_list(r);
    status = status ? status : build(r);
    vh_app_stage_end(r->app, &r->stage);
    if (r->from >= 0) {
        r->seam->close(r->seam->data, r->from);
    }
    return status;
}

int
vh_cli_restore(struct vh_cli *cli)
{
    struct restoring r = { .cli = cli, .app = &cli->app, .from = -1, .stage = { .project = -1 },
                           .err = VIV_ERROR_INIT };
    if (!vh_cli_no_more_options(cli, 1, 1)) {
        return VH_EXIT_USAGE;
    }
    viv_status status = restore(&r);
    if (status) {
        return vh_cli_fail(cli, status, &r.err);
    }
    if (!cli->json) {
        printf("home restored in %s: %lld events, %zu files\n", r.place, (long long)r.backup.seq, r.backup.count);
        fflush(stdout);
    }
    struct vh_json *lines = look_at_lines(cli);
    if (cli->json) {
        struct vh_json *value = vh_json_object(cli->arena);
        char hex[VH_HASH_HEX];
        vh_hash_hex(&r.backup.head, hex);
        vh_json_set_int(cli->arena, value, "files", (int64_t)r.backup.count);
        vh_json_set_text(cli->arena, value, "head", hex);
        vh_json_set_text(cli->arena, value, "home", r.place);
        vh_json_set_int(cli->arena, value, "last", r.backup.seq);
        vh_json_set(value, "lines", lines);
        vh_cli_print_json(cli, value);
    }
    return VH_EXIT_OK;
}

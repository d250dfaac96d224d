/* SPDX-License-Identifier: Apache-2.0 */
/* Whose a home is. One that this user did not make grants nothing: its id must stand, for the folder it lies in, in the
 * user's own `known.json`, which no repository can carry. One id is one home: of two copies the second is refused, and
 * the first too when both became known. A folder that was moved is known again by `trust --home`. */
#include "app.h"

#include <errno.h>
#include <fcntl.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "run/socket.h"

#define KNOWN_BYTES_MAX (1u << 20)
#define KNOWN_LOCK_NS INT64_C(10000000000)

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

/* Of a row of known["homes"]: whether another folder has, or had, the home `id`. */
enum place { UNRELATED, GONE, ALIVE };

static enum place
place_of(struct vh_app *app, const struct vh_json *row, const char *id)
{
    struct viv_str text;
    struct vh_json *home = NULL;
    struct stat there, here;
    if (!vh_str_is(row->text, id) || vh_str_is(row->key, app->project)) {
        return UNRELATED;
    }
    const char *folder = vh_arena_format(app->arena, "%.*s/" VH_APP_HOME, VH_STR_ARGS(row->key));
    const char *file = folder ? vh_arena_format(app->arena, "%s/home.json", folder) : NULL;
    if (!file || app->seam->stat(app->seam->data, AT_FDCWD, folder, &there, 0)) {
        /* Who cannot look cannot know that it is gone. */
        return file && (errno == ENOENT || errno == ENOTDIR) ? GONE : ALIVE;
    }
    if (app->home >= 0 && app->seam->fstat(app->seam->data, app->home, &here) == 0 && here.st_ino == there.st_ino &&
        here.st_dev == there.st_dev) {
        return UNRELATED; /* this one, by another name */
    }
    viv_status status = vh_fs_read(app->seam, app->arena, AT_FDCWD, file, 4096, &text, NULL);
    if (status == VIV_E_NOT_FOUND) {
        return GONE;
    }
    bool other = status == VIV_OK && vh_json_read(app->arena, text, &home, NULL) == VIV_OK &&
                 !vh_str_is(vh_json_str(home, "id"), id);
    return other ? GONE : ALIVE;
}

/* The strongest of all rows, and whose it is. */
static enum place
elsewhere(struct vh_app *app, const struct vh_json *known, const char *id, struct viv_str *ret_place)
{
    enum place found = UNRELATED;
    const struct vh_json *homes = vh_json_get(known, "homes");
    for (const struct vh_json *row = homes ? homes->child : NULL; row && found != ALIVE; row = row->next) {
        enum place place = place_of(app, row, id);
        if (place > found) {
            found = place;
            *ret_place = row->key;
        }
    }
    return found;
}

static viv_status
refuse_copy(struct vh_app *app, struct viv_str place, struct viv_error *err)
{
    return vh_error_set(err, VIV_E_DENIED, "home",
                        "home '%s' and that of '%.*s' are one and the same, and two copies must not act as one; move "
                        "the one away that shall not go on, then 'vivhost trust --home' takes over the other; or "
                        "remove it, and 'vivhost init' begins anew", app->home_path, VH_STR_ARGS(place));
}

/* known[table][project] = value, on disk; the lock is held. A home has no second place. */
static viv_status
put_known(struct vh_app *app, const char *table, const char *value, struct viv_error *err)
{
    struct vh_json *known = NULL;
    struct viv_str place;
    const char *path = NULL;
    bool homes = strcmp(table, "homes") == 0;
    viv_status status = read_known(app, app->arena, &known, err);
    if (status == VIV_OK) {
        status = known_path(app, app->arena, &path, err);
    }
    if (status == VIV_OK && homes && elsewhere(app, known, value, &place) == ALIVE) {
        status = refuse_copy(app, place, err);
    }
    if (status) {
        return status;
    }
    const struct vh_json *there = vh_json_get(known, table);
    struct vh_json *rows = vh_json_object(app->arena);
    for (const struct vh_json *row = there ? there->child : NULL; row; row = row->next) {
        if (!homes || place_of(app, row, value) != GONE) {
            const char *key = vh_arena_text_of(app->arena, row->key);
            vh_json_set(rows, key ? key : "?", key ? vh_json_clone(app->arena, row) : NULL);
        }
    }
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
        status = vh_fs_keep_folders(app->seam, AT_FDCWD, app->user.data, 0700, err);
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
    bool good = id.len == 2 * VH_APP_ID_BYTES;
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
    if (version != VH_APP_HOME_VERSION) {
        return vh_error_set(err, VIV_E_VERSION, "home", "home '%s' has version %lld, this program knows %d; use the "
                            "vivhost that made it", app->home_path, (long long)version, VH_APP_HOME_VERSION);
    }
    struct viv_str id = vh_json_str(home, "id");
    if (!is_home_id(id)) {
        return vh_error_set(err, VIV_E_CORRUPT, "home", "home '%s' has no usable id in 'home.json', allowed: %d hex "
                            "digits", app->home_path, 2 * VH_APP_ID_BYTES);
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
    struct viv_str place = { NULL, 0 };
    enum place other = status ? UNRELATED : elsewhere(app, known, id, &place);
    if (status || other == ALIVE) {
        return status ? status : refuse_copy(app, place, err);
    }
    if (vh_str_is(vh_json_str(vh_json_get(known, "homes"), app->project), id)) {
        return VIV_OK;
    }
    if (other == GONE) {
        return vh_error_set(err, VIV_E_DENIED, "home", "home '%s' was in '%.*s' before; nothing in it runs or grants; "
                            "'vivhost trust --home' takes it along, with its tasks", app->home_path,
                            VH_STR_ARGS(place));
    }
    return vh_error_set(err, VIV_E_DENIED, "home",
                        "home '%s' was not made by you here (it came with the folder, or the folder was moved); "
                        "nothing in it runs or grants; 'vivhost trust --home' takes it over", app->home_path);
}

viv_status
vh_app_note_home(struct vh_app *app, const char *id, struct viv_error *err)
{
    return note_known(app, "homes", id, err);
}

viv_status
vh_app_trust_home(struct vh_app *app, struct viv_error *err)
{
    const char *id = NULL;
    viv_status status = vh_app_home_id(app, &id, err);
    return status ? status : vh_app_note_home(app, id, err);
}

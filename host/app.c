/* SPDX-License-Identifier: Apache-2.0 */
#include "app.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "keep/migrate.h"
#include "keep/verify.h"
#include "run/socket.h"

#define LOCK_NAME "host.lock"
#define CONNECT_NS INT64_C(10000000000) /* a host that is starting opens its socket last */

static bool
is_set(const char *variable)
{
    const char *set = getenv(variable);
    return set && set[0] == '/';
}

static const char *
folder_of(struct vh_app *app, const char *variable, const char *below)
{
    if (is_set(variable)) {
        return vh_arena_format(app->arena, "%s/vivarium", getenv(variable));
    }
    return app->user.home ? vh_arena_format(app->arena, "%s/%s/vivarium", app->user.home, below) : NULL;
}

/* Not to know the user's folders is one thing, to have no memory for their names another: with them would go the user's
 * policy. */
static viv_status
name_folders(struct vh_app *app, struct viv_error *err)
{
    struct vh_app_user *user = &app->user;
    const char *home = getenv("HOME");
    bool homeless = !home || home[0] != '/';
    user->home = homeless ? NULL : vh_arena_text(app->arena, home);
    user->config = folder_of(app, "XDG_CONFIG_HOME", ".config");
    user->data = folder_of(app, "XDG_DATA_HOME", ".local/share");
    user->keys = user->data ? vh_arena_format(app->arena, "%s/keys", user->data) : NULL;
    user->plugins = user->data ? vh_arena_format(app->arena, "%s/plugins", user->data) : NULL;
    user->xdg_config = getenv("XDG_CONFIG_HOME");
    bool config = !homeless || is_set("XDG_CONFIG_HOME"), data = !homeless || is_set("XDG_DATA_HOME");
    if ((!homeless && !user->home) || (config && !user->config) || (data && (!user->keys || !user->plugins))) {
        return vh_error_set(err, VIV_E_MEMORY, "host", "no memory to start");
    }
    return VIV_OK;
}

viv_status
vh_app_begin(struct vh_app *app, const struct vh_seam *seam, struct viv_error *err)
{
    char path[VIV_PATH_MAX + 1];
    *app = (struct vh_app){ .seam = seam, .home = -1, .lock = -1, .arena = vh_arena_create(NULL, 0) };
    if (!app->arena) {
        return vh_error_set(err, VIV_E_MEMORY, "host", "no memory to start");
    }
    errno = 0;
    const struct passwd *entry = getpwuid(getuid());
    if (!entry && errno == ENOMEM) {
        return vh_error_set(err, VIV_E_MEMORY, "host", "no memory to start");
    }
    viv_status status = name_folders(app, err);
    if (status) {
        return status;
    }
    app->user.uid = getuid();
    app->user.pid = getpid();
    app->user.name = entry ? vh_arena_text(app->arena, entry->pw_name)
                           : vh_arena_format(app->arena, "uid-%u", (unsigned)getuid());
    ssize_t len = seam->readlink(seam->data, AT_FDCWD, "/proc/self/exe", path, sizeof path - 1);
    if (len <= 0) {
        return vh_error_errno(err, VIV_E_IO, "host", "cannot find this program; is /proc mounted?");
    }
    path[len] = '\0';
    char *slash = strrchr(path, '/');
    *(slash ? slash : path) = '\0';
    app->program_folder = vh_arena_text(app->arena, path);
    return app->program_folder && app->user.name ? VIV_OK : vh_error_set(err, VIV_E_MEMORY, "host",
            "no memory to start");
}

void
vh_app_end(struct vh_app *app)
{
    if (app->home >= 0) {
        app->seam->close(app->seam->data, app->home);
    }
    vh_arena_destroy(app->arena);
    app->arena = NULL;
}

/* The exclusive lock says who owns the home; the epoch in the store says it again in every transaction. */
static viv_status
take_lock(struct vh_app *app, struct viv_error *err)
{
    int fd = app->seam->open(app->seam->data, app->home, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    if (fd < 0 && (errno == EROFS || errno == EACCES || errno == EPERM)) {
        app->read_only = true;
        return vh_error_errno(err, VIV_E_DENIED, "home", "home '%s' cannot be written, allowed on it: log show, queue "
                              "list, task show and other questions", app->home_path);
    }
    if (fd < 0) {
        return vh_error_errno(err, VIV_E_IO, "home", "cannot open the lock of '%s'", app->home_path);
    }
    if (app->seam->lock(app->seam->data, fd, 1)) {
        app->seam->close(app->seam->data, fd);
        return VIV_E_BUSY;
    }
    app->lock = fd;
    return VIV_OK;
}

static viv_status
connect_to_host(struct vh_app *app, struct viv_error *err)
{
    return vh_socket_connect(app->seam, app->arena, app->home, app->stop, &app->client, err);
}

static viv_status
no_answer(const struct vh_app *app, struct viv_error *err)
{
    return vh_error_set(err, VIV_E_BUSY, "home", "another vivhost has '%s' and does not answer; end that process, the "
                        "home is free then", app->home_path);
}

/* Somebody has the home: talk to it. It may be starting, or stopping, in which case the lock comes free. */
static viv_status
become_client(struct vh_app *app, struct viv_error *err)
{
    int64_t until = app->seam->monotonic_ns(app->seam->data) + CONNECT_NS;
    for (;;) {
        viv_status status = connect_to_host(app, err);
        if (status == VIV_OK || status == VIV_E_CANCELLED) {
            return status;
        }
        bool silent = status == VIV_E_TIMEOUT;
        status = take_lock(app, err);
        if (status == VIV_OK) {
            return VIV_E_BUSY; /* free now: the caller becomes the host */
        }
        if (status != VIV_E_BUSY) {
            return status;
        }
        if (silent || app->seam->monotonic_ns(app->seam->data) >= until) {
            return no_answer(app, err);
        }
        vh_socket_pause(20);
    }
}

/* A reader when there is no host, else a client of it. */
static viv_status
open_to_read(struct vh_app *app, struct viv_error *err)
{
    int64_t until = app->seam->monotonic_ns(app->seam->data) + CONNECT_NS;
    for (;;) {
        viv_status status = vh_app_view(app, false, err);
        if (status != VIV_E_BUSY) {
            return status;
        }
        status = connect_to_host(app, err);
        if (status == VIV_OK || status == VIV_E_CANCELLED) {
            return status;
        }
        if (status == VIV_E_TIMEOUT || app->seam->monotonic_ns(app->seam->data) >= until) {
            return no_answer(app, err);
        }
        vh_socket_pause(20);
    }
}

static void
end_arena(void *data)
{
    vh_arena_destroy(data);
}

struct vh_arena *
vh_app_arena(struct vh_app *app)
{
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    if (arena && vh_arena_on_end(app->arena, end_arena, arena)) {
        vh_arena_destroy(arena);
        arena = NULL;
    }
    return arena;
}

viv_status
vh_app_open(struct vh_app *app, enum vh_app_need need, int workers, struct viv_error *err)
{
    viv_status status = vh_app_check_home(app, err);
    if (status || need == VH_APP_READ) {
        return status ? status : open_to_read(app, err);
    }
    status = take_lock(app, err);
    if (status == VIV_E_BUSY) {
        status = become_client(app, err);
        if (status != VIV_E_BUSY || app->lock < 0) {
            return status;
        }
        status = VIV_OK;
    }
    if (status == VIV_OK) {
        status = vh_app_build_store(app, err);
    }
    app->control.run = &app->run;
    app->control.store = app->store;
    if (status == VIV_OK) {
        status = vh_app_spawner_start(app, need == VH_APP_WORK && workers > 0, err);
    }
    if (status == VIV_OK) {
        status = vh_app_build(app, need, err);
    }
    if (status == VIV_OK) {
        status = vh_app_recover(app, err);
    }
    if (status == VIV_OK) {
        status = vh_app_threads_start(app, need, workers, err);
    }
    if (status == VIV_OK) {
        status = vh_socket_start(&app->control, app->arena, app->home, &app->socket, err);
    }
    if (status) {
        struct viv_error ignored = VIV_ERROR_INIT;
        (void)vh_app_close(app, &ignored); /* the first error is the one to tell */
    }
    return status;
}

viv_status
vh_app_close(struct vh_app *app, struct viv_error *err)
{
    viv_status status = VIV_OK;
    if (app->client) {
        vh_socket_close(app->client);
        app->client = NULL;
        return VIV_OK;
    }
    vh_socket_stop(app->socket);
    app->socket = NULL;
    vh_app_threads_stop(app);
    if (app->run.sequencer) {
        status = vh_sequencer_stop(app->run.sequencer, err);
        app->run.sequencer = NULL;
        if (status == VIV_OK) {
            vh_app_export(app);
        }
    }
    vh_app_unbuild(app);
    if (app->lock >= 0) {
        app->seam->close(app->seam->data, app->lock);
        app->lock = -1;
    }
    return status;
}

viv_status
vh_app_ask(struct vh_app *app, const struct vh_json *request, struct vh_arena *arena, struct vh_json **ret_response,
           struct viv_error *err)
{
    viv_status status = VIV_OK;
    if (!request || request->failed) {
        return vh_error_set(err, VIV_E_MEMORY, "host", "no memory for a request");
    }
    if (app->client) {
        status = vh_socket_ask(app->client, request, arena, ret_response, err);
    } else {
        struct vh_control_peer peer = { vh_str(app->user.name), app->user.uid, app->user.pid };
        *ret_response = vh_control_handle(&app->control, arena, request, &peer, NULL);
        status = *ret_response ? VIV_OK : vh_error_set(err, VIV_E_MEMORY, "host", "no memory for an answer");
    }
    if (status == VIV_OK && vh_json_int(*ret_response, "status", 0)) {
        struct viv_str text = vh_json_str(*ret_response, "error");
        status = vh_error_set(err, (viv_status)vh_json_int(*ret_response, "status", VIV_E_INTERNAL), "host", "%.*s",
                              VH_STR_ARGS(text));
    }
    return status;
}

viv_status
vh_app_rebuild(struct vh_app *app, bool write, struct vh_rebuild_result *ret_result, struct viv_error *err)
{
    viv_status status = vh_app_check_home(app, err);
    if (status == VIV_OK) {
        status = take_lock(app, err);
        if (status == VIV_E_BUSY) {
            return vh_error_set(err, status, "home", "a host has '%s'; stop it first", app->home_path);
        }
    }
    char *path = vh_arena_format(app->arena, "%s/vivarium.db", app->home_path);
    struct vh_store *store = NULL;
    if (status == VIV_OK) {
        status = path ? VIV_OK : vh_error_set(err, VIV_E_MEMORY, "home", "no memory");
    }
    if (status == VIV_OK && write) {
        status = vh_migrate(app->seam, app->arena, path, err);
    }
    if (status == VIV_OK) {
        status = vh_store_open(app->arena, path, NULL, &store, err);
    }
    if (status == VIV_OK) {
        status = vh_verify_rebuild(store, write, ret_result, err);
    }
    vh_store_close(store);
    if (app->lock >= 0) {
        app->seam->close(app->seam->data, app->lock);
        app->lock = -1;
    }
    return status;
}

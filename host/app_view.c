/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a home without being its host: nothing is written, no event is added, no thread starts. A home that cannot be
 * written at all is read the same way, as it lies there. */
#include "app.h"

#include <errno.h>
#include <fcntl.h>

#include "base/error.h"
#include "base/log.h"

#define LOCK_NAME "host.lock"

/* VIV_E_BUSY: a host has the home. The lock is only looked at: SQLite itself lets readers and one writer live side by
 * side, and a reader that waits for its pager must not keep a host from starting. */
static viv_status
look_at_lock(struct vh_app *app)
{
    const struct vh_seam *seam = app->seam;
    int fd = seam->open(seam->data, app->home, LOCK_NAME, O_RDWR | O_NOFOLLOW, 0);
    if (fd < 0 && (errno == EROFS || errno == EACCES || errno == EPERM)) {
        app->read_only = true;
        fd = seam->open(seam->data, app->home, LOCK_NAME, O_RDONLY | O_NOFOLLOW, 0);
    }
    if (fd < 0) {
        return VIV_OK; /* no lock, no host */
    }
    bool busy = seam->lock(seam->data, fd, 0) != 0;
    seam->close(seam->data, fd);
    return busy ? VIV_E_BUSY : VIV_OK;
}

/* What a crash left in the write-ahead log can only be read where SQLite may make its index file. */
static bool
has_rest(struct vh_app *app)
{
    struct stat stat;
    return app->seam->stat(app->seam->data, app->home, "vivarium.db-wal", &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
           stat.st_size > 0;
}

static viv_status
open_store(struct vh_app *app, struct viv_error *err)
{
    char *path = vh_arena_format(app->arena, "%s/vivarium.db", app->home_path);
    if (!path) {
        return vh_error_set(err, VIV_E_MEMORY, "home", "no memory");
    }
    if (!app->read_only) {
        return vh_store_open_read(app->arena, path, &app->store, err);
    }
    bool rest = has_rest(app);
    if (rest && vh_store_open_read(app->arena, path, &app->store, err) == VIV_OK) {
        return VIV_OK;
    }
    if (rest) {
        vh_log(VH_LOG_WARNING, "home", "'%s-wal' holds the newest events and cannot be read where nothing can be "
               "written; what is shown may end early", path);
    }
    return vh_store_open_immutable(app->arena, path, &app->store, err);
}

viv_status
vh_app_view(struct vh_app *app, bool beside_host, struct viv_error *err)
{
    viv_status status = look_at_lock(app);
    if (status == VIV_E_BUSY && !beside_host) {
        return status;
    }
    status = open_store(app, err);
    if (status == VIV_OK) {
        status = vh_app_build_view(app, err);
    }
    app->control.run = &app->run;
    app->control.store = app->store;
    if (status) {
        vh_app_unbuild(app);
    }
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/log.h"

#define TAKE_S 5 /* a manager that is busy has so long to make room for a word */

struct vh_notify {
    const struct vh_seam *seam;
    struct sockaddr_un address;
    socklen_t size;
    int fd;
    int folder; /* -1: the path fits */
    atomic_bool lost;
};

static viv_status
too_long(const char *place, struct viv_error *err)
{
    return vh_error_set(err, VIV_E_INVALID, "notify", "the name of the socket NOTIFY_SOCKET=%.200s is too long, "
                        "allowed: %zu bytes", place, sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
}

static void
put_size(struct vh_notify *notify, size_t len)
{
    notify->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

/* "/a/long/way/notify" as "/proc/self/fd/N/notify". */
static viv_status
through_folder(struct vh_notify *notify, struct vh_arena *arena, const char *place, struct viv_error *err)
{
    char *folder = vh_arena_text(arena, place);
    if (!folder) {
        return vh_error_set(err, VIV_E_MEMORY, "notify", "no memory for the manager's socket");
    }
    char *name = strrchr(folder, '/') + 1; /* an absolute path has one, and not in front if it is long in front */
    name[-1] = '\0';
    notify->folder = notify->seam->open(notify->seam->data, AT_FDCWD, *folder ? folder : "/", O_PATH | O_DIRECTORY, 0);
    if (notify->folder < 0) {
        return vh_error_errno(err, VIV_E_IO, "notify", "cannot open the folder of NOTIFY_SOCKET=%.200s", place);
    }
    int len = snprintf(notify->address.sun_path, sizeof notify->address.sun_path, "/proc/self/fd/%d/%s",
                       notify->folder, name);
    if (len < 0 || (size_t)len >= sizeof notify->address.sun_path) {
        return too_long(place, err);
    }
    put_size(notify, (size_t)len + 1);
    return VIV_OK;
}

static viv_status
find(struct vh_notify *notify, struct vh_arena *arena, const char *place, struct viv_error *err)
{
    size_t len = strlen(place);
    if ((place[0] != '/' && place[0] != '@') || len < 2) {
        return vh_error_set(err, VIV_E_INVALID, "notify", "NOTIFY_SOCKET is '%.200s', allowed: an absolute path, or "
                            "'@' and a name; unset it to run without a service manager", place);
    }
    if (len < sizeof notify->address.sun_path) {
        memcpy(notify->address.sun_path, place, len);
        if (place[0] == '@') {
            notify->address.sun_path[0] = '\0';
        }
        put_size(notify, place[0] == '@' ? len : len + 1);
        return VIV_OK;
    }
    return place[0] == '/' ? through_folder(notify, arena, place, err) : too_long(place, err);
}

viv_status
vh_notify_open(const struct vh_seam *seam, struct vh_arena *arena, const char *place, struct vh_notify **ret_notify,
               struct viv_error *err)
{
    struct vh_notify *notify = vh_arena_alloc(arena, sizeof *notify);
    if (!notify) {
        return vh_error_set(err, VIV_E_MEMORY, "notify", "no memory for the manager's socket");
    }
    *notify = (struct vh_notify){ .seam = seam, .address = { .sun_family = AF_UNIX }, .fd = -1, .folder = -1 };
    viv_status status = find(notify, arena, place, err);
    if (status == VIV_OK) {
        struct timeval take = { .tv_sec = TAKE_S };
        notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        status = notify->fd >= 0 ? VIV_OK : vh_error_errno(err, VIV_E_IO, "notify", "cannot make a socket");
        if (status == VIV_OK) {
            /* Without it we may wait longer. */
            (void)setsockopt(notify->fd, SOL_SOCKET, SO_SNDTIMEO, &take, sizeof take);
        }
    }
    if (status) {
        vh_notify_close(notify);
        return status;
    }
    *ret_notify = notify;
    return VIV_OK;
}

void
vh_notify_send(struct vh_notify *notify, const char *lines)
{
    if (!notify) {
        return;
    }
    ssize_t sent;
    do {
        sent = sendto(notify->fd, lines, strlen(lines), MSG_NOSIGNAL, (const struct sockaddr *)&notify->address,
                      notify->size);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && !atomic_exchange(&notify->lost, true)) {
        struct viv_error err = VIV_ERROR_INIT;
        /* For its text. */
        (void)vh_error_errno(&err, VIV_E_IO, "notify", "the service manager does not hear this host");
        vh_log(VH_LOG_WARNING, "notify", "%s", err.text);
    }
}

void
vh_notify_close(struct vh_notify *notify)
{
    if (!notify) {
        return;
    }
    const int fds[] = { notify->fd, notify->folder };
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (fds[i] >= 0) {
            notify->seam->close(notify->seam->data, fds[i]);
        }
    }
}

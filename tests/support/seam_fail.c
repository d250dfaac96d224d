/* SPDX-License-Identifier: Apache-2.0 */
/* One wrapper per member of the seam: count, perhaps fail, pass on. seam_fail.h says how to use it. */
#include "seam_fail.h"

#include <errno.h>

/* Count one call; true when this one must fail, with errno set. */
static bool
fails(struct seam_fail *fail, enum seam_call kind)
{
    uint64_t of_kind = atomic_fetch_add(&fail->calls[kind], 1) + 1;
    uint64_t of_all = atomic_fetch_add(&fail->calls[SEAM_ANY], 1) + 1;
    uint64_t number = fail->kind == SEAM_ANY ? of_all : of_kind;
    if (!fail->at || (fail->kind != SEAM_ANY && fail->kind != kind)) {
        return false;
    }
    if (number != fail->at && !(fail->forever && number > fail->at)) {
        return false;
    }
    atomic_store(&fail->reached, true);
    errno = fail->code;
    return true;
}

static size_t
shortened(const struct seam_fail *fail, size_t len)
{
    return fail->longest && len > fail->longest ? fail->longest : len;
}

/* `answer` is evaluated when the call does not fail; inside it `u` is the seam below. */
#define PASS(kind, answer)                                                                         \
    struct seam_fail *fail = data;                                                                 \
    const struct vh_seam *u = fail->under;                                                         \
    return fails(fail, kind) ? -1 : (answer)

static int64_t
monotonic_ns(void *data)
{
    struct seam_fail *fail = data;
    return fail->still ? fail->monotonic_ns : fail->under->monotonic_ns(fail->under->data);
}

static int64_t
wall_us(void *data)
{
    struct seam_fail *fail = data;
    return fail->still ? fail->wall_us : fail->under->wall_us(fail->under->data);
}

static int
random_bytes(void *data, void *bytes, size_t len)
{
    PASS(SEAM_RANDOM, u->random(u->data, bytes, len));
}

static int
open_file(void *data, int dir, const char *path, int flags, mode_t mode)
{
    PASS(SEAM_OPEN, u->open(u->data, dir, path, flags, mode));
}

static int
open_beneath(void *data, int dir, const char *path, int flags, mode_t mode, int no_links)
{
    PASS(SEAM_OPEN, u->open_beneath(u->data, dir, path, flags, mode, no_links));
}

static int
close_file(void *data, int fd)
{
    struct seam_fail *fail = data;
    bool failing = fails(fail, SEAM_CLOSE);
    int answer = fail->under->close(fail->under->data, fd);
    errno = failing ? fail->code : errno;
    return failing ? -1 : answer;
}

static ssize_t
read_file(void *data, int fd, void *bytes, size_t len)
{
    PASS(SEAM_READ, u->read(u->data, fd, bytes, shortened(fail, len)));
}

static ssize_t
write_file(void *data, int fd, const void *bytes, size_t len)
{
    PASS(SEAM_WRITE, u->write(u->data, fd, bytes, shortened(fail, len)));
}

static ssize_t
pread_file(void *data, int fd, void *bytes, size_t len, off_t at)
{
    PASS(SEAM_PREAD, u->pread(u->data, fd, bytes, shortened(fail, len), at));
}

static ssize_t
pwrite_file(void *data, int fd, const void *bytes, size_t len, off_t at)
{
    PASS(SEAM_PWRITE, u->pwrite(u->data, fd, bytes, shortened(fail, len), at));
}

static int
sync_file(void *data, int fd)
{
    PASS(SEAM_SYNC, u->sync(u->data, fd));
}

static int
truncate_file(void *data, int fd, off_t len)
{
    PASS(SEAM_TRUNCATE, u->truncate(u->data, fd, len));
}

static int
stat_path(void *data, int dir, const char *path, struct stat *ret_stat, int flags)
{
    PASS(SEAM_STAT, u->stat(u->data, dir, path, ret_stat, flags));
}

static int
stat_fd(void *data, int fd, struct stat *ret_stat)
{
    PASS(SEAM_FSTAT, u->fstat(u->data, fd, ret_stat));
}

static int
make_folder(void *data, int dir, const char *path, mode_t mode)
{
    PASS(SEAM_MKDIR, u->mkdir(u->data, dir, path, mode));
}

static int
rename_path(void *data, int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    PASS(SEAM_RENAME, u->rename(u->data, from_dir, from, to_dir, to, flags));
}

static int
unlink_path(void *data, int dir, const char *path, int flags)
{
    PASS(SEAM_UNLINK, u->unlink(u->data, dir, path, flags));
}

static int
link_path(void *data, int from_dir, const char *from, int to_dir, const char *to)
{
    PASS(SEAM_LINK, u->link(u->data, from_dir, from, to_dir, to));
}

static int
symlink_path(void *data, const char *target, int dir, const char *path)
{
    PASS(SEAM_SYMLINK, u->symlink(u->data, target, dir, path));
}

static ssize_t
readlink_path(void *data, int dir, const char *path, char *bytes, size_t size)
{
    PASS(SEAM_READLINK, u->readlink(u->data, dir, path, bytes, size));
}

static int
chmod_path(void *data, int dir, const char *path, mode_t mode)
{
    PASS(SEAM_CHMOD, u->chmod(u->data, dir, path, mode));
}

static int
utimens_path(void *data, int dir, const char *path, const struct timespec times[2])
{
    PASS(SEAM_UTIMENS, u->utimens(u->data, dir, path, times));
}

static int
chown_path(void *data, int dir, const char *path, uid_t uid, gid_t gid)
{
    PASS(SEAM_CHOWN, u->chown(u->data, dir, path, uid, gid));
}

static int
make_node(void *data, int dir, const char *path, mode_t mode, dev_t device)
{
    PASS(SEAM_MKNOD, u->mknod(u->data, dir, path, mode, device));
}

static int
sync_all(void *data, int fd)
{
    PASS(SEAM_SYNC_ALL, u->sync_all(u->data, fd));
}

static ssize_t
get_attribute(void *data, int fd, const char *name, void *bytes, size_t size)
{
    PASS(SEAM_GET_ATTRIBUTE, u->get_attribute(u->data, fd, name, bytes, size));
}

static int
lock_file(void *data, int fd, int exclusive)
{
    PASS(SEAM_LOCK, u->lock(u->data, fd, exclusive));
}

static int
spawn_program(void *data, const char *path, char *const argv[], const int *fds, size_t fd_count, pid_t *ret_pid)
{
    PASS(SEAM_SPAWN, u->spawn(u->data, path, argv, fds, fd_count, ret_pid));
}

static int
kill_process(void *data, pid_t pid, int signal)
{
    PASS(SEAM_KILL, u->kill(u->data, pid, signal));
}

static pid_t
wait_process(void *data, pid_t pid, int *ret_status, int options)
{
    PASS(SEAM_WAIT, u->wait(u->data, pid, ret_status, options));
}

static int
kill_pidfd(void *data, int pidfd, int signal)
{
    PASS(SEAM_KILL_PIDFD, u->kill_pidfd(u->data, pidfd, signal));
}

static int
pin_process(void *data, pid_t pid, int cpu)
{
    PASS(SEAM_PIN, u->pin(u->data, pid, cpu));
}

static void
place(void *data, const char *name)
{
    struct seam_fail *fail = data;
    for (size_t i = 0; fail->watch && (fail->watch[i] == name[i]); i++) {
        if (!name[i]) {
            atomic_fetch_add(&fail->places, 1);
            break;
        }
    }
    fail->under->place(fail->under->data, name);
}

void
seam_fail_init(struct seam_fail *fail, const struct vh_seam *under)
{
    *fail = (struct seam_fail){ .under = under, .kind = SEAM_ANY };
    fail->seam = *under; /* a member that is newer than this file passes unchanged */
    fail->seam.data = fail;
    fail->seam.monotonic_ns = monotonic_ns;
    fail->seam.wall_us = wall_us;
    fail->seam.random = random_bytes;
    fail->seam.open = open_file;
    fail->seam.open_beneath = open_beneath;
    fail->seam.close = close_file;
    fail->seam.read = read_file;
    fail->seam.write = write_file;
    fail->seam.pread = pread_file;
    fail->seam.pwrite = pwrite_file;
    fail->seam.sync = sync_file;
    fail->seam.truncate = truncate_file;
    fail->seam.stat = stat_path;
    fail->seam.fstat = stat_fd;
    fail->seam.mkdir = make_folder;
    fail->seam.rename = rename_path;
    fail->seam.unlink = unlink_path;
    fail->seam.link = link_path;
    fail->seam.symlink = symlink_path;
    fail->seam.readlink = readlink_path;
    fail->seam.chmod = chmod_path;
    fail->seam.utimens = utimens_path;
    fail->seam.chown = chown_path;
    fail->seam.mknod = make_node;
    fail->seam.sync_all = sync_all;
    fail->seam.get_attribute = get_attribute;
    fail->seam.lock = lock_file;
    fail->seam.spawn = spawn_program;
    fail->seam.kill = kill_process;
    fail->seam.wait = wait_process;
    fail->seam.kill_pidfd = kill_pidfd;
    fail->seam.pin = pin_process;
    fail->seam.place = place;
}

void
seam_fail_at(struct seam_fail *fail, enum seam_call kind, uint64_t n, int code)
{
    for (size_t i = 0; i <= SEAM_ANY; i++) {
        atomic_store(&fail->calls[i], 0);
    }
    fail->kind = kind;
    fail->at = n;
    fail->code = code;
    atomic_store(&fail->reached, false);
}

uint64_t
seam_fail_calls(const struct seam_fail *fail, enum seam_call kind)
{
    return atomic_load(&fail->calls[kind]);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The one file that makes these system calls for the host. Read seam.h first. */
#include "seam.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static int64_t
real_monotonic_ns(void *data)
{
    (void)data;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t
real_wall_us(void *data)
{
    (void)data;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int
real_random(void *data, void *bytes, size_t len)
{
    (void)data;
    for (size_t at = 0; at < len;) {
        ssize_t got = getrandom((char *)bytes + at, len - at, 0);
        if (got < 0 && errno != EINTR) {
            return -1;
        }
        at += got > 0 ? (size_t)got : 0;
    }
    return 0;
}

static int
real_open(void *data, int dir, const char *path, int flags, mode_t mode)
{
    (void)data;
    return openat(dir, path, flags | O_CLOEXEC, mode);
}

static int
real_open_beneath(void *data, int dir, const char *path, int flags, mode_t mode, int no_links)
{
    (void)data;
    struct open_how how = {
        .flags = (uint64_t)(unsigned)flags | O_CLOEXEC,
        .mode = flags & O_CREAT ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | (no_links ? RESOLVE_NO_SYMLINKS : 0),
    };
    return (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
}

static int
real_close(void *data, int fd)
{
    (void)data;
    return close(fd);
}

static ssize_t
real_read(void *data, int fd, void *bytes, size_t len)
{
    (void)data;
    return read(fd, bytes, len);
}

static ssize_t
real_write(void *data, int fd, const void *bytes, size_t len)
{
    (void)data;
    return write(fd, bytes, len);
}

static ssize_t
real_pread(void *data, int fd, void *bytes, size_t len, off_t at)
{
    (void)data;
    return pread(fd, bytes, len, at);
}

static ssize_t
real_pwrite(void *data, int fd, const void *bytes, size_t len, off_t at)
{
    (void)data;
    return pwrite(fd, bytes, len, at);
}

static int
real_sync(void *data, int fd)
{
    (void)data;
    return fsync(fd);
}

static int
real_truncate(void *data, int fd, off_t len)
{
    (void)data;
    return ftruncate(fd, len);
}

static int
real_stat(void *data, int dir, const char *path, struct stat *ret_stat, int flags)
{
    (void)data;
    return fstatat(dir, path, ret_stat, flags);
}

static int
real_fstat(void *data, int fd, struct stat *ret_stat)
{
    (void)data;
    return fstat(fd, ret_stat);
}

static int
real_mkdir(void *data, int dir, const char *path, mode_t mode)
{
    (void)data;
    return mkdirat(dir, path, mode);
}

static int
real_rename(void *data, int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    (void)data;
    return renameat2(from_dir, from, to_dir, to, flags);
}

static int
real_unlink(void *data, int dir, const char *path, int flags)
{
    (void)data;
    return unlinkat(dir, path, flags);
}

static int
real_link(void *data, int from_dir, const char *from, int to_dir, const char *to)
{
    (void)data;
    return linkat(from_dir, from, to_dir, to, 0);
}

static int
real_symlink(void *data, const char *target, int dir, const char *path)
{
    (void)data;
    return symlinkat(target, dir, path);
}

static ssize_t
real_readlink(void *data, int dir, const char *path, char *bytes, size_t size)
{
    (void)data;
    return readlinkat(dir, path, bytes, size);
}

static int
real_chmod(void *data, int dir, const char *path, mode_t mode)
{
    (void)data;
    return fchmodat(dir, path, mode, 0);
}

static int
real_utimens(void *data, int dir, const char *path, const struct timespec times[2])
{
    (void)data;
    return utimensat(dir, path, times, AT_SYMLINK_NOFOLLOW);
}

static int
real_chown(void *data, int dir, const char *path, uid_t uid, gid_t gid)
{
    (void)data;
    return fchownat(dir, path, uid, gid, AT_SYMLINK_NOFOLLOW);
}

static int
real_mknod(void *data, int dir, const char *path, mode_t mode, dev_t device)
{
    (void)data;
    return mknodat(dir, path, mode, device);
}

static int
real_sync_all(void *data, int fd)
{
    (void)data;
    return syncfs(fd);
}

static ssize_t
real_get_attribute(void *data, int fd, const char *name, void *bytes, size_t size)
{
    (void)data;
    return fgetxattr(fd, name, bytes, size);
}

static int
real_lock(void *data, int fd, int exclusive)
{
    (void)data;
    return flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB);
}

/* Put fds[i] at 3 + i. First all of them above every descriptor involved, then to their places, so that none is
 * overwritten before it was moved. Returns an errno value. */
static int
place_descriptors(posix_spawn_file_actions_t *actions, const int *fds, size_t fd_count)
{
    int free_from = 3 + (int)fd_count;
    for (size_t i = 0; i < fd_count; i++) {
        free_from = fds[i] >= free_from ? fds[i] + 1 : free_from;
    }
    int code = 0;
    for (size_t i = 0; i < fd_count && !code; i++) {
        code = posix_spawn_file_actions_adddup2(actions, fds[i], free_from + (int)i);
    }
    for (size_t i = 0; i < fd_count && !code; i++) {
        code = posix_spawn_file_actions_adddup2(actions, free_from + (int)i, 3 + (int)i);
    }
    return code ? code : posix_spawn_file_actions_addclosefrom_np(actions, 3 + (int)fd_count);
}

static int
real_spawn(void *data, const char *path, char *const argv[], const int *fds, size_t fd_count, pid_t *ret_pid)
{
    (void)data;
    static char *const environment[] = { NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    int code = place_descriptors(&actions, fds, fd_count);
    if (!code) {
        code = posix_spawn(ret_pid, path, &actions, &attributes, argv, environment);
    }
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    errno = code;
    return code ? -1 : 0;
}

static int
real_kill(void *data, pid_t pid, int signal)
{
    (void)data;
    return kill(pid, signal);
}

static pid_t
real_wait(void *data, pid_t pid, int *ret_status, int options)
{
    (void)data;
    return waitpid(pid, ret_status, options);
}

static int
real_kill_pidfd(void *data, int pidfd, int signal)
{
    (void)data;
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

static int
real_pin(void *data, pid_t pid, int cpu)
{
    (void)data;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    return sched_setaffinity(pid, sizeof set, &set);
}

/* ---- crash places ---- */

static struct {
    pthread_once_t once;
    char name[96];
    atomic_long left;
} crash = { .once = PTHREAD_ONCE_INIT };

static void
read_crash_place(void)
{
    const char *text = getenv("VIV_CRASH_AT");
    if (!text) {
        return;
    }
    const char *colon = strrchr(text, ':');
    long count = colon ? strtol(colon + 1, NULL, 10) : 1;
    snprintf(crash.name, sizeof crash.name, "%.*s", colon ? (int)(colon - text) : (int)strlen(text), text);
    atomic_store(&crash.left, count > 0 ? count : 1);
}

static void
real_place(void *data, const char *name)
{
    (void)data;
    pthread_once(&crash.once, read_crash_place);
    if (crash.name[0] && strcmp(name, crash.name) == 0 && atomic_fetch_sub(&crash.left, 1) == 1) {
        dprintf(2, "crash place '%s' reached\n", name);
        kill(getpid(), SIGKILL);
    }
}

static const struct vh_seam real = {
    .monotonic_ns = real_monotonic_ns,
    .wall_us = real_wall_us,
    .random = real_random,
    .open = real_open,
    .open_beneath = real_open_beneath,
    .close = real_close,
    .read = real_read,
    .write = real_write,
    .pread = real_pread,
    .pwrite = real_pwrite,
    .sync = real_sync,
    .truncate = real_truncate,
    .stat = real_stat,
    .fstat = real_fstat,
    .mkdir = real_mkdir,
    .rename = real_rename,
    .unlink = real_unlink,
    .link = real_link,
    .symlink = real_symlink,
    .readlink = real_readlink,
    .chmod = real_chmod,
    .utimens = real_utimens,
    .chown = real_chown,
    .mknod = real_mknod,
    .sync_all = real_sync_all,
    .get_attribute = real_get_attribute,
    .lock = real_lock,
    .spawn = real_spawn,
    .kill = real_kill,
    .wait = real_wait,
    .kill_pidfd = real_kill_pidfd,
    .pin = real_pin,
    .place = real_place,
};

const struct vh_seam *
vh_seam_real(void)
{
    return &real;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of libc that touch files, and those that take descriptors, processes and threads. Sockets, pipes,
 * terminals and memory with a descriptor are no files here; /proc, /dev and /sys are no disk. Read torture.h first. */
#define _GNU_SOURCE
#include "torture.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FULL TORTURE_BIT(TORTURE_FULL)
#define IO TORTURE_BIT(TORTURE_IO)
#define SYNC TORTURE_BIT(TORTURE_SYNC)
#define READONLY TORTURE_BIT(TORTURE_READONLY)
#define PROCESS TORTURE_BIT(TORTURE_PROCESS)

/* The function of that name that stands behind this one. */
#define REAL(name)                                                                                 \
    static __typeof__(name) *real;                                                                 \
    if (!real) {                                                                                   \
        real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name);                                        \
    }

/* A function that fails with -1 and is counted under these kinds. */
#define STAND_IN(type, name, arguments, passed, kinds)                                             \
    type name arguments                                                                            \
    {                                                                                              \
        REAL(name)                                                                                 \
        unsigned of = (kinds);                                                                     \
        return of && torture_fails(of, #name) ? -1 : real passed;                                  \
    }

static bool
on_disk(int fd)
{
    struct stat stat;
    int before = errno;
    /* The system itself is asked: fstat stands below. A file without a name is memory, or one of SQLite's own. */
    bool is = fd > 2 && syscall(SYS_fstat, fd, &stat) == 0 &&
              ((S_ISREG(stat.st_mode) && stat.st_nlink > 0) || S_ISDIR(stat.st_mode));
    errno = before;
    return is;
}

static bool
no_disk(const char *path)
{
    bool is_device = strncmp(path, "/dev/", 5) == 0 && strncmp(path, "/dev/shm/", 9) != 0;
    return strncmp(path, "/proc/", 6) == 0 || is_device || strncmp(path, "/sys/", 5) == 0;
}

/* Only a new file needs room. */
static bool
is_new(int dir, const char *path)
{
    int before = errno;
    bool new = syscall(SYS_faccessat, dir, path, F_OK) != 0;
    errno = before;
    return new;
}

static unsigned
opening(int dir, const char *path, int flags)
{
    unsigned kinds = PROCESS;
    if (no_disk(path)) {
        return kinds;
    }
    kinds |= IO;
    kinds |= (flags & O_CREAT) && is_new(dir, path) ? FULL : 0;
    kinds |= (flags & O_CREAT) || (flags & O_ACCMODE) != O_RDONLY ? READONLY : 0;
    return kinds;
}

#define WRITES (on_disk(fd) ? FULL | IO | READONLY : 0)
#define READS (on_disk(fd) ? IO : 0)
#define SYNCS (SYNC | IO | READONLY)
#define MAKES (FULL | IO | READONLY)
#define CHANGES (IO | READONLY)

STAND_IN(ssize_t, write, (int fd, const void *bytes, size_t len), (fd, bytes, len), WRITES)
STAND_IN(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count), WRITES)
STAND_IN(ssize_t, pwrite, (int fd, const void *bytes, size_t len, off_t at), (fd, bytes, len, at), WRITES)
STAND_IN(ssize_t, pwrite64, (int fd, const void *bytes, size_t len, off64_t at), (fd, bytes, len, at), WRITES)
STAND_IN(int, ftruncate, (int fd, off_t len), (fd, len), WRITES)
STAND_IN(int, ftruncate64, (int fd, off64_t len), (fd, len), WRITES)
STAND_IN(ssize_t, read, (int fd, void *bytes, size_t len), (fd, bytes, len), READS)
STAND_IN(ssize_t, pread, (int fd, void *bytes, size_t len, off_t at), (fd, bytes, len, at), READS)
STAND_IN(ssize_t, pread64, (int fd, void *bytes, size_t len, off64_t at), (fd, bytes, len, at), READS)
STAND_IN(int, fsync, (int fd), (fd), SYNCS)
STAND_IN(int, fdatasync, (int fd), (fd), SYNCS)
STAND_IN(int, syncfs, (int fd), (fd), SYNCS)
STAND_IN(int, mkdir, (const char *path, mode_t mode), (path, mode), MAKES)
STAND_IN(int, mkdirat, (int dir, const char *path, mode_t mode), (dir, path, mode), MAKES)
STAND_IN(int, mknodat, (int dir, const char *path, mode_t mode, dev_t device), (dir, path, mode, device), MAKES)
STAND_IN(int, rename, (const char *from, const char *to), (from, to), MAKES)
STAND_IN(int, renameat2, (int from_dir, const char *from, int to_dir, const char *to, unsigned flags),
         (from_dir, from, to_dir, to, flags), MAKES)
STAND_IN(int, linkat, (int from_dir, const char *from, int to_dir, const char *to, int flags),
         (from_dir, from, to_dir, to, flags), MAKES)
STAND_IN(int, symlinkat, (const char *target, int dir, const char *path), (target, dir, path), MAKES)
STAND_IN(int, unlink, (const char *path), (path), CHANGES)
STAND_IN(int, unlinkat, (int dir, const char *path, int flags), (dir, path, flags), CHANGES)
STAND_IN(int, fchmod, (int fd, mode_t mode), (fd, mode), CHANGES)
STAND_IN(int, fchmodat, (int dir, const char *path, mode_t mode, int flags), (dir, path, mode, flags), CHANGES)
STAND_IN(int, fchownat, (int dir, const char *path, uid_t uid, gid_t gid, int flags), (dir, path, uid, gid, flags),
         CHANGES)
STAND_IN(int, utimensat, (int dir, const char *path, const struct timespec times[2], int flags),
         (dir, path, times, flags), CHANGES)
STAND_IN(int, fstatat, (int dir, const char *path, struct stat *ret_stat, int flags), (dir, path, ret_stat, flags),
         no_disk(path) ? 0 : IO)
STAND_IN(int, stat64, (const char *path, struct stat64 *ret_stat), (path, ret_stat), no_disk(path) ? 0 : IO)
STAND_IN(int, lstat64, (const char *path, struct stat64 *ret_stat), (path, ret_stat), no_disk(path) ? 0 : IO)
STAND_IN(int, fstat, (int fd, struct stat *ret_stat), (fd, ret_stat), READS)
STAND_IN(int, fstat64, (int fd, struct stat64 *ret_stat), (fd, ret_stat), READS)
STAND_IN(ssize_t, readlinkat, (int dir, const char *path, char *bytes, size_t size), (dir, path, bytes, size),
         no_disk(path) ? 0 : IO)
STAND_IN(int, socket, (int domain, int type, int protocol), (domain, type, protocol), PROCESS)
STAND_IN(int, socketpair, (int domain, int type, int protocol, int fds[2]), (domain, type, protocol, fds), PROCESS)
STAND_IN(int, pipe2, (int fds[2], int flags), (fds, flags), PROCESS)
STAND_IN(int, accept4, (int fd, struct sockaddr *address, socklen_t *len, int flags), (fd, address, len, flags),
         PROCESS)
STAND_IN(int, memfd_create, (const char *name, unsigned flags), (name, flags), PROCESS)

typedef void (*signal_handler)(int);

signal_handler
signal(int number, signal_handler handler)
{
    REAL(signal)
    return torture_keeps(number) ? SIG_DFL : real(number, handler);
}

int
sigaction(int number, const struct sigaction *action, struct sigaction *ret_old)
{
    REAL(sigaction)
    return real(number, torture_keeps(number) ? NULL : action, ret_old);
}

/* These answer with the error. */
int
posix_spawn(pid_t *ret_pid, const char *path, const posix_spawn_file_actions_t *actions,
            const posix_spawnattr_t *attributes, char *const argv[], char *const environment[])
{
    REAL(posix_spawn)
    return torture_fails(PROCESS, "posix_spawn") ? EAGAIN
                                                 : real(ret_pid, path, actions, attributes, argv, environment);
}

int
pthread_create(pthread_t *ret_thread, const pthread_attr_t *attributes, void *(*run)(void *), void *data)
{
    REAL(pthread_create)
    return torture_fails(PROCESS, "pthread_create") ? EAGAIN : real(ret_thread, attributes, run, data);
}

static void *
map(void *(*real)(void *, size_t, int, int, int, off_t), void *address, size_t len, int protection, int flags, int fd,
    off_t at)
{
    return torture_fails(TORTURE_BIT(TORTURE_ALLOC), "mmap") ? MAP_FAILED
                                                             : real(address, len, protection, flags, fd, at);
}

void *
mmap(void *address, size_t len, int protection, int flags, int fd, off_t at)
{
    REAL(mmap)
    return map(real, address, len, protection, flags, fd, at);
}

void *
mmap64(void *address, size_t len, int protection, int flags, int fd, off64_t at)
{
    REAL(mmap64)
    return map(real, address, len, protection, flags, fd, at);
}

/* A file is closed whatever close says. */
int
close(int fd)
{
    REAL(close)
    bool failing = on_disk(fd) && torture_fails(IO, "close");
    int code = errno;
    int answer = real(fd);
    errno = failing ? code : errno;
    return failing ? -1 : answer;
}

struct dirent *
readdir(DIR *folder)
{
    REAL(readdir)
    return torture_fails(IO, "readdir") ? NULL : real(folder);
}

static mode_t
mode_of(int flags, va_list list)
{
    return flags & (O_CREAT | O_TMPFILE) ? (mode_t)va_arg(list, int) : 0;
}

int
openat(int dir, const char *path, int flags, ...)
{
    REAL(openat)
    va_list list;
    va_start(list, flags);
    mode_t mode = mode_of(flags, list);
    va_end(list);
    return torture_fails(opening(dir, path, flags), "openat") ? -1 : real(dir, path, flags, mode);
}

int
open(const char *path, int flags, ...)
{
    REAL(open)
    va_list list;
    va_start(list, flags);
    mode_t mode = mode_of(flags, list);
    va_end(list);
    return torture_fails(opening(AT_FDCWD, path, flags), "open") ? -1 : real(path, flags, mode);
}

int
open64(const char *path, int flags, ...)
{
    REAL(open64)
    va_list list;
    va_start(list, flags);
    mode_t mode = mode_of(flags, list);
    va_end(list);
    return torture_fails(opening(AT_FDCWD, path, flags), "open64") ? -1 : real(path, flags, mode);
}

/* openat2 and pidfd_open have no function of their own. */
long
syscall(long number, ...)
{
    REAL(syscall)
    long a[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++) {
        a[i] = va_arg(list, long);
    }
    va_end(list);
    unsigned kinds = number == SYS_pidfd_open ? PROCESS : 0;
    if (number == SYS_openat2) {
        kinds = opening((int)a[0], (const char *)a[1], (int)((const struct open_how *)a[2])->flags);
    }
    return kinds && torture_fails(kinds, "syscall") ? -1 : real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

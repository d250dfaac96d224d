/* SPDX-License-Identifier: Apache-2.0 */
/* The seam: the only way from the host to clock, randomness, files and processes. Passed explicitly; tests and the
 * simulator put their own tables here. Each member answers as its system call does: -1 with errno, or a value.
 * tools/lint/layers refuses these system calls anywhere but in seam.c and in the separate programs. */
#ifndef VH_SEAM_H
#define VH_SEAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/stat.h>

struct vh_seam {
    void *data;

    /* clock */
    int64_t (*monotonic_ns)(void *data);
    int64_t (*wall_us)(void *data); /* UTC since 1970 */

    /* random bytes for keys and ids; 0 or -1 */
    int (*random)(void *data, void *bytes, size_t len);

    /* files; `dir` is a directory descriptor or AT_FDCWD */
    int (*open)(void *data, int dir, const char *path, int flags, mode_t mode);
    /* As open, by openat2: never leaves `dir`, follows no magic link, and with `no_links` no symbolic link at all. */
    int (*open_beneath)(void *data, int dir, const char *path, int flags, mode_t mode, int no_links);
    int (*close)(void *data, int fd);
    ssize_t (*read)(void *data, int fd, void *bytes, size_t len);
    ssize_t (*write)(void *data, int fd, const void *bytes, size_t len);
    ssize_t (*pread)(void *data, int fd, void *bytes, size_t len, off_t at);
    ssize_t (*pwrite)(void *data, int fd, const void *bytes, size_t len, off_t at);
    int (*sync)(void *data, int fd); /* file or directory */
    int (*truncate)(void *data, int fd, off_t len);
    int (*stat)(void *data, int dir, const char *path, struct stat *ret_stat, int flags);
    int (*fstat)(void *data, int fd, struct stat *ret_stat);
    int (*mkdir)(void *data, int dir, const char *path, mode_t mode);
    int (*rename)(void *data, int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
    int (*unlink)(void *data, int dir, const char *path, int flags);
    int (*link)(void *data, int from_dir, const char *from, int to_dir, const char *to);
    int (*symlink)(void *data, const char *target, int dir, const char *path);
    ssize_t (*readlink)(void *data, int dir, const char *path, char *bytes, size_t size);
    int (*chmod)(void *data, int dir, const char *path, mode_t mode);
    int (*utimens)(void *data, int dir, const char *path, const struct timespec times[2]);
    int (*chown)(void *data, int dir, const char *path, uid_t uid, gid_t gid); /* not through links */
    int (*mknod)(void *data, int dir, const char *path, mode_t mode, dev_t device);
    int (*sync_all)(void *data, int fd); /* the whole file system that holds fd */
    ssize_t (*get_attribute)(void *data, int fd, const char *name, void *bytes, size_t size);
    int (*lock)(void *data, int fd, int exclusive); /* whole file, without waiting; 0 or -1 */

    /* processes: programs of our own (launcher, zygote), started by posix_spawn; fds[i] becomes descriptor 3 + i */
    int (*spawn)(void *data, const char *path, char *const argv[], const int *fds, size_t fd_count, pid_t *ret_pid);
    int (*kill)(void *data, pid_t pid, int signal);
    pid_t (*wait)(void *data, pid_t pid, int *ret_status, int options);
    int (*kill_pidfd)(void *data, int pidfd, int signal);
    int (*pin)(void *data, pid_t pid, int cpu); /* keep a process on one processor */

    /* named crash places in shipped code: tests stop the process here */
    void (*place)(void *data, const char *name);
};

/* The real one. Reads VIV_CRASH_AT ("name" or "name:n") once; that only ever kills this process. */
const struct vh_seam *vh_seam_real(void);

/* Mark a place where a crash must be survived. */
#define VH_PLACE(seam, name) (seam)->place((seam)->data, name)

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void
stop(const char *what, const char *path)
{
    fprintf(stderr, "scratch: cannot %s '%s': %s\n", what, path, strerror(errno));
    abort();
}

void
scratch_make(struct scratch *scratch)
{
    const char *below = getenv("TMPDIR");
    snprintf(scratch->path, sizeof scratch->path, "%s/viv-test-XXXXXX", below && *below ? below : "/tmp");
    if (!mkdtemp(scratch->path)) {
        stop("make", scratch->path);
    }
    scratch->fd = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (scratch->fd < 0) {
        stop("open", scratch->path);
    }
}

static int
open_up(const char *path, const struct stat *stat, int kind, struct FTW *where)
{
    (void)where;
    if (kind == FTW_DNR || (kind == FTW_D && (stat->st_mode & 0700) != 0700)) {
        (void)chmod(path, 0700);
    }
    return 0;
}

static int
remove_one(const char *path, const struct stat *stat, int kind, struct FTW *where)
{
    (void)stat;
    (void)kind;
    (void)where;
    return remove(path);
}

/* Trees may be deeper than a path is long. */
static int
remove_deep(const char *path)
{
    union {
        const char *from;
        char *to;
    } words[] = { { "rm" }, { "-rf" }, { "--" }, { path }, { NULL } };
    char *const argv[] = { words[0].to, words[1].to, words[2].to, words[3].to, NULL };
    int code = -1;
    pid_t pid = 0;
    return posix_spawnp(&pid, "rm", NULL, NULL, argv, environ) || waitpid(pid, &code, 0) != pid || code ? -1 : 0;
}

void
scratch_clear(const char *path)
{
    (void)nftw(path, open_up, 32, FTW_PHYS);
    if (nftw(path, remove_one, 32, FTW_PHYS | FTW_DEPTH) && remove_deep(path)) {
        stop("remove", path);
    }
}

void
scratch_remove(struct scratch *scratch)
{
    close(scratch->fd);
    scratch_clear(scratch->path);
}

void
scratch_write(const struct scratch *scratch, const char *path, const char *text)
{
    int fd = openat(scratch->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    size_t len = strlen(text);
    if (fd < 0 || write(fd, text, len) != (ssize_t)len || close(fd)) {
        stop("write", path);
    }
}

bool
scratch_read(const struct scratch *scratch, const char *path, char *ret_text, size_t size)
{
    int fd = openat(scratch->fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t got = read(fd, ret_text, size - 1);
    if (got < 0) {
        stop("read", path);
    }
    ret_text[got] = '\0';
    close(fd);
    return true;
}

size_t
scratch_count(const struct scratch *scratch, const char *path)
{
    int fd = openat(scratch->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    size_t count = 0;
    if (!folder) {
        stop("list", path);
    }
    while (readdir(folder)) {
        count++;
    }
    closedir(folder);
    return count - 2;
}

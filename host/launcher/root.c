/* SPDX-License-Identifier: Apache-2.0 */
/* The task's root, in order. Without a plan yet: an empty tmpfs -> system folders read-only ->
 * made-up /etc -> /dev -> /proc. With it: layers are opened -> private home and /tmp -> the
 * workspace -> extra binds -> the root is entered, what was outside is let go of -> read-only.
 * Nothing of the user's home, the vivarium home, keys or sockets is ever in it. The overlay is in
 * workspace.c. */
#include "root.h"
#include "step.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char *const system_folders[] = {"bin", "sbin", "lib", "lib32", "lib64", "libx32"};
static const char *const etc_binds[] = {"/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf",
                                        "/etc/ld.so.conf.d"};
static const char *const devices[] = {"null", "zero", "full", "random", "urandom"};
static const char *const root_only[] = {"proc/kcore",       "proc/kmsg",        "proc/kpagecount",
                                        "proc/kpageflags",  "proc/kpagecgroup", "proc/slabinfo",
                                        "proc/vmallocinfo", "proc/timer_list"};
static const char *const links[][2] = {
    {"/proc/self/fd", "dev/fd"},
    {"/proc/self/fd/0", "dev/stdin"},
    {"/proc/self/fd/1", "dev/stdout"},
    {"/proc/self/fd/2", "dev/stderr"},
    {"/tmp", "dev/shm"},
    {"/tmp", "var/tmp"},
};
static const char *const folders[] = {"etc", "dev", "proc", "home", "tmp",
                                      "run", "var", "work", "usr"};
static const char *const made_files[][2] = {
    {"etc/passwd", "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n"
                   "task:x:1000:1000:task:/home/task:/bin/sh\n"
                   "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"},
    {"etc/group", "root:x:0:\ntask:x:1000:\nnogroup:x:65534:\n"},
    {"etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"},
    {"etc/hosts", "127.0.0.1 localhost vivarium\n::1 localhost\n"},
};

int
root_tree(const char *source, uint64_t attributes)
{
    /* Nothing mounted outside later may show up inside. */
    struct mount_attr attr = {.attr_set = attributes, .propagation = MS_PRIVATE};
    int tree = open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (tree >= 0 && mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr)) {
        int error = errno;
        close(tree);
        errno = error;
        return -1;
    }
    return tree;
}

/* Put a detached tree at `target`, relative to the new root, and let go of it. */
static int
place(int tree, const char *target)
{
    if (tree < 0) {
        return -1;
    }
    int code = move_mount(tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH);
    int error = errno;
    close(tree);
    errno = error;
    return code;
}

static int
make_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) {
        return -1;
    }
    ssize_t put = write(fd, text, strlen(text));
    close(fd);
    return put == (ssize_t)strlen(text) ? 0 : -1;
}

static int
make_empty(const char *path, mode_t like)
{
    return S_ISDIR(like) ? mkdir(path, 0755) : make_file(path, "");
}

#define READ_ONLY (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)

/* /bin and its like are links into /usr, or folders of their own, or absent: show them as they are.
 */
static int
system_folder(const char *name)
{
    char source[32];
    char target[64];
    struct stat stat;
    snprintf(source, sizeof source, "/%s", name);
    if (lstat(source, &stat)) {
        return errno == ENOENT ? 0 : -1;
    }
    if (!S_ISLNK(stat.st_mode)) {
        return S_ISDIR(stat.st_mode) && mkdir(name, 0755) == 0
                   ? place(root_tree(source, READ_ONLY), name)
                   : -1;
    }
    ssize_t len = readlink(source, target, sizeof target - 1);
    if (len < 0) {
        return -1;
    }
    target[len] = '\0';
    return symlink(target, name);
}

static int
fill_system(struct keeper *keeper)
{
    if (step_fails(STEP_SYSTEM) || place(root_tree("/usr", READ_ONLY), "usr")) {
        return step_refuse(&keeper->ready, STEP_SYSTEM, "/usr");
    }
    for (size_t i = 0; i < sizeof system_folders / sizeof *system_folders; i++) {
        if (system_folder(system_folders[i])) {
            return step_refuse(&keeper->ready, STEP_SYSTEM, system_folders[i]);
        }
    }
    for (size_t i = 0; i < sizeof etc_binds / sizeof *etc_binds; i++) {
        struct stat stat;
        if (lstat(etc_binds[i], &stat) || S_ISLNK(stat.st_mode)) {
            continue; /* not everywhere, and needed only where it is */
        }
        if (make_empty(etc_binds[i] + 1, stat.st_mode) ||
            place(root_tree(etc_binds[i], READ_ONLY), etc_binds[i] + 1)) {
            return step_refuse(&keeper->ready, STEP_SYSTEM, etc_binds[i]);
        }
    }
    for (size_t i = 0; i < sizeof made_files / sizeof *made_files; i++) {
        if (make_file(made_files[i][0], made_files[i][1])) {
            return step_refuse(&keeper->ready, STEP_SYSTEM, made_files[i][0]);
        }
    }
    return 0;
}

static int
fill_dev(struct keeper *keeper)
{
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        char source[32];
        struct stat stat;
        snprintf(source, sizeof source, "/dev/%s", devices[i]);
        if (step_fails(STEP_DEV) || ((lstat(source, &stat) || !S_ISCHR(stat.st_mode)) && i == 0)) {
            return step_refuse(&keeper->ready, STEP_DEV, source);
        }
        if (lstat(source, &stat) || !S_ISCHR(stat.st_mode)) {
            continue; /* a bare root may lack it; only null cannot be done without */
        }
        if (make_file(source + 1, "") ||
            place(root_tree(source, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC), source + 1)) {
            return step_refuse(&keeper->ready, STEP_DEV, source);
        }
    }
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        if (symlink(links[i][0], links[i][1])) {
            return step_refuse(&keeper->ready, STEP_DEV, links[i][1]);
        }
    }
    return 0;
}

/* Since 6.14 each pid namespace has a bound of its own; before, writing would change the whole
 * machine's. */
static bool
pid_bound_is_ours(void)
{
    struct utsname name;
    int major = 0;
    int minor = 0;
    return uname(&name) == 0 && sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
           (major > 6 || (major == 6 && minor >= 14));
}

static void
bound_processes(struct keeper *keeper)
{
    char text[24];
    uint64_t most = keeper->plan.processes < 512 ? 512 : keeper->plan.processes;
    int fd = pid_bound_is_ours() ? open("proc/sys/kernel/pid_max", O_WRONLY | O_CLOEXEC) : -1;
    if (fd < 0) {
        return;
    }
    snprintf(text, sizeof text, "%llu", (unsigned long long)most);
    if (write(fd, text, strlen(text)) == (ssize_t)strlen(text)) {
        keeper->ready.bits |= VW_PROCESSES;
    }
    close(fd);
}

static int
mount_proc(struct keeper *keeper)
{
    if (step_fails(STEP_PROC) ||
        mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL)) {
        return step_refuse(&keeper->ready, STEP_PROC, NULL);
    }
    return 0;
}

/* Read-only as a whole: without a user namespace, or mapped from root, the task owns /proc/sys.
 * What only root may read there is then its to read as well, so it is covered. */
static int
close_proc(struct keeper *keeper)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    bound_processes(keeper);
    if (mount_setattr(AT_FDCWD, "proc", 0, &attr, sizeof attr)) {
        return step_refuse(&keeper->ready, STEP_PROC, "read-only");
    }
    for (size_t i = 0; keeper->uid == 0 && i < sizeof root_only / sizeof *root_only; i++) {
        if (access(root_only[i], F_OK) == 0 &&
            mount("dev/null", root_only[i], NULL, MS_BIND, NULL)) {
            return step_refuse(&keeper->ready, STEP_PROC, root_only[i]);
        }
    }
    return 0;
}

static int
fill_tmp(struct keeper *keeper)
{
    char options[96];
    snprintf(options, sizeof options, "mode=755,nr_inodes=262144,size=%llu",
             (unsigned long long)keeper->plan.tmp_bytes);
    if (step_fails(STEP_TMP) || mount("tmpfs", "home", "tmpfs", MS_NOSUID | MS_NODEV, options) ||
        mkdir("home/task", 0700) || mkdir("home/tmp", 0700) || chmod("home/tmp", 01777) ||
        mount("home/tmp", "tmp", NULL, MS_BIND, NULL)) {
        return step_refuse(&keeper->ready, STEP_TMP, NULL);
    }
    return 0;
}

/* Any folder does that is always there and holds nothing that a plan could name. */
static int
make_skeleton(struct keeper *keeper)
{
    if (step_fails(STEP_ROOT) ||
        mount("tmpfs", "/proc", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,nr_inodes=1024,size=2m") ||
        chdir("/proc")) {
        return step_refuse(&keeper->ready, STEP_ROOT, "/proc");
    }
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        if (mkdir(folders[i], 0755)) {
            return step_refuse(&keeper->ready, STEP_ROOT, folders[i]);
        }
    }
    return 0;
}

static int
enter_root(struct keeper *keeper)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    if (keeper->variant == VW_FULL) {
        if (step_fails(STEP_PIVOT) || syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH)) {
            return step_refuse(&keeper->ready, STEP_PIVOT, NULL);
        }
        keeper->ready.bits |= VW_PIVOT;
    } else {
        if (step_fails(STEP_CHROOT) || chroot(".")) {
            return step_refuse(&keeper->ready, STEP_CHROOT, NULL);
        }
        keeper->ready.bits |= VW_CHROOT;
    }
    if (chdir("/") || step_fails(STEP_READ_ONLY) ||
        mount_setattr(AT_FDCWD, "/", 0, &attr, sizeof attr)) {
        return step_refuse(&keeper->ready, STEP_READ_ONLY, NULL);
    }
    keeper->root = open("/work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    keeper->null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (keeper->root < 0 || keeper->null < 0) {
        return step_refuse(&keeper->ready, STEP_ROOT, "the workspace");
    }
    return 0;
}

static int
make_own_root(struct keeper *keeper)
{
    struct root_sources sources;
    snprintf(keeper->path, sizeof keeper->path, "/work");
    snprintf(keeper->home, sizeof keeper->home, "/home/task");
    snprintf(keeper->tmp, sizeof keeper->tmp, "/tmp");
    if (root_open_sources(keeper, &sources) || fill_tmp(keeper) || root_overlay(keeper, &sources) ||
        close_proc(keeper) || root_bind(keeper)) {
        return -1;
    }
    return enter_root(keeper);
}

/* reduced-copy: the copy stays where it is; what a namespace would give is two folders in scratch.
 */
static int
use_copy(struct keeper *keeper)
{
    const struct plan *plan = &keeper->plan;
    if (strlen(plan->copy) >= sizeof keeper->path || strlen(plan->scratch) >= KEEPER_PATH_MAX - 8) {
        errno = ENAMETOOLONG;
        return step_refuse(&keeper->ready, STEP_COPY, NULL);
    }
    snprintf(keeper->path, sizeof keeper->path, "%s", plan->copy);
    snprintf(keeper->home, sizeof keeper->home, "%s/home", plan->scratch);
    snprintf(keeper->tmp, sizeof keeper->tmp, "%s/tmp", plan->scratch);
    if (step_fails(STEP_COPY) || (mkdir(keeper->home, 0700) && errno != EEXIST) ||
        (mkdir(keeper->tmp, 0700) && errno != EEXIST)) {
        return step_refuse(&keeper->ready, STEP_COPY, keeper->plan.scratch);
    }
    for (size_t i = 0; i < plan->bind_count; i++) {
        if (plan->binds[i].target[0] != '/') {
            errno = EOPNOTSUPP;
            return step_refuse(&keeper->ready, STEP_BINDS, plan->binds[i].target);
        }
    }
    keeper->root = open(plan->copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    keeper->null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (keeper->root < 0 || keeper->null < 0) {
        return step_refuse(&keeper->ready, STEP_COPY, plan->copy);
    }
    keeper->proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (step_fails(STEP_PROC) || keeper->proc < 0 || faccessat(keeper->proc, "self/stat", R_OK, 0)) {
        return step_refuse(&keeper->ready, STEP_PROC, "needed to find the task's processes");
    }
    return 0;
}

int
root_prepare(struct keeper *keeper)
{
    if (keeper->variant == VW_REDUCED_COPY) {
        return 0;
    }
    return make_skeleton(keeper) || fill_system(keeper) || fill_dev(keeper) || mount_proc(keeper)
               ? -1
               : 0;
}

int
root_make(struct keeper *keeper)
{
    return keeper->variant == VW_REDUCED_COPY ? use_copy(keeper) : make_own_root(keeper);
}

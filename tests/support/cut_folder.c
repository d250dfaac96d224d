/* SPDX-License-Identifier: Apache-2.0 */
/* The seam that writes down. */
#include "cut_folder.h"
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "cut_record.h"

static const struct vh_seam *
real(void)
{
    return vh_seam_real();
}

/* ---- where something is ---- */

struct place {
    int dir; /* node; NONE: outside of the folder */
    char text[NAME_SIZE];
    int node; /* what stands there; NONE: nothing */
};

static struct place
place_of(const struct cut_folder *cut, int dir, const char *path)
{
    struct place place = {.dir = NONE, .node = NONE};
    char parent[512];
    struct stat stat;
    const char *slash = strrchr(path, '/');
    const char *text = slash ? slash + 1 : path;
    snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    if (!cut->record || strlen(text) >= NAME_SIZE || fstatat(dir, parent, &stat, 0)) {
        return place;
    }
    place.dir = cut_node_find(cut->record, stat.st_ino);
    snprintf(place.text, sizeof place.text, "%s", text);
    int found = place.dir >= 0 ? cut_names_find(&cut->record->now, place.dir, text) : NONE;
    place.node = found >= 0 ? cut->record->now.name[found].node : NONE;
    return place;
}

static int
node_of(const struct cut_folder *cut, int fd)
{
    struct stat stat;
    return cut->record && fstat(fd, &stat) == 0 ? cut_node_find(cut->record, stat.st_ino) : NONE;
}

/* ---- before and after a call ---- */

bool
cut_folder_is_dead(const struct cut_folder *cut)
{
    return cut->record && cut->dies_at && cut->record->count >= cut->dies_at;
}

/* Whether there is power and life; somebody else's moment comes first. */
static bool
goes(struct cut_folder *cut)
{
    if ((cut->dark && cut->dark()) || cut_folder_is_dead(cut)) {
        errno = EIO;
        return false;
    }
    if (cut->record && cut->edit_at && cut->record->count >= cut->edit_at) {
        cut->edit_at = 0;
        cut->edit(cut->edit_data);
        cut_folder_outside(cut);
    }
    return true;
}

static struct swap
swap_of(const struct place *place, int node)
{
    struct swap swap = {.name = {.dir = place->dir, .node = node}, .old = place->node};
    memcpy(swap.name.text, place->text, sizeof swap.name.text);
    return swap;
}

static void
name_changes(struct cut_folder *cut, const struct place *place, int node)
{
    if (place->dir >= 0) {
        struct operation operation = {
            .action = ACT_NAMES, .swap = {swap_of(place, node)}, .swaps = 1};
        cut_write_down(cut->record, &operation);
    }
}

/* A new file, folder or link stands at `place`. */
static void
is_made(struct cut_folder *cut, const struct place *place, int dir, const char *path,
        const char *target)
{
    struct stat stat;
    if (place->dir < 0 || fstatat(dir, path, &stat, AT_SYMLINK_NOFOLLOW)) {
        return;
    }
    int node = cut_node_add(cut->record, stat.st_mode, stat.st_ino);
    struct node *made = &cut->record->node[node];
    made->device = stat.st_rdev;
    if (target) {
        made->base = cut_bytes(target, strlen(target));
        made->now = cut_bytes(target, strlen(target));
    }
    if (S_ISREG(stat.st_mode)) {
        char vault[224];
        snprintf(vault, sizeof vault, "%s/%llu", cut->vault, (unsigned long long)stat.st_ino);
        made->vault = linkat(dir, path, AT_FDCWD, vault, 0) == 0;
    }
    name_changes(cut, place, node);
}

/* ---- calls ---- */

static int
opened(struct cut_folder *cut, const struct place *place, int dir, const char *path, int flags,
       int fd)
{
    int code = errno;
    if (fd >= 0 && flags & O_CREAT && place->node == NONE) {
        is_made(cut, place, dir, path, NULL);
    } else if (fd >= 0 && flags & O_TRUNC && place->node >= 0) {
        cut_write_down(cut->record,
                       &(struct operation){.action = ACT_TRUNCATE, .node = place->node});
    }
    errno = code;
    return fd;
}

static int
open_file(void *data, int dir, const char *path, int flags, mode_t mode)
{
    struct cut_folder *cut = data;
    if (!(flags & (O_CREAT | O_TRUNC))) {
        return real()->open(real()->data, dir, path, flags, mode);
    }
    if (!goes(cut)) {
        return -1;
    }
    struct place place = place_of(cut, dir, path);
    return opened(cut, &place, dir, path, flags,
                  real()->open(real()->data, dir, path, flags, mode));
}

static int
open_beneath(void *data, int dir, const char *path, int flags, mode_t mode, int no_links)
{
    struct cut_folder *cut = data;
    if (!(flags & (O_CREAT | O_TRUNC))) {
        return real()->open_beneath(real()->data, dir, path, flags, mode, no_links);
    }
    if (!goes(cut)) {
        return -1;
    }
    struct place place = place_of(cut, dir, path);
    return opened(cut, &place, dir, path, flags,
                  real()->open_beneath(real()->data, dir, path, flags, mode, no_links));
}

static void
wrote(struct cut_folder *cut, int fd, const void *bytes, ssize_t len, off_t at)
{
    int node = len > 0 ? node_of(cut, fd) : NONE;
    if (node >= 0) {
        union {
            const void *from;
            char *to;
        } both = {bytes}; /* only read */
        cut_write_down(cut->record, &(struct operation){.action = ACT_WRITE,
                                                        .node = node,
                                                        .at = (size_t)at,
                                                        .bytes = {both.to, (size_t)len}});
    }
}

static ssize_t
write_file(void *data, int fd, const void *bytes, size_t len)
{
    if (!goes(data)) {
        return -1;
    }
    ssize_t put = real()->write(real()->data, fd, bytes, len);
    wrote(data, fd, bytes, put, put > 0 ? lseek(fd, 0, SEEK_CUR) - put : 0);
    return put;
}

static ssize_t
pwrite_file(void *data, int fd, const void *bytes, size_t len, off_t at)
{
    if (!goes(data)) {
        return -1;
    }
    ssize_t put = real()->pwrite(real()->data, fd, bytes, len, at);
    wrote(data, fd, bytes, put, at);
    return put;
}

/* Nothing here outlives the test: the disk itself need not be bothered. */
static int
sync_file(void *data, int fd)
{
    struct cut_folder *cut = data;
    if (!goes(cut)) {
        return -1;
    }
    int node = node_of(cut, fd);
    if (node >= 0) {
        cut_write_down(cut->record, &(struct operation){.action = ACT_SYNC, .node = node});
    }
    return 0;
}

static int
sync_all(void *data, int fd)
{
    struct cut_folder *cut = data;
    (void)fd;
    if (!goes(cut)) {
        return -1;
    }
    if (cut->record) {
        cut_write_down(cut->record, &(struct operation){.action = ACT_SYNC_ALL});
    }
    return 0;
}

static int
truncate_file(void *data, int fd, off_t len)
{
    struct cut_folder *cut = data;
    if (!goes(cut) || real()->truncate(real()->data, fd, len)) {
        return -1;
    }
    int node = node_of(cut, fd);
    if (node >= 0) {
        cut_write_down(cut->record, &(struct operation){
                                        .action = ACT_TRUNCATE, .node = node, .at = (size_t)len});
    }
    return 0;
}

static int
make_folder(void *data, int dir, const char *path, mode_t mode)
{
    if (!goes(data)) {
        return -1;
    }
    struct place place = place_of(data, dir, path);
    int failed = real()->mkdir(real()->data, dir, path, mode);
    if (!failed) {
        is_made(data, &place, dir, path, NULL);
    }
    return failed;
}

static int
rename_path(void *data, int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    struct cut_folder *cut = data;
    if (!goes(cut)) {
        return -1;
    }
    struct place a = place_of(cut, from_dir, from);
    struct place b = place_of(cut, to_dir, to);
    int failed = real()->rename(real()->data, from_dir, from, to_dir, to, flags);
    if (!failed && a.dir >= 0 && b.dir >= 0) {
        struct operation operation = {
            .action = ACT_NAMES,
            .swap = {swap_of(&a, flags & RENAME_EXCHANGE ? b.node : NONE), swap_of(&b, a.node)},
            .swaps = 2,
        };
        cut_write_down(cut->record, &operation);
    }
    return failed;
}

static int
unlink_path(void *data, int dir, const char *path, int flags)
{
    if (!goes(data)) {
        return -1;
    }
    struct place place = place_of(data, dir, path);
    int failed = real()->unlink(real()->data, dir, path, flags);
    if (!failed) {
        name_changes(data, &place, NONE);
    }
    return failed;
}

static int
link_path(void *data, int from_dir, const char *from, int to_dir, const char *to)
{
    if (!goes(data)) {
        return -1;
    }
    struct place a = place_of(data, from_dir, from);
    struct place b = place_of(data, to_dir, to);
    int failed = real()->link(real()->data, from_dir, from, to_dir, to);
    if (!failed && a.node >= 0) {
        name_changes(data, &b, a.node);
    }
    return failed;
}

static int
symlink_path(void *data, const char *target, int dir, const char *path)
{
    if (!goes(data)) {
        return -1;
    }
    struct place place = place_of(data, dir, path);
    int failed = real()->symlink(real()->data, target, dir, path);
    if (!failed) {
        is_made(data, &place, dir, path, target);
    }
    return failed;
}

static int
make_node(void *data, int dir, const char *path, mode_t mode, dev_t device)
{
    if (!goes(data)) {
        return -1;
    }
    struct place place = place_of(data, dir, path);
    int failed = real()->mknod(real()->data, dir, path, mode, device);
    if (!failed) {
        is_made(data, &place, dir, path, NULL);
    }
    return failed;
}

static int
change_mode(void *data, int dir, const char *path, mode_t mode)
{
    struct cut_folder *cut = data;
    struct stat stat;
    if (!goes(cut) || real()->chmod(real()->data, dir, path, mode)) {
        return -1;
    }
    int node = cut->record && fstatat(dir, path, &stat, 0) == 0
                   ? cut_node_find(cut->record, stat.st_ino)
                   : NONE;
    if (node >= 0) {
        struct operation operation = {.action = ACT_MODE, .node = node, .mode = stat.st_mode};
        cut_write_down(cut->record, &operation);
    }
    return 0;
}

/* ---- records ---- */

struct cut_record *
cut_folder_begin(struct cut_folder *cut)
{
    cut->record = calloc(1, sizeof *cut->record);
    if (!cut->record) {
        abort();
    }
    cut_scan(cut->record, cut->root, false);
    for (size_t i = 0; i < cut->record->nodes; i++) { /* made in a record before this one */
        char vault[224];
        snprintf(vault, sizeof vault, "%s/%llu", cut->vault,
                 (unsigned long long)cut->record->node[i].ino);
        cut->record->node[i].vault = S_ISREG(cut->record->node[i].mode) && access(vault, F_OK) == 0;
    }
    return cut->record;
}

void
cut_folder_stop(struct cut_folder *cut)
{
    cut->record = NULL;
}

void
cut_folder_outside(struct cut_folder *cut)
{
    if (cut->record) {
        cut_scan(cut->record, cut->root, true);
    }
}

void
cut_folder_in_memory(void)
{
    if (access("/dev/shm", W_OK) == 0) {
        (void)setenv("TMPDIR", "/dev/shm", 0); /* else where it was */
    }
}

void
cut_folder_init(struct cut_folder *cut, const char *root, const struct vh_seam *under)
{
    *cut = (struct cut_folder){.seam = *under};
    snprintf(cut->root, sizeof cut->root, "%s", root);
    snprintf(cut->vault, sizeof cut->vault, "%s.vault", root);
    if (mkdir(cut->vault, 0700)) {
        cut_fail("make", cut->vault);
    }
    cut->seam.data = cut;
    cut->seam.open = open_file;
    cut->seam.open_beneath = open_beneath;
    cut->seam.write = write_file;
    cut->seam.pwrite = pwrite_file;
    cut->seam.sync = sync_file;
    cut->seam.sync_all = sync_all;
    cut->seam.truncate = truncate_file;
    cut->seam.mkdir = make_folder;
    cut->seam.rename = rename_path;
    cut->seam.unlink = unlink_path;
    cut->seam.link = link_path;
    cut->seam.symlink = symlink_path;
    cut->seam.mknod = make_node;
    cut->seam.chmod = change_mode;
}

void
cut_folder_forget(struct cut_folder *cut)
{
    if (vh_fs_remove_tree(real(), AT_FDCWD, cut->vault, NULL) || mkdir(cut->vault, 0700)) {
        cut_fail("empty", cut->vault);
    }
}

void
cut_folder_end(struct cut_folder *cut)
{
    scratch_clear(cut->vault);
}

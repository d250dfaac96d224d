/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the real folder what a cut left. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "cut_record.h"

struct leaving {
    const struct cut_folder *cut;
    const struct cut_record *record;
    const struct cut_left *left;
    bool *rewritten; /* nodes whose file in the vault has its bytes */
};

static void
write_bytes(int dir, const char *name, const struct bytes *bytes, mode_t mode)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || (bytes->len && write(fd, bytes->data, bytes->len) != (ssize_t)bytes->len) ||
        fchmod(fd, mode & 07777)) {
        cut_fail("write", name);
    }
    close(fd);
}

static bool
has_bytes(int dir, const char *name, const struct stat *stat, const struct bytes *bytes)
{
    struct bytes there;
    if ((size_t)stat->st_size != bytes->len) {
        return false;
    }
    bool same = cut_read(dir, name, stat->st_mode, bytes->len, &there) &&
                (!bytes->len || memcmp(there.data, bytes->data, bytes->len) == 0);
    free(there.data);
    return same;
}

static void
leave_file(struct leaving *leaving, int dir, const char *name, int which)
{
    const struct node *node = &leaving->record->node[which];
    const struct bytes *bytes = &leaving->left->content[which];
    mode_t mode = leaving->left->mode[which];
    struct stat stat;
    bool there = fstatat(dir, name, &stat, AT_SYMLINK_NOFOLLOW) == 0;
    if (!node->vault) {
        if (there && S_ISREG(stat.st_mode) && stat.st_nlink == 1 &&
            has_bytes(dir, name, &stat, bytes)) {
            if ((stat.st_mode & 07777) != (mode & 07777) && fchmodat(dir, name, mode & 07777, 0)) {
                cut_fail("set the mode of", name);
            }
            return;
        }
        (void)vh_fs_remove_tree(vh_seam_real(), dir, name, NULL); /* writing tells */
        write_bytes(dir, name, bytes, mode);
        return;
    }
    char vault[224];
    snprintf(vault, sizeof vault, "%s/%llu", leaving->cut->vault, (unsigned long long)node->ino);
    if (!leaving->rewritten[which]) {
        write_bytes(AT_FDCWD, vault, bytes, mode);
        leaving->rewritten[which] = true;
    }
    if (!there || stat.st_ino != node->ino) {
        (void)vh_fs_remove_tree(vh_seam_real(), dir, name, NULL); /* linking tells */
        if (linkat(AT_FDCWD, vault, dir, name, 0)) {
            cut_fail("link", name);
        }
    }
}

static void
leave_other(struct leaving *leaving, int dir, const char *name, int which)
{
    const struct node *node = &leaving->record->node[which];
    (void)vh_fs_remove_tree(vh_seam_real(), dir, name, NULL); /* making it anew tells */
    int failed = S_ISLNK(node->mode) ? symlinkat(node->base.data ? node->base.data : "", dir, name)
                                     : mknodat(dir, name, node->mode, node->device);
    if (failed) {
        cut_fail("make", name);
    }
}

/* Folders one below another are walked by their depth in names, which tests keep small. Closes
 * `dir`. */
static void
leave_folder(struct leaving *leaving, int dir, int which)
{
    const struct names *names = &leaving->left->names;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_fs_names there = {0};
    if (dir < 0 || vh_fs_list(vh_seam_real(), arena, dir, ".", &there, NULL)) {
        cut_fail("list", "a folder");
    }
    for (size_t i = 0; i < there.count; i++) {
        if (cut_names_find(names, which, there.name[i]) < 0 &&
            vh_fs_remove_tree(vh_seam_real(), dir, there.name[i], NULL)) {
            cut_fail("remove", there.name[i]);
        }
    }
    for (size_t i = 0; i < names->count; i++) {
        const char *text = names->name[i].text;
        int node = names->name[i].node;
        mode_t mode = leaving->record->node[node].mode;
        if (names->name[i].dir != which) {
            continue;
        }
        if (S_ISREG(mode)) {
            leave_file(leaving, dir, text, node);
        } else if (!S_ISDIR(mode)) {
            leave_other(leaving, dir, text, node);
        } else {
            struct stat stat;
            if (fstatat(dir, text, &stat, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(stat.st_mode)) {
                (void)unlinkat(dir, text, 0); /* making the folder tells */
            }
            if (mkdirat(dir, text, 0700) && errno != EEXIST) {
                cut_fail("make folder", text);
            }
            if (fchmodat(dir, text, leaving->left->mode[node] & 07777, 0)) {
                cut_fail("set the mode of", text);
            }
            leave_folder(leaving,
                         openat(dir, text, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), node);
        }
    }
    vh_arena_destroy(arena);
    close(dir);
}

void
cut_folder_cut(struct cut_folder *cut, const struct cut_record *record, uint64_t at, uint64_t seed)
{
    struct cut_left left;
    cut_left_make(&left, record, at, seed);
    struct leaving leaving = {cut, record, &left,
                              calloc(record->nodes + 1, sizeof *leaving.rewritten)};
    if (!leaving.rewritten) {
        abort();
    }
    leave_folder(&leaving, open(cut->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), 0);
    free(leaving.rewritten);
    cut_left_free(&left, record);
}

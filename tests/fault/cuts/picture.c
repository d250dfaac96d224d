/* SPDX-License-Identifier: Apache-2.0 */
#include "picture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"

static void
look_at(struct picture *picture, int dir, const char *name, const char *path)
{
    struct stat stat;
    struct file *file = &picture->file[picture->count++];
    if (picture->count > FILES_MAX || fstatat(dir, name, &stat, AT_SYMLINK_NOFOLLOW)) {
        abort();
    }
    snprintf(file->path, sizeof file->path, "%s", path);
    memset(file->text, 0, sizeof file->text);
    file->text[0] = S_ISLNK(stat.st_mode) ? 'l' : stat.st_mode & 0100 ? 'x' : 'f';
    if (S_ISLNK(stat.st_mode)) {
        (void)!readlinkat(dir, name, file->text + 1,
                          TEXT_MAX - 2); /* what is not there differs below */
        return;
    }
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    (void)!read(fd, file->text + 1, TEXT_MAX - 2); /* the same */
    close(fd);
}

static void
walk(struct picture *picture, int dir, const char *below)
{
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_fs_names names = {0};
    if (vh_fs_list(vh_seam_real(), arena, dir, ".", &names, NULL)) {
        abort();
    }
    for (size_t i = 0; i < names.count; i++) {
        const char *path =
            vh_arena_format(arena, "%s%s%s", below, *below ? "/" : "", names.name[i]);
        int folder = openat(dir, names.name[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (strcmp(path, ".git") == 0 && folder >= 0) {
            close(folder);
        } else if (folder >= 0) {
            walk(picture, folder, path);
        } else {
            look_at(picture, dir, names.name[i], path);
        }
    }
    vh_arena_destroy(arena);
    close(dir);
}

void
picture_take(const char *root, struct picture *ret_picture)
{
    ret_picture->count = 0;
    walk(ret_picture, open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), "");
}

const struct file *
picture_file(const struct picture *picture, const char *path)
{
    for (size_t i = 0; i < picture->count; i++) {
        if (strcmp(picture->file[i].path, path) == 0) {
            return &picture->file[i];
        }
    }
    return NULL;
}

/* A path of `a` that is another in `b`, or missing, leaving one path out; NULL when there is none.
 */
static const char *
missing(const struct picture *a, const struct picture *b, const char *but)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct file *other = picture_file(b, a->file[i].path);
        if ((!but || strcmp(but, a->file[i].path)) &&
            (!other || strcmp(other->text, a->file[i].text))) {
            return a->file[i].path;
        }
    }
    return NULL;
}

const char *
picture_difference(const struct picture *a, const struct picture *b, const char *but)
{
    const char *path = missing(a, b, but);
    return path ? path : missing(b, a, but);
}

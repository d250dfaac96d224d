/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at the real folder: at the beginning of a record, and after somebody else wrote. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cut_record.h"

struct scan {
    struct cut_record *record;
    bool outside;
    bool *seen; /* names of `now`, by place */
    size_t names;
    bool going; /* something was written down already */
};

bool
cut_read(int dir, const char *name, mode_t mode, size_t size, struct bytes *ret_bytes)
{
    *ret_bytes = (struct bytes){calloc(1, size + 1), size};
    if (!ret_bytes->data) {
        abort();
    }
    if (S_ISLNK(mode)) {
        return readlinkat(dir, name, ret_bytes->data, size) == (ssize_t)size;
    }
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool good = fd >= 0 && read(fd, ret_bytes->data, size) == (ssize_t)size;
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

static void
happened(struct scan *scan, struct operation operation)
{
    operation.outside = true;
    operation.first = !scan->going;
    scan->going = true;
    cut_write_down(scan->record, &operation);
}

static void
take_content(struct scan *scan, int node, struct bytes content)
{
    struct node *file = &scan->record->node[node];
    if (!scan->outside) {
        file->base = cut_bytes(content.data, content.len);
        file->now = cut_bytes(content.data, content.len);
    } else if (file->now.len != content.len ||
               (content.len && memcmp(file->now.data, content.data, content.len))) {
        happened(scan, (struct operation){.action = ACT_TRUNCATE, .node = node});
        happened(scan, (struct operation){.action = ACT_WRITE, .node = node, .bytes = content});
    }
}

static void scan_folder(struct scan *scan, int dir, int node);

static void
scan_name(struct scan *scan, int dir, int folder, const char *name)
{
    struct cut_record *record = scan->record;
    struct stat stat;
    if (fstatat(dir, name, &stat, AT_SYMLINK_NOFOLLOW)) {
        cut_fail("look at", name);
    }
    int place = cut_names_find(&record->now, folder, name);
    int node = place >= 0 ? record->now.name[place].node : NONE;
    bool same = node >= 0 && record->node[node].ino == stat.st_ino;
    if (place >= 0 && (size_t)place < scan->names) {
        scan->seen[place] = true;
    }
    if (!same) {
        struct swap swap = {
            .name = {.dir = folder, .node = cut_node_add(record, stat.st_mode, stat.st_ino)},
            .old = node};
        node = swap.name.node;
        record->node[node].device = stat.st_rdev;
        snprintf(swap.name.text, sizeof swap.name.text, "%s", name);
        if (scan->outside) {
            happened(scan, (struct operation){.action = ACT_NAMES, .swap = {swap}, .swaps = 1});
        } else {
            cut_names_set(&record->base, folder, name, node);
            cut_names_set(&record->now, folder, name, node);
        }
    }
    struct bytes content = {NULL, 0};
    if (S_ISDIR(stat.st_mode)) {
        int below = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        scan_folder(scan, below, node);
        return;
    }
    if (!S_ISREG(stat.st_mode) && !S_ISLNK(stat.st_mode)) {
        return;
    }
    if (!cut_read(dir, name, stat.st_mode, (size_t)stat.st_size, &content)) {
        cut_fail("read", name);
    }
    take_content(scan, node, content);
    free(content.data);
}

/* Closes `dir`. */
static void
scan_folder(struct scan *scan, int dir, int node)
{
    DIR *folder = dir < 0 ? NULL : fdopendir(dir);
    if (!folder) {
        cut_fail("list", "a folder");
    }
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) {
            scan_name(scan, dir, node, entry->d_name);
        }
    }
    closedir(folder);
}

void
cut_scan(struct cut_record *record, const char *root, bool outside)
{
    struct scan scan = {.record = record, .outside = outside, .names = record->now.count};
    int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat stat;
    scan.seen = calloc(scan.names + 1, sizeof *scan.seen);
    struct name *before = calloc(scan.names + 1, sizeof *before);
    if (!scan.seen || !before || dir < 0 || fstat(dir, &stat)) {
        cut_fail("open", root);
    }
    if (scan.names) {
        memcpy(before, record->now.name, scan.names * sizeof *before);
    }
    if (!record->nodes) {
        (void)cut_node_add(record, stat.st_mode, stat.st_ino);
    }
    scan_folder(&scan, dir, 0);
    for (size_t i = scan.names; outside && i-- > 0;) { /* what is gone */
        if (!scan.seen[i]) {
            struct swap swap = {.name = before[i], .old = before[i].node};
            swap.name.node = NONE;
            happened(&scan, (struct operation){.action = ACT_NAMES, .swap = {swap}, .swaps = 1});
        }
    }
    free(before);
    free(scan.seen);
}

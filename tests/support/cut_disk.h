/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the file system that can be cut: what cut_disk.c (images, plans, what a cut leaves) and cut_vfs.c (SQLite's
 * methods) share. Nobody else includes it. */
#ifndef SUPPORT_CUT_DISK_H
#define SUPPORT_CUT_DISK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define FILES_MAX 8
#define SECTOR 512
#define REGIONS_MAX 64

/* One write, or one truncation when `bytes` is NULL. */
struct change {
    struct change *next;
    int64_t at;
    int64_t len;
    unsigned char *bytes;
};

struct image {
    unsigned char *bytes;
    int64_t len;
    int64_t room;
};

struct disk_file {
    char name[128]; /* empty: no file here */
    bool durable;   /* its name has been synced */
    struct image now;
    struct image synced;
    struct change *first;
    struct change **last;
};

struct cut_disk {
    pthread_mutex_t mutex;
    struct disk_file files[FILES_MAX];
    struct disk_file kept[FILES_MAX];
    void *regions[REGIONS_MAX];
    int64_t operations;
    int64_t cut_at;
    bool cut;
    int64_t fault_at;
    int fault_code;
    bool fault_for_ever;
    char fault_kinds[8];
};

extern struct cut_disk cut_disk; /* a test's own world; the host has nothing like it */

void cut_disk_image_resize(struct image *image, int64_t len);
void cut_disk_image_write(struct image *image, const unsigned char *bytes, int64_t len, int64_t at);
void cut_disk_image_copy(struct image *to, const struct image *from);
void cut_disk_image_free(struct image *image);
void cut_disk_forget_changes(struct disk_file *file);
void cut_disk_remove_file(struct disk_file *file);
/* A write, or a truncation to `at` when `bytes` is NULL. */
void cut_disk_remember(struct disk_file *file, const void *bytes, int64_t len, int64_t at);

/* Whether this operation happens: 0, or the code it fails with. `kind` is one of w t s r d c. Under the lock. */
int cut_disk_admit(char kind, int ioerr);
/* Unlock and give the code. */
int cut_disk_leave(int code);

struct disk_file *cut_disk_find(const char *name);
struct disk_file *cut_disk_make(const char *name);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The disk of cut_vfs.h: images and changes, plans for cuts and faults, and what a cut leaves. */
#include "cut_disk.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "cut_vfs.h"

struct cut_disk cut_disk = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* ---- images ---- */

void
cut_disk_image_resize(struct image *image, int64_t len)
{
    if (len > image->room) {
        int64_t room = image->room ? image->room : 4096;
        while (room < len) {
            room *= 2;
        }
        unsigned char *bytes = realloc(image->bytes, (size_t)room);
        if (!bytes) {
            abort();
        }
        image->bytes = bytes;
        image->room = room;
    }
    if (len > image->len) {
        memset(image->bytes + image->len, 0, (size_t)(len - image->len));
    }
    image->len = len;
}

void
cut_disk_image_write(struct image *image, const unsigned char *bytes, int64_t len, int64_t at)
{
    if (at + len > image->len) {
        cut_disk_image_resize(image, at + len);
    }
    if (len) {
        memcpy(image->bytes + at, bytes, (size_t)len);
    }
}

void
cut_disk_image_copy(struct image *to, const struct image *from)
{
    cut_disk_image_resize(to, from->len);
    if (from->len) {
        memcpy(to->bytes, from->bytes, (size_t)from->len);
    }
}

void
cut_disk_image_free(struct image *image)
{
    free(image->bytes);
    *image = (struct image){ 0 };
}

void
cut_disk_forget_changes(struct disk_file *file)
{
    while (file->first) {
        struct change *next = file->first->next;
        free(file->first->bytes);
        free(file->first);
        file->first = next;
    }
    file->last = &file->first;
}

void
cut_disk_remove_file(struct disk_file *file)
{
    cut_disk_forget_changes(file);
    cut_disk_image_free(&file->now);
    cut_disk_image_free(&file->synced);
    *file = (struct disk_file){ 0 };
}

void
cut_disk_remember(struct disk_file *file, const void *bytes, int64_t len, int64_t at)
{
    struct change *change = calloc(1, sizeof *change);
    if (!change) {
        abort();
    }
    *change = (struct change){ .at = at, .len = len };
    if (bytes) {
        change->bytes = malloc((size_t)len + 1);
        if (!change->bytes) {
            abort();
        }
        memcpy(change->bytes, bytes, (size_t)len);
    }
    *file->last = change;
    file->last = &change->next;
}

/* ---- plans ---- */

/* Whether this operation happens. `kind` is one of w t s r d c. */
int
cut_disk_admit(char kind, int ioerr)
{
    if (cut_disk.cut) {
        return ioerr;
    }
    if (kind != 'r') {
        cut_disk.operations++;
        if (cut_disk.cut_at && cut_disk.operations >= cut_disk.cut_at) {
            cut_disk.cut = true;
            return ioerr;
        }
    }
    if (cut_disk.fault_at && strchr(cut_disk.fault_kinds, kind) && --cut_disk.fault_at <= 0) {
        cut_disk.fault_at = cut_disk.fault_for_ever ? 1 : 0;
        return cut_disk.fault_code;
    }
    return SQLITE_OK;
}

int
cut_disk_leave(int code)
{
    pthread_mutex_unlock(&cut_disk.mutex);
    return code;
}

struct disk_file *
cut_disk_find(const char *name)
{
    for (int i = 0; i < FILES_MAX; i++) {
        if (cut_disk.files[i].name[0] && strcmp(cut_disk.files[i].name, name) == 0) {
            return &cut_disk.files[i];
        }
    }
    return NULL;
}

struct disk_file *
cut_disk_make(const char *name)
{
    for (int i = 0; i < FILES_MAX; i++) {
        if (cut_disk.files[i].name[0] == '\0') {
            cut_disk.files[i] = (struct disk_file){ 0 };
            strncpy(cut_disk.files[i].name, name, sizeof cut_disk.files[i].name - 1);
            cut_disk.files[i].last = &cut_disk.files[i].first;
            return &cut_disk.files[i];
        }
    }
    return NULL;
}

/* ---- for the test ---- */

static void
nothing_planned(void)
{
    cut_disk.operations = 0;
    cut_disk.cut_at = 0;
    cut_disk.cut = false;
    cut_disk.fault_at = 0;
}

void
cut_vfs_reset(void)
{
    for (int i = 0; i < FILES_MAX; i++) {
        cut_disk_remove_file(&cut_disk.files[i]);
    }
    nothing_planned();
}

int64_t
cut_vfs_operations(void)
{
    pthread_mutex_lock(&cut_disk.mutex);
    int64_t operations = cut_disk.operations;
    pthread_mutex_unlock(&cut_disk.mutex);
    return operations;
}

void
cut_vfs_plan(int64_t at)
{
    pthread_mutex_lock(&cut_disk.mutex);
    cut_disk.cut_at = at ? cut_disk.operations + at : 0;
    pthread_mutex_unlock(&cut_disk.mutex);
}

bool
cut_vfs_is_cut(void)
{
    pthread_mutex_lock(&cut_disk.mutex);
    bool cut = cut_disk.cut;
    pthread_mutex_unlock(&cut_disk.mutex);
    return cut;
}

void
cut_vfs_fault(int64_t at, int code, bool for_ever, const char *kinds)
{
    pthread_mutex_lock(&cut_disk.mutex);
    cut_disk.fault_at = at;
    cut_disk.fault_code = code;
    cut_disk.fault_for_ever = for_ever;
    strncpy(cut_disk.fault_kinds, kinds, sizeof cut_disk.fault_kinds - 1);
    pthread_mutex_unlock(&cut_disk.mutex);
}

static uint64_t
draw(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random >> 11;
}

/* One write comes through whole, by sectors, or cut off in the middle of one. */
static void
tear(struct image *image, const struct change *change, uint64_t *random)
{
    uint64_t how = draw(random) % 3;
    if (how == 0) {
        cut_disk_image_write(image, change->bytes, (int64_t)(draw(random) % (uint64_t)(change->len + 1)), change->at);
        return;
    }
    for (int64_t at = 0; at < change->len; at += SECTOR) {
        int64_t len = change->len - at < SECTOR ? change->len - at : SECTOR;
        if (draw(random) % 2) {
            cut_disk_image_write(image, change->bytes + at, len, change->at + at);
        }
    }
}

static void
resolve_file(struct disk_file *file, uint64_t manner, uint64_t *random)
{
    if (!file->durable && (manner == 1 || draw(random) % 4 == 0)) {
        cut_disk_remove_file(file);
        return;
    }
    for (const struct change *change = file->first; change; change = change->next) {
        uint64_t fate = manner == 0 ? 0 : manner == 1 ? 1 : draw(random) % 3;
        if (fate == 1) {
            continue;
        }
        if (!change->bytes) {
            cut_disk_image_resize(&file->synced, change->at);
        } else if (fate == 2) {
            tear(&file->synced, change, random);
        } else {
            cut_disk_image_write(&file->synced, change->bytes, change->len, change->at);
        }
    }
    cut_disk_image_copy(&file->now, &file->synced);
    cut_disk_forget_changes(file);
    file->durable = true;
}

void
cut_vfs_resolve(uint64_t seed)
{
    uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    uint64_t manner = draw(&random) % 5; /* all, nothing, or each for itself */
    for (int i = 0; i < FILES_MAX; i++) {
        if (cut_disk.files[i].name[0]) {
            resolve_file(&cut_disk.files[i], manner, &random);
        }
    }
    nothing_planned();
}

static void
copy_files(struct disk_file *to, const struct disk_file *from)
{
    for (int i = 0; i < FILES_MAX; i++) {
        cut_disk_remove_file(&to[i]);
        if (from[i].name[0]) {
            memcpy(to[i].name, from[i].name, sizeof to[i].name);
            to[i].durable = true;
            to[i].last = &to[i].first;
            cut_disk_image_copy(&to[i].now, &from[i].now);
            cut_disk_image_copy(&to[i].synced, &from[i].now);
        }
    }
}

void
cut_vfs_keep(void)
{
    copy_files(cut_disk.kept, cut_disk.files);
}

void
cut_vfs_restore(void)
{
    copy_files(cut_disk.files, cut_disk.kept);
    nothing_planned();
}

bool
cut_vfs_flip(const char *name, int64_t at)
{
    struct disk_file *file = cut_disk_find(name);
    if (!file || at >= file->now.len) {
        return false;
    }
    file->now.bytes[at] ^= 1;
    cut_disk_image_copy(&file->synced, &file->now);
    return true;
}

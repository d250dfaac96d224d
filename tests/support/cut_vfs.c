/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite's methods over the disk of cut_disk.c. */
#include "cut_vfs.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "cut_disk.h"

struct open_file {
    sqlite3_file base;
    struct disk_file *file; /* NULL: a file without a name, which no cut survives */
    struct image own;
};

/* ---- methods of a file ---- */

static struct image *
image_of(struct open_file *file)
{
    return file->file ? &file->file->now : &file->own;
}

static int
file_close(sqlite3_file *base)
{
    struct open_file *file = (struct open_file *)base;
    cut_disk_image_free(&file->own);
    return SQLITE_OK;
}

static int
file_read(sqlite3_file *base, void *bytes, int len, sqlite3_int64 at)
{
    struct open_file *file = (struct open_file *)base;
    pthread_mutex_lock(&cut_disk.mutex);
    int code = file->file ? cut_disk_admit('r', SQLITE_IOERR_READ) : SQLITE_OK;
    if (code) {
        return cut_disk_leave(code);
    }
    const struct image *image = image_of(file);
    int64_t there = at < image->len ? image->len - at : 0;
    int64_t take = there < len ? there : len;
    if (take) {
        memcpy(bytes, image->bytes + at, (size_t)take);
    }
    memset((char *)bytes + take, 0, (size_t)(len - take));
    return cut_disk_leave(take < len ? SQLITE_IOERR_SHORT_READ : SQLITE_OK);
}

static int
file_write(sqlite3_file *base, const void *bytes, int len, sqlite3_int64 at)
{
    struct open_file *file = (struct open_file *)base;
    pthread_mutex_lock(&cut_disk.mutex);
    bool before = cut_disk.cut;
    int code = file->file ? cut_disk_admit('w', SQLITE_IOERR_WRITE) : SQLITE_OK;
    if (file->file && (code == SQLITE_OK || (!before && cut_disk.cut))) {
        cut_disk_remember(file->file, bytes, len, at); /* the write the power failed in may be there in part */
    }
    if (code == SQLITE_OK) {
        cut_disk_image_write(image_of(file), bytes, len, at);
    }
    return cut_disk_leave(code);
}

static int
file_truncate(sqlite3_file *base, sqlite3_int64 len)
{
    struct open_file *file = (struct open_file *)base;
    pthread_mutex_lock(&cut_disk.mutex);
    int code = file->file ? cut_disk_admit('t', SQLITE_IOERR_TRUNCATE) : SQLITE_OK;
    if (code == SQLITE_OK) {
        if (file->file) {
            cut_disk_remember(file->file, NULL, 0, len);
        }
        cut_disk_image_resize(image_of(file), len);
    }
    return cut_disk_leave(code);
}

static int
file_sync(sqlite3_file *base, int flags)
{
    struct open_file *file = (struct open_file *)base;
    (void)flags;
    pthread_mutex_lock(&cut_disk.mutex);
    int code = file->file ? cut_disk_admit('s', SQLITE_IOERR_FSYNC) : SQLITE_OK;
    if (code == SQLITE_OK && file->file) {
        cut_disk_image_copy(&file->file->synced, &file->file->now);
        cut_disk_forget_changes(file->file);
        file->file->durable = true;
    }
    return cut_disk_leave(code);
}

static int
file_size(sqlite3_file *base, sqlite3_int64 *ret_size)
{
    pthread_mutex_lock(&cut_disk.mutex);
    *ret_size = image_of((struct open_file *)base)->len;
    return cut_disk_leave(cut_disk.cut ? SQLITE_IOERR_FSTAT : SQLITE_OK);
}

static int
file_lock(sqlite3_file *base, int level)
{
    (void)base;
    (void)level;
    return SQLITE_OK; /* one connection at a time */
}

static int
file_check_lock(sqlite3_file *base, int *ret_held)
{
    (void)base;
    *ret_held = 0;
    return SQLITE_OK;
}

static int
file_control(sqlite3_file *base, int what, void *data)
{
    (void)base;
    (void)what;
    (void)data;
    return SQLITE_NOTFOUND;
}

static int
file_sector_size(sqlite3_file *base)
{
    (void)base;
    return SECTOR;
}

static int
file_device(sqlite3_file *base)
{
    (void)base;
    return 0; /* no promise beyond what was synced */
}

static int
shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **ret_memory)
{
    (void)base;
    (void)extend;
    if (region >= REGIONS_MAX) {
        return SQLITE_IOERR_SHMMAP;
    }
    pthread_mutex_lock(&cut_disk.mutex);
    if (!cut_disk.regions[region]) {
        cut_disk.regions[region] = calloc(1, (size_t)size);
    }
    *ret_memory = cut_disk.regions[region];
    return cut_disk_leave(cut_disk.regions[region] ? SQLITE_OK : SQLITE_NOMEM);
}

static int
shm_lock(sqlite3_file *base, int offset, int count, int flags)
{
    (void)base;
    (void)offset;
    (void)count;
    (void)flags;
    return SQLITE_OK;
}

static void
shm_barrier(sqlite3_file *base)
{
    (void)base;
    pthread_mutex_lock(&cut_disk.mutex);
    pthread_mutex_unlock(&cut_disk.mutex);
}

static int
shm_unmap(sqlite3_file *base, int remove)
{
    (void)base;
    (void)remove;
    pthread_mutex_lock(&cut_disk.mutex);
    for (int i = 0; i < REGIONS_MAX; i++) {
        free(cut_disk.regions[i]);
        cut_disk.regions[i] = NULL;
    }
    return cut_disk_leave(SQLITE_OK);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_lock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_device,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

/* ---- methods of the file system ---- */

static int
vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *ret_flags)
{
    struct open_file *file = (struct open_file *)base;
    (void)vfs;
    *file = (struct open_file){ 0 };
    pthread_mutex_lock(&cut_disk.mutex);
    if (name) {
        file->file = cut_disk_find(name);
        if (!file->file && (flags & SQLITE_OPEN_CREATE) && cut_disk_admit('c', SQLITE_CANTOPEN) == SQLITE_OK) {
            file->file = cut_disk_make(name);
        }
        if (!file->file || cut_disk.cut) {
            return cut_disk_leave(SQLITE_CANTOPEN);
        }
    }
    file->base.pMethods = &methods;
    if (ret_flags) {
        *ret_flags = flags;
    }
    return cut_disk_leave(SQLITE_OK);
}

static int
vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    (void)vfs;
    (void)sync_folder;
    pthread_mutex_lock(&cut_disk.mutex);
    int code = cut_disk_admit('d', SQLITE_IOERR_DELETE);
    struct disk_file *file = code ? NULL : cut_disk_find(name);
    if (code == SQLITE_OK && !file) {
        code = SQLITE_IOERR_DELETE_NOENT;
    }
    if (file) {
        cut_disk_remove_file(file);
    }
    return cut_disk_leave(code);
}

static int
vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret_yes)
{
    (void)vfs;
    (void)flags;
    pthread_mutex_lock(&cut_disk.mutex);
    const struct disk_file *file = cut_disk_find(name);
    *ret_yes = file && (flags != SQLITE_ACCESS_EXISTS || file->now.len > 0);
    return cut_disk_leave(cut_disk.cut ? SQLITE_IOERR_ACCESS : SQLITE_OK);
}

static int
vfs_full_name(sqlite3_vfs *vfs, const char *name, int size, char *ret_name)
{
    (void)vfs;
    sqlite3_snprintf(size, ret_name, "%s", name);
    return SQLITE_OK;
}

static int
vfs_random(sqlite3_vfs *vfs, int len, char *bytes)
{
    (void)vfs;
    memset(bytes, 7, (size_t)len); /* the same seed, the same bytes */
    return len;
}

static int
vfs_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return us;
}

static int
vfs_time(sqlite3_vfs *vfs, double *ret_day)
{
    (void)vfs;
    *ret_day = 2460000.5;
    return SQLITE_OK;
}

static int
vfs_error(sqlite3_vfs *vfs, int size, char *text)
{
    (void)vfs;
    (void)size;
    (void)text;
    return 0;
}

void
cut_vfs_register(void)
{
    static sqlite3_vfs vfs = {
        .iVersion = 1,
        .szOsFile = sizeof(struct open_file),
        .mxPathname = 120,
        .zName = CUT_VFS_NAME,
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_name,
        .xRandomness = vfs_random,
        .xSleep = vfs_sleep,
        .xCurrentTime = vfs_time,
        .xGetLastError = vfs_error,
    };
    sqlite3_vfs_register(&vfs, 0);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cut_vfs.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

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

struct open_file {
    sqlite3_file base;
    struct disk_file *file; /* NULL: a file without a name, which no cut survives */
    struct image own;
};

static struct {
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
} disk = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* ---- images ---- */

static void
image_resize(struct image *image, int64_t len)
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

static void
image_write(struct image *image, const unsigned char *bytes, int64_t len, int64_t at)
{
    if (at + len > image->len) {
        image_resize(image, at + len);
    }
    if (len) {
        memcpy(image->bytes + at, bytes, (size_t)len);
    }
}

static void
image_copy(struct image *to, const struct image *from)
{
    image_resize(to, from->len);
    if (from->len) {
        memcpy(to->bytes, from->bytes, (size_t)from->len);
    }
}

static void
image_free(struct image *image)
{
    free(image->bytes);
    *image = (struct image){ 0 };
}

static void
forget_changes(struct disk_file *file)
{
    while (file->first) {
        struct change *next = file->first->next;
        free(file->first->bytes);
        free(file->first);
        file->first = next;
    }
    file->last = &file->first;
}

static void
remove_file(struct disk_file *file)
{
    forget_changes(file);
    image_free(&file->now);
    image_free(&file->synced);
    *file = (struct disk_file){ 0 };
}

static void
remember(struct disk_file *file, const void *bytes, int64_t len, int64_t at)
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
static int
admit(char kind, int ioerr)
{
    if (disk.cut) {
        return ioerr;
    }
    if (kind != 'r') {
        disk.operations++;
        if (disk.cut_at && disk.operations >= disk.cut_at) {
            disk.cut = true;
            return ioerr;
        }
    }
    if (disk.fault_at && strchr(disk.fault_kinds, kind) && --disk.fault_at <= 0) {
        disk.fault_at = disk.fault_for_ever ? 1 : 0;
        return disk.fault_code;
    }
    return SQLITE_OK;
}

static int
leave(int code)
{
    pthread_mutex_unlock(&disk.mutex);
    return code;
}

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
    image_free(&file->own);
    return SQLITE_OK;
}

static int
file_read(sqlite3_file *base, void *bytes, int len, sqlite3_int64 at)
{
    struct open_file *file = (struct open_file *)base;
    pthread_mutex_lock(&disk.mutex);
    int code = file->file ? admit('r', SQLITE_IOERR_READ) : SQLITE_OK;
    if (code) {
        return leave(code);
    }
    const struct image *image = image_of(file);
    int64_t there = at < image->len ? image->len - at : 0;
    int64_t take = there < len ? there : len;
    if (take) {
        memcpy(bytes, image->bytes + at, (size_t)take);
    }
    memset((char *)bytes + take, 0, (size_t)(len - take));
    return leave(take < len ? SQLITE_IOERR_SHORT_READ : SQLITE_OK);
}

static int
file_write(sqlite3_file *base, const void *bytes, int len, sqlite3_int64 at)
{
    struct open_file *file = (struct open_file *)base;
    pthread_mutex_lock(&disk.mutex);
    bool before = disk.cut;
    int code = file->file ? admit('w', SQLITE_IOERR_WRITE) : SQLITE_OK;
    if (file->file && (code == SQLITE_OK || (!before && disk.cut))) {
        remember(file->file, bytes, len, at); /* the write the power failed in may be there in part */
    }
    if (code == SQLITE_OK) {
        image_write(image_of(file), bytes, len, at);
    }
    return leave(code);
}

static int
file_truncate(sqlite3_file *base, sqlite3_int64 len)
{
    struct open_file *file = (struct open_file *)base;
    pthread_mutex_lock(&disk.mutex);
    int code = file->file ? admit('t', SQLITE_IOERR_TRUNCATE) : SQLITE_OK;
    if (code == SQLITE_OK) {
        if (file->file) {
            remember(file->file, NULL, 0, len);
        }
        image_resize(image_of(file), len);
    }
    return leave(code);
}

static int
file_sync(sqlite3_file *base, int flags)
{
    struct open_file *file = (struct open_file *)base;
    (void)flags;
    pthread_mutex_lock(&disk.mutex);
    int code = file->file ? admit('s', SQLITE_IOERR_FSYNC) : SQLITE_OK;
    if (code == SQLITE_OK && file->file) {
        image_copy(&file->file->synced, &file->file->now);
        forget_changes(file->file);
        file->file->durable = true;
    }
    return leave(code);
}

static int
file_size(sqlite3_file *base, sqlite3_int64 *ret_size)
{
    pthread_mutex_lock(&disk.mutex);
    *ret_size = image_of((struct open_file *)base)->len;
    return leave(disk.cut ? SQLITE_IOERR_FSTAT : SQLITE_OK);
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
    pthread_mutex_lock(&disk.mutex);
    if (!disk.regions[region]) {
        disk.regions[region] = calloc(1, (size_t)size);
    }
    *ret_memory = disk.regions[region];
    return leave(disk.regions[region] ? SQLITE_OK : SQLITE_NOMEM);
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
    pthread_mutex_lock(&disk.mutex);
    pthread_mutex_unlock(&disk.mutex);
}

static int
shm_unmap(sqlite3_file *base, int remove)
{
    (void)base;
    (void)remove;
    pthread_mutex_lock(&disk.mutex);
    for (int i = 0; i < REGIONS_MAX; i++) {
        free(disk.regions[i]);
        disk.regions[i] = NULL;
    }
    return leave(SQLITE_OK);
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

static struct disk_file *
find(const char *name)
{
    for (int i = 0; i < FILES_MAX; i++) {
        if (disk.files[i].name[0] && strcmp(disk.files[i].name, name) == 0) {
            return &disk.files[i];
        }
    }
    return NULL;
}

static struct disk_file *
make(const char *name)
{
    for (int i = 0; i < FILES_MAX; i++) {
        if (disk.files[i].name[0] == '\0') {
            disk.files[i] = (struct disk_file){ 0 };
            strncpy(disk.files[i].name, name, sizeof disk.files[i].name - 1);
            disk.files[i].last = &disk.files[i].first;
            return &disk.files[i];
        }
    }
    return NULL;
}

static int
vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *ret_flags)
{
    struct open_file *file = (struct open_file *)base;
    (void)vfs;
    *file = (struct open_file){ 0 };
    pthread_mutex_lock(&disk.mutex);
    if (name) {
        file->file = find(name);
        if (!file->file && (flags & SQLITE_OPEN_CREATE) && admit('c', SQLITE_CANTOPEN) == SQLITE_OK) {
            file->file = make(name);
        }
        if (!file->file || disk.cut) {
            return leave(SQLITE_CANTOPEN);
        }
    }
    file->base.pMethods = &methods;
    if (ret_flags) {
        *ret_flags = flags;
    }
    return leave(SQLITE_OK);
}

static int
vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    (void)vfs;
    (void)sync_folder;
    pthread_mutex_lock(&disk.mutex);
    int code = admit('d', SQLITE_IOERR_DELETE);
    struct disk_file *file = code ? NULL : find(name);
    if (code == SQLITE_OK && !file) {
        code = SQLITE_IOERR_DELETE_NOENT;
    }
    if (file) {
        remove_file(file);
    }
    return leave(code);
}

static int
vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret_yes)
{
    (void)vfs;
    (void)flags;
    pthread_mutex_lock(&disk.mutex);
    const struct disk_file *file = find(name);
    *ret_yes = file && (flags != SQLITE_ACCESS_EXISTS || file->now.len > 0);
    return leave(disk.cut ? SQLITE_IOERR_ACCESS : SQLITE_OK);
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

/* ---- for the test ---- */

static void
nothing_planned(void)
{
    disk.operations = 0;
    disk.cut_at = 0;
    disk.cut = false;
    disk.fault_at = 0;
}

void
cut_vfs_reset(void)
{
    for (int i = 0; i < FILES_MAX; i++) {
        remove_file(&disk.files[i]);
    }
    nothing_planned();
}

int64_t
cut_vfs_operations(void)
{
    pthread_mutex_lock(&disk.mutex);
    int64_t operations = disk.operations;
    pthread_mutex_unlock(&disk.mutex);
    return operations;
}

void
cut_vfs_plan(int64_t at)
{
    pthread_mutex_lock(&disk.mutex);
    disk.cut_at = at ? disk.operations + at : 0;
    pthread_mutex_unlock(&disk.mutex);
}

bool
cut_vfs_is_cut(void)
{
    pthread_mutex_lock(&disk.mutex);
    bool cut = disk.cut;
    pthread_mutex_unlock(&disk.mutex);
    return cut;
}

void
cut_vfs_fault(int64_t at, int code, bool for_ever, const char *kinds)
{
    pthread_mutex_lock(&disk.mutex);
    disk.fault_at = at;
    disk.fault_code = code;
    disk.fault_for_ever = for_ever;
    strncpy(disk.fault_kinds, kinds, sizeof disk.fault_kinds - 1);
    pthread_mutex_unlock(&disk.mutex);
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
        image_write(image, change->bytes, (int64_t)(draw(random) % (uint64_t)(change->len + 1)), change->at);
        return;
    }
    for (int64_t at = 0; at < change->len; at += SECTOR) {
        int64_t len = change->len - at < SECTOR ? change->len - at : SECTOR;
        if (draw(random) % 2) {
            image_write(image, change->bytes + at, len, change->at + at);
        }
    }
}

static void
resolve_file(struct disk_file *file, uint64_t manner, uint64_t *random)
{
    if (!file->durable && (manner == 1 || draw(random) % 4 == 0)) {
        remove_file(file);
        return;
    }
    for (const struct change *change = file->first; change; change = change->next) {
        uint64_t fate = manner == 0 ? 0 : manner == 1 ? 1 : draw(random) % 3;
        if (fate == 1) {
            continue;
        }
        if (!change->bytes) {
            image_resize(&file->synced, change->at);
        } else if (fate == 2) {
            tear(&file->synced, change, random);
        } else {
            image_write(&file->synced, change->bytes, change->len, change->at);
        }
    }
    image_copy(&file->now, &file->synced);
    forget_changes(file);
    file->durable = true;
}

void
cut_vfs_resolve(uint64_t seed)
{
    uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    uint64_t manner = draw(&random) % 5; /* all, nothing, or each for itself */
    for (int i = 0; i < FILES_MAX; i++) {
        if (disk.files[i].name[0]) {
            resolve_file(&disk.files[i], manner, &random);
        }
    }
    nothing_planned();
}

static void
copy_files(struct disk_file *to, const struct disk_file *from)
{
    for (int i = 0; i < FILES_MAX; i++) {
        remove_file(&to[i]);
        if (from[i].name[0]) {
            memcpy(to[i].name, from[i].name, sizeof to[i].name);
            to[i].durable = true;
            to[i].last = &to[i].first;
            image_copy(&to[i].now, &from[i].now);
            image_copy(&to[i].synced, &from[i].now);
        }
    }
}

void
cut_vfs_keep(void)
{
    copy_files(disk.kept, disk.files);
}

void
cut_vfs_restore(void)
{
    copy_files(disk.files, disk.kept);
    nothing_planned();
}

bool
cut_vfs_flip(const char *name, int64_t at)
{
    struct disk_file *file = find(name);
    if (!file || at >= file->now.len) {
        return false;
    }
    file->now.bytes[at] ^= 1;
    image_copy(&file->synced, &file->now);
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cm.h"

#include "count_vfs.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <stddef.h>

#define TABLES_MAX 8 /* SQLite has one table of methods for each way of locking */

/* A table of methods of SQLite's, and the same with our sync and write. */
struct table {
    const sqlite3_io_methods *from;
    sqlite3_io_methods counted;
};

static sqlite3_vfs *plain;
static sqlite3_vfs counting;
static struct table tables[TABLES_MAX];
static atomic_int table_count;
static atomic_llong syncs;
static atomic_llong written;

static int
count_sync(sqlite3_file *file, int flags)
{
    const struct table *table = (const void *)((const char *)file->pMethods - offsetof(struct table, counted));
    atomic_fetch_add(&syncs, 1);
    return table->from->xSync(file, flags);
}

static int
count_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at)
{
    const struct table *table = (const void *)((const char *)file->pMethods - offsetof(struct table, counted));
    atomic_fetch_add(&written, len);
    return table->from->xWrite(file, bytes, len, at);
}

/* Opening is serial: connections are opened by the thread that measures. */
static const sqlite3_io_methods *
counted(const sqlite3_io_methods *from)
{
    int count = atomic_load(&table_count);
    for (int i = 0; i < count; i++) {
        if (tables[i].from == from) {
            return &tables[i].counted;
        }
    }
    assert_true(count < TABLES_MAX);
    tables[count] = (struct table){ from, *from };
    tables[count].counted.xSync = count_sync;
    tables[count].counted.xWrite = count_write;
    atomic_store(&table_count, count + 1);
    return &tables[count].counted;
}

static int
count_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *ret_flags)
{
    (void)vfs;
    int code = plain->xOpen(plain, name, file, flags, ret_flags);
    if (file->pMethods) {
        file->pMethods = counted(file->pMethods);
    }
    return code;
}

/* A folder is synced when the file that vanished must not come back. */
static int
count_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    (void)vfs;
    atomic_fetch_add(&syncs, sync_folder ? 1 : 0);
    return plain->xDelete(plain, name, sync_folder);
}

void
count_vfs_register(void)
{
    plain = sqlite3_vfs_find(NULL);
    assert_non_null(plain);
    counting = *plain;
    counting.pNext = NULL;
    counting.zName = "count";
    counting.xOpen = count_open;
    counting.xDelete = count_delete;
    assert_int_equal(sqlite3_vfs_register(&counting, 1), SQLITE_OK);
}

int64_t
count_vfs_syncs(void)
{
    return atomic_load(&syncs);
}

int64_t
count_vfs_bytes(void)
{
    return atomic_load(&written);
}

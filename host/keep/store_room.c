/* SPDX-License-Identifier: Apache-2.0 */
/* The room that the database takes: its write-ahead log, and what left it. */
#include "store_inside.h"

#include "base/error.h"

static int
checkpoint(struct vh_store *store, int mode)
{
    return sqlite3_wal_checkpoint_v2(store->db, NULL, mode, NULL, NULL);
}

viv_status
vh_store_checkpoint(struct vh_store *store, struct viv_error *err)
{
    if (store->dead || store->open) {
        return VIV_OK;
    }
    int code = checkpoint(store, SQLITE_CHECKPOINT_PASSIVE);
    return code == SQLITE_OK || code == SQLITE_BUSY ? VIV_OK : vh_store_failed(store, err);
}

viv_status
vh_store_shrink(struct vh_store *store, struct viv_error *err)
{
    if (store->dead || store->open) {
        return vh_error_set(err, VIV_E_STATE, "store", "the event log failed before, or a batch is open");
    }
    for (int i = 0; i < VH_SQL_COUNT; i++) { /* prepared for the file as it was */
        sqlite3_finalize(store->sql[i]);
        store->sql[i] = NULL;
    }
    store->may_project = true; /* it writes every row again */
    int code = sqlite3_exec(store->db, "VACUUM", NULL, NULL, NULL);
    store->may_project = false;
    if (code) {
        return vh_store_failed(store, err);
    }
    code = checkpoint(store, SQLITE_CHECKPOINT_TRUNCATE);
    return code == SQLITE_OK ? VIV_OK
           : code == SQLITE_BUSY
               ? vh_error_set(err, VIV_E_BUSY, "store", "the log is shrunk; the room comes back when nobody "
                              "reads it any more")
               : vh_store_failed(store, err);
}

int
vh_store_wal_pages(const struct vh_store *store)
{
    return store->wal_pages;
}

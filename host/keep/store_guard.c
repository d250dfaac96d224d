/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing changes a projection but an event, folded: a statement that would do it behind the fold's back is refused by
 * SQLite itself while it is prepared. Debug builds only; tests/unit/keep/test_store.c trips it. */
#include "store_inside.h"

#include <string.h>

#ifndef NDEBUG

static bool
is_projection(const char *table)
{
    static const char *const tables[] = { "tasks", "scopes", "effects", "facts", "edges", "keys" };
    for (size_t i = 0; table && i < sizeof tables / sizeof *tables; i++) {
        if (strcmp(table, tables[i]) == 0) {
            return true;
        }
    }
    return false;
}

static int
authorize(void *data, int action, const char *first, const char *second, const char *database, const char *trigger)
{
    const struct vh_store *store = data;
    (void)second;
    (void)database;
    (void)trigger;
    bool writes = action == SQLITE_INSERT || action == SQLITE_UPDATE || action == SQLITE_DELETE ||
                  action == SQLITE_DROP_TABLE;
    return writes && is_projection(first) && !store->may_project ? SQLITE_DENY : SQLITE_OK;
}

void
vh_store_guard(struct vh_store *store)
{
    sqlite3_set_authorizer(store->db, authorize, store);
}

#else

void
vh_store_guard(struct vh_store *store)
{
    (void)store;
}

#endif

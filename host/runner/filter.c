/* SPDX-License-Identifier: Apache-2.0 */
/* Puts a generated filter on, with this process's id in its place. Read filter.h first. */
#include "filter.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "filter_tables.h"

#define ROWS_MAX 1024

struct table {
    const struct sock_filter *rows;
    size_t count;
};

static const struct table tables[] = {
    [VH_FILTER_BASE] = {vh_filter_base, sizeof vh_filter_base / sizeof *vh_filter_base},
    [VH_FILTER_MAPPING] = {vh_filter_mapping, sizeof vh_filter_mapping / sizeof *vh_filter_mapping},
    [VH_FILTER_WARM] = {vh_filter_warm, sizeof vh_filter_warm / sizeof *vh_filter_warm},
    [VH_FILTER_FOLDER] = {vh_filter_folder, sizeof vh_filter_folder / sizeof *vh_filter_folder},
};

_Static_assert(sizeof vh_filter_base <= ROWS_MAX * sizeof(struct sock_filter), "room for the longest filter");
_Static_assert(sizeof vh_filter_folder <= ROWS_MAX * sizeof(struct sock_filter), "room for the longest filter");

int
vh_filter_enter(enum vh_filter_kind kind)
{
    const struct table *table = &tables[kind];
    struct sock_filter rows[ROWS_MAX];
    if (table->count > ROWS_MAX) {
        errno = E2BIG;
        return -1;
    }
    memcpy(rows, table->rows, table->count * sizeof *rows);
    for (size_t i = 0; i < table->count; i++) {
        if (rows[i].k == VH_FILTER_PID) {
            rows[i].k = (unsigned)getpid();
        }
    }
    struct sock_fprog program = {(unsigned short)table->count, rows};
    /* A library's constructor may have made a thread before: it must not stay outside. */
    long code = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
    if (code > 0) {
        errno = ESRCH;
    }
    return code == 0 ? 0 : -1;
}

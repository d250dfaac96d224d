/* SPDX-License-Identifier: Apache-2.0 */
/* A queue file of contract 1.1 (docs/contract/queue.md), read and judged as a whole: every fault names the entry, what
 * was found and what is allowed. Nothing is submitted here; cmd_import.c does that, cmd_export.c writes one back. */
#ifndef VH_QUEUE_FILE_H
#define VH_QUEUE_FILE_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/json.h"
#include <viv/status.h>

struct vh_queue_entry {
    struct viv_str bytes; /* as it stands in the file */
    struct viv_str id;
    struct viv_str prompt;    /* empty only with a command */
    struct viv_str command;   /* for a shell; empty: none */
    struct viv_str model;     /* empty: any */
    struct viv_str intensity; /* empty: not said */
    struct viv_str scope;     /* folder beneath the project, in its one spelling; empty: all of it */
    struct vh_json *hosts;    /* list of "HOST:PORT" to reach; NULL: not said */
    int64_t min_micro;
    int64_t max_micro;
    struct viv_str *depends;
    uint32_t depends_count;
    uint32_t index; /* in "tasks" */
    bool there;     /* for the importer: submitted by an earlier run of the same file */
};

/* Sorted. */
struct vh_queue_ids {
    struct viv_str *id;
    uint32_t count;
};

struct vh_queue {
    struct viv_str bytes;
    char digest[VH_HASH_HEX];
    struct vh_queue_entry *entry; /* in the order of the file */
    struct vh_queue_entry **order; /* each behind what it depends on, else in the order of the file */
    struct vh_queue_entry **by_id;
    uint32_t count;
    struct vh_queue_ids completed;
    struct vh_queue_ids failed;
};

/* Everything lives in `arena`; `bytes` must outlive it. VIV_E_INVALID, VIV_E_LIMIT, VIV_E_MEMORY. Dependencies outside
 * the file are left to the caller. */
viv_status vh_queue_file_read(struct vh_arena *arena, struct viv_str bytes, struct vh_queue *ret_queue,
                              struct viv_error *err);

/* NULL when the file has no such open entry. */
struct vh_queue_entry *vh_queue_file_find(const struct vh_queue *queue, struct viv_str id);

bool vh_queue_file_lists(const struct vh_queue_ids *ids, struct viv_str id);

#endif

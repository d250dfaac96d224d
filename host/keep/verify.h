/* SPDX-License-Identifier: Apache-2.0 */
/* `log verify` and `log rebuild`: the log against itself, and the projections against the log. */
#ifndef VH_VERIFY_H
#define VH_VERIFY_H

#include "keep/store.h"

struct vh_verify_result {
    int64_t events;
    int64_t archived; /* of them */
    struct vh_hash head;
    int64_t bad_seq;       /* 0: nothing wrong */
    char problem[256];     /* of the first bad record */
};

/* Chain, numbering, canonical form, what is archived and its roots. A bad record is a result, not a failed call. */
viv_status vh_verify_log(struct vh_store *store, struct vh_verify_result *ret_result, struct viv_error *err);
/* The same of what is not archived, from the archived end on. */
viv_status vh_verify_recent(struct vh_store *store, struct vh_verify_result *ret_result, struct viv_error *err);

struct vh_rebuild_result {
    int64_t events;
    bool same;           /* in every column of every row */
    bool same_documents; /* at least in their documents, from which the other columns follow */
    char found[256];   /* first differing line of what was there */
    char rebuilt[256]; /* and of what the log says */
};

/* Fold the whole log into empty tables in one transaction and compare with what was there. With `write` the rebuilt
 * tables are kept, otherwise everything is as before. Needs the writing connection; no host may run. */
viv_status vh_verify_rebuild(struct vh_store *store, bool write, struct vh_rebuild_result *ret_result,
                             struct viv_error *err);

#endif

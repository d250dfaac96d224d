/* SPDX-License-Identifier: Apache-2.0 */
/* `log verify` and `log rebuild`: the log against itself, and the projections against the log. */
#ifndef VH_VERIFY_H
#define VH_VERIFY_H

#include "keep/checkpoint.h"
#include <viv/limits.h>

#define VH_VERIFY_SHOWN 5

/* An effect that was announced, and no outcome was recorded while its lease held: a crash came between. Whether it
 * happened is not in the log. */
struct vh_unmatched {
    int64_t seq; /* of effect.started */
    int64_t ordinal, lease;
    char task[VIV_ID_MAX + 1];
    char effect[32];
};

struct vh_verify_result {
    int64_t events;
    int64_t archived; /* of them */
    struct vh_hash head;
    int64_t bad_seq;       /* 0: nothing wrong */
    char problem[256];     /* of the first bad record */
    int64_t restored;      /* the last event that says the home was made again from a backup; 0: none */
    int64_t unmatched;     /* effects without an outcome */
    struct vh_unmatched first[VH_VERIFY_SHOWN];
};

/* Chain, numbering, canonical form, what is archived and its roots, effects without an outcome. A bad record is a
 * result, not a failed call. */
viv_status vh_verify_log(struct vh_store *store, struct vh_verify_result *ret_result, struct viv_error *err);
/* The same of what is not archived, from the archived end on. */
viv_status vh_verify_recent(struct vh_store *store, struct vh_verify_result *ret_result, struct viv_error *err);

enum { VH_VERIFY_RECENT = 1, VH_VERIFY_LIVE = 2 };
/* With VH_VERIFY_LIVE a host works: effects under a valid lease are under way. `against`, NULL or with its checkpoint
 * set, gets every event before the first bad one. */
viv_status vh_verify(struct vh_store *store, unsigned flags, struct vh_against *against,
                     struct vh_verify_result *ret_result, struct viv_error *err);

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

/* SPDX-License-Identifier: Apache-2.0 */
/* Collecting what nobody needs any more from the content store: whole outputs of commands of ended tasks, older than a
 * time, and bytes that no event names. What was pruned is named in an event before it goes. Contents that anything
 * else names - change manifests, queue files - stay, and so does all that the log and a rollback need. */
#ifndef VH_COLLECT_H
#define VH_COLLECT_H

#include "keep/sequencer.h"
#include "run/run.h"

/* What was stored or wanted again within this time may be about to be named: it stays whatever its age in the log. */
#define VH_COLLECT_GRACE_S 3600
#define VH_COLLECT_DAYS_MAX 36500

struct vh_collected {
    int64_t kept;
    int64_t pruned; /* outputs */
    int64_t strays; /* named by no event: a crash came between the bytes and their event */
    int64_t bytes;  /* of both */
    int64_t trees;  /* and layers, and what 'prepare' made: out of the cache */
    int64_t tree_bytes;
};

/* Reads the log on the sequencer's thread, a page at a time. */
struct vh_collect {
    struct vh_run *run;
    viv_status (*read)(void *data, vh_sequencer_reader reader, void *reading);
    /* Record one "content.pruned" with these data; the names go only when it is on disk. */
    viv_status (*record)(void *data, struct vh_json *event);
    void *data;
    int64_t before_us; /* outputs of commands that ended before this */
    bool only_count;
};

viv_status vh_collect(const struct vh_collect *collect, struct vh_collected *ret_collected, struct viv_error *err);

/* collect_trees.c: trees not used since `before_us` and that nobody works on. Adds to what was collected. */
viv_status vh_collect_trees(const struct vh_collect *collect, struct vh_collected *collected, struct viv_error *err);

/* Keep the cache of trees near VIV_TREES_MAX entries: those used longest ago go. For a worker between two tasks; it
 * costs nothing until a quarter as many were made, and what fails is only logged and tried again later. */
void vh_collect_trees_over(struct vh_run *run);

#endif

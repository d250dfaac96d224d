/* SPDX-License-Identifier: Apache-2.0 */
/* Commits as text: reading one, its trailers, and the message of a task's commit. */
#ifndef VH_COMMIT_H
#define VH_COMMIT_H

#include "import.h"

struct vh_commit {
    struct vh_git_id tree;
    struct vh_git_id parent; /* the first; "" for a root */
    const char *author;      /* "Name <mail> SECONDS ZONE" */
    const char *committer;
    int64_t time_s;          /* of the committer */
    struct viv_str message;
};

viv_status vh_commit_read(const struct vh_target *target, struct vh_arena *arena, const struct vh_git_id *id,
                          struct vh_commit *ret_commit, struct viv_error *err);

/* The value of a trailer in the last paragraph, "" when it is not there. */
struct viv_str vh_commit_trailer(const struct vh_commit *commit, const char *key);

/* One line of at most 72 bytes from `goal` after `prefix`, then trailers. Nothing of the goal can become a trailer. */
struct viv_str vh_commit_message(struct vh_arena *arena, const char *prefix, struct viv_str goal, const char *task,
                                 const char *effect, const char *log_head, const char *undoes);

#endif

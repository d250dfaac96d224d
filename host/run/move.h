/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of moving a checkout, for branch.c only. Every path that changes has a staged file "n<i>" in one folder
 * on the same file system; it and the person's file change places. Afterwards the staged name holds what the person
 * had, which is looked at before anything is final. State is never kept in memory alone: which of the two a name
 * holds tells how far the move came, so undoing works the same at once and after a crash.
 *
 *   move_plan.c what changes, and whether the person touched it    move_index.c the index and its lock
 *   move.c staging, exchanging; move_undo.c back, tidying           move_journal.c the journal */
#ifndef VH_MOVE_H
#define VH_MOVE_H

#include "branch.h"
#include "tree.h"

struct vh_move_path {
    struct viv_str path;
    uint32_t old_mode; /* 0: not there before */
    uint32_t now_mode; /* 0: not in the commit */
    struct vh_git_id old;
    struct vh_git_id now;
    uint32_t file_mode; /* what the file becomes: `now`, or what the person had not committed; 0: to be deleted */
    struct vh_git_id file;
    uint32_t seen_mode; /* what the task saw, when that was uncommitted; 0 otherwise */
    struct vh_git_id seen;
    bool seen_gone;     /* the task saw that the person had deleted it */
    bool already;       /* the file is as it shall be; only index and reference lack it */
    bool stat_known;
    struct stat stat;   /* of the person's file: owner and mode pass on */
};

struct vh_move {
    const struct vh_target *target;
    struct vh_arena *arena;
    struct viv_error *err;
    const char *task;
    const char *branch;
    struct vh_git_id old;
    struct vh_git_id now;
    const char *journal;     /* relative to the home */
    const char *stage;       /* absolute; staged under another name until all of it is there */
    const char *stage_new;
    const char *lock;        /* our file until it becomes index.lock, absolute; NULL for a folder */
    uint64_t lock_ino;
    bool exact; /* this and `files`: see vh_branch_request */
    const struct vh_tree *files;
    int root;
    int stage_fd;
    struct vh_move_path *path;
    size_t count;
    struct vh_conflicts conflicts;
    struct viv_str *left;
    size_t left_count;
};

/* plan */
viv_status vh_move_plan(struct vh_move *move, const struct vh_git_id *seen);
viv_status vh_move_compare(struct vh_move *move); /* VIV_E_CONFLICT with all conflicts listed */
viv_status vh_move_conflict(struct vh_move *move, const struct vh_move_path *path, const struct vh_git_id *ours,
                            const char *reason);
bool vh_move_accepts(const struct vh_move *move, const struct vh_move_path *path,
                     const struct vh_tree_content *content);
bool vh_move_is_new(const struct vh_move *move, const struct vh_move_path *path,
                    const struct vh_tree_content *content);

/* files */
viv_status vh_move_open(struct vh_move *move); /* root */
viv_status vh_move_stage(struct vh_move *move);
viv_status vh_move_exchange(struct vh_move *move);
viv_status vh_move_undo(struct vh_move *move);
/* Empty folders, the stage. A staged file that is neither what git has nor what the task saw is kept. */
viv_status vh_move_tidy(struct vh_move *move, bool moved);
void vh_move_close(struct vh_move *move);

/* what move.c and move_undo.c share: "n<i>"; a look at it; the stage under either name; folders that hold nothing but
 * such folders; the folders of all paths synced; the folder that holds the stage synced */
void vh_move_stage_name(size_t which, char ret_name[24]);
viv_status vh_move_look_staged(struct vh_move *move, size_t which, struct vh_tree_content *ret_content);
bool vh_move_cannot_tell(viv_status looked); /* the look failed: it says nothing about what is there */
viv_status vh_move_open_stage(struct vh_move *move, const char *path);
viv_status vh_move_remove_empty(struct vh_move *move, int dir, const char *name, int depth);
viv_status vh_move_sync_folders(struct vh_move *move);
viv_status vh_move_sync_above(struct vh_move *move);

/* index; without effect for a folder */
viv_status vh_move_lock_make(struct vh_move *move);  /* our file, its inode */
viv_status vh_move_lock(struct vh_move *move);       /* it becomes index.lock, or VIV_E_BUSY */
/* Staged changes are the person's as well: VIV_E_CONFLICT. With `ret_new`, only tells whether the move is in it. */
viv_status vh_move_index_check(struct vh_move *move, bool *ret_new);
viv_status vh_move_index(struct vh_move *move);      /* the new index into the lock, synced */
viv_status vh_move_index_done(struct vh_move *move); /* index.lock becomes index */
viv_status vh_move_unlock(struct vh_move *move);
viv_status vh_move_lock_held(const struct vh_move *move, bool *ret_held); /* index.lock is ours */

/* journal */
const char *vh_move_journal_path(const struct vh_target *target, struct vh_arena *arena); /* NULL: no memory */
viv_status vh_move_journal_name(struct vh_move *move);
viv_status vh_move_journal_write(struct vh_move *move);
viv_status vh_move_journal_read(struct vh_move *move, struct vh_target *target, const char *name);
viv_status vh_move_journal_remove(struct vh_move *move);

#endif

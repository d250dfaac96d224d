/* SPDX-License-Identifier: Apache-2.0 */
/* The frozen result of a task: what its workspace changed, as a manifest, and then as a commit. Everything read here
 * was written by a task: names, links, special files and whiteouts are hostile input. Nothing but plain files and
 * links passes; modes are reduced to the executable bit; `.git` is never part of it. */
#ifndef VH_CHANGE_H
#define VH_CHANGE_H

#include "base.h"
#include "tree.h"
#include "base/json.h"

enum vh_change_kind { VH_CHANGE_ADDED = 1, VH_CHANGE_MODIFIED, VH_CHANGE_DELETED };

struct vh_change_path {
    struct viv_str path; /* raw bytes */
    enum vh_change_kind kind;
    uint32_t mode;     /* as git has it; 0 when deleted */
    uint32_t old_mode; /* 0 when added */
    uint64_t size;
    struct vh_git_id id;
    struct vh_git_id old_id;
    char digest[VH_GIT_HEX]; /* SHA-256 of the content, or of the link's target; "" when deleted */
    struct viv_str target;   /* of a link */
};

struct vh_change {
    struct vh_change_path *path; /* sorted */
    size_t count;
    uint64_t bytes;
    struct viv_str *ignored; /* new files that the project's ignore rules name: left out of the result */
    size_t ignored_count;
    size_t stripped; /* files whose set-uid, set-gid or sticky bits were dropped */
};

enum vh_change_form { VH_CHANGE_UPPER = 1 /* upper layer of an overlay */, VH_CHANGE_COPY /* a whole copy */ };

/* `dir` is the upper layer or the copy; nothing may write to it any more. VIV_E_DENIED names what no result may
 * hold: special files, a nested .git, paths inside a submodule, redirects. VIV_E_LIMIT. */
viv_status vh_change_read(const struct vh_target *target, struct vh_arena *arena, const struct vh_base *base, int dir,
                          enum vh_change_form form, struct vh_change *ret_change, struct viv_error *err);

/* Take new files that the project ignores, and all that was only brought, out of the change and list them. The rules
 * are those of the person's working tree, never those a task wrote. */
viv_status vh_change_ignore(const struct vh_target *target, struct vh_arena *arena, const struct vh_base *base,
                            struct vh_change *change, struct viv_error *err);

/* VIV_E_UNSUPPORTED names a written file that git's attributes convert: a filter, other line ends, an encoding. */
viv_status vh_change_convert(const struct vh_target *target, struct vh_arena *arena, const struct vh_base *base,
                             const struct vh_change *change, int dir, struct viv_error *err);

/* [{"change":"added","digest":...,"mode":"100644","path":...,"size":...,"target":...}] paths percent-escaped. */
struct vh_json *vh_change_json(struct vh_arena *arena, const struct vh_change *change);

struct vh_change_freeze {
    const struct vh_base *base;
    const struct vh_change *change;
    int dir;               /* as given to read */
    struct viv_str goal;   /* its first line becomes the subject */
    const char *task;
    uint32_t attempt;
    const char *effect;    /* "TASK/ATTEMPT/KIND/ORDINAL" */
    const char *log_head;  /* hash of the log's head */
    int64_t time_s;
};

/* One fast-import: blobs, tree and commit, kept alive by refs/viv/held/TASK until the line has it. The same input
 * gives the same commit, so doing it again after a crash is harmless. VIV_E_CONFLICT: a file is not what the
 * manifest says. An empty change is VIV_E_INVALID. */
viv_status vh_change_commit(const struct vh_target *target, struct vh_arena *arena,
                            const struct vh_change_freeze *freeze, struct vh_git_id *ret_commit,
                            struct vh_git_id *ret_tree, struct viv_error *err);

/* A rejected result: let git forget it. */
viv_status vh_change_discard(const struct vh_target *target, struct vh_arena *arena, const char *task,
                             struct viv_error *err);

#endif

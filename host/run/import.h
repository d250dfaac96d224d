/* SPDX-License-Identifier: Apache-2.0 */
/* One commit by one `git fast-import`: no index, no working tree, no filter, no hook. The stream is written to a
 * scratch file and handed over at the end. Errors stick; finish reports the first. */
#ifndef VH_IMPORT_H
#define VH_IMPORT_H

#include "tree.h"

struct vh_import {
    const struct vh_target *target;
    struct vh_arena *arena;
    enum vh_git_mode mode; /* VH_GIT_REFS or VH_GIT_KEEP */
    int fd;
    viv_status status;
    struct viv_error *err;
};

struct vh_import_head {
    const char *ref;            /* moved to the commit, whatever it named before */
    const char *author;         /* "Name <mail> SECONDS +0000"; NULL: the target's, at `time_s` */
    const char *committer;      /* the same */
    int64_t time_s;
    struct viv_str message;
    const struct vh_git_id *parent; /* NULL or "": none */
    const struct vh_git_id *second; /* of a merge */
};

/* Begin. What follows changes the parent's tree, in this order: deletions, then files. */
void vh_import_begin(struct vh_import *import, const struct vh_target *target, struct vh_arena *arena,
                     enum vh_git_mode mode, const struct vh_import_head *head, struct viv_error *err);
void vh_import_tree(struct vh_import *import, const struct vh_git_id *tree); /* the whole tree at once */
void vh_import_clear(struct vh_import *import);                              /* start from nothing */
void vh_import_delete(struct vh_import *import, struct viv_str path);
void vh_import_known(struct vh_import *import, struct viv_str path, uint32_t mode, const struct vh_git_id *id);
/* Content from a file or link `name` in `dir`, whose size and, unless "", name must be as in `content`. */
void vh_import_file(struct vh_import *import, struct viv_str path, int dir, const char *name,
                    struct vh_tree_content *content);
viv_status vh_import_finish(struct vh_import *import, struct vh_git_id *ret_commit, struct vh_git_id *ret_tree);

#endif

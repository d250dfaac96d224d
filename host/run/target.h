/* SPDX-License-Identifier: Apache-2.0 */
/* What a task works on: a git repository's working tree, or a plain folder. A plain folder gets the same life as a
 * repository by references in the private git directory: its "branch" is the chain of snapshots taken of it.
 *
 * Defined here: linked worktrees (own index and HEAD, common references), a folder inside a worktree (`prefix`),
 * detached HEAD (a line of its own per commit; nothing checked out moves), a branch without commits, bare
 * repositories (refused), submodules (left alone), LFS pointers (plain files). Read next: base.h. */
#ifndef VH_TARGET_H
#define VH_TARGET_H

#include "git.h"

enum vh_target_kind { VH_TARGET_REPOSITORY = 1, VH_TARGET_FOLDER };

struct vh_target {
    const struct vh_git_tools *tools;
    enum vh_target_kind kind;
    const char *root;        /* absolute, without links: the worktree's top, or the folder */
    const char *prefix;      /* where in it the caller pointed: "" or "sub/folder/" */
    const char *git_dir;     /* of this worktree; the private one for a folder */
    const char *common_dir;  /* holds references and objects */
    const char *object_dir;
    const char *private_dir; /* see git.h */
    const char *shallow;     /* file of a shallow clone, or NULL */
    const char *branch;      /* "refs/heads/main"; "refs/viv/folder/KEY" for a folder; NULL when detached */
    const char *line;        /* "refs/viv/line/main" */
    struct vh_git_id head;   /* tip of the branch, or the detached commit; "" while unborn */
    const char *author_name;
    const char *author_email;
    bool author_fallback;    /* no user.email is set: "Vivarium <vivarium@localhost>" stands in */
    bool linked;             /* a linked worktree */
    bool trust_mode;         /* core.fileMode: executable bits mean something */
    const char *pin_line;    /* a task began on this line and stays with it, whatever is checked out; NULL: no pin */
    const char *pin_branch;  /* its branch; NULL when the pin is a detached commit */
    bool away;               /* pinned, and something else is checked out now */
    int hex_len;             /* 40 or 64 */
    struct vh_tree_user *user; /* who works on it, see tree_users.h; NULL: nobody collects the cache of trees */
    bool keep;               /* in copies only: what git makes goes to the private directory (VH_GIT_KEEP) */
    const char *excludes[3]; /* ignore files besides .gitignore; ends in NULL */
};

/* VIV_E_NOT_FOUND, VIV_E_INVALID (not a folder, bare, inside a git directory or the home), VIV_E_UNSUPPORTED. */
viv_status vh_target_open(const struct vh_git_tools *tools, struct vh_arena *arena, const char *path,
                          struct vh_target *ret_target, struct viv_error *err);

/* The worktree's top, or the folder itself, without asking git anything: where paths of a task begin. */
viv_status vh_target_root(const struct vh_git_tools *tools, struct vh_arena *arena, const char *path,
                          const char **ret_root, struct viv_error *err);

/* Read HEAD and the branch's tip again: `branch`, `line` and `head` as they are now; with a pin those of the pin. */
viv_status vh_target_refresh(struct vh_target *target, struct vh_arena *arena, struct viv_error *err);

/* The commit a reference names, or "". */
viv_status vh_target_ref(const struct vh_target *target, struct vh_arena *arena, const char *ref,
                         struct vh_git_id *ret_id, struct viv_error *err);

/* Whether `path` is `folder` or lies in it, by name alone. */
bool vh_target_below(struct viv_str path, const char *folder);

/* True for what never is part of a base or a change: ".git" in any spelling, a home, our staging folders. Of one name,
 * and of a path whose text ends in NUL: a folder of the repository may have a home of its own. */
bool vh_target_hidden(const struct vh_target *target, const char *name);
bool vh_target_hides(const struct vh_target *target, struct viv_str path);

/* Two versions of one path that cannot both be kept; ids are "" where a side has no such file. */
struct vh_conflict {
    struct viv_str path;
    struct vh_git_id base;
    struct vh_git_id ours;   /* the target's: line, branch or the person's file */
    struct vh_git_id theirs; /* the task's */
    const char *reason;      /* one line */
};
struct vh_conflicts {
    struct vh_conflict *conflict;
    size_t count;
};

#endif

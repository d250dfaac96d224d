/* SPDX-License-Identifier: Apache-2.0 */
/* Asking the git program, through a runner that somebody else brings: the launcher in production, a plain child
 * process in tests. Nothing of git is linked. Two ways to ask, both with an explicit git directory, without hooks,
 * monitors, network, replacement objects or system and user configuration:
 *
 *   VH_GIT_REFS    the user's own git directory: references, history. Never attributes, index or working tree.
 *   VH_GIT_OBJECTS a git directory of our own over the user's objects: trees, merges, index work. Its configuration
 *                  and attributes are ours, so no filter, driver or monitor of the user's or a task's can run.
 *
 * Read next: target.h. */
#ifndef VH_GIT_H
#define VH_GIT_H

#include <stdbool.h>
#include "base/arena.h"
#include "base/seam.h"
#include <viv/status.h>

#define VH_GIT_HEX 65 /* room for SHA-256 names; SHA-1 names are shorter */
/* The name of no object, cut to `hex_len`. */
#define VH_GIT_ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

/* The name of an object in hex; "" is none. */
struct vh_git_id {
    char hex[VH_GIT_HEX];
};

/* One run of git. The environment is `env` and nothing else. `input_fd` is read from its start, -1 is no input.
 * `output_fd` -1 collects up to `output_max` bytes in the result (more is VIV_E_LIMIT), otherwise output goes there
 * and only errors collect. */
struct vh_git_call {
    const char *const *argv; /* ends in NULL; argv[0] is "git" */
    const char *const *env;  /* ends in NULL; "NAME=value" */
    int input_fd;
    int output_fd;
    size_t output_max;
    int64_t timeout_ns;
};

struct vh_git_result {
    int exit_code;          /* 128 + signal when a signal ended it */
    struct viv_str output;
    struct viv_str errors;  /* what it said, cut at 4 KiB */
};

/* The runner. VIV_OK means git ran and ended by itself, whatever its exit code; VIV_E_UNAVAILABLE that it could not
 * be started; VIV_E_TIMEOUT that it was killed. The working folder of the child is "/". Standard error is always
 * collected. thread: [worker], from several at once. */
struct vh_git {
    void *data;
    viv_status (*run)(void *data, struct vh_arena *arena, const struct vh_git_call *call,
                      struct vh_git_result *ret_result, struct viv_error *err);
};

/* What all of this work needs. Borrowed for the life of whatever is made from it. */
struct vh_git_tools {
    const struct vh_seam *seam;
    const struct vh_git *git;
    int home;                /* descriptor of the home */
    const char *home_path;   /* the same, absolute */
    const char *project;     /* the folder that holds the home */
    const char *origin;      /* where that folder was first: plain folders in it are known by their path there */
    const char *user_home;   /* HOME of the person, for identity and ignore rules only; NULL: none */
    const char *user_config; /* XDG_CONFIG_HOME, or NULL */
};

enum vh_git_mode {
    VH_GIT_REFS = 1,
    VH_GIT_OBJECTS, /* writes go to the user's objects; ours can be read */
    VH_GIT_KEEP,    /* the other way round: uncommitted work never enters the user's repository */
    VH_GIT_USER,    /* as REFS, with the user's configuration */
};

struct vh_target;

/* A command in the making. */
struct vh_git_ask {
    enum vh_git_mode mode;
    const char *const *words; /* ends in NULL, without "git" and its options */
    const char *index;        /* GIT_INDEX_FILE, or NULL */
    const char *work_tree;    /* GIT_WORK_TREE, or NULL */
    const char *setting;      /* one more "key=value", or NULL */
    struct viv_str input;     /* or: */
    int input_fd;             /* used when > 0 */
    int output_fd;            /* used when > 0 */
    int allow_exit;           /* an exit code besides 0 that is an answer; 0: none */
};

/* Run it. Other exit codes are VIV_E_IO with git's first line of error. */
viv_status vh_git_run(const struct vh_target *target, struct vh_arena *arena, const struct vh_git_ask *ask,
                      struct vh_git_result *ret_result, struct viv_error *err);

/* An empty file under the home that is already unlinked; -1 with `err` filled. */
int vh_git_scratch(const struct vh_git_tools *tools, struct viv_error *err);

/* Make the private git directory when it is missing; `format` is "sha1" or "sha256". Returns its path. */
viv_status vh_git_private(const struct vh_git_tools *tools, struct vh_arena *arena, const char *format,
                          const char **ret_path, struct viv_error *err);

/* "abc...\n" -> id. False when the text is not an object name. */
bool vh_git_parse_id(struct viv_str text, struct vh_git_id *ret_id);

/* The next of the texts that `-z` output is a row of, each ended by NUL. `at` moves behind it. False at the end, and
 * when the rest is torn: `at` then stays before it. */
bool vh_git_next(struct viv_str output, uint64_t *at, struct viv_str *ret_text);

/* Remove the lock of one of our own references (refs/viv/, refs/heads/viv/) that a killed git left behind: one that is
 * older than a few seconds, where git holds such a lock for milliseconds. */
void vh_git_unlock(const struct vh_target *target, struct vh_arena *arena, const char *ref);

/* Drop one of our own references without git, which would lock the packed ones for it: a git killed in that moment
 * would leave the person's repository locked. One that was packed meanwhile stays and only keeps its objects alive. */
void vh_git_drop(const struct vh_target *target, struct vh_arena *arena, const char *ref);

static inline bool
vh_git_same(const struct vh_git_id *a, const struct vh_git_id *b)
{
    return __builtin_strcmp(a->hex, b->hex) == 0;
}

#endif

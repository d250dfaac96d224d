/* SPDX-License-Identifier: Apache-2.0 */
/* What to run and what came of it: the plain data of vh_sandbox_exec() and vh_sandbox_tool(). All
 * text is borrowed until the call returns; results come from the call's arena. */
#ifndef VH_EXEC_H
#define VH_EXEC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/hash.h"

/* argv, environment and paths of one request together. */
#define VH_EXEC_BYTES_MAX (2u << 20)

/* One program of a pipeline. Paths of redirections are relative to the exec's folder and stay
 * inside the workspace, whatever links there are; "/dev/null" is the one absolute path allowed.
 * NULL: the pipe, or the exec's own. */
struct vh_exec_stage {
    const char *const *argv; /* argv[0]: a name for PATH, or a path relative to the exec's folder */
    size_t argc;
    const char *const *env; /* "NAME=value", over the exec's */
    size_t env_count;
    const char *input_path;
    const char *output_path;
    const char *error_path;
    bool output_append;
    bool error_append;
    bool error_to_output; /* as 2>&1, after the other redirections */
};

struct vh_exec {
    const struct vh_exec_stage *stages;
    size_t stage_count;
    const char *const *env; /* over the rebuilt environment: PATH HOME LANG TZ TMPDIR USER */
    size_t env_count;
    const char *cwd;      /* relative to the workspace root; NULL is the root */
    struct viv_str input; /* standard input of the first stage; none: /dev/null */
    int64_t wall_ns;      /* time limit of the whole pipeline; must be positive */
    size_t output_max;    /* bytes kept of each stream; more is counted and hashed */
    size_t error_max;
    uint64_t flood_bytes; /* both streams together: beyond it everything is killed; 0 for no such
                             bound */
    struct vh_hasher *output_hasher; /* gets every byte of standard output too; may be NULL */
};

/* Lets a caller end the wait early. Either may be absent. */
struct vh_exec_watch {
    int64_t deadline_ns;       /* monotonic; 0: none */
    const atomic_uint *cancel; /* not zero: stop; looked at every 20 ms */
    int cancel_fd;             /* readable: stop; 0 or -1: none */
};

/* One stream. */
struct vh_exec_output {
    struct viv_str kept;
    uint64_t total_bytes;
    struct vh_hash hash; /* of all bytes, kept or not */
};

/* Why a run was ended from outside. */
enum vh_exec_end { VH_EXEC_ENDED, VH_EXEC_TIMED_OUT, VH_EXEC_CANCELLED, VH_EXEC_FLOODED };

struct vh_exec_stage_result {
    int32_t exit_code;   /* -1: it never started, or died by a signal */
    int32_t signal;      /* 0: none */
    int32_t start_errno; /* not 0: it never started, `start_step` says where */
    char start_step[16]; /* "program", "cwd", "stdin", "stdout", "stderr", "exec" */
    int64_t wall_ns;
    int64_t cpu_us;
    uint64_t rss_max_bytes;
};

struct vh_exec_result {
    struct vh_exec_stage_result *stages;
    size_t stage_count;
    struct vh_exec_output output; /* standard output of the last stage */
    struct vh_exec_output errors; /* standard error of all stages */
    enum vh_exec_end end;
    int64_t wall_ns;
};

struct vh_tool {
    const char *const *argv; /* argv[0]: a name for the fixed PATH, or an absolute path */
    size_t argc;
    const char *const *env; /* over PATH LANG TZ and HOME=/nonexistent */
    size_t env_count;
    const char *cwd; /* absolute; NULL is "/" */
    struct viv_str input;
    size_t output_max; /* VIV_E_LIMIT when more came: a cut answer of git must not be taken for a
                          whole one */
    size_t error_max;  /* more is dropped */
    const int *fds;    /* handed on as 3, 4, ... (at most 4) */
    size_t fd_count;
    int input_fd;  /* > 0: standard input instead of `input`, read where it stands */
    int output_fd; /* > 0: standard output goes there and is not collected */
};

struct vh_tool_result {
    int32_t exit_code; /* -1: died by `signal` */
    int32_t signal;
    struct viv_str output;
    struct viv_str errors;
    int64_t wall_ns;
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Where a task's programs run. A *keeper* is one confined world for one phase of one workspace:
 * made by the launcher, pid 1 inside, it runs what it is sent and takes everything in it along when
 * it ends. File effects do not go through the keeper: they use vh_keeper_root() with
 * openat2(RESOLVE_BENEATH). Nothing runs with less than the profile asked for.
 *
 * [any] thread may call; one keeper serves one exec at a time (a second waits). Read launcher.h
 * first, then launcher/keeper.c for the inside. */
#ifndef VH_SANDBOX_H
#define VH_SANDBOX_H

#include "base/hash.h"
#include "exec.h"
#include "launcher.h"
#include <viv/limits.h>

enum vh_sandbox_variant {
    VH_SANDBOX_AUTO, /* the first of the next three that can be set up and satisfies the minimum */
    VH_SANDBOX_FULL, /* user namespace, own root by pivot_root, overlay */
    VH_SANDBOX_REDUCED_ROOT, /* root without user namespaces (chroot, containers): own root by
                                chroot, overlay */
    VH_SANDBOX_REDUCED_COPY, /* no namespaces: a plain copy made by the host, Landlock and a filter
                                without sockets */
};

/* What was set up. */
#define VH_PROFILE_USERNS (1u << 0)
#define VH_PROFILE_MOUNTNS (1u << 1)
#define VH_PROFILE_PIDNS (1u << 2)
#define VH_PROFILE_NETNS (1u << 3)
#define VH_PROFILE_IPCNS (1u << 4)
#define VH_PROFILE_UTSNS (1u << 5)
#define VH_PROFILE_OVERLAY (1u << 6)
#define VH_PROFILE_PIVOT (1u << 7)
#define VH_PROFILE_CHROOT (1u << 8)
#define VH_PROFILE_LANDLOCK (1u << 9)
#define VH_PROFILE_SCOPES (1u << 10) /* Landlock also bounds signals and abstract sockets */
#define VH_PROFILE_SECCOMP (1u << 11)
#define VH_PROFILE_NO_SOCKETS (1u << 12)
#define VH_PROFILE_CAPS (1u << 13) /* capabilities and bounding set empty, no new privileges */
#define VH_PROFILE_RLIMITS (1u << 14)
#define VH_PROFILE_PROCESSES (1u << 15) /* the number of processes is bounded */

/* Every keeper has at least these; a plan's `minimum` adds to them. */
#define VH_PROFILE_ALWAYS (VH_PROFILE_SECCOMP | VH_PROFILE_CAPS | VH_PROFILE_RLIMITS)

struct vh_sandbox_profile {
    enum vh_sandbox_variant variant; /* never AUTO */
    uint32_t bits;
    uint32_t landlock_abi; /* 0: the kernel has none */
};

/* "full", "reduced-root", "reduced-copy". */
const char *vh_sandbox_variant_name(enum vh_sandbox_variant variant);
/* "full: userns mountns ... landlock(7)", for records and people; NULL when memory is out. */
const char *vh_sandbox_profile_text(struct vh_arena *arena,
                                    const struct vh_sandbox_profile *profile);

/* Per process unless said otherwise; 0 means the default in brackets. */
struct vh_sandbox_limits {
    uint64_t cpu_s;        /* [3600] */
    uint64_t memory_bytes; /* address space [16 GiB] */
    uint64_t processes;    /* in the whole keeper [4096] */
    uint64_t files_open;   /* [1024] */
    uint64_t file_bytes;   /* largest file written [4 GiB] */
    uint64_t
        tmp_bytes; /* private /tmp and home together, in memory [1 GiB]; no bound in reduced-copy */
};

/* Another folder or file shown inside. A relative target is in the workspace (".git"), an absolute
 * one in the task's root; the names above it are made as needed and never enter the change set. In
 * reduced-copy absolute targets only open `source` itself for reading and relative ones are
 * refused: the host copies them. */
struct vh_sandbox_bind {
    const char *source;
    const char *target;
    bool writable;
};

#define VH_SANDBOX_LOWERS_MAX (VIV_LAYERS_MAX + 1)
#define VH_SANDBOX_BINDS_MAX 16

/* All paths absolute. `upper`, `work` and `scratch` are existing folders of the home's owner on one
 * file system that can hold an overlay's upper layer; `scratch` is empty and stays so outside. The
 * lower folders must not change while the keeper lives. Afterwards `work` holds a folder of mode
 * 000 (vh_fs_remove_tree copes). */
struct vh_sandbox_plan {
    enum vh_sandbox_variant variant;
    uint32_t minimum;          /* VH_PROFILE_ bits without which nothing may run */
    const char *const *lowers; /* newest first; VIV_E_LIMIT beyond VH_SANDBOX_LOWERS_MAX */
    size_t lower_count;
    const char *upper;
    const char *work;
    const char *scratch;
    const char *copy; /* reduced-copy: the workspace itself; NULL leaves that variant out of AUTO */
    const struct vh_sandbox_bind *binds;
    size_t bind_count;
    bool door; /* a way out is wanted: vh_keeper_door(). Full alone has one, others refuse */
    struct vh_sandbox_limits limits;
};

struct vh_keeper;

/* Make the namespaces and the mount. Warm cost about a millisecond.
 * VIV_E_UNAVAILABLE: the launcher is not running. VIV_E_UNSUPPORTED: this machine cannot give the
 * variant or the minimum; the text names each step and its reason. The keeper is closed by
 * vh_sandbox_close() or with `arena`. */
viv_status vh_sandbox_open(struct vh_launcher *launcher, struct vh_arena *arena,
                           const struct vh_sandbox_plan *plan, struct vh_keeper **ret_keeper,
                           struct viv_error *err);

/* What this machine can do for workspaces under `folder` (existing, writable; left as it was):
 * opens and closes the best variant. `variant` AUTO for the best, or one to try. */
viv_status vh_sandbox_probe(struct vh_launcher *launcher, const char *folder,
                            enum vh_sandbox_variant variant, struct vh_sandbox_profile *ret_profile,
                            struct viv_error *err);

/* The workspace as the task sees it, as a directory descriptor; the keeper's, closed with it. */
int vh_keeper_root(const struct vh_keeper *keeper);
#define VH_SANDBOX_DOOR_PORT 3128
/* Has that port of 127.0.0.1 in the task's own network namespace, not listening; -1: no door. */
int vh_keeper_door(const struct vh_keeper *keeper);
/* Where the task finds it: "/work", or the copy's own path. */
const char *vh_keeper_path(const struct vh_keeper *keeper);
const struct vh_sandbox_profile *vh_keeper_profile(const struct vh_keeper *keeper);

/* Run one pipeline to its end. VIV_OK also when a stage failed or could not be started: see the
 * result. Processes left behind by a stage live on until the keeper closes; when time runs out or
 * the caller cancels, everything inside is killed, they too. Kept output comes from `arena`.
 * VIV_E_INVALID, VIV_E_LIMIT: the request. VIV_E_UNAVAILABLE: a confinement step failed, which is
 * named, and nothing of the pipeline ran; or the keeper ended, and what ran is not known. */
viv_status vh_sandbox_exec(struct vh_keeper *keeper, struct vh_arena *arena,
                           const struct vh_exec *exec, const struct vh_exec_watch *watch,
                           struct vh_exec_result *ret_result, struct viv_error *err);

/* Stop and continue everything inside, also during an exec of another thread; frozen time does not
 * count. */
viv_status vh_sandbox_freeze(struct vh_keeper *keeper, struct viv_error *err);
viv_status vh_sandbox_thaw(struct vh_keeper *keeper, struct viv_error *err);

/* Kill everything inside and wait until it is gone. NULL is accepted; twice is the same as once. */
void vh_sandbox_close(struct vh_keeper *keeper);

/* Run a host helper (git) outside any sandbox, with a rebuilt environment, in a session of its own.
 */
viv_status vh_sandbox_tool(struct vh_launcher *launcher, struct vh_arena *arena,
                           const struct vh_tool *tool, const struct vh_exec_watch *watch,
                           struct vh_tool_result *ret_result, struct viv_error *err);

#endif

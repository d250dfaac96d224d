/* SPDX-License-Identifier: Apache-2.0 */
/* One tier-1 plugin in a sandboxed process of its own: start, call, end. A runner that crashes, exits, hangs or lies
 * costs the call and itself, never the host, and is blamed by name. Two kinds: *warm* (root_fd -1: no open at all)
 * and *folder* (read-only below root_fd). One runner is used by one thread at a time. For keeping warm ones and for
 * quarantine see pool.h; for the fork see zygote.h. */
#ifndef VH_RUNNER_H
#define VH_RUNNER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "zygote.h"
#include <viv_interfaces.h>

struct vh_runner;

/* What happened, when a call or a start failed for the runner's own reasons. */
enum vh_runner_failure {
    VH_RUNNER_FINE,
    VH_RUNNER_REFUSED,   /* did not start: entry, agreement, create() or a set-up step said no */
    VH_RUNNER_CRASHED,   /* died by a signal, the filter's included */
    VH_RUNNER_EXITED,    /* called exit */
    VH_RUNNER_HUNG,      /* killed at its deadline */
    VH_RUNNER_LIED,      /* answered out of range or broke the protocol; killed */
    VH_RUNNER_CANCELLED, /* killed because the caller cancelled */
    VH_RUNNER_LOST,      /* the zygote ended, or the host's own resources: nobody is to blame */
};

/* All is borrowed until vh_runner_start returns, but for `log` and its data: until vh_runner_end. */
struct vh_runner_plan {
    const char *id; /* as in the manifest; the descriptor must agree */
    const char *version;
    int plugin_fd;               /* sealed memory file with the verified bytes */
    int root_fd;                 /* folder granted read-only, or -1 */
    uint64_t interfaces;         /* bit i: the manifest names viv_interfaces[i]; the offers must agree */
    const char *const *services; /* service ids the manifest's grants name */
    uint32_t service_count;
    uint32_t library_count;
    const char *const *libraries;    /* what it needs beside libc: bare names, looked up where the
                                        loader looks, or absolute paths; their own needs too */
    const struct viv_value *options; /* settings by option name; what is missing has its default */
    uint32_t option_count;
    uint32_t no_constructors; /* 1: the audit found none; saves a filter for a plugin without libraries */
    int64_t memory_bytes;     /* address space beyond the area; 0: 256 MiB */
    int64_t cpu_s;            /* processor seconds of its whole life; 0: 3600 */
    int64_t start_ns;         /* until READY; 0: five seconds */
    /* Lines of viv.log/1; NULL: the operator's log. */
    void (*log)(void *data, uint32_t level, struct viv_str text);
    void *log_data;
};

struct vh_runner_call {
    uint32_t interface;  /* index into viv_interfaces: VIV_INDEX_SKILL */
    uint32_t method;     /* VIV_METHOD_SKILL_RUN */
    const void *request; /* the method's request struct */
    int64_t deadline_ns; /* monotonic; stands still while the host serves an effect */
    int64_t now_us;      /* what viv.clock/1 answers */
    int cancel_fd;       /* readable: stop; -1: none. The plugin is told, then killed 200 ms later */
    uint32_t reserved;
    const atomic_uint *cancel; /* the same by a flag, seen within 100 ms: not 0 is stop; or NULL */
    struct viv_str trace_id;
    const struct viv_task *task; /* or NULL */
    /* Perform one effect. Texts of the outcome live in `arena`. NULL: effects are refused. */
    viv_status (*service)(void *data, const struct viv_effect_request *request,
                          struct viv_effect_outcome *ret_outcome, struct vh_arena *arena, struct viv_error *err);
    void *service_data;
};

struct vh_runner_result {
    enum vh_runner_failure failure;
    viv_status plugin_status;      /* when the call itself worked: what the method returned */
    struct viv_error plugin_error; /* its text, made safe to print, when plugin_status is not VIV_OK */
    int64_t own_ns;                /* time of the call without served effects */
    uint32_t effects;              /* how many were asked for */
    uint32_t reserved;
};

/* Fork, confine, map, create. `arena` lives longer than the runner. On failure `ret_failure` (may be NULL) says of
 * which kind and `err` blames by name; VIV_E_PLUGIN, VIV_E_VERSION, VIV_E_DENIED, VIV_E_TIMEOUT,
 * VIV_E_UNAVAILABLE. */
viv_status vh_runner_start(struct vh_zygote *zygote, struct vh_arena *arena, const struct vh_runner_plan *plan,
                           struct vh_runner **ret_runner, enum vh_runner_failure *ret_failure, struct viv_error *err);

/* One call. VIV_OK: the plugin answered within bounds; look at ret_result->plugin_status, and only when that is
 * VIV_OK at `ret_answer`, whose texts live in `arena`. Otherwise the runner is dead, ret_result->failure says how
 * and `err` names plugin, interface, method and what happened: VIV_E_PLUGIN (crashed, exited, lied),
 * VIV_E_TIMEOUT, VIV_E_CANCELLED, VIV_E_UNAVAILABLE. With ret_result->failure VH_RUNNER_FINE it is alive and was not
 * asked or not understood for the host's own reasons: VIV_E_LIMIT, VIV_E_UNSUPPORTED, VIV_E_MEMORY, VIV_E_TIMEOUT. */
viv_status vh_runner_call(struct vh_runner *runner, const struct vh_runner_call *call, void *ret_answer,
                          struct vh_runner_result *ret_result, struct vh_arena *arena, struct viv_error *err);

/* Let it destroy() itself, wait up to a second, kill. VIV_OK, or the blame for a death in destroy(). Frees what the
 * runner holds. NULL is accepted. */
viv_status vh_runner_end(struct vh_runner *runner, struct viv_error *err);

bool vh_runner_alive(const struct vh_runner *runner); /* false after a failed call: only end it */
/* Whether an idle one still waits: it has not died and has said nothing since its last answer. */
bool vh_runner_quiet(const struct vh_runner *runner);
/* Between calls: give back what large payloads took of the area. */
void vh_runner_trim(struct vh_runner *runner);
pid_t vh_runner_pid(const struct vh_runner *runner);
/* Own time of all its calls: an upper bound of the processor time it used. */
int64_t vh_runner_used_ns(const struct vh_runner *runner);
bool vh_runner_folder(const struct vh_runner *runner);
/* Keep the runner on the caller's processor: a hand-over on one core costs a tenth of waking an idle one. */
viv_status vh_runner_pin(struct vh_runner *runner, int cpu, struct viv_error *err);
const char *vh_runner_failure_name(enum vh_runner_failure failure);

#endif

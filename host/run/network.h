/* SPDX-License-Identifier: Apache-2.0 */
/* The way out of a task's commands. What may be reached stands in the task's capability set, or for gates and `prepare`
 * beside their commands in the trusted policy; without hosts there is none. Each command gets the door of its keeper
 * served for as long as it runs, and what went through becomes part of the effect's record. */
#ifndef VH_NETWORK_H
#define VH_NETWORK_H

#include "run/run.h"

/* Whether it can be asked for: "HOST:PORT", no rule. VIV_E_INVALID names what was found and what is allowed. */
viv_status vh_network_host(struct viv_str host, struct viv_error *err);
/* The same for a list of at most VH_NETWORK_HOSTS_MAX; a submission's "hosts". */
#define VH_NETWORK_HOSTS_MAX 64
viv_status vh_network_hosts(const struct vh_json *hosts, struct viv_error *err);

/* Whether a command of the present stage may have hosts: then its workspace is made with a door. */
bool vh_network_wanted(struct vh_work *work);

/* While one command runs. */
struct vh_network {
    uint64_t door;
    int64_t bytes_max; /* 0: it has no way out */
    int socket;        /* the keeper's */
    const char *const *env; /* tells programs where it is */
    size_t env_count;
};

/* `spec` is the exec document; `by_policy`: the policy names the command. VIV_E_UNSUPPORTED: it may reach hosts and
 * this sandbox has no door. VIV_E_UNAVAILABLE: nobody serves it; then the command must not run. */
viv_status vh_network_open(struct vh_work *work, const struct vh_keeper *keeper, const struct vh_json *spec,
                           bool by_policy, struct vh_network *ret_network, struct viv_error *err);
/* What went through it, for the record, in the work's memory; NULL when there was none. */
struct vh_json *vh_network_close(struct vh_work *work, const struct vh_network *network);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The one way out: `viv-egress`, a process of its own that holds libcurl and every connection the host or a task makes.
 * It resolves once, checks the address it is about to dial and dials that one; private, link-local, metadata and
 * embedded-v4 addresses are refused unless the rules name that very address as a literal.
 *
 * A task's way out is a *door*: a listening TCP socket on 127.0.0.1 that was made inside the task's own network
 * namespace and handed over. Nobody else can reach it, so that it is the task's credential; it speaks HTTP/1.1 with
 * CONNECT and absolute targets, by the rules given with it, and counts. */
#ifndef VH_EGRESS_H
#define VH_EGRESS_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/seam.h"
#include <viv/draft/http.h>

struct vh_egress;

struct vh_egress_config {
    const struct vh_seam *seam;
    const char *program; /* path of viv-egress */
    const char *ca_file; /* certificates to trust, a path of at most 4000 bytes; NULL: the system's */
};

/* Nothing is started before the first use; what died is started again by the next use. One handle, any thread. */
viv_status vh_egress_create(const struct vh_egress_config *config, struct vh_egress **ret_egress,
                            struct viv_error *err);

/* Ends the process and all doors. NULL is fine. */
void vh_egress_destroy(struct vh_egress *egress);

/* Let secret `name` be put into headers, but only towards `host_port`. Besides the egress process only a copy in
 * guarded memory (secrets.h) has the value, for the next process; it is never logged. Naming it again replaces it. */
viv_status vh_egress_secret(struct vh_egress *egress, struct viv_str name, struct viv_str value,
                            struct viv_str host_port, struct viv_error *err);

/* How far an exchange may go. */
struct vh_egress_bounds {
    struct viv_str allow_json; /* what may be reached: ["host:port","*.host:port","http://host:port"] */
    int64_t deadline_ns;       /* monotonic */
    const atomic_uint *cancel; /* not zero: stop; may be NULL */
};

/* One exchange, as viv.http/1 says. Blocks until the end, the deadline or `*cancel`, whichever is first. `ret_sent`
 * is filled whatever comes of it. */
viv_status vh_egress_exchange(struct vh_egress *egress, const struct vh_egress_bounds *bounds,
                              const struct viv_http_request *request, const struct viv_http_sink *sink,
                              uint32_t *ret_sent, struct viv_error *err);

/* What viv.http/1 is of one call to a model: a struct vh_egress_lent as `data`; see lend/lend.h. The deadline is the
 * call's. */
struct vh_egress_lent {
    struct vh_egress *egress;
    struct viv_str allow_json; /* of the policy, for this plugin */
    const atomic_uint *cancel; /* may be NULL */
};
viv_status vh_egress_lend(void *data, struct viv_call *call, const struct viv_http_request *request,
                          const struct viv_http_sink *sink, uint32_t *ret_sent, struct viv_error *err);

/* Serve a door. `listener` is taken over, also on failure. `rules_json`: {"allow":["host:port","*.host:port"],
 * "bytes_max":N,"connections_max":N,"name":"task"}; bytes count both ways, none or 0 is no bound; connections are those
 * at the same time, at most and without it 64. */
viv_status vh_egress_open(struct vh_egress *egress, int listener, struct viv_str rules_json, uint64_t *ret_door,
                          struct viv_error *err);

/* End a door and its connections. `ret_counts_json` from `arena`: {"bytes_in","bytes_out","connections","hosts":
 * [{"bytes_in","bytes_out","connections","host"}],"refused":[{"host","times","why"}]}; both lists bounded to 64, of
 * which the last is then "others". A door of a process that died is told as VIV_E_UNAVAILABLE. */
viv_status vh_egress_close(struct vh_egress *egress, uint64_t door, struct vh_arena *arena,
                           struct viv_str *ret_counts_json, struct viv_error *err);

#endif

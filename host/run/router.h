/* SPDX-License-Identifier: Apache-2.0 */
/* Which skill answers a request, or why none. Exact: a skill named by the task. Template: the seed templates of the
 * manifests, by the kit's matcher, on the raw request. A route is taken only when exactly one reading is left over all
 * skills; two readings that say the same are one. No model, no guess. */
#ifndef VH_ROUTER_H
#define VH_ROUTER_H

#include "load/registry.h"
#include "base/json.h"

struct vh_router;

/* Empty; filled from the registry when the first request comes and again whenever the registry changed. One thread at
 * a time. NULL when memory is out. */
struct vh_router *vh_router_create(struct vh_arena *arena, const struct vh_seam *seam);

struct vh_route {
    struct viv_str skill;       /* id, empty when none */
    char digest[VH_HASH_HEX];   /* of the version that serves */
    struct viv_str input_json;
    struct viv_str reason;      /* why this one, or why none */
    struct vh_json *candidates; /* [{"input":...,"skill":...,"template":...,"why":...}] */
};

/* `missed` is a JSON list of skill ids that are left out, or empty. Results live in `arena`. */
viv_status vh_router_words(struct vh_router *router, const struct vh_registry *registry, struct vh_arena *arena,
                           struct viv_str request, struct viv_str missed, struct vh_route *ret_route,
                           struct viv_error *err);

/* By name; checks the input against the skill's schema. VIV_E_NOT_FOUND, VIV_E_INVALID. */
viv_status vh_router_name(const struct vh_registry *registry, struct vh_arena *arena, struct viv_str skill,
                          struct viv_str input_json, struct vh_route *ret_route, struct viv_error *err);

#endif

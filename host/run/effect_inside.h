/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the door: what its files share. Nobody else includes it. */
#ifndef VH_EFFECT_INSIDE_H
#define VH_EFFECT_INSIDE_H

#include "base/error.h"
#include "base/str.h"
#include "run/effect.h"
#include "run/workspace.h"

/* One effect on its way through. */
struct vh_effect {
    const struct vh_effect_origin *origin;
    struct vh_work *work;
    struct vh_arena *arena; /* of the call */
    const struct viv_effect_request *request;
    const char *kind;   /* "exec" ... */
    const char *path;   /* normalised, "." for the root */
    const char *target;
    struct vh_json *spec; /* of an exec: the document, with "pipelines" or "shell" when it is a shell's text */
    char digest[VH_HASH_HEX];
    char kept[VH_HASH_HEX]; /* where the content store has the output, when that is not its own digest */
    int64_t ordinal;
    struct vh_json *network; /* of an exec: what went out and in; NULL: it had no way out */
    struct vh_json *shown;   /* of a model: what is judged and recorded of it */
    struct vh_json *hold;    /* its money: "micro", "scopes" */
    struct vh_json *answer;  /* members of its outcome */
    struct viv_effect_outcome *outcome;
};

/* Read and normalise what is asked for; VIV_E_DENIED for paths that leave the workspace, VIV_E_INVALID for a spec
 * that is none. */
viv_status vh_effect_read_request(struct vh_effect *effect, struct viv_error *err);
/* The exec document of the request, checked member by member. */
viv_status vh_effect_command(struct vh_effect *effect, struct viv_error *err);
/* "a//./b/" -> "a/b", "" -> ".". Absolute paths, "..", NUL and over-long ones are denied. */
viv_status vh_effect_normalise(struct vh_arena *arena, struct viv_str path, const char **ret_path,
                               struct viv_error *err);
/* {"kind","path","target","spec","bytes"} for the safety plugin and the digest. */
struct vh_json *vh_effect_json(const struct vh_effect *effect, struct vh_arena *arena);

viv_status vh_effect_exec(struct vh_effect *effect, struct viv_error *err);
viv_status vh_effect_read(struct vh_effect *effect, struct viv_error *err);
viv_status vh_effect_write(struct vh_effect *effect, struct viv_error *err);
viv_status vh_effect_list(struct vh_effect *effect, struct viv_error *err);
viv_status vh_effect_move(struct vh_effect *effect, struct viv_error *err);
viv_status vh_effect_delete(struct vh_effect *effect, struct viv_error *err);

/* A model: tried again by its class of failure, each try judged, held, recorded and settled for itself. */
viv_status vh_effect_model(struct vh_effect *effect, struct viv_error *err);

/* What surrounds every effect: the verdict and the record of the intent; and the record of the outcome. */
viv_status vh_effect_begin(struct vh_effect *effect, struct viv_error *err);
viv_status vh_effect_end(struct vh_effect *effect, viv_status status, const struct viv_error *fault,
                         struct viv_error *err);

/* Output of an effect: kept bytes, digest of all of them. */
viv_status vh_effect_output(struct vh_effect *effect, struct viv_str bytes, const struct vh_hash *hash, bool cut,
                            struct viv_error *err);

#endif

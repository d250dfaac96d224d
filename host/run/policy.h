/* SPDX-License-Identifier: Apache-2.0 */
/* The policy in force: the user's file, which may grant, and the project's vivarium.yaml, which may only narrow until a
 * person has pinned its digest. The safety plugin turns both into checked JSON; here they are merged and put in force.
 * No parse, no start: a file that is wrong stops the host with line, key, found and allowed. */
#ifndef VH_POLICY_H
#define VH_POLICY_H

#include <viv/iface/safety.h>

#include "run/run.h"

#define VH_POLICY_FILE "vivarium.yaml"
#define VH_POLICY_OWN_FILE "policy.yaml" /* in the user's folder */
#define VH_POLICY_BYTES_MAX (256u << 10)

struct vh_policy_source {
    const char *user_path; /* absolute; NULL: none */
    /* Whether a person trusts the project's file with this digest. */
    bool (*trusted)(void *data, const char *digest_hex);
    /* Loads the safety plugin in a host that was built without plugins. */
    viv_status (*safety)(void *data, struct viv_error *err);
    void *data;
    pthread_mutex_t lock;
    struct stat user_stat;
    struct stat project_stat;
    char project_hex[VH_HASH_HEX]; /* of the project's file as read; "" when there is none */
    char seen[VH_HASH_HEX];        /* digest of the policy recorded last, while it is in force */
    struct vh_run_policy *good;    /* the last that could be read and was recorded; see vh_policy_reload */
    char good_hex[VH_HASH_HEX];    /* `project_hex` of it */
    char told[VH_HASH_HEX];        /* digest when the host started or was told to read again */
    char settings[VH_HASH_HEX];    /* of the plugins' settings at start: they got these */
    char fault[sizeof(((struct viv_error *)NULL)->text)]; /* said last, so that it is said once */
};

/* Read both files, compile, merge and put in force; nothing is recorded. At start, before the other plugins. */
viv_status vh_policy_read(struct vh_run *run, struct viv_error *err);

/* The same, and record `policy.loaded`. */
viv_status vh_policy_load(struct vh_run *run, struct viv_error *err);

/* The policy for the next claim, to be given back: read again when a file changed, or the trust in it. A file that
 * has become wrong keeps nothing in force but a policy that denies everything, and says so. NULL: not even
 * memory for that. */
struct vh_run_policy *vh_policy_now(struct vh_run *run);
void vh_policy_give(struct vh_run *run, struct vh_run_policy *policy);

/* The policy to look into, to be given back. A host that works: as vh_policy_now. One that only takes commands reads
 * both files each time; nothing is recorded, since nothing runs by it. */
viv_status vh_policy_look(struct vh_run *run, struct vh_run_policy **ret_policy, struct viv_error *err);

/* What a reload by hand came to. */
struct vh_policy_reloaded {
    char digest[VH_HASH_HEX]; /* of the policy now in force; "" when everything is denied */
    bool changed;             /* other than at start, or at the reload before */
    bool settings;            /* settings of plugins differ from those they were started with */
};

/* Somebody who looks at the outcome asks for it: both files are read again whether they changed or not, under the same
 * checks as at start, and put in force as a whole. When that fails the last policy that could be read is in force, even
 * if a claim had found the files broken before, until they change again - unless it trusted a project's file that
 * nobody trusts any more: then everything is denied. Claims that run keep what they began with. */
viv_status vh_policy_reload(struct vh_run *run, struct vh_policy_reloaded *ret_reloaded, struct viv_error *err);

/* Whether the safety plugin can read `text` as a policy of `scope`, VIV_POLICY_*; nothing is put in force.
 * VIV_E_DENIED: it is a project's, grants, and is not `trusted`. */
viv_status vh_policy_try(struct vh_run *run, struct viv_str text, uint32_t scope, bool trusted, struct viv_error *err);

/* When nobody works any more. */
void vh_policy_end(struct vh_run *run);

/* Whether no layer narrows what may be read, and neither does the capability (JSON, or empty). Only then may a folder
 * be handed out as a whole; otherwise each read is an effect that is judged. */
bool vh_policy_reads_all(const struct vh_run_policy *policy, struct vh_arena *arena, struct viv_str capability);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* From a path to a live plugin, in this order, each refusal naming its check and both values: note, hash, signature
 * (inspect: no code runs), then map, entry, magic, size, major, manifest agrees, id free, options, create, offers
 * (load: tier 0 only). Registered last: a refused plugin leaves nothing but its mapping. A plugin for tier 1 is only
 * inspected here; `vh_map_seal` and the runner do the rest. */
#ifndef VH_PLUGIN_H
#define VH_PLUGIN_H

#include <pthread.h>

#include "audit.h"
#include "manifest.h"
#include "trust.h"
#include <viv/plugin.h>

struct viv_interface;

/* What the policy allows beyond the rules. All zero allows nothing. */
struct vh_plugin_rules {
    struct vh_trust trust;
    bool allow_drafts;       /* interfaces in draft/ */
    bool allow_experimental; /* plugins marked experimental */
};

/* Known without running it. All in the arena given. */
struct vh_plugin_file {
    const char *path;
    struct viv_str bytes; /* read once; hashed, judged and mapped are these */
    struct vh_hash digest;
    char digest_hex[VH_HASH_HEX];
    const struct vh_manifest *manifest;
    enum vh_trust_verdict trust;
    uint32_t reserved;
    struct vh_audit audit;
};

/* Read, find the note, hash, judge the signature, audit. VIV_E_DENIED when a rule of the audit that binds fails or a
 * signature does not fit; VIV_E_UNSUPPORTED for a foreign ABI or a draft; `ret_file` is filled as far as it is known
 * in every case but VIV_E_MEMORY and unreadable files, so that a report can show the rows. */
viv_status vh_plugin_inspect(const struct vh_seam *seam, struct vh_arena *arena, const struct vh_plugin_rules *rules,
                             int dir, const char *path, struct vh_plugin_file *ret_file, struct viv_error *err);

/* The same for bytes at hand; `path` names them and is where a signature is looked for. */
viv_status vh_plugin_inspect_bytes(const struct vh_seam *seam, struct vh_arena *arena,
                                   const struct vh_plugin_rules *rules, int dir, const char *path,
                                   struct vh_plugin_file *file, struct viv_error *err);

/* One offer of a live plugin: a full-size table of the host's own, no member NULL. */
struct vh_plugin_offer {
    const struct viv_interface *interface;
    const void *table;
};

struct vh_plugin {
    const char *id;
    const char *version;
    char digest_hex[VH_HASH_HEX];
    enum vh_trust_verdict trust;
    const struct vh_manifest *manifest;
    void *self;
    struct viv_plugin descriptor; /* full size, whatever the plugin's was */
    uint32_t offer_count;
    const struct vh_plugin_offer *offers;
    pthread_mutex_t *entry; /* held by who calls a method that takes one call at a time */
    struct vh_plugin *next; /* in the set */
};

/* The live plugins of this process; made zeroed. Ended newest first by the arena's clean-up. */
struct vh_plugin_set {
    struct vh_plugin *first;
    uint32_t count;
};

/* Load for tier 0: bundled or signed by the user, strict audit, never a skill, never machine-made. `host` must live
 * as long as the set. `set` may be NULL (then id-free is not checked). The plugin's destroy() runs when `arena`
 * ends. */
viv_status vh_plugin_load(struct vh_arena *arena, const struct vh_plugin_file *file, const struct viv_host *host,
                          struct viv_str settings_json, struct vh_plugin_set *set, struct vh_plugin **ret_plugin,
                          struct viv_error *err);

/* Table of one interface (VIV_INDEX_*), or NULL when the plugin does not offer it. */
const void *vh_plugin_table(const struct vh_plugin *plugin, uint32_t interface_index);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* manifest.json, parsed and checked without running anything. Every refusal names the key, the value found and the
 * values allowed; an unknown key gets the nearest known one. The contract: docs/contract/manifest.schema.json.
 *
 * {"id":"viv.gate_command", "version":"0.1.0", "kind":"plugin"|"skill", "abi":{"min":1,"max":1},
 *  "description":"...", "interfaces":["viv.gate/1", {"id":"viv.safety/1","rev":2}],
 *  "grants":["viv.log/1"] or {"services":["viv.log/1"],"effects":["read","list"],"folder":"read"},
 *  "libraries":["libpcre2-8.so.0"], "experimental":true, "goals":true,
 *  "options":[{"name","type","default","min","max","help"}], "inputSchema":{}, "outputSchema":{},
 *  "templates":[{"text":"WORDS {slot:word} WORDS","bind":{"slot":"/pointer"},"set":{"/other":"value"},
 *    "accept":[], "refuse":[]}],
 *  "provenance":{"origin":"person"|"machine", ...kept as it is}}
 * Required: id, version, interfaces, description, grants; a skill also inputSchema and outputSchema. */
#ifndef VH_MANIFEST_H
#define VH_MANIFEST_H

#include "schema.h"
#include <viv/limits.h>

#define VH_MANIFEST_LIST_MAX 64 /* interfaces, services, libraries, templates */

struct viv_interface;

enum vh_manifest_kind { VH_MANIFEST_PLUGIN = 1, VH_MANIFEST_SKILL };

struct vh_manifest_interface {
    const char *id;
    const struct viv_interface *known; /* NULL: this host does not know it */
    uint32_t index;                    /* into viv_interfaces, when known */
    uint32_t rev;                      /* revision of the table it wants at least; 1 when not said */
};

/* `offset` is where the generated config struct has it: 8-byte members first, then booleans, in the order written. */
struct vh_manifest_option {
    const char *name;
    const char *help;
    uint32_t type; /* VIV_OPTION_* */
    uint32_t offset;
    int64_t min;
    int64_t max;
    int64_t number;      /* default of numbers and booleans */
    struct viv_str text; /* default of text and json */
};

/* One seed template; `json` is the whole element, for the matcher of the kit. */
struct vh_manifest_template {
    const char *text;
    struct viv_str json;
};

struct vh_manifest {
    struct viv_str text; /* as it stands in the note */
    const char *id;
    const char *version;
    uint32_t version_part[3];
    uint32_t abi_min;
    uint32_t abi_max;
    enum vh_manifest_kind kind;
    const char *description;
    bool experimental;
    bool machine_made; /* provenance.origin is "machine" */
    bool goals;        /* an executor of tasks that come without a command */
    bool folder_read;  /* may read the workspace folder through a descriptor */
    uint32_t effects;  /* 1u << VIV_EFFECT_*, what a skill may ask for */
    uint32_t interface_count;
    uint32_t service_count;
    uint32_t library_count;
    uint32_t option_count;
    uint32_t template_count;
    uint32_t config_bytes; /* size of the generated config struct */
    const struct vh_manifest_interface *interfaces;
    const char *const *services;
    const char *const *libraries;
    const struct vh_manifest_option *options;
    const struct vh_manifest_template *templates;
    const struct vh_schema *input;
    const struct vh_schema *output;
    struct viv_str input_schema; /* JSON text, keys sorted */
    struct viv_str output_schema;
    struct viv_str provenance;
};

/* Parse and check. The text is copied into the arena. VIV_E_INVALID, VIV_E_LIMIT, VIV_E_MEMORY. */
viv_status vh_manifest_read(struct vh_arena *arena, struct viv_str text, const struct vh_manifest **ret_manifest,
                            struct viv_error *err);

/* Whether code made by a machine may say what this manifest says: interfaces that allow it, no libraries. */
viv_status vh_manifest_machine_made(const struct vh_manifest *manifest, struct viv_error *err);

/* Whether a service or an effect is among the grants. */
bool vh_manifest_grants_service(const struct vh_manifest *manifest, const char *service_id);
bool vh_manifest_grants_effect(const struct vh_manifest *manifest, uint32_t kind);

/* "effect name" <-> VIV_EFFECT_*: exec, read, write, list, move, delete, skill, ask. */
uint32_t vh_manifest_effect(struct viv_str name);

/* Negative, zero, positive. */
int vh_manifest_compare_versions(const uint32_t a[3], const uint32_t b[3]);

/* "1.20.3" -> parts; false for anything else. */
bool vh_manifest_version(struct viv_str text, uint32_t ret_part[3]);

#endif

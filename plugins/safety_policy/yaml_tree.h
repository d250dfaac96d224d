/* SPDX-License-Identifier: Apache-2.0 */
/* A policy file's bytes as a tree with line numbers, in the call's memory. Only the plain part of
 * YAML: mappings, lists, scalars, comments. Refused: anchors, aliases, tags, directives, more than
 * one document, keys that are not plain text, duplicate keys, and everything beyond the bounds
 * below. */
#ifndef SAFETY_POLICY_YAML_TREE_H
#define SAFETY_POLICY_YAML_TREE_H

#include <viv/viv.h>

#define YAML_BYTES_MAX (256u << 10)
#define YAML_NODES_MAX 16384
#define YAML_DEPTH_MAX 12
#define YAML_KEYS_MAX 256 /* of one mapping: duplicates are searched pair by pair */

enum yaml_kind { YAML_TEXT = 1, YAML_LIST, YAML_MAP };

struct yaml_value {
    enum yaml_kind kind;
    uint32_t line; /* from 1 */
    uint32_t quoted;
    uint32_t count; /* children */
    struct viv_str text;
    struct viv_str key; /* when a member of a mapping */
    struct yaml_value *child;
    struct yaml_value *last;
    struct yaml_value *next;
};

/* `origin` is the file's name for messages. An empty file gives an empty mapping of line 0.
 * VIV_E_INVALID, VIV_E_LIMIT, VIV_E_MEMORY; `err` holds the line. */
viv_status yaml_tree_read(struct viv_call *call, struct viv_str text, const char *origin,
                          struct yaml_value **ret_root, struct viv_error *err);

/* Fill `err` as "origin line N: ..." and set its line. */
viv_status yaml_tree_fail(struct viv_error *err, viv_status status, const char *origin,
                          uint32_t line, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

#endif

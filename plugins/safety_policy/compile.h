/* SPDX-License-Identifier: Apache-2.0 */
/* From a policy file's text to its canonical JSON, docs/contract/policy.schema.json. The first
 * fault ends the work: its line, its key, what was found, what is allowed. Read next: compile.c
 * (keys), compile_values.c, compile_commands.c. */
#ifndef SAFETY_POLICY_COMPILE_H
#define SAFETY_POLICY_COMPILE_H

#include <stddef.h>

#include "yaml_tree.h"

struct json_t;

struct compile {
    struct viv_call *call;
    const char *origin;
    struct viv_error *err;
    viv_status status; /* the first fault's; readers answer NULL from then on */
    uint32_t project;  /* a project's file: may only narrow */
    uint32_t trusted;  /* a person pinned its digest, so it may grant as well */
    uint32_t failed;   /* memory ran out while building */
    uint32_t reserved;
};

typedef struct json_t *(*compile_read)(struct compile *compile, const struct yaml_value *value);

/* What writing a key means in a project's file: it needs a person's trust, or is refused with it
 * too. */
#define COMPILE_GRANTS 1
#define COMPILE_OWN 2

/* One key of a mapping: what reads its value, its name in the JSON form, what writing it means. */
struct compile_key {
    const char *name;
    const char *json_name;
    compile_read read;
    uint32_t grants;
    uint32_t required;
};

/* Compile. `scope` is VIV_POLICY_USER or VIV_POLICY_PROJECT. */
viv_status compile_policy(struct viv_call *call, struct viv_str text, const char *origin,
                          uint32_t scope, uint32_t trusted, struct viv_str *ret_json,
                          struct viv_error *err);

/* Shared by the readers. All answer a new JSON value, or NULL with `compile->status` set. */
struct json_t *compile_fault(struct compile *compile, const struct yaml_value *value,
                             const char *format, ...) __attribute__((format(printf, 3, 4)));
struct json_t *compile_map(struct compile *compile, const struct yaml_value *value,
                           const struct compile_key *keys, size_t count, const char *what);
struct json_t *compile_list(struct compile *compile, const struct yaml_value *value,
                            compile_read read, size_t max);
/* Refuse a value that grants something, unless this file may. 1 when it may. */
uint32_t compile_may_grant(struct compile *compile, const struct yaml_value *value,
                           const char *what);

/* Refuse what belongs into the user's own policy alone. 1 when this is it. */
uint32_t compile_is_own(struct compile *compile, const struct yaml_value *value, const char *what);

/* Values: compile_values.c. */
/* The fault of a value: its key, what it is, what is allowed. Never of what may be a key's text. */
struct json_t *compile_wrong(struct compile *compile, const struct yaml_value *value,
                             const char *allowed);
struct json_t *compile_count(struct compile *compile, const struct yaml_value *value, int64_t low,
                             int64_t high);
struct json_t *compile_text(struct compile *compile, const struct yaml_value *value);
struct json_t *compile_money(struct compile *compile, const struct yaml_value *value);
struct json_t *compile_duration(struct compile *compile, const struct yaml_value *value);
struct json_t *compile_bytes(struct compile *compile, const struct yaml_value *value);
struct json_t *compile_disk(struct compile *compile, const struct yaml_value *value);
struct json_t *compile_permille(struct compile *compile, const struct yaml_value *value);
struct json_t *compile_glob(struct compile *compile, const struct yaml_value *value);
struct json_t *compile_globs(struct compile *compile, const struct yaml_value *value);
struct json_t *compile_path(struct compile *compile, const struct yaml_value *value);
struct json_t *compile_paths(struct compile *compile, const struct yaml_value *value);
struct json_t *compile_words(struct compile *compile, const struct yaml_value *value);
/* One of blank-separated words. */
struct json_t *compile_choice(struct compile *compile, const struct yaml_value *value,
                              const char *choices);
/* A program's words, or a text for `sh -c`. */
struct json_t *compile_run(struct compile *compile, const struct yaml_value *value);

/* Bytes over the network, both ways. */
struct json_t *compile_traffic(struct compile *compile, const struct yaml_value *value);

/* Parts: compile_commands.c, compile_parts.c, compile_network.c, compile_secrets.c and
 * compile_models.c. */
struct json_t *compile_commands(struct compile *compile, const struct yaml_value *value);
struct json_t *compile_env(struct compile *compile, const struct yaml_value *value);
struct json_t *compile_gates(struct compile *compile, const struct yaml_value *value);
struct json_t *compile_prepare(struct compile *compile, const struct yaml_value *value);
struct json_t *compile_plugins(struct compile *compile, const struct yaml_value *value);
struct json_t *compile_network(struct compile *compile, const struct yaml_value *value);
/* A list of "HOST:PORT". */
struct json_t *compile_hosts(struct compile *compile, const struct yaml_value *value);

/* A mapping of at most 32 names of a-z, 0-9, '_' and '-'. */
struct json_t *compile_named(struct compile *compile, const struct yaml_value *value,
                             compile_read read, const char *what);
uint32_t compile_is_name(struct viv_str name);
struct json_t *compile_secrets(struct compile *compile, const struct yaml_value *value);
struct json_t *compile_url(struct compile *compile, const struct yaml_value *value);
struct json_t *compile_models(struct compile *compile, const struct yaml_value *value);
struct json_t *compile_routing(struct compile *compile, const struct yaml_value *value);
struct json_t *compile_breaker(struct compile *compile, const struct yaml_value *value);
/* Once all is read: names that `models` and `routing` have of each other and of `secrets`, and the
 * values that nobody wrote. */
void compile_models_finish(struct compile *compile, const struct yaml_value *root,
                           struct json_t *policy);

#endif

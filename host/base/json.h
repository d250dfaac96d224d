/* SPDX-License-Identifier: Apache-2.0 */
/* JSON as the log stores it: canonical. Objects with sorted unique keys, arrays, UTF-8 strings, integers within
 * 2^53-1; no blanks, no floating point, no null, no booleans. One value has exactly one text, so bytes can be
 * hashed as written and never re-serialised. `vh_json_read` accepts that text only; foreign JSON comes in through
 * `vh_json_import`, by jansson, with booleans as 0 and 1, null members left out, and numbers that are not integers
 * refused by name.
 *
 * Building never needs a check at each step: a failed allocation marks the tree, and the writer then fails. */
#ifndef VH_JSON_H
#define VH_JSON_H

#include <stdbool.h>
#include <string.h>
#include "arena.h"
#include "buf.h"
#include <viv/status.h>

#define VH_JSON_INTEGER_MAX INT64_C(9007199254740991)

enum vh_json_type { VH_JSON_OBJECT = 1, VH_JSON_ARRAY, VH_JSON_STRING, VH_JSON_INTEGER };

struct vh_json {
    enum vh_json_type type;
    bool failed; /* an allocation below failed; the tree must not be used */
    uint32_t count;
    int64_t integer;
    struct viv_str text;
    struct viv_str key; /* when a member of an object */
    struct vh_json *child;
    struct vh_json *last;
    struct vh_json *next;
};

/* Build. Texts are borrowed for the life of the tree unless the name says copy. Keys must be literals or live as
 * long as the tree. `object` and `array` may be NULL after a failed allocation. */
struct vh_json *vh_json_object(struct vh_arena *arena);
struct vh_json *vh_json_array(struct vh_arena *arena);
struct vh_json *vh_json_string(struct vh_arena *arena, struct viv_str text);
struct vh_json *vh_json_integer(struct vh_arena *arena, int64_t integer);
void vh_json_set(struct vh_json *object, const char *key, struct vh_json *value);
void vh_json_set_str(struct vh_arena *arena, struct vh_json *object, const char *key, struct viv_str text);
/* NULL is a text there was no memory for: it marks the tree. */
void vh_json_set_text(struct vh_arena *arena, struct vh_json *object, const char *key, const char *text);
void vh_json_set_int(struct vh_arena *arena, struct vh_json *object, const char *key, int64_t integer);
void vh_json_push(struct vh_json *array, struct vh_json *value);
struct vh_json *vh_json_clone(struct vh_arena *arena, const struct vh_json *value);

/* Look. A missing member gives NULL, empty text or the fallback. `object` may be NULL. */
const struct vh_json *vh_json_get(const struct vh_json *object, const char *key);
struct viv_str vh_json_str(const struct vh_json *object, const char *key);
int64_t vh_json_int(const struct vh_json *object, const char *key, int64_t fallback);

/* Canonical text. The buf form sets `failed` when the tree is marked; the text form gives { NULL, 0 }. */
void vh_json_write(const struct vh_json *value, struct vh_buf *buf);
struct viv_str vh_json_print(struct vh_arena *arena, const struct vh_json *value);

/* Whether the tree can be written: UTF-8 texts, integers within bounds, not marked. Tells a bad document from a lack of
 * memory after a print gave nothing. */
bool vh_json_canonical(const struct vh_json *value);

/* Strict reader of canonical text. VIV_E_CORRUPT names the byte at fault. */
viv_status vh_json_read(struct vh_arena *arena, struct viv_str text, struct vh_json **ret_value, struct viv_error *err);

/* The same reader piece by piece, for who knows what comes next: each begins at `at` and gives where it ended, or NULL
 * when it is not there, or not canonical, or `at` is NULL. */
struct vh_json_reader {
    struct vh_arena *arena; /* of trees and of texts with escapes; NULL: neither is wanted */
    const char *end;        /* of the whole text */
    const char *at;         /* of the problem, when there was one */
    const char *problem;
    bool memory; /* it was too little */
};

const char *vh_json_take_string(struct vh_json_reader *r, const char *at, struct viv_str *ret_text);
const char *vh_json_take_integer(struct vh_json_reader *r, const char *at, int64_t *ret_integer);
/* An object `depth` levels below the top. `ret_value` NULL: it is only looked at. */
const char *vh_json_take_object(struct vh_json_reader *r, const char *at, int depth, struct vh_json **ret_value);

/* Foreign JSON, bounded in depth (VIV_JSON_DEPTH_MAX), duplicate keys refused. VIV_E_INVALID. */
viv_status vh_json_import(struct vh_arena *arena, struct viv_str text, struct vh_json **ret_value,
                          struct viv_error *err);

#endif

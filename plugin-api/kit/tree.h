/* SPDX-License-Identifier: Apache-2.0 */
/* JSON for plugins that read documents: bounded reading by jansson, canonical writing into a call's
 * memory, one-line errors. Not for skills, which get typed values. Link viv::plugin-kit-json and
 * name "libjansson.so.4" in the manifest.
 *
 * A tree is built without a check at each step: a failed step sets `*failed`, the writer then
 * answers VIV_E_MEMORY. */
#ifndef VIV_KIT_TREE_H
#define VIV_KIT_TREE_H

#include <viv/viv.h>

struct json_t; /* jansson's value */

/* Largest integer JSON readers agree on. */
#define VIV_TREE_INTEGER_MAX INT64_C(9007199254740991)

/* Fill `err` (may be NULL) with one line and give back `status`. Control characters become blanks.
 */
viv_status viv_tree_fail(struct viv_error *err, viv_status status, const char *where,
                         const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Read `text`, called `name` in messages. Refused: more than VIV_QUEUE_BYTES_MAX bytes, depth over
 * VIV_JSON_DEPTH_MAX, duplicate keys, NUL in texts, what is not JSON. Release with json_decref().
 */
viv_status viv_tree_read(struct viv_str text, const char *name, struct json_t **ret_value,
                         struct viv_error *err);

/* How deep a text that may be JSON is nested, without parsing it: the parser recurses. */
uint32_t viv_tree_depth(struct viv_str text);

/* Canonical text: sorted keys, no blanks, integers within 2^53-1. Refused: real numbers, booleans,
 * null. */
viv_status viv_tree_write(struct viv_call *call, const struct json_t *value, uint32_t failed,
                          struct viv_str *ret_text, struct viv_error *err);

/* Build. `set` and `push` take over `value`. A text that is not UTF-8, or holds NUL, gets U+FFFD in
 * those places. */
struct json_t *viv_tree_str(struct viv_str text);
struct json_t *viv_tree_literal(const char *text);
struct json_t *viv_tree_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
void viv_tree_set(struct json_t *object, const char *key, struct json_t *value, uint32_t *failed);
void viv_tree_push(struct json_t *array, struct json_t *value, uint32_t *failed);

/* Look. A missing member, or one of another type, gives empty text or the fallback; `object` may be
 * NULL. */
struct viv_str viv_tree_text(const struct json_t *object, const char *key);
int64_t viv_tree_integer(const struct json_t *object, const char *key, int64_t fallback);

/* A command for people: the words of `argv`, quoted as a shell would want them, cut with "..." at
 * `size`. Control characters become blanks. `buffer` always ends in NUL. */
void viv_tree_words(const struct json_t *argv, char *buffer, uint64_t size);

/* Copy of a text in the call's memory, or NULL data when that is used up. */
struct viv_str viv_tree_copy(struct viv_call *call, struct viv_str text);

/* Whether a text is UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. */
uint32_t viv_tree_utf8(struct viv_str text);

#endif

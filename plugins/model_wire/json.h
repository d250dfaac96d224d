/* SPDX-License-Identifier: Apache-2.0 */
/* What a provider or a caller sent, as JSON: bounded in bytes and depth before the parser sees it, no member twice,
 * any number and NUL in texts allowed. Looks answer by type: what is missing or of another type is nothing. */
#ifndef MODEL_WIRE_JSON_H
#define MODEL_WIRE_JSON_H

#include <viv/viv.h>

struct json_t; /* jansson's value */

/* NULL when it is no JSON; `ret_why` is then one line, in `why` of `size` bytes. Release with json_decref(). */
struct json_t *wire_json_parse(struct viv_str text, char *why, uint64_t size);

/* A text, or one with length 0. */
struct viv_str wire_json_text(const struct json_t *object, const char *key);
/* A count of tokens: an integer from 0 to WIRE_COUNT_MAX. -1 for anything else. */
int64_t wire_json_count(const struct json_t *object, const char *key);

#define WIRE_COUNT_MAX INT64_C(1000000000)

/* The bytes of one member, as they were sent: numbers keep their form. `path` is keys, and "#N" for item N of a list,
 * ended by NULL. `text` was parsed before. Nothing when there is no such member. */
struct viv_str wire_json_slice(struct viv_call *call, struct viv_str text, const char *const *path);

/* Whether a text is one JSON object that a tool may be given. Fills `why` when not. */
uint32_t wire_json_is_object(struct viv_str text, char *why, uint64_t size);

#endif

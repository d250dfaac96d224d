/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of tools and messages, and what they share with the rest of a request. Every message names its place. */
#ifndef MODEL_WIRE_MESSAGES_H
#define MODEL_WIRE_MESSAGES_H

#include <stddef.h>
#include <viv/viv.h>

struct json_t; /* jansson's value */

viv_status wire_tools_check(const struct json_t *tools, struct viv_error *err);
viv_status wire_messages_check(const struct json_t *messages, struct viv_error *err);

/* Refuses an object with a member that is not `known`. */
viv_status wire_known(const struct json_t *object, const char *where, const char *const *known, size_t count,
                      struct viv_error *err);
/* A member that is a text, or absent and then empty. */
viv_status wire_text(const struct json_t *object, const char *key, uint64_t max, struct viv_str *ret_text,
                     struct viv_error *err);
/* 1 to WIRE_TEXT_MAX bytes, no blanks, no control characters. */
uint32_t wire_is_word(struct viv_str text);
/* What both wires take as the name of a tool: 1 to WIRE_NAME_MAX of a-z, A-Z, 0-9, _ and -. */
uint32_t wire_is_name(struct viv_str text);

#endif

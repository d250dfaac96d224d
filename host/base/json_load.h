/* SPDX-License-Identifier: Apache-2.0 */
/* The one way to jansson's reader, so that a lack of memory is one: see json_load.c. */
#ifndef VH_JSON_LOAD_H
#define VH_JSON_LOAD_H

#include <stdbool.h>
#include <stddef.h>

#include <viv/core.h>

struct json_t;
struct json_error_t;

/* As json_loadb. NULL with *ret_memory: there was too little of it, and `ret_fault` says nothing. */
struct json_t *vh_json_load(struct viv_str text, size_t flags, struct json_error_t *ret_fault, bool *ret_memory);

#endif

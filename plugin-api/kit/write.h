/* SPDX-License-Identifier: Apache-2.0 */
/* Writing JSON: canonical text (no blanks, sorted unique keys, integers within 2^53-1, UTF-8), the form in which the
 * host hashes it. The caller writes members in the order of their bytes; a key out of order is a defect of the caller
 * and fails the document. Errors stick until viv_kit_json_finish(). */
#ifndef VIV_KIT_WRITE_H
#define VIV_KIT_WRITE_H

#include "buf.h"

#define VIV_KIT_JSON_DEPTH 16
#define VIV_KIT_INTEGER_MAX INT64_C(9007199254740991)

struct viv_kit_json {
    struct viv_kit_buf buf;
    const char *problem;                  /* literal: what the caller did wrong */
    const char *keys[VIV_KIT_JSON_DEPTH]; /* last key at each depth */
    char open[VIV_KIT_JSON_DEPTH];        /* '{' or '[' */
    uint32_t depth;
    uint32_t begun; /* something stands before at this depth: a comma is due */
};

void viv_kit_json_init(struct viv_kit_json *json, struct viv_kit_memory memory, uint64_t max);

/* `key` is a literal inside an object and NULL inside a list or at the top. */
void viv_kit_json_object(struct viv_kit_json *json, const char *key);
void viv_kit_json_list(struct viv_kit_json *json, const char *key);
void viv_kit_json_end(struct viv_kit_json *json);
void viv_kit_json_integer(struct viv_kit_json *json, const char *key, int64_t integer);

/* Text for people: bytes that are not UTF-8 become U+FFFD. */
void viv_kit_json_text(struct viv_kit_json *json, const char *key, struct viv_str text);

/* A file name: escaped by viv_kit_path_escape(), so that every name has one text and can be had back. */
void viv_kit_json_path(struct viv_kit_json *json, const char *key, struct viv_str path);

/* VIV_E_MEMORY at the bound; VIV_E_INTERNAL for keys out of order or an open object. */
viv_status viv_kit_json_finish(struct viv_kit_json *json, struct viv_str *ret_text, struct viv_error *err);

#endif

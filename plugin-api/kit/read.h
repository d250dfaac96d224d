/* SPDX-License-Identifier: Apache-2.0 */
/* Reading JSON in order, without a tree: what effects answer and what manifests say. Not recursive; depth is bounded;
 * a wrong byte makes `failed` stick and every later read answers nothing, so a caller checks once.
 *
 *     viv_kit_read_object(&in);
 *     while (viv_kit_read_key(&in, &key))
 *         if (viv_kit_is(key, "size")) size = viv_kit_read_integer(&in); else viv_kit_read_skip(&in);
 */
#ifndef VIV_KIT_READ_H
#define VIV_KIT_READ_H

#include "buf.h"

#define VIV_KIT_READ_DEPTH 64

struct viv_kit_read {
    const char *at;
    const char *end;
    struct viv_kit_memory memory; /* for strings with escapes */
    char open[VIV_KIT_READ_DEPTH];
    uint32_t depth;
    uint32_t begun;
    uint32_t failed;
    uint32_t reserved;
};

void viv_kit_read_init(struct viv_kit_read *in, struct viv_kit_memory memory, struct viv_str text);

/* What comes next: '{' '[' '"' 'i' (number) 't' 'f' 'n', or 0 when the document failed or ended. */
char viv_kit_read_peek(struct viv_kit_read *in);

/* Enter; then take keys or items until they answer 0, which also leaves. Each must be followed by one read. */
void viv_kit_read_object(struct viv_kit_read *in);
void viv_kit_read_list(struct viv_kit_read *in);
uint32_t viv_kit_read_key(struct viv_kit_read *in, struct viv_str *ret_key);
uint32_t viv_kit_read_item(struct viv_kit_read *in);

/* Texts lie in the document, or in memory when they had escapes. true and false read as 1 and 0. A number with a
 * fraction or out of int64_t's range fails the document. */
struct viv_str viv_kit_read_text(struct viv_kit_read *in);
int64_t viv_kit_read_integer(struct viv_kit_read *in);
void viv_kit_read_skip(struct viv_kit_read *in);

/* Whether all was read, well formed, with nothing but blanks behind. */
uint32_t viv_kit_read_done(struct viv_kit_read *in);

#endif

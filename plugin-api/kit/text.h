/* SPDX-License-Identifier: Apache-2.0 */
/* Small functions on text and file names. */
#ifndef VIV_KIT_TEXT_H
#define VIV_KIT_TEXT_H

#include "buf.h"

/* Whether a text equals a literal. */
uint32_t viv_kit_is(struct viv_str text, const char *literal);
/* The same without regard to case of ASCII letters. */
uint32_t viv_kit_is_folded(struct viv_str text, const char *literal);
struct viv_str viv_kit_str(const char *text);
/* By bytes; shorter first when one starts the other. */
int32_t viv_kit_compare(struct viv_str a, struct viv_str b);
/* Sort pointers in place: no memory, no recursion, no system call (libc's sort may make one). Give a total order. */
void viv_kit_sort(const void **items, uint64_t count, int32_t (*compare)(const void *a, const void *b));
/* Last component of a path, and what follows its last dot ("" when there is none or it starts the name). */
struct viv_str viv_kit_base_name(struct viv_str path);
struct viv_str viv_kit_extension(struct viv_str path);

/* Bytes of the well-formed UTF-8 character at the start, 0 when it is not one. */
uint32_t viv_kit_utf8(struct viv_str text);

/* File name pattern over one component: * any bytes, ? one byte, [a-z] [!a-z] one byte of a set, \ the next byte as
 * it is. Time is bounded by the product of both lengths. */
uint32_t viv_kit_glob(struct viv_str pattern, struct viv_str name);

/* A relative path inside the workspace: not absolute, no "..", no NUL, at most VIV_PATH_MAX. */
uint32_t viv_kit_path_safe(struct viv_str path);

/* File names are bytes; JSON and answers are text. Escaped: '%', control bytes, DEL and every byte that is not part of
 * well-formed UTF-8 become %XX (capital hex). One text per name, one name per text. */
void viv_kit_path_escape(struct viv_kit_buf *buf, struct viv_str path);
/* Gives the name back, in place when nothing was escaped; { NULL, 0 } for a broken escape or no memory. */
struct viv_str viv_kit_path_unescape(struct viv_kit_memory memory, struct viv_str text);

/* Text for people: what is not UTF-8 becomes U+FFFD, at most `max` bytes, cut between characters. */
void viv_kit_plain(struct viv_kit_buf *buf, struct viv_str text, uint64_t max);

#endif

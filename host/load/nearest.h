/* SPDX-License-Identifier: Apache-2.0 */
/* The known word nearest to a mistyped one, for refusals. */
#ifndef VH_NEAREST_H
#define VH_NEAREST_H

/* `known` ends in NULL. NULL when nothing is near enough to be meant. */
const char *vh_nearest(const char *const *known, const char *word);

/* Edits (insert, delete, replace, swap of neighbours) between two words, looking at their first 32 bytes. */
unsigned vh_nearest_edits(const char *a, const char *b);

#endif

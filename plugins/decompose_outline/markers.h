/* SPDX-License-Identifier: Apache-2.0 */
/* The phrases that begin a constraint, and what may follow them: the whole grammar as tables. Read
 * words.h first. */
#ifndef DECOMPOSE_OUTLINE_MARKERS_H
#define DECOMPOSE_OUTLINE_MARKERS_H

#include "words.h"

enum marker_kind {
    MARKER_NONE,
    MARKER_ONLY,    /* only under PATHS */
    MARKER_AVOID,   /* do not touch PATHS, without changing PATHS, except PATHS */
    MARKER_NEVER,   /* do not X, never X, without X */
    MARKER_NETWORK, /* no network, offline */
    MARKER_BUDGET,  /* at most 5 dollars */
    MARKER_RULE,    /* must, always: the whole sentence */
    MARKER_PREFER,  /* prefer, ideally, if possible */
    MARKER_ACCEPT,  /* so that, until, done when, make sure */
};

/* Note at each word the marker that begins there. Some phrases count only at the beginning of a
 * clause. */
void markers_find(struct words *words);

/* Money in words at `at` ("5 dollars", "$0.50", "30 cents"), in micro-units; 0 when there is none.
 */
int64_t markers_money(const struct words *words, uint32_t at);

/* Whether a word looks like a path: quoted, or with a slash, or a dot and a short ending. */
uint32_t markers_path_like(const struct words *words, uint32_t at);

/* Whether a sentence names something to do. */
uint32_t markers_has_verb(const struct words *words, uint32_t from, uint32_t to);

/* Whether a word alone says nothing about what to do. */
uint32_t markers_is_vague(const struct words *words, uint32_t at);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A request as words and sentences. A word ends at blanks; quotes and punctuation around it are not
 * part of it. A sentence ends after a word followed by . ! ? or ; (not after "e.g." and its like),
 * at an empty line, and before a list item; not inside quotes, and not at the dot of "parser.c".
 * Words are compared whole, never as parts of others. */
#ifndef DECOMPOSE_OUTLINE_WORDS_H
#define DECOMPOSE_OUTLINE_WORDS_H

#include <viv/viv.h>

#define WORD_QUOTED 1u /* stood in quotes or backticks */
#define WORD_COMMA 2u  /* followed by , or : */
#define WORD_LAST 4u   /* ends its sentence */

struct word {
    struct viv_str text; /* without quotes and punctuation */
    struct viv_str raw;  /* as written */
    uint32_t flags;
    uint16_t marker;     /* enum marker_kind of the phrase that begins here, by markers_find() */
    uint16_t marker_len; /* its number of words */
};

struct words {
    struct word *list;
    uint32_t count;
    uint32_t reserved;
};

/* Split; the words point into `goal`. VIV_E_INVALID: not UTF-8 or a NUL in it; VIV_E_LIMIT: longer
 * than VIV_GOAL_MAX. */
viv_status words_split(struct viv_call *call, struct viv_str goal, struct words *ret_words,
                       struct viv_error *err);

/* Number of the word after the sentence that begins at `from`. */
uint32_t words_sentence(const struct words *words, uint32_t from);

/* Whether a word is this one, without regard to case; a quoted word is no word of the grammar. */
uint32_t words_is(const struct words *words, uint32_t at, const char *literal);

/* Whether it is one of the words of a blank-separated list. */
uint32_t words_is_one(const struct words *words, uint32_t at, const char *list);

/* The text from word `from` up to, not including, word `to`, as written. */
struct viv_str words_span(const struct words *words, uint32_t from, uint32_t to);

#endif

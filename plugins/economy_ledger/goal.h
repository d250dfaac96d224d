/* SPDX-License-Identifier: Apache-2.0 */
/* What the words of a goal tell: how complex it is, of what kind, and the words one by one. Pure
 * text: no JSON, no policy. */
#ifndef ECONOMY_LEDGER_GOAL_H
#define ECONOMY_LEDGER_GOAL_H

#include <viv/viv.h>

/* All words that make a kind, joined by commas, fit. */
#define GOAL_PATTERN_MAX 320

struct goal {
    int64_t score;
    int64_t words;
    char pattern[GOAL_PATTERN_MAX]; /* sorted, comma-joined; empty when the goal has none of them */
};

struct goal goal_measure(struct viv_str text);

/* One name-like word: letters, digits, _ and -, and a dot inside it, so that "gpt-4" does not stand
 * in "gpt-4.1". `next` follows the word before it after nothing but blanks. */
struct goal_word {
    struct viv_str text;
    int next;
};

/* Take the word at or after `*at`; 0 at the end. */
int goal_word(struct viv_str text, uint64_t *at, struct goal_word *ret_word);

#endif

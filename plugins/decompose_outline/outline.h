/* SPDX-License-Identifier: Apache-2.0 */
/* What a request means, read by the grammar of markers.h. Same words, same outline: no clock, no
 * chance, no host. Read next: outline.c for the rules, intent.c for the document. */
#ifndef DECOMPOSE_OUTLINE_OUTLINE_H
#define DECOMPOSE_OUTLINE_OUTLINE_H

#include "words.h"

#define OUTLINE_LIST_MAX 32
#define OUTLINE_QUESTIONS_MAX 3

enum outline_list {
    OUTLINE_CONSTRAINTS,
    OUTLINE_ANTI_GOALS,
    OUTLINE_PREFERENCES,
    OUTLINE_ACCEPTANCE,
    OUTLINE_ONLY,  /* paths */
    OUTLINE_AVOID, /* paths */
    OUTLINE_LISTS,
};

/* Why a person should be asked; the questions' texts are in intent.c. */
#define OUTLINE_ASK_GOAL 1u     /* nothing says what to do */
#define OUTLINE_ASK_VAGUE 2u    /* what is said could mean anything */
#define OUTLINE_ASK_PATH 4u     /* a path leaves the project */
#define OUTLINE_ASK_CONFLICT 8u /* a path is both asked for and ruled out */
#define OUTLINE_ASK_SIZE 16u    /* more conditions than are kept */

struct outline {
    struct viv_str goal;
    struct viv_str lists[OUTLINE_LISTS][OUTLINE_LIST_MAX];
    uint32_t counts[OUTLINE_LISTS];
    uint32_t asks;
    int64_t budget_micro; /* 0: none said */
    uint32_t no_network;
    uint32_t confidence_permille;
    struct viv_str outside_path; /* the last one of ASK_PATH */
    struct viv_str torn_path;    /* the last one of ASK_CONFLICT */
};

/* Read. `with_command` says that a person showed how: then few words are enough. */
void outline_read(struct words *words, uint32_t with_command, struct outline *ret_outline);

/* Add a path to OUTLINE_ONLY or OUTLINE_AVOID. "./" and trailing slashes go; an absolute path, ".."
 * and an empty one are not added, give 0 and mark the outline. */
uint32_t outline_add_path(struct outline *outline, enum outline_list list, struct viv_str path);

/* Conflicts and confidence, after all paths were added. */
void outline_finish(const struct words *words, uint32_t with_command, struct outline *outline);

#endif

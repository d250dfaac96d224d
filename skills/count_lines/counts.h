/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds of lines, counted. Code is what is neither blank nor comment. */
#ifndef COUNT_LINES_COUNTS_H
#define COUNT_LINES_COUNTS_H

#include "languages.h"

struct counts {
    int64_t files;
    int64_t lines;
    int64_t blank;
    int64_t comment;
};

/* Count one more file. */
void counts_of_file(const struct language *language, struct viv_str bytes, struct counts *counts);
void counts_add(struct counts *to, const struct counts *more);

#endif

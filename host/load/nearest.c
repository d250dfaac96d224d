/* SPDX-License-Identifier: Apache-2.0 */
#include "nearest.h"

#include <stddef.h>
#include <string.h>

#define WORD_MAX 32

static unsigned
least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned
vh_nearest_edits(const char *a, const char *b)
{
    size_t rows = strnlen(a, WORD_MAX), columns = strnlen(b, WORD_MAX);
    unsigned cost[WORD_MAX + 1][WORD_MAX + 1];
    for (size_t i = 0; i <= rows; i++) {
        for (size_t j = 0; j <= columns; j++) {
            if (i == 0 || j == 0) {
                cost[i][j] = (unsigned)(i + j);
                continue;
            }
            unsigned differs = a[i - 1] != b[j - 1];
            cost[i][j] = least(least(cost[i - 1][j], cost[i][j - 1]) + 1, cost[i - 1][j - 1] + differs);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                cost[i][j] = least(cost[i][j], cost[i - 2][j - 2] + 1);
            }
        }
    }
    return cost[rows][columns];
}

const char *
vh_nearest(const char *const *known, const char *word)
{
    const char *best = NULL;
    unsigned best_edits = 1 + (unsigned)strnlen(word, WORD_MAX) / 3;
    for (size_t i = 0; known[i]; i++) {
        unsigned edits = vh_nearest_edits(known[i], word);
        if (edits <= best_edits && (!best || edits < best_edits)) {
            best = known[i];
            best_edits = edits;
        }
    }
    return best;
}

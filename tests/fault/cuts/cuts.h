/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of power cuts in files share: how many, from which seed, and what a failure says.
 *
 *   test_NAME                      the suite's share
 *   test_NAME --cuts N [--seed S]  more of them; tools/cuts
 *   test_NAME --wrong N            linked with a source that is wrong on purpose: some cut of N
 * must notice */
#ifndef FAULT_CUTS_H
#define FAULT_CUTS_H

#include <stdbool.h>
#include <stdint.h>

struct cuts_line {
    uint64_t cuts; /* the suite's share */
    uint64_t seed;
    uint64_t each; /* cuts in one history */
    /* One history by its seed and the cuts in it, at least one and about `want`; how many there
     * were. 0: `problem` (512 bytes) says what was not survived. */
    uint64_t (*history)(uint64_t seed, uint64_t want, char *problem);
    void (*begin)(void);
    bool (*tell)(void); /* prints what happened; whether all there is to try was tried */
    void (*end)(void);
};

int cuts_main(int argc, char **argv, const struct cuts_line *line);

#endif

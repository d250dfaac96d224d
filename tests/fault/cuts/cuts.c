/* SPDX-License-Identifier: Apache-2.0 */
#include "cuts.h"

#include "../../support/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../support/cut_folder.h"
#include "base/log.h"

#define ENOUGH 150

static struct cuts_line run;

/* Seed of the first history that is not survived, or 0. */
static uint64_t
many_cuts(uint64_t *ret_cuts, char *ret_problem)
{
    *ret_cuts = 0;
    for (uint64_t seed = run.seed; *ret_cuts < run.cuts; seed++) {
        uint64_t left = run.cuts - *ret_cuts;
        uint64_t done = run.history(seed, left < run.each ? left : run.each, ret_problem);
        if (!done) {
            return seed;
        }
        *ret_cuts += done;
    }
    return 0;
}

static void
nothing_promised_is_lost(void **state)
{
    (void)state;
    char problem[512] = "";
    uint64_t cuts = 0;
    run.begin();
    uint64_t seed = many_cuts(&cuts, problem);
    if (seed) {
        fail_msg("seed %llu: %s\nagain: --cuts %llu --seed %llu", (unsigned long long)seed, problem,
                 (unsigned long long)run.each, (unsigned long long)seed);
    }
    printf("%llu cuts from seed %llu on; ", (unsigned long long)cuts, (unsigned long long)run.seed);
    bool all = run.tell();
    assert_true(all || cuts < ENOUGH); /* a test that never came to it would pass, too */
    run.end();
}

static int
wrong(void)
{
    char problem[512] = "";
    uint64_t cuts = 0;
    run.begin();
    uint64_t seed = many_cuts(&cuts, problem);
    printf(seed ? "noticed after %llu cuts: %s\n"
                : "%llu cuts, and none noticed that the host is wrong%s\n",
           (unsigned long long)cuts, problem);
    run.end();
    return seed ? 0 : 1;
}

int
cuts_main(int argc, char **argv, const struct cuts_line *line)
{
    bool is_wrong = false;
    run = *line;
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t number = strtoull(argv[i + 1], NULL, 10);
        is_wrong = is_wrong || strcmp(argv[i], "--wrong") == 0;
        *(strcmp(argv[i], "--seed") == 0 ? &run.seed : &run.cuts) = number;
    }
    cut_folder_in_memory();
    run.seed = run.seed ? run.seed : 1; /* 0 is no seed */
    vh_log_level(VH_LOG_ERROR + 1);
    if (is_wrong) {
        return wrong();
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_promised_is_lost)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

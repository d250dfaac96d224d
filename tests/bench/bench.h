/* SPDX-License-Identifier: Apache-2.0 */
/* What benchmarks share: options, time, a warm-up, percentiles, and results as text or as one JSON object a line.
 *
 *     struct bench bench;
 *     bench_begin(&bench, "base", "files lines", argc, argv);   "--json", "--rounds N", "--files N", "--lines N"
 *     bench_run(&bench, "sha256 of 4 KiB", once, data); runs `once` and reports ns: median, p99, least
 *     bench_value(&bench, "resident", 6.4, "MB");       a figure of its own
 *     return bench_end(&bench);
 *
 * Publish the median beside the machine's own noise: compare only figures of one run. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench {
    const char *name;
    int argc;
    char **argv;
    bool json;
    bool failed;
    uint64_t rounds;
};

/* `own` names the benchmark's own options, with blanks between. Any other word ends the program with 2 and says which
 * are allowed: a figure of something else than was asked for is none. */
void bench_begin(struct bench *bench, const char *name, const char *own, int argc, char **argv);

/* Value of an option "--name N", or the fallback. */
int64_t bench_option(const struct bench *bench, const char *name, int64_t fallback);

int64_t bench_now_ns(void);
/* Processor time of this thread: for loops that wait for nothing, on a machine that others use too. */
int64_t bench_cpu_ns(void);

/* No row takes longer: on a slow machine it ends with fewer rounds, at least one, and says how many. */
#define BENCH_ROW_NS INT64_C(5000000000)

/* Run `once` for a warm-up and then `rounds` times; report nanoseconds per call. `once` returns false to fail the
 * benchmark. */
void bench_run(struct bench *bench, const char *what, bool (*once)(void *data), void *data);

/* Report samples that were measured elsewhere; sorts them. */
void bench_samples(struct bench *bench, const char *what, int64_t *samples_ns, size_t count);

/* Report one figure. */
void bench_value(struct bench *bench, const char *what, double value, const char *unit);

/* Exit code: 0, or 1 when something failed. */
int bench_end(struct bench *bench);

#endif

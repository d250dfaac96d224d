/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NUMBER_MAX 10000000

/* Who else used the machine: figures of a busy one are worth their least and their ratios. */
static void
note_load(struct bench *bench)
{
    double load = 0;
    if (getloadavg(&load, 1) == 1) {
        bench_value(bench, "load of the machine, last minute", load, "");
    }
}

/* Whether `word` is one of the names in `list`. */
static bool
is_one_of(const char *word, const char *list)
{
    size_t len = strlen(word);
    for (const char *at = list; *at; at += strcspn(at, " "), at += *at == ' ') {
        if (strcspn(at, " ") == len && memcmp(at, word, len) == 0) {
            return true;
        }
    }
    return false;
}

static void
refuse_word(const char *name, const char *word, const char *own)
{
    fprintf(stderr, "%s: there is no option '%s', allowed: --json, --rounds N", name, word);
    for (const char *at = own; *at; at += strcspn(at, " "), at += *at == ' ') {
        fprintf(stderr, ", --%.*s N", (int)strcspn(at, " "), at);
    }
    fputc('\n', stderr);
    exit(2);
}

static void
check_number(const char *name, const char *option, const char *word)
{
    char *end = NULL;
    long long number = word ? strtoll(word, &end, 10) : 0;
    if (!word || end == word || *end || number < 1 || number > NUMBER_MAX) {
        fprintf(stderr, "%s: option '%s' is '%s', allowed: a whole number from 1 to %d\n", name, option,
                word ? word : "", NUMBER_MAX);
        exit(2);
    }
}

static void
check_words(struct bench *bench, const char *own)
{
    for (int i = 1; i < bench->argc; i++) {
        const char *word = bench->argv[i];
        bool option = strncmp(word, "--", 2) == 0 && word[2] != '\0';
        if (strcmp(word, "--json") == 0) {
            bench->json = true;
        } else if (option && (strcmp(word, "--rounds") == 0 || is_one_of(word + 2, own))) {
            i++;
            check_number(bench->name, word, i < bench->argc ? bench->argv[i] : NULL);
        } else {
            refuse_word(bench->name, word, own);
        }
    }
}

void
bench_begin(struct bench *bench, const char *name, const char *own, int argc, char **argv)
{
    *bench = (struct bench){ .name = name, .argc = argc, .argv = argv };
    check_words(bench, own);
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* a row is there when it is measured, also in a pipe */
    bench->rounds = (uint64_t)bench_option(bench, "rounds", 1000);
    if (!bench->json) {
        printf("%s\n", name);
    }
    note_load(bench);
}

int64_t
bench_option(const struct bench *bench, const char *name, int64_t fallback)
{
    for (int i = 1; i + 1 < bench->argc; i++) {
        if (strncmp(bench->argv[i], "--", 2) == 0 && strcmp(bench->argv[i] + 2, name) == 0) {
            return strtoll(bench->argv[i + 1], NULL, 10);
        }
    }
    return fallback;
}

static int64_t
clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t
bench_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

int64_t
bench_cpu_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static int
by_size(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

void
bench_samples(struct bench *bench, const char *what, int64_t *samples_ns, size_t count)
{
    if (!count) {
        bench->failed = true;
        fprintf(stderr, "%s: no samples of '%s'\n", bench->name, what);
        return;
    }
    qsort(samples_ns, count, sizeof *samples_ns, by_size);
    long long median = samples_ns[count / 2];
    long long p99 = samples_ns[count - 1 - count / 100];
    long long least = samples_ns[0];
    if (bench->json) {
        printf("{\"bench\":\"%s\",\"count\":%zu,\"least_ns\":%lld,\"median_ns\":%lld,\"p99_ns\":%lld,", bench->name,
               count, least, median, p99);
        printf("\"what\":\"%s\"}\n", what);
    } else {
        printf("  %-44s least %10.1f us   median %10.1f us   p99 %10.1f us   of %zu\n", what, (double)least / 1e3,
               (double)median / 1e3, (double)p99 / 1e3, count);
    }
}

void
bench_run(struct bench *bench, const char *what, bool (*once)(void *data), void *data)
{
    int64_t *samples = calloc(bench->rounds, sizeof *samples);
    bool good = samples != NULL;
    int64_t end = bench_now_ns() + BENCH_ROW_NS;
    uint64_t count = 0;
    for (uint64_t i = 0; i < bench->rounds / 10 + 1 && good && bench_now_ns() < end - BENCH_ROW_NS / 2; i++) {
        good = once(data);
    }
    while (count < bench->rounds && good && (count == 0 || bench_now_ns() < end)) {
        int64_t start = bench_now_ns();
        good = once(data);
        samples[count++] = bench_now_ns() - start;
    }
    if (good) {
        bench_samples(bench, what, samples, count);
    } else {
        bench->failed = true;
        fprintf(stderr, "%s: '%s' failed\n", bench->name, what);
    }
    free(samples);
}

void
bench_value(struct bench *bench, const char *what, double value, const char *unit)
{
    if (bench->json) {
        printf("{\"bench\":\"%s\",\"unit\":\"%s\",\"value\":%.3f,\"what\":\"%s\"}\n", bench->name, unit, value, what);
    } else {
        printf("  %-44s %12.2f %s\n", what, value, unit);
    }
}

int
bench_end(struct bench *bench)
{
    note_load(bench);
    return bench->failed ? 1 : 0;
}

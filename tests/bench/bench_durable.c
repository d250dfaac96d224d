/* SPDX-License-Identifier: Apache-2.0 */
/* Measures durable steps: what a task costs in commits, syncs, bytes and time, how fast a log is verified and folded.
 * Beside them stands the disk's own sync rate of the same run. A task here is three commands: submitted (on disk before
 * it is answered), claimed (logged), cancelled (on disk).
 *
 *   tools/bench durable [--json] [--tasks N] [--events N]      in TMPDIR or /tmp */
#include "../support/cm.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../support/count_vfs.h"
#include "../support/home.h"
#include "base/fs.h"
#include "base/str.h"
#include "bench.h"
#include "core/cache.h"
#include "core/chain.h"
#include "core/fold.h"
#include "core/memory.h"
#include "keep/reader.h"
#include "keep/verify.h"

#define SYNCS 300
#define PRODUCERS 32
#define PRODUCERS_MAX 100

struct work {
    pthread_t thread;
    struct home *home;
    int number;
    int64_t tasks;
    int64_t *samples_ns;
};

static double raw_median_ns;

static void
raw_syncs(struct bench *bench, const char *folder)
{
    char path[128], block[4096];
    static int64_t samples[SYNCS];
    memset(block, 'x', sizeof block);
    snprintf(path, sizeof path, "%s/raw", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (int i = 0; i < SYNCS; i++) {
        int64_t from = bench_now_ns();
        bench->failed = bench->failed || pwrite(fd, block, sizeof block, 4096 * (i % 64)) < 0 || fdatasync(fd);
        samples[i] = bench_now_ns() - from;
    }
    close(fd);
    bench_samples(bench, "raw write of 4 KiB and fdatasync", samples, SYNCS); /* sorts them */
    raw_median_ns = (double)samples[SYNCS / 2];
}

static void *
produce(void *data)
{
    struct work *w = data;
    for (int64_t i = 0; i < w->tasks; i++) {
        char task[32];
        struct vh_answer answer = { 0 };
        struct viv_error err = VIV_ERROR_INIT;
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        snprintf(task, sizeof task, "p%d-%lld", w->number, (long long)i);
        int64_t from = bench_now_ns();
        const struct home_words words[] = {
            { "task.submitted", task, "", "{\"goal\":\"count the words of a text\",\"attempts_max\":3}" },
            { "task.claimed", task, "", "{\"worker\":\"w\"}" },
            { "cancel.requested", task, "", "{}" },
        };
        bool good = true;
        for (size_t j = 0; j < 3; j++) {
            good = good && home_say_in(w->home, arena, &words[j], &answer, &err) == VIV_OK;
        }
        w->samples_ns[i] = good ? bench_now_ns() - from : -1;
        vh_arena_destroy(arena);
    }
    return NULL;
}

struct sizes {
    int64_t events;
    int64_t bytes;
};

static bool
add_size(void *data, int64_t seq, struct viv_str line, const struct vh_hash *hash)
{
    struct sizes *sizes = data;
    (void)seq;
    (void)hash;
    sizes->events++;
    sizes->bytes += (int64_t)line.len;
    return true;
}

static double
us(struct timeval from, struct timeval to)
{
    return (double)(to.tv_sec - from.tv_sec) * 1e6 + (double)(to.tv_usec - from.tv_usec);
}

/* What a busy machine does not change much: processor time and how often a thread waited, of producers and host. */
static void
usage(struct bench *bench, int producers, double tasks, const struct rusage *before, const struct rusage *after)
{
    char what[96];
    snprintf(what, sizeof what, "processor time a task, own: %d producers", producers);
    bench_value(bench, what, us(before->ru_utime, after->ru_utime) / tasks, "us");
    snprintf(what, sizeof what, "processor time a task, the system's: %d producers", producers);
    bench_value(bench, what, us(before->ru_stime, after->ru_stime) / tasks, "us");
    snprintf(what, sizeof what, "waits of threads a task: %d producers", producers);
    bench_value(bench, what, (double)(after->ru_nvcsw - before->ru_nvcsw) / tasks, "");
}

static void
lifecycle(struct bench *bench, struct home *home, int producers, int64_t tasks)
{
    struct work work[PRODUCERS_MAX];
    char what[96];
    int64_t each = tasks / producers;
    int64_t *samples = calloc((size_t)(each * producers), sizeof *samples);
    if (!samples) {
        bench->failed = true;
        return;
    }
    struct rusage before;
    (void)getrusage(RUSAGE_SELF, &before);
    int64_t from = bench_now_ns();
    for (int i = 0; i < producers; i++) {
        work[i] = (struct work){ .home = home, .number = producers * 100 + i, .tasks = each,
                                 .samples_ns = samples + i * each };
        bench->failed = bench->failed || pthread_create(&work[i].thread, NULL, produce, &work[i]);
    }
    for (int i = 0; i < producers; i++) {
        pthread_join(work[i].thread, NULL);
    }
    int64_t took = bench_now_ns() - from;
    struct rusage after;
    (void)getrusage(RUSAGE_SELF, &after);
    for (int64_t i = 0; i < each * producers; i++) {
        bench->failed = bench->failed || samples[i] < 0;
    }
    snprintf(what, sizeof what, "submit, claim, cancel: %d producers", producers);
    bench_samples(bench, what, samples, (size_t)(each * producers)); /* sorts them */
    snprintf(what, sizeof what, "one of the three commands, median, in raw syncs: %d producers", producers);
    bench_value(bench, what, (double)samples[each * producers / 2] / 3 / raw_median_ns, "");
    snprintf(what, sizeof what, "tasks a second: %d producers", producers);
    bench_value(bench, what, (double)(each * producers) * 1e9 / (double)took, "1/s");
    snprintf(what, sizeof what, "tasks in the time of a raw sync: %d producers", producers);
    bench_value(bench, what, (double)(each * producers) * raw_median_ns / (double)took, "");
    free(samples);
    usage(bench, producers, (double)(each * producers), &before, &after);
}

/* Counters are read after the sequencer has ended; one commit each for its start and its end is not the tasks'. Syncs
 * are those of SQLite's, of the log and of what it moves into the tables: no fewer than there are commits. */
static void
counts(struct bench *bench, struct home *home, int producers, int64_t tasks, int64_t syncs)
{
    struct sizes sizes = { 0 };
    char what[96];
    (void)vh_reader_events(home->store, 0, (struct viv_str){ NULL, 0 }, add_size, &sizes, NULL);
    double count = (double)(tasks / producers * producers);
    snprintf(what, sizeof what, "commits a task: %d producers", producers);
    bench_value(bench, what, (double)(vh_store_commits(home->store) - 2) / count, "");
    if (producers == 1 && (double)(vh_store_commits(home->store) - 2) > 2.02 * count) {
        bench->failed = true; /* submit and cancel, nothing else */
    }
    snprintf(what, sizeof what, "syncs a task: %d producers", producers);
    bench_value(bench, what, (double)syncs / count, "");
    if (syncs < vh_store_commits(home->store)) {
        bench->failed = true; /* what was answered was not on disk */
        fprintf(stderr, "durable: %lld syncs for %lld commits, allowed: one for each or more\n", (long long)syncs,
                (long long)vh_store_commits(home->store));
    }
    snprintf(what, sizeof what, "events a task: %d producers", producers);
    bench_value(bench, what, (double)(sizes.events - 2) / count, "");
    snprintf(what, sizeof what, "bytes of log a task: %d producers", producers);
    bench_value(bench, what, (double)sizes.bytes / count, "B");
}

static void
one_home(struct bench *bench, int producers, int64_t tasks)
{
    struct home home;
    struct stat file;
    char path[128];
    int64_t syncs = count_vfs_syncs(), written = count_vfs_bytes();
    home_new(&home);
    lifecycle(bench, &home, producers, tasks);
    bench->failed = bench->failed || vh_sequencer_stop(home.sequencer, NULL);
    counts(bench, &home, producers, tasks, count_vfs_syncs() - syncs);
    snprintf(path, sizeof path, "bytes written a task: %d producers", producers);
    bench_value(bench, path, (double)(count_vfs_bytes() - written) / (double)(tasks / producers * producers), "B");
    snprintf(path, sizeof path, "%s-wal", home.path);
    if (stat(path, &file) == 0) {
        bench_value(bench, "size of the write-ahead log at the end", (double)file.st_size / 1024, "KiB");
    }
    vh_store_close(home.store);
    vh_arena_destroy(home.arena);
    (void)vh_fs_remove_tree(vh_seam_real(), AT_FDCWD, home.folder, NULL); /* a leftover in /tmp is no result */
}

/* ---- reading ---- */

struct reading {
    struct vh_event_reader reader;
    struct vh_state_ops state;
    struct vh_state_ops tasks;
    struct vh_hash head;
    bool fold;
    bool failed;
};

static bool
read_event(void *data, int64_t seq, struct viv_str line, const struct vh_hash *hash)
{
    struct reading *reading = data;
    struct vh_event event;
    (void)seq;
    bool good = vh_chain_add(&reading->head, line) &&
                memcmp(reading->head.bytes, hash->bytes, VH_HASH_BYTES) == 0;
    if (good && reading->fold) {
        good = !vh_event_read(&reading->reader, line, true, &event, NULL) &&
               !vh_fold_through(&reading->state, &reading->tasks, reading->reader.arena, &event, NULL);
    }
    reading->failed = reading->failed || !good;
    return good;
}

static void
reading_rates(struct bench *bench, int64_t events)
{
    struct home home;
    home_new(&home);
    struct work work[PRODUCERS_MAX];
    int64_t each = events / 5 / PRODUCERS + 1; /* five events a task */
    int64_t *samples = calloc((size_t)(each * PRODUCERS), sizeof *samples); /* which nobody looks at */
    if (!samples) {
        bench->failed = true;
        return;
    }
    for (int i = 0; i < PRODUCERS; i++) {
        work[i] = (struct work){ .home = &home, .number = i, .tasks = each, .samples_ns = samples + i * each };
        bench->failed = bench->failed || pthread_create(&work[i].thread, NULL, produce, &work[i]);
    }
    for (int i = 0; i < PRODUCERS; i++) {
        pthread_join(work[i].thread, NULL);
    }
    free(samples);
    bench->failed = bench->failed || vh_sequencer_stop(home.sequencer, NULL);
    double count = (double)vh_store_seq(home.store);
    static const char *const what[] = { "verify the chain, by processor time",
            "verify and fold into arrays, the same" };
    for (int fold = 0; fold < 2; fold++) {
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        struct reading reading = { .reader = { .arena = vh_arena_create(arena, 0) },
                                   .state = vh_memory_state(vh_memory_create(arena)), .fold = fold };
        struct vh_cache *cache = vh_cache_create(arena, &reading.state, VH_CACHE_ROWS); /* as `log rebuild` does */
        reading.tasks = vh_cache_tasks(cache);
        int64_t from = bench_cpu_ns();
        struct viv_str all = { NULL, 0 };
        bench->failed = bench->failed || vh_reader_events(home.store, 0, all, read_event, &reading, NULL) ||
                        reading.failed || vh_cache_flush(cache, NULL);
        bench_value(bench, what[fold], count * 1e9 / (double)(bench_cpu_ns() - from), "events/s");
        vh_arena_destroy(arena);
    }
    struct vh_verify_result verified;
    int64_t from = bench_cpu_ns();
    bench->failed = bench->failed || vh_verify_log(home.store, &verified, NULL) || verified.bad_seq;
    bench_value(bench, "log verify, the same", count * 1e9 / (double)(bench_cpu_ns() - from), "events/s");
    struct vh_rebuild_result rebuilt;
    from = bench_cpu_ns();
    bench->failed = bench->failed || vh_verify_rebuild(home.store, false, &rebuilt, NULL) || !rebuilt.same;
    bench_value(bench, "log rebuild, into tables, the same", count * 1e9 / (double)(bench_cpu_ns() - from), "events/s");
    vh_store_close(home.store);
    vh_arena_destroy(home.arena);
    (void)vh_fs_remove_tree(vh_seam_real(), AT_FDCWD, home.folder, NULL);
}

int
main(int argc, char **argv)
{
    struct bench bench;
    char folder[64];
    const char *below = getenv("TMPDIR");
    bench_begin(&bench, "durable", "tasks events", argc, argv);
    int64_t tasks = bench_option(&bench, "tasks", 600);
    int64_t events = bench_option(&bench, "events", 20000);
    snprintf(folder, sizeof folder, "%s/viv-bench-XXXXXX", below && *below ? below : "/tmp");
    if (!mkdtemp(folder)) {
        perror(folder);
        return 1;
    }
    count_vfs_register();
    raw_syncs(&bench, folder);
    (void)vh_fs_remove_tree(vh_seam_real(), AT_FDCWD, folder, NULL);
    one_home(&bench, 1, tasks);
    one_home(&bench, PRODUCERS, tasks * 4);
    one_home(&bench, PRODUCERS_MAX, tasks * 4 > PRODUCERS_MAX ? tasks * 4 : PRODUCERS_MAX);
    reading_rates(&bench, events);
    return bench_end(&bench);
}

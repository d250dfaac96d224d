/* SPDX-License-Identifier: Apache-2.0 */
/* Measures what a home costs that has become large: claiming a task when many wait, beside an empty queue; a start
 * after a crash, whose write-ahead log nobody moved into the tables, beside a start of a new home; bytes of an event.
 *
 *   tools/bench years [--json] [--waiting N]      N tasks wait, 20,000 unless said otherwise; in TMPDIR or /tmp */
#include "../support/cm.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../support/home.h"
#include "base/fs.h"
#include "base/str.h"
#include "bench.h"
#include "keep/store.h"

#define PRODUCERS 32
#define CLAIMS 400
#define STARTS 5

struct producer {
    pthread_t thread;
    struct home *home;
    int number;
    int64_t tasks;
    bool good;
};

static bool
say(struct home *home, const char *kind, const char *task, const char *json, int64_t *ret_ns, char *ret_task)
{
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_answer answer = { 0 };
    struct viv_error err = VIV_ERROR_INIT;
    const struct home_words words = { kind, task, "", json };
    int64_t from = bench_now_ns();
    bool good = home_say_in(home, arena, &words, &answer, &err) == VIV_OK;
    if (ret_ns) {
        *ret_ns = bench_now_ns() - from;
    }
    if (ret_task) {
        snprintf(ret_task, VIV_ID_MAX + 1, "%.*s", VH_STR_ARGS(answer.task));
    }
    if (!good) {
        fprintf(stderr, "years: %s: %s\n", kind, err.text);
    }
    vh_arena_destroy(arena);
    return good;
}

static bool
submit(struct home *home, const char *task)
{
    return say(home, "task.submitted", task, "{\"goal\":\"count the words of a text\",\"attempts_max\":3}", NULL, NULL);
}

static void *
produce(void *data)
{
    struct producer *p = data;
    p->good = true;
    for (int64_t i = 0; i < p->tasks && p->good; i++) {
        char task[48];
        snprintf(task, sizeof task, "w%d-%lld", p->number, (long long)i);
        p->good = submit(p->home, task);
    }
    return NULL;
}

static void
fill(struct bench *bench, struct home *home, int64_t tasks)
{
    struct producer producers[PRODUCERS];
    int64_t from = bench_now_ns();
    for (int i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){ .home = home, .number = i, .tasks = tasks / PRODUCERS + 1 };
        bench->failed = bench->failed || pthread_create(&producers[i].thread, NULL, produce, &producers[i]);
    }
    for (int i = 0; i < PRODUCERS; i++) {
        pthread_join(producers[i].thread, NULL);
        bench->failed = bench->failed || !producers[i].good;
    }
    double count = (double)(tasks / PRODUCERS + 1) * PRODUCERS;
    bench_value(bench, "submissions a second, 32 producers", count * 1e9 / (double)(bench_now_ns() - from), "1/s");
}

/* A task is there for each claim; the claimed one is cancelled, so that as many wait as before. */
static void
claims(struct bench *bench, struct home *home, const char *what, const char *prefix)
{
    static int64_t samples[CLAIMS];
    for (int i = 0; i < CLAIMS && !bench->failed; i++) {
        char task[48], claimed[VIV_ID_MAX + 1];
        snprintf(task, sizeof task, "%s-%d", prefix, i);
        bench->failed = !submit(home, task) ||
                        !say(home, "task.claimed", "", "{\"worker\":\"w\"}", &samples[i], claimed) ||
                        !say(home, "cancel.requested", claimed, "{}", NULL, NULL);
    }
    bench_samples(bench, what, samples, CLAIMS);
}

/* The files as a crash would leave them: while the host has them open and says nothing. */
static bool
copy_home(const struct home *home, const char *to)
{
    static const char *const ends[] = { "", "-wal" };
    bool good = true;
    for (size_t i = 0; i < 2 && good; i++) {
        char from_path[128], to_path[160], bytes[65536];
        snprintf(from_path, sizeof from_path, "%s%s", home->path, ends[i]);
        snprintf(to_path, sizeof to_path, "%s/vivarium.db%s", to, ends[i]);
        int in = open(from_path, O_RDONLY | O_CLOEXEC);
        int out = open(to_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        ssize_t got = in < 0 || out < 0 ? -1 : 1;
        while (got > 0) {
            got = read(in, bytes, sizeof bytes);
            good = good && got >= 0 && (got == 0 || write(out, bytes, (size_t)got) == got);
        }
        good = good && got == 0;
        close(in);
        close(out);
    }
    return good;
}

static void
starts(struct bench *bench, const struct home *crashed, const char *what)
{
    static int64_t samples[STARTS];
    for (int i = 0; i < STARTS && !bench->failed; i++) {
        struct home home = { 0 };
        snprintf(home.folder, sizeof home.folder, "%.50s.again", crashed->folder);
        snprintf(home.path, sizeof home.path, "%s/vivarium.db", home.folder);
        bench->failed = mkdir(home.folder, 0700) || !copy_home(crashed, home.folder);
        int64_t from = bench_now_ns();
        if (!bench->failed) {
            home_open(&home);
            samples[i] = bench_now_ns() - from;
            bench->failed = vh_sequencer_stop(home.sequencer, NULL) != VIV_OK;
            vh_store_close(home.store);
            vh_arena_destroy(home.arena);
        }
        (void)vh_fs_remove_tree(vh_seam_real(), AT_FDCWD, home.folder, NULL); /* a leftover in /tmp is no result */
    }
    bench_samples(bench, what, samples, STARTS);
}

static int64_t
size_of(const struct home *home, const char *end)
{
    struct stat file;
    char path[128];
    snprintf(path, sizeof path, "%s%s", home->path, end);
    return stat(path, &file) == 0 ? (int64_t)file.st_size : 0;
}

int
main(int argc, char **argv)
{
    struct bench bench;
    struct home home;
    bench_begin(&bench, "years", "waiting", argc, argv);
    int64_t waiting = bench_option(&bench, "waiting", 20000);
    home_new(&home);
    starts(&bench, &home, "start of a new home after a crash");
    claims(&bench, &home, "claim, nothing else waits", "a");
    fill(&bench, &home, waiting);
    claims(&bench, &home, "claim, the others wait", "b");
    double events = (double)vh_store_seq(home.store);
    bench_value(&bench, "events in the log", events, "");
    bench_value(&bench, "write-ahead log at the crash", (double)size_of(&home, "-wal") / 1024, "KiB");
    bench_value(&bench, "bytes of the database an event", (double)size_of(&home, "") / events, "B");
    starts(&bench, &home, "start of this home after a crash");
    bench.failed = vh_sequencer_stop(home.sequencer, NULL) != VIV_OK || bench.failed;
    vh_store_close(home.store);
    vh_arena_destroy(home.arena);
    (void)vh_fs_remove_tree(vh_seam_real(), AT_FDCWD, home.folder, NULL);
    return bench_end(&bench);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Measures a start with many installed skills (--skills N, 10,000 unless said otherwise): the index is read, no
 * plugin is opened; then whole starts of the real program in the same home, from fork to end. The skills are copies of
 * one real plugin, each with an id of its own, put there by the ordinary installation but without its syncs, which are
 * not what is measured. */
#include "../support/cm.h"

#include "bench.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <viv_interfaces.h>

#include "base/fs.h"
#include "base/str.h"
#include "load/map.h"
#include "load/registry.h"
#include "live.h"
#include "seam_fail.h"

#define PATTERN "fault.skill_00000"
#define SKILLS_MAX 99999

struct start {
    struct live live;
    int store; /* the folder of the home that holds the skills and their index */
    struct vh_seam seam;
    struct vh_arena *arena;
    struct vh_registry_places places;
    struct vh_registry *registry; /* open all the time */
    uint32_t count;
    uint32_t turn;
    struct viv_str plugin;
};

static const struct vh_plugin_rules rules;

static int
no_sync(void *data, int fd)
{
    (void)data;
    (void)fd;
    return 0;
}

/* The plugin with another number in its id, in the note as well as in the code. */
static const char *
numbered(struct start *start, struct vh_arena *arena, uint32_t number)
{
    char id[sizeof PATTERN];
    snprintf(id, sizeof id, "fault.skill_%05u", number % (SKILLS_MAX + 1));
    char *copy = vh_arena_copy(arena, start->plugin.data, (size_t)start->plugin.len);
    const char *path = vh_arena_format(arena, "%s/skill_%05u.so", start->live.project.scratch, number);
    for (char *at = copy; at && path;) {
        at = memmem(at, (size_t)start->plugin.len - (size_t)(at - copy), PATTERN, sizeof PATTERN - 1);
        if (at) {
            memcpy(at, id, sizeof id - 1);
            at += sizeof id - 1;
        }
    }
    struct viv_str bytes = { copy, start->plugin.len };
    bool good = copy && path && vh_fs_replace(&start->seam, AT_FDCWD, path, bytes, 0644, NULL) == VIV_OK;
    return good ? path : NULL;
}

static bool
fill(struct start *start)
{
    const char **paths = vh_arena_array(start->arena, start->count, sizeof *paths);
    for (uint32_t i = 0; paths && i < start->count; i++) {
        struct vh_arena *inner = vh_arena_create(NULL, 0);
        const char *path = inner ? numbered(start, inner, i) : NULL;
        paths[i] = path ? vh_arena_text(start->arena, path) : NULL;
        vh_arena_destroy(inner);
        if (!paths[i]) {
            return false;
        }
    }
    struct viv_error err = VIV_ERROR_INIT;
    bool good =
        paths && vh_registry_install_all(start->registry, &rules, AT_FDCWD, paths, start->count, &err) == VIV_OK;
    if (!good) {
        fprintf(stderr, "start: %s\n", err.text);
    }
    return good;
}

static bool
open_once(void *data)
{
    struct start *start = data;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_registry *registry = NULL;
    bool good = arena && vh_registry_open(&start->seam, arena, &start->places, &registry, NULL) == VIV_OK &&
                vh_registry_count(registry) == start->count;
    vh_arena_destroy(arena);
    return good;
}

static bool
rebuild_once(void *data)
{
    struct start *start = data;
    return start->seam.unlink(NULL, start->store, "plugins.index", 0) == 0 && open_once(data);
}

/* Somebody touched the folder: names are compared, no folder is read. */
static bool
recheck_once(void *data)
{
    struct start *start = data;
    struct timespec now[2] = { { 0, UTIME_OMIT }, { (time_t)++start->turn, 0 } };
    return start->seam.utimens(NULL, start->store, "plugins", now) == 0 && open_once(data);
}

static bool
find_once(void *data)
{
    struct start *start = data;
    struct vh_registry_entry entry;
    char id[sizeof PATTERN + 8];
    start->turn = (start->turn + 7919) % start->count;
    snprintf(id, sizeof id, "fault.skill_%05u", start->turn);
    return vh_registry_find(start->registry, id, NULL, &entry, NULL) == VIV_OK;
}

static bool
walk_once(void *data)
{
    struct start *start = data;
    struct vh_registry_entry entry;
    uint32_t cursor = 0, count = 0;
    while (vh_registry_next(start->registry, VIV_INDEX_SKILL, &cursor, &entry)) {
        count++;
    }
    return count == start->count;
}

static bool
inspect_once(void *data)
{
    struct start *start = data;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_registry_entry entry;
    struct vh_plugin_file file;
    start->turn = (start->turn + 7919) % start->count;
    vh_registry_at(start->registry, start->turn, &entry);
    bool good = arena && vh_registry_inspect(start->registry, arena, &rules, &entry, &file, NULL) == VIV_OK;
    vh_arena_destroy(arena);
    return good;
}

/* Descriptor numbers are used once, so a process maps some hundreds at most; no warm-up to waste them on. */
static void
measure_mapping(struct bench *bench, struct start *start)
{
    int64_t samples[100];
    for (size_t i = 0; i < 100; i++) {
        struct vh_map map;
        int64_t from = bench_now_ns();
        bench->failed |= vh_map_bytes(start->plugin.data, (size_t)start->plugin.len, "skill", &map, NULL) != VIV_OK;
        samples[i] = bench_now_ns() - from;
    }
    bench_samples(bench, "seal and map one plugin", samples, 100);
}

static void
count_opens(struct bench *bench, struct start *start)
{
    struct seam_fail count;
    seam_fail_init(&count, &start->seam);
    struct start counted = *start;
    counted.seam = count.seam;
    counted.seam.data = &count;
    bench->failed |= !open_once(&counted);
    bench_value(bench, "files opened at a start", (double)seam_fail_calls(&count, SEAM_OPEN), "files");
}

/* ---- the whole program ---- */

static bool
nothing_once(void *data)
{
    static const char *const argv[] = { "true", NULL };
    return live_good(&((struct start *)data)->live, argv);
}

static bool
version_once(void *data)
{
    struct start *start = data;
    const char *const argv[] = { start->live.vivhost, "--version", NULL };
    return live_good(&start->live, argv);
}

static bool
tasks_once(void *data)
{
    struct start *start = data;
    const char *const argv[] = { start->live.vivhost, "queue", "list", NULL };
    return live_good(&start->live, argv);
}

static bool
route_once(void *data)
{
    struct start *start = data;
    const char *const argv[] = { start->live.vivhost, "route", "count the lines of C under .", NULL };
    return live_good(&start->live, argv);
}

static bool
list_once(void *data)
{
    struct start *start = data;
    const char *const argv[] = { start->live.vivhost, "skill", "list", "--json", NULL };
    return live_good(&start->live, argv);
}

/* The last that was installed, whose manifest is read: that the program sees them all. */
static bool
info_once(void *data)
{
    struct start *start = data;
    char id[sizeof PATTERN + 8];
    snprintf(id, sizeof id, "fault.skill_%05u", start->count - 1);
    const char *const argv[] = { start->live.vivhost, "skill", "info", id, NULL };
    return live_good(&start->live, argv);
}

/* Each from fork to end, with what stands in no home beside it. */
static void
measure_program(struct bench *bench, struct start *start)
{
    bench->rounds = bench->rounds > 50 ? 50 : bench->rounds;
    bench_run(bench, "plain fork+exec: true", nothing_once, start);
    bench_run(bench, "vivhost --version, no home", version_once, start);
    bench_run(bench, "vivhost queue list", tasks_once, start);
    bench_run(bench, "vivhost skill info, one", info_once, start);
    bench_run(bench, "vivhost route", route_once, start);
    bench->rounds = bench->rounds > 3 ? 3 : bench->rounds;
    bench_run(bench, "vivhost skill list, all manifests", list_once, start);
}

int
main(int argc, char **argv)
{
    struct bench bench;
    struct start start = { .seam = *vh_seam_real(), .arena = vh_arena_create(NULL, 0) };
    struct stat stat;
    bench_begin(&bench, "start", "skills", argc, argv);
    start.seam.sync = no_sync;
    start.count = (uint32_t)bench_option(&bench, "skills", 10000);
    live_make(&start.live, "git commit -q --allow-empty -m first");
    start.places.store = vh_arena_format(start.arena, "%s/.vivarium/store/plugins", start.live.project.root);
    start.store = openat(start.live.home, "store", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (start.count == 0 || start.count > SKILLS_MAX ||
        vh_fs_read(&start.seam, start.arena, AT_FDCWD, FAULT_FOLDER "/skill.so", VIV_PLUGIN_FILE_MAX, &start.plugin,
                   NULL) ||
        vh_registry_open(&start.seam, start.arena, &start.places, &start.registry, NULL)) {
        fprintf(stderr, "start: cannot begin; --skills takes 1 to %d\n", SKILLS_MAX);
        return 1;
    }
    int64_t from = bench_now_ns();
    bench.failed |= !fill(&start);
    bench_value(&bench, "skills installed", start.count, "skills");
    bench_value(&bench, "inspect, audit, install, without syncs", (double)(bench_now_ns() - from) / 1e3 / start.count,
                "us each");
    rebuild_once(&start);
    open_once(&start);
    bench_run(&bench, "start, unchanged store", open_once, &start);
    count_opens(&bench, &start);
    if (start.seam.stat(NULL, start.store, "plugins.index", &stat, 0) == 0) {
        bench_value(&bench, "index", (double)stat.st_size / 1024, "KiB");
    }
    bench_run(&bench, "find one by id", find_once, &start);
    bench_run(&bench, "walk all skills", walk_once, &start);
    bench_run(&bench, "inspect and audit one", inspect_once, &start);
    measure_mapping(&bench, &start);
    uint64_t rounds = bench.rounds;
    bench.rounds = rounds > 5 ? 5 : rounds;
    bench_run(&bench, "start, folder changed", recheck_once, &start);
    bench_run(&bench, "start, index lost", rebuild_once, &start);
    bench.rounds = rounds;
    measure_program(&bench, &start);
    vh_arena_destroy(start.arena);
    close(start.store);
    live_remove(&start.live);
    return bench_end(&bench);
}

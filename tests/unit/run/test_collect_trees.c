/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, the cache of trees grows until the disk is full or of files, or a tree goes that a task works on, or a
 * layer stays whose bottom is gone. */
#include "../../support/cm.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../support/project.h"
#include "run/collect.h"
#include <viv/limits.h>

#define OVER (VIV_TREES_MAX + 20)

/* A project of many trees, each a file away from the one before, and as much of a host as collecting asks for. */
struct cache {
    struct project p;
    struct vh_run run;
    struct vh_tree_users users;
    pthread_mutex_t lock;
    struct vh_git_id tree[OVER];
};

static void
cache_make(struct cache *cache, size_t count)
{
    struct project *p = &cache->p;
    project_make(p, true);
    project_open(p);
    const char *all = project_out(
        p, "i=0; while [ $i -lt %zu ]; do printf 'commit refs/heads/x\\ncommitter a <a> 0 +0000\\ndata 0\\n'; "
           "[ $i -gt 0 ] || for k in 1 2 3 4 5 6 7 8; do printf \"M 100644 inline k$k\\ndata 1\\n$k\\n\"; done; "
           "printf \"M 100644 inline f$i\\ndata 1\\n1\\n\"; i=$((i + 1)); done | git fast-import --quiet; "
           "git log --reverse --format=%%T refs/heads/x", count);
    for (size_t i = 0; i < count; i++) {
        assert_true(vh_git_parse_id((struct viv_str){ all + 41 * i, 40 }, &cache->tree[i]));
    }
    vh_tree_users_init(&cache->users, VIV_TREES_MAX);
    pthread_mutex_init(&cache->lock, NULL);
    cache->run = (struct vh_run){ .seam = p->tools.seam, .home = p->home_fd, .home_path = p->home,
                                  .trees = &cache->users, .collect_lock = &cache->lock };
}

static void
cache_put(struct cache *cache, struct vh_tree_user *user, size_t from, size_t to)
{
    struct project *p = &cache->p;
    struct vh_layers layers;
    p->target.user = user;
    for (size_t i = from; i < to; i++) {
        static const struct vh_git_id none = { "" };
        const struct vh_git_id *near = i ? &cache->tree[i - 1] : &none;
        project_ok(p, vh_layer_materialise(&p->target, p->arena, &cache->tree[i], near, 1, &layers, &p->err));
    }
}

static size_t
cache_count(struct cache *cache)
{
    return (size_t)atol(project_out(&cache->p, "ls ../home/trees/*/stamp | wc -l"));
}

/* Whoever is named as a parent is there; nothing that was put aside is left. */
static void
expect_whole(struct cache *cache)
{
    const char *lost = project_out(&cache->p, "cd ../home/trees; for s in */stamp; do "
                                              "t=$(sed 's/.*\"parent\":\"\\([^\"]*\\)\".*/\\1/' $s); "
                                              "[ -z \"$t\" ] || [ -e $t/stamp ] || echo $s lacks $t; done; "
                                              "ls -d .new-* 2>/dev/null || :");
    assert_string_equal(lost, "");
}

static void
what_was_used_longest_ago_goes(void **state)
{
    (void)state;
    struct cache *cache = calloc(1, sizeof *cache);
    struct vh_tree_user early, all;
    cache_make(cache, OVER);
    vh_tree_user_enter(&early, &cache->users, cache->p.arena);
    cache_put(cache, &early, 0, 3);
    vh_tree_user_enter(&all, &cache->users, cache->p.arena);
    cache_put(cache, &all, 3, OVER);
    vh_tree_user_leave(&all);
    assert_int_equal(cache_count(cache), OVER);
    vh_collect_trees_over(&cache->run);
    size_t left = cache_count(cache);
    assert_in_range(left, VIV_TREES_MAX * 3 / 4, VIV_TREES_MAX * 3 / 4 + 2 * VIV_LAYERS_MAX);
    expect_whole(cache);
    for (size_t i = 0; i < 3; i++) { /* somebody works on them */
        project_ok(&cache->p, vh_layer_verify(&cache->p.target, cache->p.arena, &cache->tree[i], &cache->p.err));
    }
    project_sh(&cache->p, "test -e ../home/trees/%s/stamp", cache->tree[OVER - 1].hex);
    vh_tree_user_leave(&early);
    /* Not again before a quarter as many were made. */
    vh_collect_trees_over(&cache->run);
    assert_int_equal(cache_count(cache), left);
    project_remove(&cache->p);
    free(cache);
}

static void
gc_takes_all_but_what_is_worked_on(void **state)
{
    (void)state;
    struct cache *cache = calloc(1, sizeof *cache);
    struct vh_tree_user user, other;
    struct vh_collected collected = { 0 };
    cache_make(cache, 40);
    vh_tree_user_enter(&other, &cache->users, cache->p.arena);
    cache_put(cache, &other, 0, 40);
    vh_tree_user_leave(&other);
    vh_tree_user_enter(&user, &cache->users, cache->p.arena);
    cache_put(cache, &user, 20, 21);
    size_t kept = user.count;
    assert_in_range(kept, 2, VIV_LAYERS_MAX);
    struct vh_collect collect = { .run = &cache->run, .before_us = INT64_MAX - 1, .only_count = true };
    project_ok(&cache->p, vh_collect_trees(&collect, &collected, &cache->p.err));
    assert_int_equal(collected.trees, 40 - kept);
    assert_int_equal(cache_count(cache), 40);
    int64_t bytes = collected.tree_bytes;
    collected = (struct vh_collected){ 0 };
    collect.only_count = false;
    project_ok(&cache->p, vh_collect_trees(&collect, &collected, &cache->p.err));
    assert_int_equal(collected.trees, 40 - kept);
    assert_true(collected.tree_bytes == bytes && bytes > 0);
    assert_int_equal(cache_count(cache), kept);
    expect_whole(cache);
    project_ok(&cache->p, vh_layer_verify(&cache->p.target, cache->p.arena, &cache->tree[20], &cache->p.err));
    vh_tree_user_leave(&user);
    collected = (struct vh_collected){ 0 };
    project_ok(&cache->p, vh_collect_trees(&collect, &collected, &cache->p.err));
    assert_int_equal(cache_count(cache), 0);
    project_remove(&cache->p);
    free(cache);
}

#define WORKERS 3
#define ROUNDS 6
#define TREES 24

static atomic_bool over;
static atomic_uint rounds;

static void *
collect_always(void *data)
{
    struct cache *cache = data;
    while (!atomic_load(&over)) {
        struct viv_error err = VIV_ERROR_INIT;
        struct vh_collected collected = { 0 };
        struct vh_collect collect = { .run = &cache->run, .before_us = INT64_MAX - 1 };
        if (vh_collect_trees(&collect, &collected, &err)) {
            atomic_fetch_add(&rounds, 1u << 30); /* nobody waits for more */
            return cache;
        }
        atomic_fetch_add(&rounds, 1);
        sched_yield();
    }
    return NULL;
}

struct worker {
    struct cache *cache;
    size_t first;
    char text[600];
};

static void *
work_always(void *data)
{
    struct worker *worker = data;
    struct cache *cache = worker->cache;
    struct vh_target target = cache->p.target;
    for (size_t round = 0; round < ROUNDS && !worker->text[0]; round++) {
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        struct viv_error err = VIV_ERROR_INIT;
        struct vh_layers layers = { 0 };
        struct vh_tree_user user;
        size_t at = (worker->first + 7 * round) % TREES;
        vh_tree_user_enter(&user, &cache->users, arena);
        target.user = &user;
        if (vh_layer_materialise(&target, arena, &cache->tree[at], &cache->tree[at ? at - 1 : 0], 1, &layers, &err)) {
            snprintf(worker->text, sizeof worker->text, "round %zu: %s", round, err.text);
        }
        for (unsigned seen = atomic_load(&rounds); atomic_load(&rounds) - seen < 2;) {
            sched_yield(); /* a whole collection goes over it */
        }
        for (size_t i = 0; i < layers.count; i++) {
            if (access(layers.path[i], R_OK)) {
                snprintf(worker->text, sizeof worker->text, "round %zu: '%s' went", round, layers.path[i]);
            }
        }
        vh_tree_user_leave(&user);
        vh_arena_destroy(arena);
    }
    return NULL;
}

static void
collecting_beside_work_takes_nothing_from_it(void **state)
{
    (void)state;
    void *said = NULL;
    pthread_t collector, thread[WORKERS];
    struct worker worker[WORKERS] = { 0 };
    struct cache *cache = calloc(1, sizeof *cache);
    cache_make(cache, TREES);
    assert_int_equal(pthread_create(&collector, NULL, collect_always, cache), 0);
    for (size_t i = 0; i < WORKERS; i++) {
        worker[i] = (struct worker){ .cache = cache, .first = 8 * i };
        assert_int_equal(pthread_create(&thread[i], NULL, work_always, &worker[i]), 0);
    }
    for (size_t i = 0; i < WORKERS; i++) {
        pthread_join(thread[i], NULL);
    }
    atomic_store(&over, true);
    pthread_join(collector, &said);
    assert_null(said);
    for (size_t i = 0; i < WORKERS; i++) {
        assert_string_equal(worker[i].text, "");
    }
    expect_whole(cache);
    project_remove(&cache->p);
    free(cache);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_used_longest_ago_goes),
        cmocka_unit_test(gc_takes_all_but_what_is_worked_on),
        cmocka_unit_test(collecting_beside_work_takes_nothing_from_it),
    };
    return cmocka_run_group_tests_name("collect_trees", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a task begins on a tree that a power cut has damaged. The power goes while trees
 * are put into the cache, whole or as layers; the machine starts again, with another name for that
 * start, and the host cleans up. Then each tree that the cache gives must be what git says, file by
 * file. */
#include "../../support/cm.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../support/cut_folder.h"
#include "../../support/git_runner.h"
#include "../../support/project.h"
#include "base/fs.h"
#include "base/str.h"
#include "cuts.h"
#include "run/layer.h"

#ifdef VH_SANITIZED
#define CUTS 40
#else
#define CUTS 200
#endif

#define TREES 3
#define BOOT "/proc/sys/kernel/random/boot_id"

static struct {
    struct project project;
    struct cut_folder cut;
    struct vh_git git;
    struct vh_git_id tree[TREES];
    char boot[200]; /* a file with the name of this start of the machine */
    unsigned boots;
    int (*open)(void *data, int dir, const char *path, int flags, mode_t mode);
    uint64_t random;
    char *problem;
} world;

static uint64_t kept, made;

static uint64_t
draw(uint64_t below)
{
    world.random ^= world.random << 13;
    world.random ^= world.random >> 7;
    world.random ^= world.random << 17;
    return (world.random >> 11) % below;
}

static bool
wrong(const char *what, const char *more)
{
    if (!world.problem[0]) {
        snprintf(world.problem, 512, "%s %.400s", what, more);
    }
    return false;
}

/* ---- the machine ---- */

static int
open_file(void *data, int dir, const char *path, int flags, mode_t mode)
{
    return world.open(data, dir, strcmp(path, BOOT) ? path : world.boot, flags, mode);
}

static void
start_machine(void)
{
    char text[64];
    snprintf(text, sizeof text, "start-%u\n", world.boots++);
    assert_int_equal(
        vh_fs_replace(vh_seam_real(), AT_FDCWD, world.boot, vh_str(text), 0600, &world.project.err),
        VIV_OK);
}

static viv_status
run_git(void *data, struct vh_arena *arena, const struct vh_git_call *call,
        struct vh_git_result *ret_result, struct viv_error *err)
{
    viv_status status = support_git.run(NULL, arena, call, ret_result, err);
    cut_folder_outside(data);
    return status;
}

static viv_status
open_target(struct viv_error *err)
{
    struct project *p = &world.project;
    vh_arena_destroy(p->arena);
    p->arena = vh_arena_create(NULL, 0);
    return vh_target_open(&p->tools, p->arena, p->root, &p->target, err);
}

/* ---- what is done, and found ---- */

static struct cut_record *
live(void)
{
    struct project *p = &world.project;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_layers layers;
    struct cut_record *record = cut_folder_begin(&world.cut);
    viv_status status = open_target(&err);
    uint64_t rounds = 1 + draw(4);
    for (uint64_t i = 0; i < rounds && status == VIV_OK; i++) {
        const struct vh_git_id *near = draw(3) ? &world.tree[draw(TREES)] : NULL;
        status = vh_layer_materialise(&p->target, p->arena, &world.tree[draw(TREES)], near,
                                      2000000000, &layers, &err);
    }
    cut_folder_stop(&world.cut);
    if (status) {
        (void)wrong("it fails without a cut:", err.text);
    }
    return record;
}

static bool
check(void)
{
    struct project *p = &world.project;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_fs_names names = {0};
    start_machine();
    viv_status status = open_target(&err);
    status = status ? status : vh_layer_clean(&p->tools, p->arena, &err);
    status =
        status ? status : vh_fs_list(vh_seam_real(), p->arena, p->home_fd, "trees", &names, &err);
    for (size_t i = 0; i < names.count && status == VIV_OK; i++) {
        kept += strlen(names.name[i]) >= 40;
        if (names.name[i][0] == '.') {
            return wrong("something is left behind:", names.name[i]);
        }
    }
    for (size_t i = 0; i < TREES && status == VIV_OK; i++) {
        status = vh_layer_verify(&p->target, p->arena, &world.tree[i], &err);
        made++;
    }
    return status == VIV_OK || wrong("a cached tree is not the tree:", err.text);
}

static uint64_t
history(uint64_t seed, uint64_t want, char *problem)
{
    world.random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    world.problem = problem;
    struct cut_record *record = live();
    bool good = !problem[0];
    for (uint64_t i = 0; i < want && good; i++) {
        uint64_t at = cut_record_between(record, draw(cut_record_operations(record) + 1));
        cut_folder_cut(&world.cut, record, at, seed * 1000 + i);
        good = check();
    }
    cut_folder_cut(&world.cut, record, 0, seed); /* as it was */
    cut_record_free(record);
    cut_folder_forget(&world.cut);
    return good ? want : 0;
}

static void
commit(size_t which, const char *script)
{
    struct project *p = &world.project;
    project_sh(p, "%s && git add -A && git commit -qm seed", script);
    const char *id = project_out(p, "git rev-parse HEAD^{tree}");
    assert_true(vh_git_parse_id(vh_str(id), &world.tree[which]));
}

static void
begin(void)
{
    struct project *p = &world.project;
    project_make(p, true);
    commit(0, "mkdir d && seq 1 600 > a && echo two > b && echo three > c && echo four > d/e && "
              "chmod +x b && "
              "ln -s a l && echo gone > d/gone");
    commit(1, "rm b d/gone && seq 600 1500 > a && mkdir n && echo new > n/new");
    commit(2, "rm -r d && echo file > d && echo again > b");
    project_open(p);
    project_sh(p,
               "mkdir -p \"$SCRATCH/home/trees\" \"$SCRATCH/home/work\" \"$SCRATCH/home/store\"");
    cut_folder_init(&world.cut, p->scratch, vh_seam_real());
    snprintf(world.boot, sizeof world.boot, "%s.boot", p->scratch);
    start_machine();
    world.open = world.cut.seam.open;
    world.cut.seam.open = open_file;
    world.git = (struct vh_git){&world.cut, run_git};
    p->tools.seam = &world.cut.seam;
    p->tools.git = &world.git;
}

static bool
tell(void)
{
    printf("%llu trees survived, %llu trees were looked at\n", (unsigned long long)kept,
           (unsigned long long)made);
    return kept > 0 && made > 0;
}

static void
end(void)
{
    (void)unlink(world.boot);
    cut_folder_end(&world.cut);
    project_remove(&world.project);
}

int
main(int argc, char **argv)
{
    const struct cuts_line line = {.cuts = CUTS,
                                   .seed = 1,
                                   .each = 8,
                                   .history = history,
                                   .begin = begin,
                                   .tell = tell,
                                   .end = end};
    return cuts_main(argc, argv, &line);
}

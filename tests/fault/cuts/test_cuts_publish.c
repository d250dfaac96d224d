/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a power cut leaves a folder or a checkout half published, or takes what a person
 * wrote. The power goes before and after each call of git and at any of our own writes, while a
 * task's result is published or rolled back, in a plain folder and in a repository, and a person
 * may write to any path at any moment. Then the host's recovery runs, and may be cut as well.
 * Afterwards the target is wholly before or wholly after, the person's file is what the person
 * wrote, what was answered as published is there, and the same can be done again. */
#include "../../support/cm.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../support/cut_folder.h"
#include "../../support/git_runner.h"
#include "../../support/project.h"
#include "base/fs.h"
#include "base/str.h"
#include "cuts.h"
#include "picture.h"
#include "run/line.h"
#include "run/rollback.h"

#ifdef VH_SANITIZED
#define CUTS 50
#else
#define CUTS 500
#endif

enum { FOLDER, FOLDER_BACK, REPOSITORY, REPOSITORY_BACK, WORLDS };

struct world {
    struct project project;
    struct cut_folder cut;
    struct vh_git git;
    bool repository;
    bool back; /* the task is published and is rolled back */
    struct vh_git_id commit;
    struct vh_base base;
    struct picture before;
    struct picture after;
    char branch_before[80]; /* commits, in a repository */
    char branch_after[80];
    char *problem;
    uint64_t random;
    uint64_t done_at;   /* operations when it was answered as done; 0: it was not */
    size_t left;        /* files that a recovery in the life left where they were */
    const char *edited; /* a person wrote here, and what */
    char words[64];
    uint64_t edited_at;
};

static struct world worlds[WORLDS];
static uint64_t killed, forward, back, edits, refused, twice;

static uint64_t
draw(struct world *w, uint64_t below)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (w->random >> 11) % below;
}

static bool
wrong(struct world *w, const char *what, const char *more)
{
    if (!w->problem[0]) {
        snprintf(w->problem, 512, "%s%s: %s %.300s", w->repository ? "repository" : "folder",
                 w->back ? ", rolled back" : "", what, more);
    }
    return false;
}

/* ---- what is done ---- */

static viv_status
run_git(void *data, struct vh_arena *arena, const struct vh_git_call *call,
        struct vh_git_result *ret_result, struct viv_error *err)
{
    if (cut_folder_is_dead(data)) {
        return VIV_E_IO;
    }
    viv_status status = support_git.run(NULL, arena, call, ret_result, err);
    cut_folder_outside(data);
    return status;
}

/* A person saves a file, as editors do. */
static void
edit(void *data)
{
    struct world *w = data;
    char path[256], draft[256];
    snprintf(path, sizeof path, "%s/%s", w->project.root, w->edited);
    snprintf(draft, sizeof draft, "%s/draft", w->project.scratch);
    int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ssize_t len = (ssize_t)strlen(w->words);
    bool there = fd >= 0 && write(fd, w->words, (size_t)len) == len && rename(draft, path) == 0;
    if (fd >= 0) {
        close(fd);
    }
    if (!there) { /* the folder is gone at this moment: nothing was saved */
        (void)unlink(draft);
        w->edited = NULL;
    }
    w->edited_at = w->cut.record ? cut_record_operations(w->cut.record) : 0;
    edits += there;
}

static viv_status
act(struct world *w, struct viv_error *err)
{
    struct project *p = &w->project;
    struct vh_conflicts conflicts;
    enum vh_branch_outcome outcome = 0;
    struct vh_rolled rolled;
    struct vh_rollback_request undo = {.task = "t1",
                                       .commit = w->commit,
                                       .effect = "t1/1/rollback/0",
                                       .log_head = "",
                                       .time_s = 2000000200};
    struct vh_branch_request move = {.task = "t1", .commit = w->commit};
    viv_status status = vh_target_open(&p->tools, p->arena, p->root, &p->target, err);
    if (status == VIV_OK && w->back) {
        return vh_rollback(&p->target, p->arena, &undo, &rolled, err);
    }
    status = status ? status
                    : vh_line_advance(&p->target, p->arena, "t1", &w->base.line, &w->commit, err);
    return status ? status : vh_branch_move(&p->target, p->arena, &move, &outcome, &conflicts, err);
}

static void
new_arena(struct world *w)
{
    vh_arena_destroy(w->project.arena);
    w->project.arena = vh_arena_create(NULL, 0);
}

static viv_status
recover(struct world *w, size_t *ret_left)
{
    struct vh_branch_recovered recovered = {0};
    struct viv_error err = VIV_ERROR_INIT;
    new_arena(w);
    viv_status status = vh_branch_recover(&w->project.tools, w->project.arena, &recovered, &err);
    if (status) {
        (void)wrong(w, "recovery fails:", err.text);
    }
    forward += recovered.forward;
    back += recovered.back;
    *ret_left += recovered.left_count;
    return status;
}

/* The host is killed in the midst of it and started again, and what it did may still not be on the
 * disk. */
static viv_status
die_and_recover(struct world *w, viv_status status, struct viv_error *err)
{
    bool dead = cut_folder_is_dead(&w->cut);
    w->cut.dies_at = 0;
    if (!dead) {
        return status;
    }
    killed++;
    *err = (struct viv_error)VIV_ERROR_INIT;
    (void)recover(w, &w->left); /* the problem is noted */
    return VIV_E_CANCELLED;
}

/* The whole life without a cut, written down. */
static struct cut_record *
live(struct world *w)
{
    static const char *const paths[] = {"a", "b", "c", "d/e", "d/gone", "l", "n/new", "mine"};
    struct viv_error err = VIV_ERROR_INIT;
    new_arena(w);
    w->left = 0;
    w->edited = draw(w, 3) ? paths[draw(w, sizeof paths / sizeof *paths)] : NULL;
    snprintf(w->words, sizeof w->words, "by hand %llu\n", (unsigned long long)draw(w, UINT32_MAX));
    w->cut.edit = edit;
    w->cut.edit_data = w;
    w->cut.edit_at = w->edited ? 1 + draw(w, 110) : 0;
    w->cut.dies_at = draw(w, 3) ? 0 : 1 + draw(w, 100);
    struct cut_record *record = cut_folder_begin(&w->cut);
    viv_status status = die_and_recover(w, act(w, &err), &err);
    w->done_at = status ? 0 : cut_record_operations(record);
    if (w->cut.edit_at) { /* later than all of it */
        edit(w);
        cut_folder_outside(&w->cut);
        w->cut.edit_at = 0;
    }
    cut_folder_stop(&w->cut);
    refused += status == VIV_E_CONFLICT;
    if (status && status != VIV_E_CANCELLED && (status != VIV_E_CONFLICT || !w->edited)) {
        (void)wrong(w, "it fails without a cut:", err.text);
    }
    return record;
}

/* ---- what is found ---- */

static bool
holds_none(struct world *w, const char *folder, const char *mark)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", w->project.scratch, folder);
    DIR *list = opendir(path);
    bool none = true;
    for (struct dirent *entry = list ? readdir(list) : NULL; entry; entry = readdir(list)) {
        if (strstr(entry->d_name, mark) && entry->d_name[0] != '.') {
            none = wrong(w, "something is left behind:", entry->d_name);
        }
    }
    if (list) {
        closedir(list);
    }
    return none;
}

static bool
check_person(struct world *w, const struct picture *now, bool edited)
{
    char found[128];
    const struct file *file = edited ? picture_file(now, w->edited) : NULL;
    if (!edited || (file && strcmp(file->text + 1, w->words) == 0)) {
        return true;
    }
    snprintf(found, sizeof found, "'%s' holds '%.40s'", w->edited, file ? file->text + 1 : "");
    return wrong(w, "what a person wrote is lost:", found);
}

/* The branch goes with the files, and the index with both: git sees no change but the person's. */
static bool
check_git(struct world *w, bool edited, bool is_before, bool is_after)
{
    if (!w->repository) {
        return true;
    }
    const char *said = project_out(
        &w->project, "git rev-parse main && GIT_OPTIONAL_LOCKS=0 git status --porcelain "
                     "--untracked-files=all");
    size_t len = strcspn(said, "\n");
    bool fits = (is_before && strncmp(said, w->branch_before, len) == 0) ||
                (is_after && strncmp(said, w->branch_after, len) == 0);
    const char *line = said[len] ? said + len + 1 : "";
    bool clean = !*line || (edited && strlen(line) > 3 && strcmp(line + 3, w->edited) == 0);
    return (fits || wrong(w, "the branch is not where the files are:", said)) &&
           (clean || wrong(w, "git sees changes that nobody made:", line));
}

static bool
check(struct world *w, uint64_t at, bool edited, size_t left)
{
    static struct picture now;
    const char *but = edited ? w->edited : NULL;
    picture_take(w->project.root, &now);
    bool is_before = !picture_difference(&now, &w->before, but);
    bool is_after = !picture_difference(&now, &w->after, but);
    if (!is_before && !is_after) {
        char found[200];
        snprintf(found, sizeof found, "not before in '%s', not after in '%s'",
                 picture_difference(&now, &w->before, but),
                 picture_difference(&now, &w->after, but));
        return wrong(w, "half published:", found);
    }
    if (w->done_at && at >= w->done_at && !is_after) {
        return wrong(w, "answered as done,", "and gone");
    }
    return check_person(w, &now, edited) && check_git(w, edited, is_before, is_after) &&
           holds_none(w, "home/store/moves", ".json") &&
           (left || (holds_none(w, "home/work", "viv-stage") &&
                     holds_none(w, "project/.git", "viv-stage") &&
                     holds_none(w, "project/.git", "index.lock")));
}

/* Recovery is written down, and the power goes in it as well. */
static viv_status
recover_twice(struct world *w, uint64_t seed, size_t *ret_left)
{
    struct cut_record *record = cut_folder_begin(&w->cut);
    viv_status status = recover(w, ret_left);
    cut_folder_stop(&w->cut);
    if (status == VIV_OK) {
        uint64_t at = cut_record_between(record, draw(w, cut_record_operations(record) + 1));
        cut_folder_cut(&w->cut, record, at, seed);
        twice++;
    }
    cut_record_free(record);
    return status ? status : recover(w, ret_left);
}

/* The host publishes again what it does not know to be published. */
static bool
do_again(struct world *w, bool edited)
{
    static struct picture now;
    struct viv_error err = VIV_ERROR_INIT;
    new_arena(w);
    viv_status status = act(w, &err);
    if (status && (status != VIV_E_CONFLICT || !edited)) {
        return wrong(w, "it cannot be done again:", err.text);
    }
    picture_take(w->project.root, &now);
    return (status || !picture_difference(&now, &w->after, edited ? w->edited : NULL) ||
            wrong(w, "done again, and not", "as it should be")) &&
           check_person(w, &now, edited);
}

static bool
cut_once(struct world *w, const struct cut_record *record, uint64_t seed)
{
    size_t left = w->left;
    uint64_t at = cut_record_between(record, draw(w, cut_record_operations(record) + 1));
    bool edited = w->edited && at > w->edited_at;
    cut_folder_cut(&w->cut, record, at, seed);
    viv_status status = draw(w, 3) ? recover(w, &left) : recover_twice(w, seed + 1, &left);
    return status == VIV_OK && check(w, at, edited, left) && (draw(w, 3) || do_again(w, edited));
}

static uint64_t
history(uint64_t seed, uint64_t want, char *problem)
{
    struct world *w = &worlds[seed % WORLDS];
    w->random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    w->problem = problem;
    struct cut_record *record = live(w);
    bool good = !problem[0];
    for (uint64_t i = 0; i < want && good; i++) {
        good = cut_once(w, record, seed * 1000 + 2 * i);
    }
    cut_folder_cut(&w->cut, record, 0, seed); /* as it was */
    cut_record_free(record);
    cut_folder_forget(&w->cut);
    return good ? want : 0;
}

/* ---- worlds ---- */

static void
note(struct world *w, struct picture *picture, char branch[80])
{
    picture_take(w->project.root, picture);
    snprintf(branch, 80, "%s", w->repository ? project_out(&w->project, "git rev-parse main") : "");
}

static void
make_world(struct world *w, bool repository, bool rolled_back)
{
    struct project *p = &w->project;
    struct project_task work;
    struct viv_error err = VIV_ERROR_INIT;
    project_make(p, repository);
    w->repository = repository;
    project_sh(
        p,
        "mkdir d && seq 1 300 > a && echo two > b && echo three > c && echo four > d/e && chmod +x "
        "b && "
        "ln -s a l && echo gone > d/gone && mkdir \"$SCRATCH/home/store\" \"$SCRATCH/home/work\"");
    if (repository) {
        project_sh(p, "git add -A && git commit -qm seed");
    }
    project_open(p);
    project_capture(p, false, &w->base);
    project_work(p, "t1", &w->base,
                 "mkdir -p d n && seq 300 700 > a && mknod b c 0 0 && mknod d/gone c 0 0 && echo "
                 "task > n/new && "
                 "ln -s b l",
                 &work);
    w->commit = work.commit;
    close(work.dir);
    project_sh(p, "rm -rf \"$SCRATCH\"/upper*");
    cut_folder_init(&w->cut, p->scratch, vh_seam_real());
    w->git = (struct vh_git){&w->cut, run_git};
    p->tools.seam = &w->cut.seam;
    p->tools.git = &w->git;
    if (rolled_back) {
        project_ok(p, act(w, &p->err));
        w->back = true;
    }
    struct cut_record *record = cut_folder_begin(&w->cut);
    note(w, &w->before, w->branch_before);
    viv_status status = act(w, &err);
    note(w, &w->after, w->branch_after);
    cut_folder_stop(&w->cut);
    if (status || !picture_difference(&w->before, &w->after, NULL)) {
        fail_msg("nothing happens without a cut: %s", err.text);
    }
    printf("%s%s: %llu operations\n", repository ? "repository" : "folder",
           rolled_back ? ", rolled back" : "", (unsigned long long)cut_record_operations(record));
    cut_folder_cut(&w->cut, record, 0, 1);
    cut_record_free(record);
    cut_folder_forget(&w->cut);
}

static void
begin(void)
{
    for (int i = 0; i < WORLDS; i++) {
        make_world(&worlds[i], i >= REPOSITORY, i % 2 == 1);
    }
}

static bool
tell(void)
{
    printf("%llu undone, %llu completed, %llu cut again; %llu edits by hand, %llu refused for "
           "them, %llu hosts killed\n",
           (unsigned long long)back, (unsigned long long)forward, (unsigned long long)twice,
           (unsigned long long)edits, (unsigned long long)refused, (unsigned long long)killed);
    return killed > 0 && back > 0 && forward > 0 && twice > 0 && edits > 0;
}

static void
end(void)
{
    for (int i = 0; i < WORLDS; i++) {
        cut_folder_end(&worlds[i].cut);
        project_remove(&worlds[i].project);
    }
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

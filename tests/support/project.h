/* SPDX-License-Identifier: Apache-2.0 */
/* A project with a home beside it, for tests of bases, changes and publishing: a scratch folder with `project/` (a
 * git repository or a plain folder), `home/` and `user/`. Helpers stop the test when the system refuses. */
#ifndef SUPPORT_PROJECT_H
#define SUPPORT_PROJECT_H

#include <stdbool.h>

#include "run/base.h"
#include "run/change.h"

struct project {
    char scratch[128];
    char root[160]; /* project/ */
    char home[160];
    char user[160];
    int home_fd;
    struct vh_git_tools tools;
    struct vh_arena *arena;
    struct vh_target target;
    struct viv_error err;
    unsigned uppers;
};

void project_make(struct project *project, bool repository);
void project_remove(struct project *project);

/* A shell command in project/, with a git identity that is not in the configuration. Must succeed. */
void project_sh(struct project *project, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same, giving what it wrote (up to the last line break, in the project's arena). */
const char *project_out(struct project *project, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A plain folder with files, a program, folders and a link, opened. */
void project_seed(struct project *project);

/* Open the target again; must succeed. */
void project_open(struct project *project);

/* Capture, make an upper layer by a shell command run in it, read, freeze. */
struct project_task {
    struct vh_base base;
    struct vh_conflicts conflicts;
    struct vh_change change;
    struct vh_git_id commit;
    struct vh_git_id tree;
    int dir;
};
void project_capture(struct project *project, bool uncommitted, struct vh_base *ret_base);
int project_upper(struct project *project, const char *script);
void project_work(struct project *project, const char *task, const struct vh_base *base, const char *script,
                  struct project_task *ret_task);

/* What is checked out, or the folder, goes to `commit`. */
viv_status project_move(struct project *project, const char *task, const struct vh_git_id *commit,
                        struct vh_conflicts *ret_conflicts);

/* All files of a folder with modes, links and contents as one digest; .git, the home and ours left out. */
const char *project_print(struct project *project, const char *folder);

/* Run `step` in a child that dies at `place` ("name" or "name:n"); false when it ended without reaching it. */
bool project_crash(struct project *project, const char *place, void (*step)(struct project *project, void *data),
                   void *data);

#define project_ok(project, call)                                                                                      \
    do {                                                                                                               \
        viv_status status_ = (call);                                                                                   \
        if (status_) {                                                                                                 \
            fail_msg("%s: %d '%s'", #call, status_, (project)->err.text);                                              \
        }                                                                                                              \
    } while (0)

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, what a git that was cut off in the middle has written is read on into memory that is not its own, or
 * half a list is taken for the whole. */
#include "../../support/cm.h"

#include <string.h>
#include <unistd.h>

#include "../../support/project.h"
#include "base/str.h"
#include "run/base_dirty.h"
#include "run/line.h"
#include "run/move.h"

#define ID "1111111111111111111111111111111111111111"

/* What git answers, whatever it is asked. */
struct canned {
    struct viv_str output;
    int exit_code;
};

static viv_status
answer(void *data, struct vh_arena *arena, const struct vh_git_call *call, struct vh_git_result *ret_result,
       struct viv_error *err)
{
    const struct canned *canned = data;
    (void)err;
    if (call->output_fd >= 0) {
        assert_int_equal(pwrite(call->output_fd, canned->output.data, canned->output.len, 0), canned->output.len);
    }
    char *copy = vh_arena_text_of(arena, canned->output); /* with nothing but a NUL behind it */
    *ret_result = (struct vh_git_result){ .exit_code = canned->exit_code, .output = { copy, canned->output.len } };
    return VIV_OK;
}

static viv_status
dirty(struct project *p)
{
    struct vh_base base = { .commit = { ID }, .tree = { ID }, .seen = { ID } };
    struct vh_base_options options = { .uncommitted = true, .time_s = 1 };
    struct vh_conflicts conflicts = { NULL, 0 };
    return vh_base_dirty(&p->target, p->arena, &options, &base, &conflicts, &p->err);
}

static viv_status
join(struct project *p)
{
    struct vh_git_id id = { ID };
    struct vh_git_id tree;
    struct vh_conflicts conflicts = { NULL, 0 };
    return vh_line_join(&p->target, p->arena, &id, &id, &tree, &conflicts, &p->err);
}

static viv_status
move(struct project *p)
{
    struct vh_git_id seen = { "" };
    struct vh_move move = { .target = &p->target, .arena = p->arena, .err = &p->err, .old = { ID }, .now = { ID } };
    return vh_move_plan(&move, &seen);
}

static viv_status
take(void *data, size_t which, int fd, uint64_t at, uint64_t size, struct viv_error *err)
{
    (void)data;
    (void)which;
    (void)fd;
    (void)at;
    (void)size;
    (void)err;
    fail_msg("a torn blob was handed on");
    return VIV_OK;
}

static viv_status
blobs(struct project *p)
{
    struct vh_tree_entry entry = { VH_STR("a"), VH_TREE_FILE, { ID } };
    const struct vh_tree_entry *want = &entry;
    struct vh_tree_sink sink = { NULL, take };
    return vh_tree_blobs(&p->target, p->arena, &want, 1, &sink, &p->err);
}

static void
what_is_torn_is_refused(void **state)
{
    static const struct {
        viv_status (*ask)(struct project *p);
        const char *output; /* '$' is NUL */
        int exit_code;
        const char *says;
    } rows[] = {
        { dirty, ":100644 100644 " ID " " ID " M", 0, "git's list of changed files is torn" },
        { dirty, ":100644 100644 " ID " " ID " M$", 0, "git's list of changed files is torn" },
        { dirty, ":100644 100644 " ID " " ID " M$half/a/na", 0, "git's list of changed files is torn" },
        { join, ID "$100644 " ID " 1\tf$100644 " ID, 1, "cannot read git's list of conflicts" },
        { join, ID "$100644 " ID " 1\t$", 1, "cannot read git's list of conflicts" },
        { join, ID "$\t100644 " ID " 1 f$", 1, "cannot read git's list of conflicts" },
        { move, ":100644 100644 " ID " " ID " M", 0, "cannot read git's list of changes" },
        { move, "$", 0, "cannot read git's list of changes" },
        { move, ":100644 100644 " ID "$a$", 0, "cannot read git's list of changes" },
        { blobs, ID " blob 18446744073709551615\nabc\n", 0,
          "git's answer for blob " ID " is torn: 18446744073709551615 bytes announced" },
        { blobs, ID " blob 5\nabc\n", 0, "is torn: 5 bytes announced" },
    };
    struct project p;
    struct canned canned;
    const struct vh_git fake = { &canned, answer };
    (void)state;
    project_make(&p, true);
    project_open(&p);
    p.tools.git = &fake;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *output = vh_arena_text(p.arena, rows[i].output);
        canned = (struct canned){ vh_str(output), rows[i].exit_code };
        for (char *c = output; *c; c++) {
            *c = *c == '$' ? '\0' : *c;
        }
        viv_status status = rows[i].ask(&p);
        if (status != VIV_E_CORRUPT || !strstr(p.err.text, rows[i].says)) {
            fail_msg("row %zu: %d '%s' lacks '%s'", i, status, p.err.text, rows[i].says);
        }
    }
    project_remove(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(what_is_torn_is_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a skill that works in a test is killed by the filter of the runner it really runs in, or leaves the
 * folder it was lent. */
#include "../../support/tier1.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <viv_interfaces.h>

#include "base/fs.h"
#include "base/seam.h"
#include "load/map.h"
#include "load/plugin.h"
#include "run/zygote.h"

static void
put(int dir, const char *path, const char *text)
{
    int fd = openat(dir, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static int
make_tree(char *folder)
{
    assert_non_null(mkdtemp(folder));
    int top = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mkdirat(top, "root", 0755), 0);
    assert_int_equal(mkdirat(top, "root/sub", 0755), 0);
    put(top, "secret.c", "int secret;\n");
    put(top, "root/a.c", "int a;\n");
    put(top, "root/sub/b.c", "int a;\n");

    int root = openat(top, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(symlinkat("../secret.c", root, "link.c"), 0);
    close(top);
    return root;
}

static void
remove_tree(const char *folder, int root)
{
    char path[64];
    assert_int_equal(unlinkat(root, "link.c", 0), 0);
    assert_int_equal(unlinkat(root, "sub/b.c", 0), 0);
    assert_int_equal(unlinkat(root, "sub", AT_REMOVEDIR), 0);
    assert_int_equal(unlinkat(root, "a.c", 0), 0);
    close(root);
    snprintf(path, sizeof path, "%s/root", folder);
    assert_int_equal(rmdir(path), 0);
    snprintf(path, sizeof path, "%s/secret.c", folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* As the host does it: inspect the file, seal the very bytes, start a runner with what the manifest grants. */
static struct vh_runner *
start(struct tier1 *tier1, const char *path, int root)
{
    const struct vh_plugin_rules rules = { 0 };
    struct vh_plugin_file *file = vh_arena_alloc(tier1->arena, sizeof *file);
    struct tier1_plan plan = { 0 };
    struct viv_error err = VIV_ERROR_INIT;
    if (vh_plugin_inspect(vh_seam_real(), tier1->arena, &rules, AT_FDCWD, path, file, &err) != VIV_OK) {
        fail_msg("%s: %s", path, err.text);
    }
    plan.plan.id = file->manifest->id;
    plan.plan.version = file->manifest->version;
    plan.plan.interfaces = UINT64_C(1) << VIV_INDEX_SKILL;
    plan.plan.services = file->manifest->services;
    plan.plan.service_count = file->manifest->service_count;
    plan.plan.root_fd = root;
    assert_int_equal(vh_map_seal(file->bytes.data, (size_t)file->bytes.len, "skill", &plan.plan.plugin_fd, NULL),
                     VIV_OK);
    struct vh_runner *runner = tier1_start(tier1, &plan);
    close(plan.plan.plugin_fd);
    return runner;
}

/* Its deadline counts from now; a busy machine gets more time than the harness grants by itself. */
static struct vh_runner_call
patient_call(struct tier1 *tier1, const struct viv_value *values)
{
    struct vh_runner_call call = tier1_skill(tier1, values, 2);
    call.deadline_ns += INT64_C(10000000000);
    return call;
}

static void
skills_work_in_their_runners(void **state)
{
    static const struct {
        const char *name;
        const char *text;
    } rows[] = {
        { "count_lines", "C: 2 lines in 2 files (2 code, 0 comment, 0 blank)\ntotal: 2 lines in 2 files (2 code, 0 "
                         "comment, 0 blank)\n" },
        { "find_files", "a.c\nsub/b.c\n2 files, 14 bytes\n" },
        { "search_text", "a.c:1:int a;\nsub/b.c:1:int a;\n2 occurrences in 2 lines of 2 files\n" },
        { "file_digests", NULL },
    };
    struct tier1 *tier1 = *state;
    char folder[] = "/tmp/viv-skills-XXXXXX";
    int root = make_tree(folder);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s.so", SKILLS_FOLDER, rows[i].name);
        struct vh_runner *runner = start(tier1, path, root);
        struct viv_value values[] = {
            { .name = VH_STR("root"), .type = VIV_VALUE_TEXT, .text = VH_STR(".") },
            { .name = VH_STR("text"), .type = VIV_VALUE_TEXT, .text = VH_STR("int") },
        };
        struct tier1_answer answer;
        struct vh_runner_call call = patient_call(tier1, values);
        if (tier1_run(tier1, runner, &call, &answer) != VIV_OK || answer.result.plugin_status != VIV_OK) {
            fail_msg("%s: %s%s", rows[i].name, answer.err.text, answer.result.plugin_error.text);
        }
        char *text = vh_arena_text_of(tier1->arena, answer.skill.text);
        if (rows[i].text) {
            assert_string_equal(text, rows[i].text);
        } else {
            assert_non_null(strstr(text, "same: a.c sub/b.c\n"));
        }
        /* Outside the folder there is nothing. */
        values[0].text = VH_STR("link.c");
        call = patient_call(tier1, values);
        assert_int_equal(tier1_run(tier1, runner, &call, &answer), VIV_OK);
        assert_int_equal(answer.result.plugin_status, VIV_E_NOT_FOUND);
        assert_int_equal(vh_runner_end(runner, NULL), VIV_OK);
    }
    remove_tree(folder, root);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(skills_work_in_their_runners) };
    return cmocka_run_group_tests(tests, tier1_setup, tier1_teardown);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a real skill works for its author and not behind the sandbox. Every skill of the tree that reads by
 * grant is inspected, sealed, planned from its manifest, started in a folder runner, and plays its own cases: those
 * that are plain files, an input and an answer. */
#include "../../support/tier1.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "load/map.h"
#include "run/pool.h"
#include "run/runner_plan.h"
#include "../../support/scratch.h"

#define CASE_TIME_S 1700000000 /* what cases.json means when it says nothing */

struct played {
    struct tier1 *tier1;
    struct vh_arena *arena;
    struct vh_pool *pool;
    struct vh_plugin_file file;
    int plugin_fd;
};

static bool
plain(const struct vh_json *one)
{
    static const char *const other[] = {"zeros", "links", "after", "modified_us"};
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        if (vh_json_get(one, other[i])) {
            return false;
        }
    }
    const struct vh_json *files = vh_json_get(one, "files");
    for (const struct vh_json *file = files ? files->child : NULL; file; file = file->next) {
        if (memchr(file->key.data, '%', (size_t)file->key.len) ||
            memchr(file->key.data, '\\', (size_t)file->key.len)) {
            return false;
        }
    }
    return true;
}

static void
build(struct played *played, const char *folder, const struct vh_json *one)
{
    const struct vh_json *files = vh_json_get(one, "files");
    for (const struct vh_json *file = files ? files->child : NULL; file; file = file->next) {
        char *path = vh_arena_format(played->arena, "%s/%.*s", folder, VH_STR_ARGS(file->key));
        char *slash = strrchr(path, '/');
        *slash = '\0';
        assert_int_equal(vh_fs_make_folders(vh_seam_real(), AT_FDCWD, path, 0755, NULL), VIV_OK);
        *slash = '/';
        assert_int_equal(vh_fs_replace(vh_seam_real(), AT_FDCWD, path, file->text, 0644, NULL), VIV_OK);
        const struct timespec times[2] = {{CASE_TIME_S, 0}, {CASE_TIME_S, 0}};
        assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    }
}

static void
run_case(struct played *played, int root, const struct vh_json *one)
{
    struct viv_value values[VIV_VALUES_MAX];
    uint32_t count = 0;
    const struct vh_json *input = vh_json_get(one, "input");
    for (const struct vh_json *member = input ? input->child : NULL; member; member = member->next) {
        values[count++] = (struct viv_value){
            .name = member->key,
            .type = member->type == VH_JSON_INTEGER ? VIV_VALUE_INTEGER : VIV_VALUE_TEXT,
            .integer = member->integer,
            .text = member->text,
        };
    }
    struct vh_runner_plan plan;
    const char *key = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_runner *runner = NULL;
    struct viv_str none = {NULL, 0};
    if (vh_runner_plan_fill(played->arena, &played->file, none, root, &plan, &key, &err)) {
        fail_msg("%s", err.text);
    }
    plan.plugin_fd = played->plugin_fd;
    if (vh_pool_take(played->pool, &plan, key, 0, 0, &runner, &err)) {
        fail_msg("%s", err.text);
    }
    struct tier1_answer answer;
    struct vh_runner_call call = tier1_skill(played->tier1, values, count);
    played->tier1->skill_request.input_json = vh_json_print(played->arena, input);
    call.deadline_ns += INT64_C(20000000000);
    if (tier1_run(played->tier1, runner, &call, &answer) != VIV_OK) {
        fail_msg("%s", answer.err.text);
    }
    if (vh_json_get(one, "refused")) {
        struct viv_str message = vh_json_str(one, "message");
        assert_string_equal(vh_status_name(answer.result.plugin_status),
                            vh_arena_text_of(played->arena, vh_json_str(one, "refused")));
        assert_non_null(strstr(answer.result.plugin_error.text, vh_arena_text_of(played->arena, message)));
    } else {
        struct viv_str wanted = vh_json_print(played->arena, vh_json_get(one, "output"));
        assert_string_equal(answer.result.plugin_error.text, "");
        assert_string_equal(vh_arena_text_of(played->arena, answer.skill.output_json),
                            vh_arena_text_of(played->arena, wanted));
    }
    assert_false(vh_pool_give(played->pool, runner, answer.result.failure, NULL, 0));
}

static uint32_t
play_skill(struct played *played, const char *name)
{
    uint32_t count = 0;
    struct viv_str text;
    struct vh_json *cases = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    const struct vh_plugin_rules rules = {0};
    const char *path = vh_arena_format(played->arena, "%s/%s.so", TIER1_PLUGINS, name);
    const char *cases_path = vh_arena_format(played->arena, "%s/%s/cases.json", TIER1_SKILLS, name);
    if (vh_fs_read(vh_seam_real(), played->arena, AT_FDCWD, cases_path, 1 << 20, &text, &err) ||
        vh_json_import(played->arena, text, &cases, &err) ||
        vh_plugin_inspect(vh_seam_real(), played->arena, &rules, AT_FDCWD, path, &played->file, &err) ||
        vh_map_seal(played->file.bytes.data, (size_t)played->file.bytes.len, name, &played->plugin_fd, &err)) {
        fail_msg("%s: %s", name, err.text);
    }
    const struct vh_json *list = vh_json_get(cases, "cases");
    for (const struct vh_json *one = list->child; one && played->file.manifest->folder_read; one = one->next) {
        if (!plain(one)) {
            continue;
        }
        char folder[] = "/tmp/viv-skills-XXXXXX";
        assert_non_null(mkdtemp(folder));
        build(played, folder, one);
        int root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        run_case(played, root, one);
        close(root);
        scratch_clear(folder);
        count++;
    }
    close(played->plugin_fd);
    return count;
}

static void
skills_play_their_cases_in_runners(void **state)
{
    struct tier1 *tier1 = *state;
    struct vh_pool_limits limits = {0};
    struct played played = {.tier1 = tier1, .arena = tier1->arena};
    played.pool = vh_pool_create(tier1->zygote, tier1->arena, &limits);
    struct vh_fs_names names;
    uint32_t skills = 0, total = 0;
    assert_int_equal(vh_fs_list(vh_seam_real(), tier1->arena, AT_FDCWD, TIER1_SKILLS, &names, NULL), VIV_OK);
    for (size_t i = 0; i < names.count; i++) {
        const char *cases = vh_arena_format(tier1->arena, "%s/%s/cases.json", TIER1_SKILLS, names.name[i]);
        if (!vh_fs_exists(vh_seam_real(), AT_FDCWD, cases)) {
            continue;
        }
        uint32_t count = play_skill(&played, names.name[i]);
        print_message("  %s: %u cases\n", names.name[i], count);
        total += count;
        skills += count > 0;
    }
    assert_true(skills >= 4 && total >= 16);
    vh_pool_end(played.pool);
    assert_int_equal(tier1_children(tier1), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(skills_play_their_cases_in_runners, tier1_setup, tier1_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a stranger's repository loosens what the user's policy, or no policy at all, allows. */
#include "cm.h"

#include "base/str.h"
#include "run/policy_merge.h"

static void
check(void (*merge)(struct vh_arena *, struct vh_json *, const struct vh_json *), const char *user, const char *project,
      const char *expected)
{
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_json *to = NULL, *from = NULL;
    assert_int_equal(vh_json_import(arena, vh_str(user), &to, NULL), VIV_OK);
    assert_int_equal(vh_json_import(arena, vh_str(project), &from, NULL), VIV_OK);
    merge(arena, to, from);
    struct viv_str got = vh_json_print(arena, to);
    if (!vh_str_is(got, expected)) {
        fail_msg("user %s, project %s: %.*s, expected %s", user, project, VH_STR_ARGS(got), expected);
    }
    vh_arena_destroy(arena);
}

static void
an_untrusted_project_only_narrows(void **state)
{
    static const struct {
        const char *user;
        const char *project;
        const char *merged;
    } rows[] = {
        /* A threshold below the core's own default loosened it. */
        { "{}", "{\"critic\":{\"threshold_permille\":100}}", "{}" },
        { "{}", "{\"critic\":{\"threshold_permille\":501}}", "{\"critic\":{\"threshold_permille\":501}}" },
        { "{\"critic\":{\"threshold_permille\":900}}", "{\"critic\":{\"threshold_permille\":800}}",
          "{\"critic\":{\"threshold_permille\":900}}" },
        { "{\"critic\":{\"other\":1,\"threshold_permille\":100}}",
          "{\"critic\":{\"more\":2,\"threshold_permille\":600}}",
          "{\"critic\":{\"other\":1,\"threshold_permille\":600}}" },
        /* A limit where the user has none replaced the default, whatever it was. */
        { "{}", "{\"limits\":{\"time_ns\":999999}}", "{\"ceilings\":{\"time_ns\":999999}}" },
        { "{\"limits\":{\"time_ns\":5}}", "{\"limits\":{\"home_micro\":7,\"time_ns\":9}}",
          "{\"ceilings\":{\"home_micro\":7},\"limits\":{\"time_ns\":5}}" },
        { "{\"limits\":{\"time_ns\":5}}", "{\"limits\":{\"time_ns\":4}}", "{\"limits\":{\"time_ns\":4}}" },
        { "{\"uncommitted\":0}", "{\"uncommitted\":1}", "{\"uncommitted\":0}" },
        /* Hosts are judged by layers; a number of bytes above the default is no narrowing. */
        { "{}", "{\"network\":{\"allow\":[\"a.example:1\"],\"bytes\":1024}}", "{\"network\":{\"bytes\":1024}}" },
        { "{}", "{\"network\":{\"bytes\":104857601}}", "{}" },
        { "{\"network\":{\"allow\":[\"a.example:1\"],\"bytes\":2048}}", "{\"network\":{\"bytes\":4096}}",
          "{\"network\":{\"allow\":[\"a.example:1\"],\"bytes\":2048}}" },
        { "{\"uncommitted\":1}", "{\"uncommitted\":0}", "{\"uncommitted\":0}" },
        /* What switches something on. */
        { "{}",
          "{\"approvals\":{\"results\":\"auto\"},\"branch\":\"follow\",\"bring\":[\"x\"],\"env\":{\"allow\":[\"A\"]},"
          "\"experimental\":\"allow\",\"gates\":{\"e2e\":[{\"run\":[\"x\"]}]},"
          "\"paths\":{\"write\":{\"allow\":[\"**\"]}},"
          "\"plugins\":{\"p\":{\"options\":{\"a\":\"1\"}}},\"prepare\":{\"run\":[\"x\"]},"
          "\"ceilings\":{\"time_ns\":1}}",
          "{}" },
        { "{\"branch\":\"stay\",\"bring\":[\"a\"],\"gates\":{\"e2e\":[]},\"prepare\":{\"run\":[\"a\"]}}",
          "{\"branch\":\"follow\",\"bring\":[\"x\"],\"gates\":{\"e2e\":[{\"run\":[\"x\"]}]},"
          "\"prepare\":{\"run\":[\"x\"]}}",
          "{\"branch\":\"stay\",\"bring\":[\"a\"],\"gates\":{\"e2e\":[]},\"prepare\":{\"run\":[\"a\"]}}" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        check(vh_policy_merge_narrowing, rows[i].user, rows[i].project, rows[i].merged);
    }
}

/* Trusted or not: a name the user has not allowed matches nothing, silence narrows nothing, and the rest of what the
 * user says stays. */
static void
every_project_narrows_the_models(void **state)
{
    static const struct {
        const char *user;
        const char *project;
        const char *merged;
    } rows[] = {
        { "{\"routing\":{\"allow\":[\"a\",\"b\",\"c\"],\"default\":\"fast\"}}",
          "{\"routing\":{\"allow\":[\"c\",\"x\",\"a\"]}}",
          "{\"routing\":{\"allow\":[\"a\",\"c\"],\"default\":\"fast\"}}" },
        { "{\"routing\":{\"allow\":[\"a\"]}}", "{\"routing\":{\"allow\":[]}}", "{\"routing\":{\"allow\":[]}}" },
        { "{\"routing\":{\"allow\":[\"a\"]}}", "{\"routing\":{\"allow\":7}}", "{\"routing\":{\"allow\":[]}}" },
        { "{\"routing\":{\"allow\":[\"a\",\"b\"]}}", "{}", "{\"routing\":{\"allow\":[\"a\",\"b\"]}}" },
        { "{\"routing\":{\"allow\":[\"a\",\"b\"]}}", "{\"routing\":{}}", "{\"routing\":{\"allow\":[\"a\",\"b\"]}}" },
        { "{}", "{\"routing\":{\"allow\":[\"a\"]}}", "{\"routing\":{\"allow\":[]}}" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        check(vh_policy_merge_narrowing, rows[i].user, rows[i].project, rows[i].merged);
        check(vh_policy_merge_trusted, rows[i].user, rows[i].project, rows[i].merged);
    }
    check(vh_policy_merge_narrowing, "{\"limits\":{\"day_micro\":5,\"holds\":\"strict\"}}",
          "{\"limits\":{\"day_micro\":4,\"model_micro\":3,\"month_micro\":2}}",
          "{\"ceilings\":{\"model_micro\":3,\"month_micro\":2},\"limits\":{\"day_micro\":4,\"holds\":\"strict\"}}");
}

static void
a_trusted_project_counts(void **state)
{
    (void)state;
    check(vh_policy_merge_trusted, "{\"bring\":[\"a\"],\"critic\":{\"threshold_permille\":900},\"limits\":{\"a\":1}}",
          "{\"bring\":[\"b\"],\"critic\":{\"threshold_permille\":100},\"limits\":{\"b\":2},\"prepare\":{}}",
          "{\"bring\":[\"a\",\"b\"],\"critic\":{\"threshold_permille\":100},\"limits\":{\"a\":1,\"b\":2},"
          "\"prepare\":{}}");
    check(vh_policy_merge_trusted, "{\"network\":{\"allow\":[\"a.example:1\"],\"bytes\":2048}}",
          "{\"network\":{\"allow\":[\"b.example:1\"],\"bytes\":4096}}",
          "{\"network\":{\"allow\":[\"a.example:1\",\"b.example:1\"],\"bytes\":2048}}");
    check(vh_policy_merge_trusted, "{\"network\":{\"bytes\":2048}}", "{\"network\":{\"bytes\":1024}}",
          "{\"network\":{\"bytes\":1024}}");
}

/* Memory that runs out anywhere marks the tree: half a policy is none. */
static void
no_memory_is_no_policy(void **state)
{
    static void (*const merges[])(struct vh_arena *, struct vh_json *, const struct vh_json *) = {
        vh_policy_merge_narrowing, vh_policy_merge_trusted
    };
    (void)state;
    for (size_t m = 0; m < 2; m++) {
        for (int64_t n = 1; n < 200; n++) {
            struct vh_arena *arena = vh_arena_create(NULL, 0);
            struct vh_json *to = NULL, *from = NULL;
            assert_int_equal(vh_json_import(arena, VH_STR("{\"critic\":{},"
                                                          "\"routing\":{\"allow\":[\"a\"]}}"), &to, NULL), VIV_OK);
            assert_int_equal(vh_json_import(arena, VH_STR("{\"critic\":{\"threshold_permille\":600},"
                                                          "\"limits\":{\"a\":1,"
                                                          "\"b\":2},\"routing\":{\"allow\":[\"a\"]},"
                                                          "\"uncommitted\":0}"), &from, NULL), VIV_OK);
            (void)vh_arena_fail_at(n);
            merges[m](arena, to, from);
            bool spent = vh_arena_fail_at(0) < (uint64_t)n;
            assert_true(spent || !vh_json_canonical(to));
            vh_arena_destroy(arena);
            if (spent) {
                break;
            }
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_untrusted_project_only_narrows),
        cmocka_unit_test(every_project_narrows_the_models),
        cmocka_unit_test(a_trusted_project_counts),
        cmocka_unit_test(no_memory_is_no_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a setting in the policy is taken for something else than was written, or falls back in silence. */
#include "load_test.h"

#include "load/options.h"
#include <viv/options.h>

/* The config struct tools/gen/manifest.py makes for tests/fault. */
struct config {
    int64_t wait_ns, price_micro, room_bytes;
    struct viv_str name;
    int64_t level;
    struct viv_str rules;
    uint32_t strict, reserved;
};

static const struct vh_manifest *
manifest_of(struct vh_arena *arena, const char *name)
{
    struct vh_plugin_rules rules = { 0 };
    struct vh_plugin_file file;
    assert_int_equal(vh_plugin_inspect(vh_seam_real(), arena, &rules, AT_FDCWD, fault_path(arena, name), &file, NULL),
                     VIV_OK);
    return file.manifest;
}

static void
defaults_and_settings(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct viv_error err = VIV_ERROR_INIT;
    const struct vh_manifest *manifest = manifest_of(arena, "good");
    void *filled = NULL;
    assert_int_equal(manifest->config_bytes, sizeof(struct config));
    assert_int_equal(vh_options_fill(arena, manifest, (struct viv_str){ NULL, 0 }, &filled, &err), VIV_OK);
    const struct config *config = filled;
    assert_int_equal(config->strict, 1);
    assert_int_equal(config->wait_ns, INT64_C(60000000000));
    assert_int_equal(config->price_micro, 50000);
    assert_int_equal(config->room_bytes, 4096);
    assert_true(vh_str_is(config->name, "nobody"));
    assert_int_equal(config->level, 3);
    assert_true(vh_str_is(config->rules, "{\"a\":2,\"b\":[1]}"));
    assert_int_equal(vh_options_fill(arena, manifest,
                                     VH_STR("{\"strict\":false,\"wait\":\"1m\",\"price\":\"1.25\",\"room\":4096,"
                                            "\"name\":\"x\",\"level\":-5,\"rules\":[true]}"),
                                     &filled, &err),
                     VIV_OK);
    config = filled;
    assert_int_equal(config->strict, 0);
    assert_int_equal(config->wait_ns, INT64_C(60000000000));
    assert_int_equal(config->price_micro, 1250000);
    assert_int_equal(config->level, -5);
    assert_true(vh_str_is(config->rules, "[true]"));
    vh_arena_destroy(arena);
}

struct bad {
    const char *settings;
    const char *words;
};

static void
each_mistake_is_named(void **state)
{
    (void)state;
    static const struct bad bad[] = {
        { "[]", "the settings of 'fault.good' must be an object" },
        { "{\"leval\":1}", "fault.good has the unknown key 'leval'; nearest known key: 'level'" },
        { "{\"level\":10}", "option 'level' is 10, allowed -5 to 9" },
        { "{\"level\":\"x\"}", "option 'level' is 'x', allowed: an integer" },
        { "{\"level\":true}", "option 'level' is 'true', allowed: one number" },
        { "{\"level\":[]}", "option 'level' is 'a list of 0', allowed: one number" },
        { "{\"strict\":1}", "option 'strict' is '1', allowed: true, false" },
        { "{\"wait\":\"2h\"}", "option 'wait' is 2h, allowed 1ms to 1h" },
        { "{\"wait\":\"0s\"}", "option 'wait' is 0ns, allowed 1ms to 1h" },
        { "{\"wait\":60}", "option 'wait' is '60', allowed: a number with ns, us, ms, s, m, h or d, like \"60s\"" },
        { "{\"wait\":\"99999999999999999999s\"}", "option 'wait' is '99999999999999999999s', allowed" },
        { "{\"wait\":\"9223372036854775807d\"}", "option 'wait' is '9223372036854775807d', allowed" },
        { "{\"price\":0.05}",
          "option 'price' is '0.05', allowed: money as text, like \"0.05\", so that it stays exact" },
        { "{\"price\":\"0.0000001\"}", "option 'price' is '0.0000001', allowed: money like" },
        { "{\"price\":\"11\"}", "option 'price' is 11.000000, allowed 0.000000 to 10.000000" },
        { "{\"price\":\"-1\"}", "option 'price' is '-1', allowed: money like" },
        { "{\"room\":\"2MiB\"}", "option 'room' is 2MiB, allowed 0 to 1MiB" },
        { "{\"room\":\"2MB\"}", "option 'room' is '2MB', allowed: a number with B, KiB, MiB, GiB or nothing" },
        { "{\"name\":7}", "option 'name' is '7', allowed: text" },
        { "{\"name\":\"12345678901234567\"}", "option 'name' has 17 bytes, allowed 0 to 16" },
        { "{\"level\":1,\"level\":2}", "duplicate object key" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        struct viv_error err = VIV_ERROR_INIT;
        void *config = NULL;
        viv_status status =
            vh_options_fill(arena, manifest_of(arena, "good"), vh_str(bad[i].settings), &config, &err);
        if (status != VIV_E_INVALID || config || !strstr(err.text, bad[i].words)) {
            fail_msg("%s: status %d, '%s', allowed '%s'", bad[i].settings, status, err.text, bad[i].words);
        }
        vh_arena_destroy(arena);
    }
}

static void
a_plugin_without_options_takes_none(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct viv_error err = VIV_ERROR_INIT;
    const struct vh_manifest *manifest = manifest_of(arena, "skill");
    void *config = NULL;
    assert_int_equal(vh_options_fill(arena, manifest, VH_STR("{}"), &config, &err), VIV_OK);
    assert_int_equal(vh_options_fill(arena, manifest, VH_STR("{\"a\":1}"), &config, &err), VIV_E_INVALID);
    assert_string_equal(err.text, "'fault.skill_00000' has no options, found 1 settings");
    vh_arena_destroy(arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_and_settings),
        cmocka_unit_test(each_mistake_is_named),
        cmocka_unit_test(a_plugin_without_options_takes_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, an author's mistake in manifest.json passes in silence or is refused without a word that helps. */
#include "load_test.h"

#include <viv_interfaces.h>

#include "load/manifest.h"

#define HEAD "\"id\":\"a.b\",\"version\":\"1.2.3\",\"description\":\"d\""
#define PLUGIN HEAD ",\"interfaces\":[\"viv.gate/1\"],\"grants\":[]"
#define SCHEMAS                                                                                                      \
    "\"inputSchema\":{\"type\":\"object\",\"properties\":{\"root\":{\"type\":\"string\"}}},"                         \
    "\"outputSchema\":{\"type\":\"object\"}"
#define SKILL HEAD ",\"interfaces\":[\"viv.skill/1\"],\"grants\":[]," SCHEMAS

static const struct vh_manifest *
read_good(struct vh_arena *arena, const char *text)
{
    const struct vh_manifest *manifest = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    if (vh_manifest_read(arena, vh_str(text), &manifest, &err)) {
        fail_msg("%s", err.text);
    }
    return manifest;
}

static void
everything_is_read(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    const struct vh_manifest *m = read_good(
        arena, "{" SKILL ",\"abi\":{\"min\":1,\"max\":4},\"experimental\":true,\"libraries\":[\"libm.so.6\"],"
               "\"templates\":[{\"text\":\"look at {r:path}\",\"bind\":{\"r\":{\"to\":\"/root\",\"as\":\"lower\"}}}],"
               "\"provenance\":{\"origin\":\"machine\",\"from\":[1,2]}}");
    assert_string_equal(m->id, "a.b");
    assert_int_equal(m->version_part[2], 3);
    assert_int_equal(m->abi_max, 4);
    assert_int_equal(m->kind, VH_MANIFEST_SKILL);
    assert_true(m->experimental && m->machine_made);
    assert_int_equal(m->interfaces[0].index, VIV_INDEX_SKILL);
    assert_string_equal(m->libraries[0], "libm.so.6");
    assert_int_equal(m->template_count, 1);
    assert_string_equal(m->templates[0].text, "look at {r:path}");
    assert_string_equal(m->provenance.data, "{\"from\":[1,2],\"origin\":\"machine\"}");
    assert_string_equal(m->output_schema.data, "{\"type\":\"object\"}");
    assert_int_equal(m->config_bytes, 8);
    m = read_good(arena, "{" PLUGIN "}");
    assert_int_equal(m->kind, VH_MANIFEST_PLUGIN);
    assert_null(m->input);
    m = read_good(arena, "{" HEAD ",\"interfaces\":[{\"id\":\"viv.gate/1\",\"rev\":1}],\"grants\":"
                         "{\"services\":[\"viv.effect/1\",\"viv.log/1\"],\"effects\":[\"read\",\"exec\"]}}");
    assert_true(read_good(arena, "{" HEAD ",\"interfaces\":[\"viv.model/1\"],\"grants\":[\"viv.http/1\"]}") != NULL);
    assert_true(vh_manifest_grants_service(m, "viv.log/1") && !vh_manifest_grants_service(m, "viv.store/1"));
    assert_true(vh_manifest_grants_effect(m, VIV_EFFECT_EXEC) && vh_manifest_grants_effect(m, VIV_EFFECT_READ));
    assert_false(vh_manifest_grants_effect(m, VIV_EFFECT_WRITE) || vh_manifest_grants_effect(m, 99));
    vh_arena_destroy(arena);
}

struct bad {
    const char *text;
    const char *words;
};

static const struct bad bad[] = {
    { "", "the manifest is no JSON" },
    { "[]", "the manifest must be an object" },
    { "{\"id\":1}", "'id' of the manifest is '1', allowed: text of 1 to 96 bytes" },
    { "{\"id\":\"a.b\",\"id\":\"a.c\"}", "duplicate object key" },
    { "{\"id\":\"a\\u0000b\"}", "the manifest is no JSON" },
    { "{\"id\":\"\xff\"}", "the manifest is no JSON" },
    { "{\"id\":\"a.b\",\"version\":\"1.2.3\"}", "'description' of the manifest is '(missing)'" },
    { "{\"id\":\"Ab\",\"version\":\"1.2.3\",\"description\":\"d\"}",
      "id is 'Ab', allowed: lower-case words joined by" },
    { "{\"id\":\"../b.c\",\"version\":\"1.2.3\",\"description\":\"d\"}", "id is '../b.c'" },
    { "{\"id\":\"a.b\",\"version\":\"1.2\",\"description\":\"d\"}", "version is '1.2', allowed: three numbers" },
    { "{\"id\":\"a.b\",\"version\":\"1.02.3\",\"description\":\"d\"}", "version is '1.02.3'" },
    { "{\"id\":\"a.b\",\"version\":\"1..3\",\"description\":\"d\"}", "version is '1..3'" },
    { "{" PLUGIN ",\"librarys\":[]}", "unknown key 'librarys'; nearest known key: 'libraries'" },
    { "{" PLUGIN ",\"abi\":{\"min\":2,\"max\":1}}", "abi must be an object with integers min and max" },
    { "{" PLUGIN ",\"abi\":{\"min\":1,\"max\":1,\"mid\":1}}",
      "abi has the unknown key 'mid'; nearest known key: 'min'" },
    { "{" HEAD ",\"interfaces\":[],\"grants\":[]}", "'interfaces' must be a list of 1 to 64 ids" },
    { "{" HEAD ",\"interfaces\":[\"gate\"],\"grants\":[]}", "interfaces hold 'gate', allowed: an id like" },
    { "{" HEAD ",\"interfaces\":[\"viv.gate/1\",\"viv.gate/1\"],\"grants\":[]}",
      "interfaces hold 'viv.gate/1' twice" },
    { "{" HEAD ",\"interfaces\":[\"viv.gate/1\"],\"grants\":[\"viv.http/1\"]}",
      "the grant 'viv.http/1' is for plugins that offer 'viv.model/1'" },
    { "{" HEAD ",\"interfaces\":[\"viv.gate/1\"]}", "'grants' must be a list of service ids" },
    { "{" HEAD ",\"interfaces\":[\"viv.gate/1\"],\"grants\":[\"viv.net/1\"]}",
      "'grants' holds 'viv.net/1', allowed: viv.log/1" },
    { "{" HEAD ",\"interfaces\":[\"viv.gate/1\"],\"grants\":{\"service\":[]}}", "nearest known key: 'services'" },
    { "{" HEAD ",\"interfaces\":[\"viv.gate/1\"],\"grants\":{\"effects\":[\"fly\"]}}",
      "'effects' holds 'fly', allowed: exec" },
    { "{" HEAD ",\"interfaces\":[\"viv.gate/1\"],\"grants\":{\"effects\":[\"read\"]}}",
      "add 'viv.effect/1' to services" },
    { "{" HEAD ",\"interfaces\":[\"viv.gate/1\"],\"grants\":{\"folder\":\"read\"}}", "'folder' is for skills" },
    { "{" HEAD ",\"interfaces\":[\"viv.skill/1\"],\"grants\":{\"folder\":\"write\"}," SCHEMAS "}",
      "folder is 'write', allowed: read" },
    { "{" PLUGIN ",\"kind\":\"skill\"}", "kind is 'skill' and the interfaces are of another kind" },
    { "{" HEAD ",\"interfaces\":[\"viv.skill/1\",\"viv.gate/1\"],\"grants\":[]}",
      "a skill has 'viv.skill/1' and nothing" },
    { "{" SKILL ",\"templates\":[{\"text\":\"a\",\"bind\":{\"x\":{\"to\":\"/root\",\"as\":\"upper\"}}}]}",
      "'as' of a template is 'upper', allowed: identity" },
    { "{" SKILL ",\"templates\":[{\"text\":\"a\",\"bind\":{\"x\":{\"tu\":\"/root\"}}}]}", "nearest known key: 'to'" },
    { "{" PLUGIN ",\"kind\":\"thing\"}", "kind is 'thing', allowed: plugin, skill" },
    { "{" PLUGIN ",\"experimental\":\"yes\"}", "experimental must be true or false" },
    { "{" PLUGIN ",\"libraries\":[\"/lib/libm.so\"]}", "'libraries' holds '/lib/libm.so', allowed: names of shared" },
    { "{" PLUGIN "," SCHEMAS "}", "'inputSchema' is for skills, this is a plugin" },
    { "{" PLUGIN ",\"templates\":[]}", "in the manifest of a skill" },
    { "{" HEAD ",\"interfaces\":[\"viv.skill/1\"],\"grants\":[]}", "'inputSchema' is missing, a skill must say it" },
    { "{" SKILL ",\"templates\":[{\"text\":\"a\",\"bind\":{\"x\":\"/roof\"}}]}",
      "points to '/roof', which is no property of inputSchema; nearest: /root" },
    { "{" SKILL ",\"templates\":[{\"text\":\"a\",\"set\":{\"root\":1}}]}", "set of a template points to 'root'" },
    { "{" SKILL ",\"templates\":[{\"bind\":{}}]}", "'text' of a template is '(missing)'" },
    { "{" SKILL ",\"templates\":[{\"text\":\"a\",\"accepts\":[]}]}", "nearest known key: 'accept'" },
    { "{" SKILL ",\"templates\":[{\"text\":\"a\",\"accept\":[1]}]}", "'accept' holds '1', allowed: sentences" },
    { "{" PLUGIN ",\"provenance\":{\"origin\":\"elf\"}}",
      "provenance must be an object whose origin is 'person' or" },
    { "{" PLUGIN ",\"options\":{}}", "'options' must be a list of at most 64" },
    { "{" PLUGIN ",\"options\":[1]}", "an option must be an object" },
    { "{" PLUGIN ",\"options\":[{\"name\":\"a\",\"type\":\"int\",\"help\":\"h\"}]}",
      "option 'a' has type 'int', allowed" },
    { "{" PLUGIN ",\"options\":[{\"name\":\"A\",\"type\":\"bool\",\"help\":\"h\"}]}",
      "option 'A' has type 'bool', allowed: lower" },
    { "{" PLUGIN ",\"options\":[{\"name\":\"a\",\"type\":\"integer\",\"help\":\"h\",\"default\":1}]}",
      "'max' of option 'a' is missing" },
    { "{" PLUGIN ",\"options\":[{\"name\":\"a\",\"type\":\"integer\",\"help\":\"h\",\"default\":9,\"max\":8}]}",
      "default of option 'a' is 9, allowed 0 to 8" },
    { "{" PLUGIN
      ",\"options\":[{\"name\":\"a\",\"type\":\"duration\",\"help\":\"h\",\"default\":\"9\",\"max\":\"8s\"}]}",
      "option 'a' is '9', allowed: a number with ns" },
    { "{" PLUGIN ",\"options\":[{\"name\":\"a\",\"type\":\"text\",\"help\":\"h\",\"default\":9}]}",
      "option 'a' needs a default of its type" },
    { "{" PLUGIN ",\"options\":[{\"name\":\"a\",\"type\":\"bool\",\"help\":\"h\",\"default\":true,\"typ\":1}]}",
      "nearest known key: 'type'" },
    { "{" PLUGIN ",\"options\":[{\"name\":\"a\",\"type\":\"bool\",\"help\":\"h\",\"default\":true},{\"name\":\"a\","
                 "\"type\":\"bool\",\"help\":\"h\",\"default\":true}]}",
      "option 'a' stands twice" },
};

static void
each_mistake_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        const struct vh_manifest *manifest = NULL;
        struct viv_error err = VIV_ERROR_INIT;
        viv_status status = vh_manifest_read(arena, vh_str(bad[i].text), &manifest, &err);
        if (status != VIV_E_INVALID || manifest || !strstr(err.text, bad[i].words)) {
            fail_msg("%s: status %d, '%s', allowed '%s'", bad[i].text, status, err.text, bad[i].words);
        }
        vh_arena_destroy(arena);
    }
}

static void
bounds(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    const struct vh_manifest *manifest = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    assert_int_equal(vh_manifest_read(arena, VH_STR("{\0}"), &manifest, &err), VIV_E_INVALID);
    assert_string_equal(err.text, "byte 2 of the manifest is NUL, allowed: JSON text");
    char *deep = vh_arena_alloc(arena, VIV_MANIFEST_MAX + 2);
    memset(deep, '[', 100000);
    assert_int_equal(vh_manifest_read(arena, (struct viv_str){ deep, 100000 }, &manifest, &err), VIV_E_LIMIT);
    assert_string_equal(err.text, "the manifest is nested 100000 deep, allowed 64");
    memset(deep, ' ', VIV_MANIFEST_MAX + 1);
    assert_int_equal(vh_manifest_read(arena, (struct viv_str){ deep, VIV_MANIFEST_MAX + 1 }, &manifest, &err),
                     VIV_E_LIMIT);
    assert_string_equal(err.text, "the manifest has 262145 bytes, allowed 262144");
    vh_arena_destroy(arena);
}

static void
what_machines_may_say(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct viv_error err = VIV_ERROR_INIT;
    assert_int_equal(vh_manifest_machine_made(read_good(arena, "{" SKILL "}"), &err), VIV_OK);
    assert_int_equal(vh_manifest_machine_made(read_good(arena, "{" PLUGIN "}"), &err), VIV_E_DENIED);
    assert_string_equal(err.text,
                        "'a.b' is made by a machine and offers 'viv.gate/1', allowed for such code: 'viv.skill/1'");
    assert_int_equal(vh_manifest_machine_made(read_good(arena, "{" SKILL ",\"libraries\":[\"libm.so.6\"]}"), &err),
                     VIV_E_DENIED);
    assert_string_equal(err.text,
                        "'a.b' is made by a machine and needs 'libm.so.6', allowed for such code: libc alone");
    vh_arena_destroy(arena);
}

/* Where the generated config struct has each option: the compiler's word against ours. */
static void
config_layout(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    const struct vh_manifest *m = read_good(
        arena, "{" PLUGIN ",\"options\":[{\"name\":\"a\",\"type\":\"bool\",\"help\":\"h\",\"default\":true},"
               "{\"name\":\"b\",\"type\":\"text\",\"help\":\"h\",\"default\":\"x\"},"
               "{\"name\":\"c\",\"type\":\"bool\",\"help\":\"h\",\"default\":false},"
               "{\"name\":\"d\",\"type\":\"money\",\"help\":\"h\",\"default\":\"0.05\",\"max\":\"1\"},"
               "{\"name\":\"e\",\"type\":\"bool\",\"help\":\"h\",\"default\":false}]}");
    struct config {
        struct viv_str b;
        int64_t d;
        uint32_t a, c, e, reserved;
    };
    static const size_t offsets[] = { offsetof(struct config, a), offsetof(struct config, b),
                                      offsetof(struct config, c), offsetof(struct config, d),
                                      offsetof(struct config, e) };
    for (uint32_t i = 0; i < m->option_count; i++) {
        assert_int_equal(m->options[i].offset, offsets[i]);
    }
    assert_int_equal(m->config_bytes, sizeof(struct config));
    assert_int_equal(m->options[3].number, 50000);
    vh_arena_destroy(arena);
}

static void
memory_runs_out(void **state)
{
    (void)state;
    for (int64_t n = 1; n < 1000; n++) {
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        const struct vh_manifest *manifest = NULL;
        vh_arena_fail_at(n);
        viv_status status = vh_manifest_read(
            arena,
            vh_str("{" SKILL ",\"templates\":[{\"text\":\"a\",\"bind\":{\"x\":\"/root\"},\"accept\":[\"a\"]}]}"),
            &manifest, NULL);
        vh_arena_fail_at(0);
        vh_arena_destroy(arena);
        if (status == VIV_OK) {
            assert_true(n > 10);
            return;
        }
        assert_int_equal(status, VIV_E_MEMORY);
    }
    fail_msg("reading never succeeded");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_read),
        cmocka_unit_test(each_mistake_is_named),
        cmocka_unit_test(bounds),
        cmocka_unit_test(what_machines_may_say),
        cmocka_unit_test(config_layout),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, the program does not trust the plugins it was built with, or trusts something else: their digests
 * are compiled in, and each must pass the audit it imposes on others. */
#include "load_test.h"

#include <viv_interfaces.h>

#include "fake_host.h"
#include "load/registry.h"

static const struct vh_registry_places *
places_of(struct vh_registry_places *places)
{
    *places = (struct vh_registry_places){ .plugin_folder = PLUGIN_FOLDER,
                                           .bundled = vh_bundled,
                                           .bundled_count = vh_bundled_count };
    return places;
}

static void
each_is_what_was_built(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_registry_places places;
    struct vh_registry *registry = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_plugin_rules rules = { .trust = { .bundled = vh_bundled, .bundled_count = vh_bundled_count } };
    if (vh_bundled_count == 0) {
        skip();
    }
    assert_int_equal(vh_registry_open(vh_seam_real(), arena, places_of(&places), &registry, &err), VIV_OK);
    assert_int_equal(vh_registry_count(registry), vh_bundled_count);
    for (uint32_t i = 0; i < vh_bundled_count; i++) {
        struct vh_registry_entry entry;
        struct vh_plugin_file file;
        const struct vh_manifest *manifest = NULL;
        vh_registry_at(registry, i, &entry);
        if (vh_registry_inspect(registry, arena, &rules, &entry, &file, &err)) {
            fail_msg("%s", err.text);
        }
        assert_int_equal(file.trust, VH_TRUST_BUNDLED);
        assert_int_equal(file.audit.mode, VH_AUDIT_STRICT);
        assert_int_equal(vh_registry_manifest(registry, arena, &entry, &manifest, &err), VIV_OK);
        assert_true(vh_str_equal(manifest->text, file.manifest->text)); /* the table's manifest is the note's */
        assert_false(vh_str_starts(entry.id, "tests.") || vh_str_starts(entry.id, "fault."));
    }
    vh_arena_destroy(arena);
}

/* Every bundled plugin for the host's process begins with its defaults, as far as no service is needed. */
static void
each_agrees_with_its_manifest(void **state)
{
    (void)state;
    struct vh_registry_places places;
    (void)places_of(&places);
    struct vh_plugin_rules rules = { .trust = { .bundled = vh_bundled, .bundled_count = vh_bundled_count } };
    for (uint32_t i = 0; i < vh_bundled_count; i++) {
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        struct vh_plugin_file file;
        struct vh_plugin *plugin = NULL;
        struct viv_error err = VIV_ERROR_INIT;
        const char *path = vh_arena_format(arena, PLUGIN_FOLDER "/%s", vh_bundled[i].file);
        struct fake_host host;
        fake_host_init(&host);
        assert_int_equal(vh_plugin_inspect(vh_seam_real(), arena, &rules, AT_FDCWD, path, &file, &err), VIV_OK);
        viv_status status =
            vh_plugin_load(arena, &file, &host.host, (struct viv_str){ NULL, 0 }, NULL, &plugin, &err);
        if (file.manifest->kind == VH_MANIFEST_SKILL) {
            assert_int_equal(status, VIV_E_DENIED);
        } else if (status) {
            fail_msg("%s", err.text);
        }
        vh_arena_destroy(arena);
        fake_host_finish(&host);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_what_was_built),
        cmocka_unit_test(each_agrees_with_its_manifest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

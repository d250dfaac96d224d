/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a start opens every plugin, a plugin is listed twice, or a wrong version is used. What happens when
 * something breaks: test_registry_store.c. */
#include "registry_test.h"

static void
installed_and_found(void **state)
{
    (void)state;
    struct home home;
    struct vh_registry_entry entry;
    struct viv_error err = VIV_ERROR_INIT;
    const struct vh_manifest *manifest = NULL;
    struct vh_plugin_file file;
    home_make(&home);
    must_install(&home, fault_path(home.arena, "skill"));
    must_install(&home, fault_path(home.arena, "good"));
    for (int round = 0; round < 2; round++) {
        assert_int_equal(vh_registry_count(home.registry), 2);
        vh_registry_at(home.registry, 0, &entry);
        assert_true(vh_str_is(entry.id, "fault.good"));
        assert_int_equal(vh_registry_find(home.registry, "fault.skill_00000", NULL, &entry, &err), VIV_OK);
        assert_true(vh_str_is(entry.file, "skill.so"));
        assert_int_equal(entry.flags, VH_REGISTRY_SKILL);
        assert_int_equal(entry.interfaces, UINT64_C(1) << VIV_INDEX_SKILL);
        assert_int_equal(vh_registry_manifest(home.registry, home.arena, &entry, &manifest, &err), VIV_OK);
        assert_int_equal(manifest->template_count, 1);
        assert_int_equal(vh_registry_inspect(home.registry, home.arena, &rules, &entry, &file, &err), VIV_OK);
        assert_memory_equal(&file.digest, &entry.digest, sizeof entry.digest);
        home_open(&home, vh_seam_real());
    }
    assert_int_equal(vh_registry_find(home.registry, "fault.goof", NULL, &entry, &err), VIV_E_NOT_FOUND);
    assert_string_equal(err.text, "there is no plugin 'fault.goof'; nearest: 'fault.good'");
    home_remove(&home);
}

static void
the_highest_version_unless_pinned(void **state)
{
    (void)state;
    struct home home;
    struct vh_registry_entry entry;
    struct viv_error err = VIV_ERROR_INIT;
    uint32_t cursor = 0;
    home_make(&home);
    must_install(&home, versioned(&home, "a", "1.9.9"));
    must_install(&home, fault_path(home.arena, "good"));
    must_install(&home, versioned(&home, "b", "2.0.0"));
    must_install(&home, fault_path(home.arena, "larger"));
    assert_int_equal(vh_registry_find(home.registry, "fault.good", NULL, &entry, &err), VIV_OK);
    assert_int_equal(entry.version[0], 2);
    assert_int_equal(vh_registry_find(home.registry, "fault.good", "1.9.9", &entry, &err), VIV_OK);
    assert_int_equal(entry.version[1], 9);
    assert_int_equal(vh_registry_find(home.registry, "fault.good", "3.0.0", &entry, &err), VIV_E_VERSION);
    assert_string_equal(err.text,
                        "there is no version 3.0.0 of 'fault.good' that this host (ABI 1) can use, there is: "
                                  "2.0.0 (ABI 1 to 1), 1.9.9 (ABI 1 to 1), 1.2.3 (ABI 1 to 1)");
    assert_int_equal(vh_registry_find(home.registry, "fault.good", "3", &entry, &err), VIV_E_INVALID);
    assert_true(vh_registry_next(home.registry, VIV_INDEX_CRITIC, &cursor, &entry));
    assert_true(vh_str_is(entry.id, "fault.good") && entry.version[0] == 2);
    assert_true(vh_registry_next(home.registry, VIV_INDEX_CRITIC, &cursor, &entry));
    assert_true(vh_str_is(entry.id, "fault.larger"));
    assert_false(vh_registry_next(home.registry, VIV_INDEX_CRITIC, &cursor, &entry));
    home_remove(&home);
}

static void
what_is_there_stays(void **state)
{
    (void)state;
    struct home home;
    struct viv_error err = VIV_ERROR_INIT;
    home_make(&home);
    must_install(&home, fault_path(home.arena, "good"));
    assert_int_equal(install(&home, fault_path(home.arena, "good"), &err), VIV_E_EXISTS);
    assert_string_equal(err.text, "'fault.good' 1.2.3 is installed already, the same bytes");
    assert_int_equal(vh_registry_count(home.registry), 1);
    home_remove(&home);
}

static void
other_bytes_need_another_version(void **state)
{
    (void)state;
    struct home home;
    struct viv_error err = VIV_ERROR_INIT;
    home_make(&home);
    must_install(&home, fault_path(home.arena, "good"));
    assert_int_equal(
        install(&home, altered(&home, "good", "other", "tests of the loader", "tests of the ladder"), &err),
        VIV_E_CONFLICT);
    assert_non_null(strstr(err.text, "'fault.good' 1.2.3 is there with other bytes: "));
    assert_non_null(strstr(err.text, "; raise the version"));
    assert_int_equal(scratch_count(&home.scratch, "plugins"), 1);
    home_remove(&home);
}

static void
refused_files_leave_nothing(void **state)
{
    (void)state;
    static const char *const names[] = { "execstack", "no_note", "draft", "extra_export" };
    struct home home;
    struct viv_error err = VIV_ERROR_INIT;
    home_make(&home);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_true(install(&home, fault_path(home.arena, names[i]), &err) != VIV_OK);
        assert_non_null(strstr(err.text, names[i]));
    }
    const char *odd = vh_arena_format(home.arena, "%s/a\nb.so", home.scratch.path);
    assert_int_equal(install(&home, odd, &err), VIV_E_INVALID);
    assert_string_equal(err.text, "file name 'a?b.so' is not allowed, use a word and .so");
    assert_int_equal(install(&home, "/nowhere/at/all.so", &err), VIV_E_NOT_FOUND);
    assert_int_equal(scratch_count(&home.scratch, "plugins"), 0);
    assert_int_equal(vh_registry_count(home.registry), 0);
    home_remove(&home);
}

static void
bundled_and_installed_are_one_list(void **state)
{
    (void)state;
    static const char abi2[] = "{\"id\":\"fault.skill_00000\",\"version\":\"9.0.0\",\"description\":\"d\","
                               "\"interfaces\":[\"viv.critic/1\"],\"grants\":[],\"abi\":{\"min\":2,\"max\":2}}";
    static const char first[] = "{\"id\":\"a.first\",\"version\":\"1.0.0\",\"description\":\"d\",\"interfaces\":"
                                "[\"viv.gate/1\"],\"grants\":[]}";
    static const struct vh_trust_bundled bundled[] = { { "later.so", abi2, { 1 } }, { "first.so", first, { 2 } } };
    struct home home;
    struct vh_registry_entry entry;
    struct viv_error err = VIV_ERROR_INIT;
    home_make(&home);
    home.places.plugin_folder = "/usr/lib/vivarium/1";
    home.places.bundled = bundled;
    home.places.bundled_count = 2;
    home_open(&home, vh_seam_real());
    must_install(&home, fault_path(home.arena, "skill"));
    assert_int_equal(vh_registry_count(home.registry), 3);
    vh_registry_at(home.registry, 0, &entry);
    assert_true(vh_str_is(entry.id, "a.first"));
    vh_registry_at(home.registry, 1, &entry);
    assert_int_equal(entry.version[0], 9);
    vh_registry_at(home.registry, 2, &entry);
    assert_int_equal(entry.version[0], 1);
    assert_int_equal(vh_registry_find(home.registry, "fault.skill_00000", NULL, &entry, &err), VIV_OK);
    assert_int_equal(entry.version[0], 1); /* 9.0.0 is for another ABI */
    assert_int_equal(vh_registry_find(home.registry, "fault.skill_00000", "9.0.0", &entry, &err), VIV_E_VERSION);
    assert_string_equal(err.text, "there is no version 9.0.0 of 'fault.skill_00000' that this host (ABI 1) can use, "
                                  "there is: 9.0.0 (ABI 2 to 2), 1.0.0 (ABI 1 to 1)");
    assert_int_equal(vh_registry_find(home.registry, "a.first", NULL, &entry, &err), VIV_OK);
    assert_string_equal(vh_registry_path(home.registry, home.arena, &entry), "/usr/lib/vivarium/1/first.so");
    struct vh_hash digest = entry.digest;
    assert_int_equal(vh_registry_remove(home.registry, &digest, &err), VIV_E_DENIED);
    assert_non_null(strstr(err.text, "'a.first' is bundled with the program"));
    home_remove(&home);
}

/* Without this a gate that nobody signed could take the place of a bundled one and pass what that would hold back. */
static void
unsigned_bytes_take_no_bundled_id(void **state)
{
    (void)state;
    static const char good[] = "{\"id\":\"fault.good\",\"version\":\"1.0.0\",\"description\":\"d\","
                               "\"interfaces\":[\"viv.critic/1\"],\"grants\":[]}";
    static const struct vh_trust_bundled bundled[] = { { "good.so", good, { 1 } } };
    struct home home;
    struct viv_error err = VIV_ERROR_INIT;
    home_make(&home);
    home.places.bundled = bundled;
    home.places.bundled_count = 1;
    home_open(&home, vh_seam_real());
    assert_int_equal(install(&home, fault_path(home.arena, "good"), &err), VIV_E_DENIED);
    assert_string_equal(err.text, "'fault.good' is the id of a bundled plugin, and these bytes are not signed by your "
                                  "key; give it an id of its own");
    assert_int_equal(scratch_count(&home.scratch, "plugins"), 0);
    home_remove(&home);
}

static void
a_start_opens_no_plugin(void **state)
{
    (void)state;
    struct home home;
    struct seam_fail fail;
    uint64_t opened[2];
    home_make(&home);
    must_install(&home, fault_path(home.arena, "good"));
    for (int round = 0; round < 2; round++) {
        home_open(&home, vh_seam_real()); /* looks twice when the last change is too fresh to be told apart */
        struct stat stat;
        assert_int_equal(fstatat(home.scratch.fd, "plugins", &stat, 0), 0);
        seam_fail_init(&fail, vh_seam_real());
        fail.still = true;
        fail.wall_us = ((int64_t)stat.st_mtim.tv_sec + 10) * 1000000; /* ten seconds later: stamped for good */
        home_open(&home, &fail.seam);
        seam_fail_init(&fail, vh_seam_real());
        home_open(&home, &fail.seam);
        opened[round] = seam_fail_calls(&fail, SEAM_OPEN);
        assert_int_equal(vh_registry_count(home.registry), round ? 4 : 1);
        must_install(&home, versioned(&home, "a", round ? "3.0.1" : "2.0.1"));
        must_install(&home, versioned(&home, "b", round ? "3.0.2" : "2.0.2"));
        must_install(&home, versioned(&home, "c", round ? "3.0.3" : "2.0.3"));
    }
    assert_int_equal(opened[0], 1); /* the index */
    assert_int_equal(opened[1], 1);
    home_remove(&home);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(installed_and_found),         cmocka_unit_test(the_highest_version_unless_pinned),
        cmocka_unit_test(what_is_there_stays),         cmocka_unit_test(other_bytes_need_another_version),
        cmocka_unit_test(refused_files_leave_nothing), cmocka_unit_test(bundled_and_installed_are_one_list),
        cmocka_unit_test(unsigned_bytes_take_no_bundled_id),
        cmocka_unit_test(a_start_opens_no_plugin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

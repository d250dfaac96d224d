/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a start opens every plugin, an installed plugin is lost or listed twice, or other bytes are used than
 * those that were installed. */
#include "load_test.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <viv_interfaces.h>

#include "load/registry.h"
#include "scratch.h"
#include "seam_fail.h"

static const struct vh_plugin_rules rules;

struct home {
    struct scratch scratch;
    struct vh_arena *arena;
    struct vh_registry_places places;
    struct vh_registry *registry;
};

static void
home_open(struct home *home, const struct vh_seam *seam)
{
    struct viv_error err = VIV_ERROR_INIT;
    vh_arena_destroy(home->arena);
    home->arena = vh_arena_create(NULL, 0);
    home->places.store = vh_arena_format(home->arena, "%s/plugins", home->scratch.path);
    if (vh_registry_open(seam, home->arena, &home->places, &home->registry, &err)) {
        fail_msg("%s", err.text);
    }
}

static void
home_make(struct home *home)
{
    memset(home, 0, sizeof *home);
    scratch_make(&home->scratch);
    home_open(home, vh_seam_real());
}

static void
home_remove(struct home *home)
{
    vh_arena_destroy(home->arena);
    scratch_remove(&home->scratch);
}

/* A copy of a plugin in the scratch folder with one text of its bytes replaced by another of the same length. */
static const char *
altered(struct home *home, const char *name, const char *as, const char *from, const char *to)
{
    struct viv_str bytes = fault_bytes(home->arena, name);
    char *copy = vh_arena_copy(home->arena, bytes.data, (size_t)bytes.len);
    const char *path = vh_arena_format(home->arena, "%s/%s.so", home->scratch.path, as);
    assert_int_equal(strlen(from), strlen(to));
    char *at = memmem(copy, (size_t)bytes.len, from, strlen(from));
    assert_non_null(at);
    memcpy(at, to, strlen(to));
    assert_int_equal(vh_fs_replace(vh_seam_real(), AT_FDCWD, path, (struct viv_str){ copy, bytes.len }, 0644, NULL),
                     VIV_OK);
    return path;
}

static const char *
versioned(struct home *home, const char *as, const char *version)
{
    const char *to = vh_arena_format(home->arena, "\"version\":\"%s\"", version);
    return altered(home, "good", as, "\"version\":\"1.2.3\"", to);
}

static viv_status
install(struct home *home, const char *path, struct viv_error *err)
{
    struct vh_plugin_file file;
    return vh_registry_install(home->registry, &rules, AT_FDCWD, path, &file, err);
}

static void
must_install(struct home *home, const char *path)
{
    struct viv_error err = VIV_ERROR_INIT;
    if (install(home, path, &err)) {
        fail_msg("%s", err.text);
    }
}

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
    assert_string_equal(err.text, "there is no 3.0.0 of 'fault.good', there is: 2.0.0 (ABI 1 to 1), 1.9.9 (ABI 1 to 1), "
                                  "1.2.3 (ABI 1 to 1)");
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
    assert_int_equal(install(&home, altered(&home, "good", "other", "tests of the loader", "tests of the ladder"), &err),
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
    static const char abi2[] = "{\"id\":\"fault.good\",\"version\":\"9.0.0\",\"description\":\"d\",\"interfaces\":"
                               "[\"viv.critic/1\"],\"grants\":[],\"abi\":{\"min\":2,\"max\":2}}";
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
    must_install(&home, fault_path(home.arena, "good"));
    assert_int_equal(vh_registry_count(home.registry), 3);
    vh_registry_at(home.registry, 0, &entry);
    assert_true(vh_str_is(entry.id, "a.first"));
    vh_registry_at(home.registry, 1, &entry);
    assert_int_equal(entry.version[0], 9);
    vh_registry_at(home.registry, 2, &entry);
    assert_int_equal(entry.version[0], 1);
    assert_int_equal(vh_registry_find(home.registry, "fault.good", NULL, &entry, &err), VIV_OK);
    assert_int_equal(entry.version[0], 1); /* 9.0.0 is for another ABI */
    assert_int_equal(vh_registry_find(home.registry, "a.first", NULL, &entry, &err), VIV_OK);
    assert_string_equal(vh_registry_path(home.registry, home.arena, &entry), "/usr/lib/vivarium/1/first.so");
    struct vh_hash digest = entry.digest;
    assert_int_equal(vh_registry_remove(home.registry, &digest, &err), VIV_E_DENIED);
    assert_non_null(strstr(err.text, "'a.first' is bundled with the program"));
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

/* The index is a cache: whatever happens to it, the list stays right. */
static void
every_torn_index_is_rebuilt(void **state)
{
    (void)state;
    struct home home;
    struct viv_str bytes;
    home_make(&home);
    must_install(&home, fault_path(home.arena, "good"));
    must_install(&home, fault_path(home.arena, "skill"));
    struct vh_arena *keep = vh_arena_create(NULL, 0);
    assert_int_equal(vh_fs_read(vh_seam_real(), keep, home.scratch.fd, "plugins.index", 1 << 20, &bytes, NULL), VIV_OK);
    for (size_t i = 0; i < 2 * bytes.len; i++) {
        char *copy = vh_arena_copy(keep, bytes.data, (size_t)bytes.len);
        size_t len = i < bytes.len ? (size_t)bytes.len : i - (size_t)bytes.len;
        copy[i % bytes.len] ^= 0x55;
        int fd = openat(home.scratch.fd, "plugins.index", O_WRONLY | O_TRUNC);
        assert_int_equal(write(fd, copy, len), len);
        close(fd);
        home_open(&home, vh_seam_real());
        struct vh_registry_entry entry;
        assert_int_equal(vh_registry_count(home.registry), 2);
        assert_int_equal(vh_registry_find(home.registry, "fault.good", "1.2.3", &entry, NULL), VIV_OK);
        assert_int_equal(vh_registry_find(home.registry, "fault.skill_00000", "1.0.0", &entry, NULL), VIV_OK);
    }
    vh_arena_destroy(keep);
    home_remove(&home);
}

static void
digest_path(struct home *home, const char *id, const char *file, char path[300])
{
    struct vh_registry_entry entry;
    char hex[VH_HASH_HEX];
    assert_int_equal(vh_registry_find(home->registry, id, NULL, &entry, NULL), VIV_OK);
    vh_hash_hex(&entry.digest, hex);
    snprintf(path, 300, "plugins/%s%s%s", hex, *file ? "/" : "", file);
}

static void
changes_behind_our_back(void **state)
{
    (void)state;
    struct home home;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_registry_entry entry;
    struct vh_plugin_file file;
    const char *first;
    char path[300];
    home_make(&home);
    must_install(&home, fault_path(home.arena, "good"));
    must_install(&home, fault_path(home.arena, "larger"));
    must_install(&home, fault_path(home.arena, "skill"));
    digest_path(&home, "fault.larger", "", path);
    assert_int_equal(vh_fs_remove_tree(vh_seam_real(), home.scratch.fd, path, NULL), VIV_OK);
    home_open(&home, vh_seam_real());
    assert_int_equal(vh_registry_count(home.registry), 2);
    /* a manifest that was torn is named and left out */
    digest_path(&home, "fault.skill_00000", "manifest.json", path);
    assert_int_equal(unlinkat(home.scratch.fd, path, 0), 0);
    scratch_write(&home.scratch, path, "{\"id\":");
    assert_int_equal(unlinkat(home.scratch.fd, "plugins.index", 0), 0);
    home_open(&home, vh_seam_real());
    assert_int_equal(vh_registry_count(home.registry), 1);
    assert_int_equal(vh_registry_damaged(home.registry, &first), 1);
    assert_non_null(strstr(first, "the manifest is no JSON"));
    /* bytes that are not those of their name are refused when they are used */
    digest_path(&home, "fault.good", "good.so", path);
    assert_int_equal(unlinkat(home.scratch.fd, path, 0), 0);
    const char *other = versioned(&home, "other", "5.0.0");
    assert_int_equal(renameat(AT_FDCWD, other, home.scratch.fd, path), 0);
    assert_int_equal(vh_registry_find(home.registry, "fault.good", NULL, &entry, &err), VIV_OK);
    assert_int_equal(vh_registry_inspect(home.registry, home.arena, &rules, &entry, &file, &err), VIV_E_CORRUPT);
    assert_non_null(strstr(err.text, "the index says"));
    home_remove(&home);
}

static void
removed(void **state)
{
    (void)state;
    struct home home;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_registry_entry entry;
    home_make(&home);
    must_install(&home, fault_path(home.arena, "good"));
    must_install(&home, fault_path(home.arena, "skill"));
    assert_int_equal(vh_registry_find(home.registry, "fault.good", NULL, &entry, &err), VIV_OK);
    struct vh_hash digest = entry.digest;
    uint64_t generation = vh_registry_generation(home.registry);
    assert_int_equal(vh_registry_remove(home.registry, &digest, &err), VIV_OK);
    assert_true(vh_registry_generation(home.registry) > generation);
    assert_int_equal(vh_registry_remove(home.registry, &digest, &err), VIV_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "is installed"));
    assert_int_equal(vh_registry_count(home.registry), 1);
    assert_int_equal(scratch_count(&home.scratch, "plugins"), 1);
    must_install(&home, fault_path(home.arena, "good"));
    assert_int_equal(vh_registry_count(home.registry), 2);
    home_remove(&home);
}

static void
one_change_at_a_time(void **state)
{
    (void)state;
    struct home home;
    struct viv_error err = VIV_ERROR_INIT;
    home_make(&home);
    int fd = openat(home.scratch.fd, "plugins.lock", O_RDWR | O_CREAT, 0600);
    assert_int_equal(vh_seam_real()->lock(NULL, fd, 1), 0);
    assert_int_equal(install(&home, fault_path(home.arena, "good"), &err), VIV_E_BUSY);
    assert_non_null(strstr(err.text, "another process is changing the store"));
    close(fd);
    must_install(&home, fault_path(home.arena, "good"));
    home_remove(&home);
}

static void
no_store_and_none_possible(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_registry_places places = { 0 };
    struct vh_registry *registry = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_plugin_file file;
    struct seam_fail fail;
    assert_int_equal(vh_registry_open(vh_seam_real(), arena, &places, &registry, &err), VIV_OK);
    assert_int_equal(vh_registry_count(registry), 0);
    assert_int_equal(vh_registry_install(registry, &rules, AT_FDCWD, fault_path(arena, "good"), &file, &err),
                     VIV_E_UNSUPPORTED);
    assert_string_equal(err.text, "there is no store to change");
    seam_fail_init(&fail, vh_seam_real());
    seam_fail_at(&fail, SEAM_MKDIR, 1, EROFS);
    fail.forever = true;
    places.store = "/nowhere/of/this/test/plugins";
    assert_int_equal(vh_registry_open(&fail.seam, arena, &places, &registry, &err), VIV_OK);
    assert_true(fail.reached);
    assert_int_equal(vh_registry_count(registry), 0);
    vh_arena_destroy(arena);
}

static const char *crash_place;

static void
crash_here(void *data, const char *name)
{
    (void)data;
    if (strcmp(name, crash_place) == 0) {
        _exit(9);
    }
}

/* The process dies in the middle: the plugin is there whole or not at all, and what it left is swept away. */
static void
crashes_in_between(void **state)
{
    (void)state;
    static const char *const places[] = { "install-written", "install-renamed" };
    for (size_t i = 0; i < 2; i++) {
        struct home home;
        struct vh_registry_entry entry;
        int status = 0;
        home_make(&home);
        must_install(&home, fault_path(home.arena, "skill"));
        crash_place = places[i];
        struct vh_seam seam = *vh_seam_real();
        seam.place = crash_here;
        home_open(&home, &seam);
        pid_t child = fork();
        if (child == 0) {
            struct vh_plugin_file file;
            _exit(vh_registry_install(home.registry, &rules, AT_FDCWD, fault_path(home.arena, "good"), &file, NULL) != 0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 9); /* the place was reached */
        home_open(&home, vh_seam_real());
        bool there = vh_registry_find(home.registry, "fault.good", NULL, &entry, NULL) == VIV_OK;
        assert_int_equal(there, i == 1);
        assert_int_equal(scratch_count(&home.scratch, "plugins"), 2); /* a draft, or the plugin */
        must_install(&home, fault_path(home.arena, "larger"));
        assert_int_equal(scratch_count(&home.scratch, "plugins"), there ? 3 : 2);
        home_remove(&home);
    }
}

/* Whatever call fails during an installation: the next start lists exactly what is there, and it can be done again. */
static void
every_failing_call(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 500; n++) {
        struct home home;
        struct seam_fail fail;
        struct viv_error err = VIV_ERROR_INIT;
        struct vh_plugin_file file;
        home_make(&home);
        must_install(&home, fault_path(home.arena, "skill"));
        seam_fail_init(&fail, vh_seam_real());
        home_open(&home, &fail.seam);
        seam_fail_at(&fail, SEAM_ANY, n, EIO);
        viv_status status =
            vh_registry_install(home.registry, &rules, AT_FDCWD, fault_path(home.arena, "good"), &file, &err);
        bool reached = fail.reached;
        seam_fail_at(&fail, SEAM_ANY, 0, 0);
        home_open(&home, vh_seam_real());
        struct vh_registry_entry entry;
        bool there = vh_registry_find(home.registry, "fault.good", NULL, &entry, NULL) == VIV_OK;
        assert_true(status != VIV_OK || there);
        assert_int_equal(vh_registry_count(home.registry), there ? 2 : 1);
        if (!there) {
            must_install(&home, fault_path(home.arena, "good"));
        }
        assert_int_equal(scratch_count(&home.scratch, "plugins"), 2);
        home_remove(&home);
        if (!reached) {
            assert_int_equal(status, VIV_OK);
            assert_true(n > 20);
            return;
        }
    }
    fail_msg("there was no end of calls");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(installed_and_found),
        cmocka_unit_test(the_highest_version_unless_pinned),
        cmocka_unit_test(what_is_there_stays),
        cmocka_unit_test(other_bytes_need_another_version),
        cmocka_unit_test(refused_files_leave_nothing),
        cmocka_unit_test(bundled_and_installed_are_one_list),
        cmocka_unit_test(a_start_opens_no_plugin),
        cmocka_unit_test(every_torn_index_is_rebuilt),
        cmocka_unit_test(changes_behind_our_back),
        cmocka_unit_test(removed),
        cmocka_unit_test(one_change_at_a_time),
        cmocka_unit_test(no_store_and_none_possible),
        cmocka_unit_test(crashes_in_between),
        cmocka_unit_test(every_failing_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

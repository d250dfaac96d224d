/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a crash, a full disk or a hand in the store loses an installed plugin, lists one that is not there,
 * or lets other bytes be used than those that were installed. */
#include "registry_test.h"

#include <sys/wait.h>

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
    assert_int_equal(vh_fs_read(vh_seam_real(), keep, home.scratch.fd, "plugins.index", 1 << 20, &bytes, NULL),
                     VIV_OK);
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

/* Open with a clock far ahead, so that the index counts as written long after the last change. */
static void
settle(struct home *home)
{
    static struct seam_fail fail; /* as long as the registry */
    struct stat stat;
    assert_int_equal(fstatat(home->scratch.fd, "plugins", &stat, 0), 0);
    seam_fail_init(&fail, vh_seam_real());
    fail.still = true;
    fail.wall_us = ((int64_t)stat.st_mtim.tv_sec + 10) * 1000000;
    home_open(home, &fail.seam);
}

static void
changes_behind_our_back(void **state)
{
    (void)state;
    struct home home;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_registry_entry entry;
    struct vh_plugin_file file;
    const struct vh_registry_refusal *refused = NULL;
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
    for (int again = 0; again < 3; again++) { /* not only by the start that made the index */
        settle(&home);
        assert_int_equal(vh_registry_count(home.registry), 1);
        assert_int_equal(vh_registry_refusals(home.registry, home.arena, &refused, NULL), VIV_OK);
        assert_non_null(refused);
        assert_null(refused->next);
        assert_int_equal(refused->flags, 0);
        assert_non_null(strstr(refused->reason, "the manifest is no JSON"));
    }
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

/* The folder's time tells; and where it cannot, because a change lies within one tick, the names do. */
static void
a_changed_folder_is_noticed(void **state)
{
    (void)state;
    for (int same_time = 0; same_time < 2; same_time++) {
        struct home home;
        struct stat stat;
        char path[300];
        home_make(&home);
        must_install(&home, fault_path(home.arena, "good"));
        must_install(&home, fault_path(home.arena, "larger"));
        if (!same_time) {
            settle(&home);
        }
        assert_int_equal(fstatat(home.scratch.fd, "plugins", &stat, 0), 0);
        digest_path(&home, "fault.larger", "", path);
        assert_int_equal(vh_fs_remove_tree(vh_seam_real(), home.scratch.fd, path, NULL), VIV_OK);
        struct timespec times[2] = { stat.st_mtim, stat.st_mtim };
        times[0].tv_sec += !same_time;
        times[1].tv_sec += !same_time;
        assert_int_equal(utimensat(home.scratch.fd, "plugins", times, 0), 0);
        home_open(&home, vh_seam_real());
        assert_int_equal(vh_registry_count(home.registry), 1);
        home_remove(&home);
    }
}

/* After a change behind our back only the new folder is read: what was known stays known. */
static void
only_new_folders_are_read(void **state)
{
    (void)state;
    struct home home;
    struct seam_fail fail;
    struct viv_str index;
    home_make(&home);
    must_install(&home, fault_path(home.arena, "good"));
    must_install(&home, fault_path(home.arena, "larger"));
    assert_int_equal(vh_fs_read(vh_seam_real(), home.arena, home.scratch.fd, "plugins.index", 1 << 20, &index, NULL),
                     VIV_OK);
    must_install(&home, fault_path(home.arena, "skill"));
    assert_int_equal(vh_fs_replace(vh_seam_real(), home.scratch.fd, "plugins.index", index, 0600, NULL), VIV_OK);
    seam_fail_init(&fail, vh_seam_real());
    home_open(&home, &fail.seam);
    uint64_t some = seam_fail_calls(&fail, SEAM_OPEN);
    assert_int_equal(vh_registry_count(home.registry), 3);
    assert_int_equal(unlinkat(home.scratch.fd, "plugins.index", 0), 0);
    seam_fail_init(&fail, vh_seam_real());
    home_open(&home, &fail.seam);
    assert_int_equal(vh_registry_count(home.registry), 3);
    assert_int_equal(seam_fail_calls(&fail, SEAM_OPEN) - some, 4); /* two folders, each listed and read */
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
            _exit(vh_registry_install(home.registry, &rules, AT_FDCWD, fault_path(home.arena, "good"), &file, NULL) !=
                  0);
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

/* Whatever call fails during an installation: the next start lists exactly what is there, and it can be done again.
 */
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
        cmocka_unit_test(every_torn_index_is_rebuilt),
        cmocka_unit_test(changes_behind_our_back),
        cmocka_unit_test(a_changed_folder_is_noticed),
        cmocka_unit_test(only_new_folders_are_read),
        cmocka_unit_test(removed),
        cmocka_unit_test(one_change_at_a_time),
        cmocka_unit_test(no_store_and_none_possible),
        cmocka_unit_test(crashes_in_between),
        cmocka_unit_test(every_failing_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

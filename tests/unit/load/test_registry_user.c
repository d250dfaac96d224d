/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a plugin in the user's store that others can write to is used, one bad plugin there takes others along
 * or hides a good one, a project's own version is overruled from outside, or a host does not see what another process
 * installed. */
#include "registry_test.h"

#define SKILL "fault.skill_00000"

/* What another process with the user's store alone sees and does; and a home beside it. */
struct two {
    struct home home; /* scratch: plugins */
    struct vh_arena *arena;
    struct vh_registry *user; /* scratch: user/plugins */
};

static void
reopen(struct two *two)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_registry_places places = two->home.places;
    two->home.places.user_store = vh_arena_format(two->arena, "%s/user/plugins", two->home.scratch.path);
    home_open(&two->home, vh_seam_real());
    places.user_store = two->home.places.user_store;
    places.store = NULL;
    if (vh_registry_open(vh_seam_real(), two->arena, &places, &two->user, &err)) {
        fail_msg("%s", err.text);
    }
}

static void
make(struct two *two)
{
    home_make(&two->home);
    two->arena = vh_arena_create(NULL, 0);
    reopen(two);
}

static void
end(struct two *two)
{
    vh_arena_destroy(two->arena);
    home_remove(&two->home);
}

static void
install_for_user(struct two *two, const char *path)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_plugin_file file;
    if (vh_registry_install(two->user, &rules, AT_FDCWD, path, &file, &err)) {
        fail_msg("%s", err.text);
    }
}

/* Path of the user's skill, or of a file in its folder, below the scratch folder. */
static const char *
place(struct two *two, const char *id, const char *file)
{
    struct vh_registry_entry entry;
    char hex[VH_HASH_HEX];
    uint32_t i = 0;
    do {
        assert_true(i < vh_registry_count(two->user));
        vh_registry_at(two->user, i++, &entry);
    } while (!vh_str_is(entry.id, id));
    vh_hash_hex(&entry.digest, hex);
    return vh_arena_format(two->arena, "user/plugins/%s%s%s", hex, *file ? "/" : "", file);
}

static void
set_mode(struct two *two, const char *path, mode_t mode)
{
    assert_int_equal(fchmodat(two->home.scratch.fd, path, mode, 0), 0);
}

static void
expect_version(struct two *two, const char *id, uint32_t major, uint32_t flags)
{
    struct vh_registry_entry entry;
    struct viv_error err = VIV_ERROR_INIT;
    if (vh_registry_find(two->home.registry, id, NULL, &entry, &err)) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(entry.version[0], major);
    assert_int_equal(entry.flags & (VH_REGISTRY_USER | VH_REGISTRY_BUNDLED), flags);
}

/* The first refusal is of `path` and says all these words. */
static void
expect_refused(struct two *two, const char *path, const char *words, const char *cure)
{
    const struct vh_registry_refusal *refusal = NULL;
    assert_int_equal(vh_registry_refusals(two->home.registry, two->arena, &refusal, NULL), VIV_OK);
    assert_non_null(refusal);
    assert_int_equal(refusal->flags, VH_REGISTRY_USER);
    if (!strstr(refusal->path, path) || !strstr(refusal->reason, words) || !strstr(refusal->reason, cure)) {
        fail_msg("'%s': %s", refusal->path, refusal->reason);
    }
}

static void
nothing_refused(struct two *two)
{
    const struct vh_registry_refusal *refusal = NULL;
    assert_int_equal(vh_registry_refusals(two->home.registry, two->arena, &refusal, NULL), VIV_OK);
    assert_null(refusal);
}

static void
a_missing_store_is_empty_and_stays_missing(void **state)
{
    (void)state;
    struct two two;
    make(&two);
    assert_int_equal(vh_registry_count(two.home.registry), 0);
    vh_registry_look(two.home.registry);
    assert_int_equal(vh_registry_count(two.home.registry), 0);
    nothing_refused(&two);
    assert_int_equal(faccessat(two.home.scratch.fd, "user", F_OK, 0), -1);
    end(&two);
}

static void
the_homes_own_comes_first(void **state)
{
    (void)state;
    struct two two;
    struct vh_registry_entry entry;
    struct viv_error err = VIV_ERROR_INIT;
    uint32_t cursor = 0;
    make(&two);
    install_for_user(&two, versioned(&two.home, "a", "2.0.0"));
    install_for_user(&two, versioned(&two.home, "b", "1.2.3"));
    reopen(&two);
    expect_version(&two, "fault.good", 2, VH_REGISTRY_USER);
    must_install(&two.home, versioned(&two.home, "c", "1.2.3")); /* the same version, and it may */
    assert_int_equal(vh_registry_count(two.home.registry), 3);
    expect_version(&two, "fault.good", 1, 0);
    assert_int_equal(vh_registry_find(two.home.registry, "fault.good", "1.2.3", &entry, &err), VIV_OK);
    assert_int_equal(entry.flags & VH_REGISTRY_USER, 0);
    assert_true(vh_registry_next(two.home.registry, VIV_INDEX_CRITIC, &cursor, &entry));
    assert_int_equal(entry.version[0], 1);
    assert_false(vh_registry_next(two.home.registry, VIV_INDEX_CRITIC, &cursor, &entry));
    vh_registry_at(two.home.registry, 0, &entry);
    assert_int_equal(entry.flags, VH_REGISTRY_USER | VH_REGISTRY_SHADOWED);
    assert_int_equal(vh_registry_find(two.home.registry, "fault.good", "2.0.0", &entry, &err), VIV_OK);
    /* and gone with it */
    vh_registry_at(two.home.registry, 1, &entry);
    assert_int_equal(entry.flags & VH_REGISTRY_USER, 0);
    assert_int_equal(vh_registry_remove(two.home.registry, &entry.digest, &err), VIV_OK);
    expect_version(&two, "fault.good", 2, VH_REGISTRY_USER);
    /* a home's registry does not reach into the user's store */
    vh_registry_at(two.home.registry, 0, &entry);
    assert_int_equal(vh_registry_remove(two.home.registry, &entry.digest, &err), VIV_E_NOT_FOUND);
    end(&two);
}

static void
what_others_install_is_seen_at_the_next_look(void **state)
{
    (void)state;
    struct two two;
    struct vh_registry_entry entry;
    struct viv_error err = VIV_ERROR_INIT;
    make(&two);
    uint64_t before = vh_registry_generation(two.home.registry);
    install_for_user(&two, fault_path(two.arena, "skill"));
    assert_int_equal(vh_registry_count(two.home.registry), 0);
    vh_registry_look(two.home.registry);
    expect_version(&two, SKILL, 1, VH_REGISTRY_USER);
    assert_true(vh_registry_generation(two.home.registry) > before);
    before = vh_registry_generation(two.home.registry);
    vh_registry_look(two.home.registry);
    assert_int_equal(vh_registry_generation(two.home.registry), before);
    vh_registry_at(two.user, 0, &entry);
    assert_int_equal(vh_registry_remove(two.user, &entry.digest, &err), VIV_OK);
    vh_registry_look(two.home.registry);
    assert_int_equal(vh_registry_count(two.home.registry), 0);
    assert_true(vh_registry_generation(two.home.registry) != before);
    end(&two);
}

/* The store, what it lies in, its index, and for each plugin the folder and each file. */
static void
whoever_may_write_must_be_the_user(void **state)
{
    (void)state;
    static const char *const whole[] = { "user", "user/plugins", "user/plugins.index" };
    static const char *const files[] = { "", "manifest.json", "skill.so" };
    static const mode_t modes[] = { 0775, 0757, 0777 };
    struct two two;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_registry_entry entry;
    struct vh_plugin_file file;
    make(&two);
    install_for_user(&two, fault_path(two.arena, "skill"));
    install_for_user(&two, fault_path(two.arena, "good"));
    for (int i = 0; i < 3; i++) {
        char found[40];
        snprintf(found, sizeof found, "has mode %04o, others may write", (unsigned)modes[i]);
        reopen(&two);
        set_mode(&two, whole[i], modes[i]);
        vh_registry_look(two.home.registry);
        for (int start = 0; start < 2; start++) { /* by a host that runs, and at a start */
            assert_int_equal(vh_registry_count(two.home.registry), 0);
            expect_refused(&two, "user/plugins", found, "allowed: no bit of 0022; run: chmod go-w '");
            reopen(&two);
        }
        assert_int_equal(vh_registry_install(two.user, &rules, AT_FDCWD, fault_path(two.arena, "larger"), &file, &err),
                         VIV_E_DENIED);
        assert_non_null(strstr(err.text, found));
        set_mode(&two, whole[i], 0700);
        vh_registry_look(two.home.registry);
        assert_int_equal(vh_registry_count(two.home.registry), 2);
        nothing_refused(&two);
    }
    reopen(&two);
    for (int i = 0; i < 3; i++) {
        const char *path = place(&two, SKILL, files[i]);
        set_mode(&two, path, modes[i]);
        vh_registry_at(two.home.registry, 1, &entry);
        assert_int_equal(vh_registry_inspect(two.home.registry, two.arena, &rules, &entry, &file, &err), VIV_E_DENIED);
        assert_int_equal(vh_registry_find(two.home.registry, SKILL, NULL, &entry, &err), VIV_E_DENIED);
        assert_non_null(strstr(err.text, "'" SKILL "' is refused: '"));
        assert_non_null(strstr(err.text, "; run: chmod go-w '"));
        expect_version(&two, "fault.good", 1, VH_REGISTRY_USER);
        set_mode(&two, path, *files[i] ? 0444 : 0700);
        expect_version(&two, SKILL, 1, VH_REGISTRY_USER);
    }
    end(&two);
}

/* One that nobody knows yet: it is named with its reason, at every start, and taken up as soon as it is mended. */
static void
a_bad_folder_is_named_and_takes_nothing_along(void **state)
{
    (void)state;
    struct two two;
    make(&two);
    install_for_user(&two, fault_path(two.arena, "skill"));
    install_for_user(&two, fault_path(two.arena, "good"));
    const char *manifest = place(&two, SKILL, "manifest.json");
    set_mode(&two, manifest, 0666);
    assert_int_equal(unlinkat(two.home.scratch.fd, "user/plugins.index", 0), 0);
    for (int start = 0; start < 3; start++) {
        reopen(&two);
        assert_int_equal(vh_registry_count(two.home.registry), 1);
        expect_refused(&two, "user/plugins/", "manifest.json' has mode 0666", "chmod go-w '");
    }
    set_mode(&two, manifest, 0444);
    vh_registry_look(two.home.registry);
    expect_version(&two, SKILL, 1, VH_REGISTRY_USER);
    nothing_refused(&two);
    /* a link may lead to what is not the user's */
    assert_int_equal(unlinkat(two.home.scratch.fd, manifest, 0), 0);
    assert_int_equal(symlinkat("/etc/hostname", two.home.scratch.fd, manifest), 0);
    assert_int_equal(unlinkat(two.home.scratch.fd, "user/plugins.index", 0), 0);
    reopen(&two);
    expect_refused(&two, "user/plugins/", "manifest.json' is a link", "allowed: files and folders");
    end(&two);
}

static void
what_belongs_to_another_user_is_refused(void **state)
{
    (void)state;
    struct two two;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_registry_entry entry;
    if (geteuid() != 0) {
        skip(); /* only root can give files away */
    }
    make(&two);
    install_for_user(&two, fault_path(two.arena, "skill"));
    reopen(&two);
    assert_int_equal(fchownat(two.home.scratch.fd, place(&two, SKILL, "skill.so"), 1234, (gid_t)-1, 0), 0);
    assert_int_equal(vh_registry_find(two.home.registry, SKILL, NULL, &entry, &err), VIV_E_DENIED);
    assert_non_null(strstr(err.text, "belongs to user 1234, allowed: 0, who runs this program; run: chown 0 '"));
    assert_int_equal(fchownat(two.home.scratch.fd, "user/plugins", 1234, (gid_t)-1, 0), 0);
    vh_registry_look(two.home.registry);
    assert_int_equal(vh_registry_count(two.home.registry), 0);
    expect_refused(&two, "user/plugins", "belongs to user 1234", "chown 0");
    end(&two);
}

static void
what_is_refused_hides_nothing(void **state)
{
    (void)state;
    struct two two;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_registry_entry entry;
    uint32_t cursor = 0;
    make(&two);
    install_for_user(&two, versioned(&two.home, "a", "2.0.0"));
    install_for_user(&two, versioned(&two.home, "b", "1.2.3"));
    reopen(&two);
    assert_true(vh_registry_next(two.home.registry, VIV_INDEX_CRITIC, &cursor, &entry));
    assert_int_equal(entry.version[0], 2);
    assert_int_equal(vh_registry_refuse(two.home.registry, &entry, "it is bad", &err), VIV_OK);
    /* the same walk goes on with the version it hid */
    assert_true(vh_registry_next(two.home.registry, VIV_INDEX_CRITIC, &cursor, &entry));
    assert_int_equal(entry.version[0], 1);
    expect_version(&two, "fault.good", 1, VH_REGISTRY_USER);
    vh_registry_at(two.home.registry, 0, &entry);
    assert_int_equal(vh_registry_check(two.home.registry, &entry, &err), VIV_E_DENIED);
    assert_string_equal(err.text, "it is bad");
    vh_registry_at(two.home.registry, 1, &entry);
    assert_int_equal(vh_registry_refuse(two.home.registry, &entry, "it is bad too", &err), VIV_OK);
    assert_int_equal(vh_registry_find(two.home.registry, "fault.good", NULL, &entry, &err), VIV_E_DENIED);
    assert_string_equal(err.text, "'fault.good' is refused: it is bad too");
    end(&two);
}

/* A start opens no plugin of the store, and no look does: two folders are looked at. */
static void
nothing_is_opened_for_a_look(void **state)
{
    (void)state;
    struct two two;
    struct seam_fail fail;
    struct stat stat;
    make(&two);
    install_for_user(&two, fault_path(two.arena, "skill"));
    install_for_user(&two, fault_path(two.arena, "good"));
    assert_int_equal(fstatat(two.home.scratch.fd, "user/plugins", &stat, 0), 0);
    seam_fail_init(&fail, vh_seam_real());
    fail.still = true;
    fail.wall_us = ((int64_t)stat.st_mtim.tv_sec + 10) * 1000000;
    reopen(&two);
    home_open(&two.home, &fail.seam); /* writes the index once more, as long after the last change */
    seam_fail_at(&fail, SEAM_OPEN, 0, 0);
    home_open(&two.home, &fail.seam);
    assert_int_equal(vh_registry_count(two.home.registry), 2);
    assert_true(seam_fail_calls(&fail, SEAM_OPEN) <= 3); /* the two indexes, and the home's store, which is empty */
    seam_fail_at(&fail, SEAM_OPEN, 0, 0);
    vh_registry_look(two.home.registry);
    assert_int_equal(seam_fail_calls(&fail, SEAM_OPEN), 0);
    assert_true(seam_fail_calls(&fail, SEAM_STAT) <= 4);
    end(&two);
}

/* Memory or one system call fails while a host starts: it starts without some of the store, or has no memory at all,
 * and the next look and the next start have all of it. */
static void
every_failing_call_at_a_start(void **state)
{
    (void)state;
    struct two two;
    struct seam_fail fail;
    make(&two);
    install_for_user(&two, fault_path(two.arena, "skill"));
    install_for_user(&two, fault_path(two.arena, "good"));
    seam_fail_init(&fail, vh_seam_real());
    for (int with_index = 0; with_index < 2; with_index++) {
        uint64_t ends = 0;
        for (uint64_t n = 1; ends < 2 && n < 2000; n++) {
            struct vh_registry_places places = { .user_store = two.home.places.user_store };
            struct vh_registry *registry = NULL;
            const struct vh_registry_refusal *refusal = NULL;
            struct viv_error err = VIV_ERROR_INIT;
            struct vh_arena *arena = vh_arena_create(NULL, 0);
            bool memory = ends == 1;
            if (!with_index) {
                (void)unlinkat(two.home.scratch.fd, "user/plugins.index", 0);
            }
            seam_fail_at(&fail, SEAM_ANY, memory ? 0 : n, EIO);
            vh_arena_fail_at(memory ? (int64_t)n : 0);
            viv_status status = vh_registry_open(&fail.seam, arena, &places, &registry, &err);
            bool reached = memory ? vh_arena_fail_at(0) >= n : fail.reached;
            vh_arena_fail_at(0);
            seam_fail_at(&fail, SEAM_ANY, 0, 0);
            assert_true(status == VIV_OK || (memory && status == VIV_E_MEMORY));
            if (status == VIV_OK) {
                assert_true(reached || vh_registry_count(registry) == 2);
                vh_registry_look(registry);
                assert_int_equal(vh_registry_count(registry), 2);
                assert_int_equal(vh_registry_refusals(registry, arena, &refusal, NULL), VIV_OK);
                assert_null(refusal);
            }
            vh_arena_destroy(arena);
            reopen(&two); /* whatever index was left, the next start has all */
            assert_int_equal(vh_registry_count(two.home.registry), 2);
            if (!reached) {
                assert_true(n > 3);
                ends++;
                n = 0;
            }
        }
        assert_int_equal(ends, 2);
    }
    end(&two);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_store_is_empty_and_stays_missing),
        cmocka_unit_test(the_homes_own_comes_first),
        cmocka_unit_test(what_others_install_is_seen_at_the_next_look),
        cmocka_unit_test(whoever_may_write_must_be_the_user),
        cmocka_unit_test(a_bad_folder_is_named_and_takes_nothing_along),
        cmocka_unit_test(what_belongs_to_another_user_is_refused),
        cmocka_unit_test(what_is_refused_hides_nothing),
        cmocka_unit_test(nothing_is_opened_for_a_look),
        cmocka_unit_test(every_failing_call_at_a_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

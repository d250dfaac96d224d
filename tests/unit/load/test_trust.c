/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, somebody other than the user can decide what runs in the host's process. */
#include "load_test.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scratch.h"
#include "seam_fail.h"

static const struct vh_seam *seam;

static struct vh_hash
hash_of(const char *text)
{
    struct vh_hash hash;
    assert_true(vh_hash_bytes(text, strlen(text), &hash));
    return hash;
}

static void
a_key_is_made_once(void **state)
{
    (void)state;
    struct scratch scratch;
    struct vh_trust trust = { 0 }, again = { 0 };
    struct viv_error err = VIV_ERROR_INIT;
    struct stat stat;
    scratch_make(&scratch);
    assert_int_equal(vh_trust_read_key(seam, scratch.fd, "keys", &trust, &err), VIV_OK);
    assert_false(trust.has_key);
    assert_int_equal(vh_trust_make_key(seam, scratch.fd, "keys", &vh_trust_plugins, &err), VIV_OK);
    assert_int_equal(fstatat(scratch.fd, "keys/plugin-key", &stat, 0), 0);
    assert_int_equal(stat.st_mode & 07777, 0600);
    assert_int_equal(scratch_count(&scratch, "keys"), 1);
    assert_int_equal(vh_trust_read_key(seam, scratch.fd, "keys", &trust, &err), VIV_OK);
    assert_true(trust.has_key);
    assert_int_equal(vh_trust_make_key(seam, scratch.fd, "keys", &vh_trust_plugins, &err), VIV_E_EXISTS);
    assert_string_equal(err.text, "there is a key 'keys/plugin-key' already");
    assert_int_equal(vh_trust_read_key(seam, scratch.fd, "keys", &again, &err), VIV_OK);
    assert_memory_equal(trust.key, again.key, sizeof trust.key);
    scratch_remove(&scratch);
}

static void
an_open_key_is_refused(void **state)
{
    (void)state;
    struct scratch scratch;
    struct vh_trust trust = { 0 };
    struct viv_error err = VIV_ERROR_INIT;
    scratch_make(&scratch);
    assert_int_equal(vh_trust_make_key(seam, scratch.fd, "keys", &vh_trust_plugins, &err), VIV_OK);
    assert_int_equal(fchmodat(scratch.fd, "keys/plugin-key", 0640, 0), 0);
    assert_int_equal(vh_trust_read_key(seam, scratch.fd, "keys", &trust, &err), VIV_E_DENIED);
    assert_string_equal(err.text,
                        "'keys/plugin-key' is open to others: mode 0640, allowed: no bit of 0077; chmod 600 the "
                        "key");
    assert_int_equal(fchmodat(scratch.fd, "keys/plugin-key", 0600, 0), 0);
    assert_int_equal(fchmodat(scratch.fd, "keys", 0770, 0), 0);
    assert_int_equal(vh_trust_read_key(seam, scratch.fd, "keys", &trust, &err), VIV_E_DENIED);
    assert_string_equal(err.text,
                        "'keys' is open to others: mode 0770, allowed: no bit of 0022; chmod go-w the folder");
    assert_int_equal(fchmodat(scratch.fd, "keys", 0700, 0), 0);
    assert_int_equal(renameat(scratch.fd, "keys/plugin-key", scratch.fd, "keys/other"), 0);
    assert_int_equal(symlinkat("other", scratch.fd, "keys/plugin-key"), 0);
    assert_int_equal(vh_trust_read_key(seam, scratch.fd, "keys", &trust, &err), VIV_E_DENIED);
    assert_int_equal(unlinkat(scratch.fd, "keys/plugin-key", 0), 0);
    assert_int_equal(mkfifoat(scratch.fd, "keys/plugin-key", 0600), 0);
    assert_int_equal(vh_trust_read_key(seam, scratch.fd, "keys", &trust, &err), VIV_E_DENIED);
    assert_string_equal(err.text, "the key 'keys/plugin-key' is not a regular file");
    assert_false(trust.has_key);
    scratch_remove(&scratch);
}

static void
a_key_of_somebody_else_is_refused(void **state)
{
    (void)state;
    struct scratch scratch;
    struct vh_trust trust = { 0 };
    struct viv_error err = VIV_ERROR_INIT;
    if (geteuid() != 0) {
        skip(); /* only root can give a file away */
    }
    scratch_make(&scratch);
    assert_int_equal(vh_trust_make_key(seam, scratch.fd, "keys", &vh_trust_plugins, &err), VIV_OK);
    assert_int_equal(fchownat(scratch.fd, "keys/plugin-key", 65534, 65534, 0), 0);
    assert_int_equal(vh_trust_read_key(seam, scratch.fd, "keys", &trust, &err), VIV_E_DENIED);
    assert_string_equal(err.text, "'keys/plugin-key' belongs to user 65534, allowed: 0, who runs this program");
    scratch_remove(&scratch);
}

static void
a_torn_key_is_named(void **state)
{
    (void)state;
    struct scratch scratch;
    struct vh_trust trust = { 0 };
    struct viv_error err = VIV_ERROR_INIT;
    scratch_make(&scratch);
    assert_int_equal(mkdirat(scratch.fd, "keys", 0700), 0);
    scratch_write(&scratch, "keys/plugin-key", "vivarium-key 1 00ff\n");
    assert_int_equal(fchmodat(scratch.fd, "keys/plugin-key", 0600, 0), 0);
    assert_int_equal(vh_trust_read_key(seam, scratch.fd, "keys", &trust, &err), VIV_E_CORRUPT);
    assert_non_null(strstr(err.text, "the key 'keys/plugin-key' is not one line"));
    scratch_remove(&scratch);
}

static void
signatures(void **state)
{
    (void)state;
    struct scratch scratch;
    struct vh_trust trust = { 0 };
    struct viv_error err = VIV_ERROR_INIT;
    enum vh_trust_verdict verdict;
    struct vh_hash hash = hash_of("plugin"), other = hash_of("another"), signed_hash;
    scratch_make(&scratch);
    scratch_write(&scratch, "a.so", "plugin");
    assert_int_equal(vh_trust_judge(seam, &trust, scratch.fd, "a.so", &hash, &verdict, &err), VIV_OK);
    assert_int_equal(verdict, VH_TRUST_UNSIGNED);
    assert_int_equal(vh_trust_sign(seam, "keys", scratch.fd, "a.so", NULL, &err), VIV_E_NOT_FOUND);
    assert_int_equal(vh_trust_make_key(seam, scratch.fd, "keys", &vh_trust_plugins, &err), VIV_OK);
    assert_int_equal(vh_trust_read_key(seam, scratch.fd, "keys", &trust, &err), VIV_OK);
    assert_int_equal(vh_trust_sign(seam, "keys", scratch.fd, "a.so", &signed_hash, &err), VIV_OK);
    assert_memory_equal(&hash, &signed_hash, sizeof hash);
    assert_int_equal(vh_trust_judge(seam, &trust, scratch.fd, "a.so", &hash, &verdict, &err), VIV_OK);
    assert_int_equal(verdict, VH_TRUST_USER);
    /* other bytes under the same signature */
    assert_int_equal(vh_trust_judge(seam, &trust, scratch.fd, "a.so", &other, &verdict, &err), VIV_E_DENIED);
    assert_non_null(strstr(err.text, "the signature 'a.so.sig' does not fit the plugin's SHA-256"));
    assert_int_equal(verdict, VH_TRUST_UNSIGNED);
    /* a key this user does not have */
    trust.key[0] ^= 1;
    assert_int_equal(vh_trust_judge(seam, &trust, scratch.fd, "a.so", &hash, &verdict, &err), VIV_OK);
    assert_int_equal(verdict, VH_TRUST_UNSIGNED);
    trust.key[0] ^= 1;
    trust.has_key = false;
    assert_int_equal(vh_trust_judge(seam, &trust, scratch.fd, "a.so", &hash, &verdict, &err), VIV_OK);
    assert_int_equal(verdict, VH_TRUST_UNSIGNED);
    scratch_remove(&scratch);
}

/* One changed byte of a signature never leads to trust. */
static void
altered_signatures(void **state)
{
    (void)state;
    struct scratch scratch;
    struct vh_trust trust = { 0 };
    struct vh_hash hash = hash_of("plugin");
    char text[512];
    scratch_make(&scratch);
    scratch_write(&scratch, "a.so", "plugin");
    assert_int_equal(vh_trust_make_key(seam, scratch.fd, "keys", &vh_trust_plugins, NULL), VIV_OK);
    assert_int_equal(vh_trust_read_key(seam, scratch.fd, "keys", &trust, NULL), VIV_OK);
    assert_int_equal(vh_trust_sign(seam, "keys", scratch.fd, "a.so", NULL, NULL), VIV_OK);
    assert_true(scratch_read(&scratch, "a.so.sig", text, sizeof text));
    for (size_t i = 0; i <= strlen(text); i++) {
        char altered[512];
        enum vh_trust_verdict verdict;
        memcpy(altered, text, sizeof altered);
        if (i == strlen(text)) {
            strcat(altered, "x");
        } else {
            altered[i] = altered[i] == '1' ? '2' : '1';
        }
        scratch_write(&scratch, "a.so.sig", altered);
        (void)vh_trust_judge(seam, &trust, scratch.fd, "a.so", &hash, &verdict, NULL);
        assert_int_equal(verdict, VH_TRUST_UNSIGNED);
    }
    scratch_remove(&scratch);
}

static void
bundled_digests(void **state)
{
    (void)state;
    struct scratch scratch;
    struct vh_hash hash = hash_of("plugin"), other = hash_of("another");
    struct vh_trust_bundled row = { .file = "a.so" };
    struct vh_trust trust = { .bundled = &row, .bundled_count = 1 };
    enum vh_trust_verdict verdict;
    memcpy(row.digest, hash.bytes, sizeof row.digest);
    scratch_make(&scratch);
    assert_int_equal(vh_trust_judge(seam, &trust, scratch.fd, "a.so", &hash, &verdict, NULL), VIV_OK);
    assert_string_equal(vh_trust_name(verdict), "bundled");
    assert_int_equal(vh_trust_judge(seam, &trust, scratch.fd, "a.so", &other, &verdict, NULL), VIV_OK);
    assert_string_equal(vh_trust_name(verdict), "unsigned");
    scratch_remove(&scratch);
}

/* Whatever call fails while a key is made: no key, or a whole one. */
static void
a_key_is_whole_or_not_there(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 100; n++) {
        struct scratch scratch;
        struct seam_fail fail;
        struct vh_trust trust = { 0 };
        struct viv_error err = VIV_ERROR_INIT;
        scratch_make(&scratch);
        seam_fail_init(&fail, vh_seam_real());
        seam_fail_at(&fail, SEAM_ANY, n, EIO);
        viv_status status = vh_trust_make_key(&fail.seam, scratch.fd, "keys", &vh_trust_plugins, &err);
        assert_int_equal(vh_trust_read_key(seam, scratch.fd, "keys", &trust, &err), VIV_OK);
        assert_true(status != VIV_OK || trust.has_key);
        scratch_remove(&scratch);
        if (!fail.reached) {
            assert_true(n > 5);
            return;
        }
    }
    fail_msg("there was no end of calls");
}

static enum vh_trust_verdict
judged(struct scratch *scratch, const struct vh_trust *trust, struct viv_error *err)
{
    enum vh_trust_verdict verdict = VH_TRUST_UNSIGNED;
    struct vh_hash hash = hash_of("plugin");
    viv_status status = vh_trust_judge(seam, trust, scratch->fd, "a.so", &hash, &verdict, err);
    assert_int_equal(err->status, status);
    return verdict;
}

/* A key begins with these digits. */
static void
begin_of(const uint8_t key[VH_TRUST_KEY_BYTES], char hex[17])
{
    for (size_t i = 0; i < 8; i++) {
        snprintf(hex + 2 * i, 3, "%02x", key[i]);
    }
}

static void
an_old_key_counts_until_it_is_retired(void **state)
{
    (void)state;
    struct scratch scratch;
    struct vh_trust trust = { 0 }, first = { 0 };
    struct viv_error err = VIV_ERROR_INIT;
    struct stat stat;
    char old[17], present[17], expected[512];
    scratch_make(&scratch);
    scratch_write(&scratch, "a.so", "plugin");
    assert_int_equal(vh_trust_rotate(seam, scratch.fd, "keys", &trust, &err), VIV_E_NOT_FOUND);
    assert_string_equal(err.text, "there is no key in 'keys'; 'vivhost plugin sign' makes one at its first use");
    assert_int_equal(vh_trust_make_key(seam, scratch.fd, "keys", &vh_trust_plugins, &err), VIV_OK);
    assert_int_equal(vh_trust_read_key(seam, scratch.fd, "keys", &first, &err), VIV_OK);
    assert_int_equal(vh_trust_sign(seam, "keys", scratch.fd, "a.so", NULL, &err), VIV_OK);
    assert_int_equal(vh_trust_rotate(seam, scratch.fd, "keys", &trust, &err), VIV_OK);
    assert_memory_not_equal(trust.key, first.key, sizeof first.key);
    assert_int_equal(trust.old_count, 1);
    assert_memory_equal(trust.old[0].key, first.key, sizeof first.key);
    assert_int_equal(fstatat(scratch.fd, "keys/plugin-key", &stat, 0), 0);
    assert_int_equal(stat.st_mode & 07777, 0600);
    assert_int_equal(fstatat(scratch.fd, "keys/old-keys", &stat, 0), 0);
    assert_int_equal(stat.st_mode & 07777, 0600);
    assert_int_equal(scratch_count(&scratch, "keys"), 2);
    err = (struct viv_error)VIV_ERROR_INIT;
    assert_int_equal(judged(&scratch, &trust, &err), VH_TRUST_USER);

    begin_of(first.key, old);
    begin_of(trust.key, present);
    assert_int_equal(vh_trust_retire(seam, scratch.fd, "keys", present, &trust, &err), VIV_E_DENIED);
    snprintf(expected, sizeof expected,
             "the key %s is the one that signs; 'vivhost plugin key rotate' makes another first", present);
    assert_string_equal(err.text, expected);
    old[7] = 0;
    assert_int_equal(vh_trust_retire(seam, scratch.fd, "keys", old, &trust, &err), VIV_E_INVALID);
    assert_non_null(strstr(err.text, "begins 1 old keys, allowed: at least 8 digits that begin one"));
    assert_int_equal(vh_trust_retire(seam, scratch.fd, "keys", "zzzzzzzz", &trust, &err), VIV_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "'zzzzzzzz' begins 0 old keys"));
    begin_of(first.key, old);
    assert_int_equal(vh_trust_retire(seam, scratch.fd, "keys", old, &trust, &err), VIV_OK);
    assert_int_equal(vh_trust_retire(seam, scratch.fd, "keys", old, &trust, &err), VIV_OK);
    assert_int_equal(vh_trust_read_key(seam, scratch.fd, "keys", &trust, &err), VIV_OK);
    assert_true(trust.old[0].retired);
    err = (struct viv_error)VIV_ERROR_INIT;
    assert_int_equal(judged(&scratch, &trust, &err), VH_TRUST_UNSIGNED);
    assert_int_equal(err.status, VIV_E_DENIED);
    snprintf(expected, sizeof expected,
             "it is signed by the key %s, which is retired; 'vivhost plugin sign' with this file signs it with the "
             "present key",
             old);
    assert_string_equal(err.text, expected);
    assert_int_equal(vh_trust_sign(seam, "keys", scratch.fd, "a.so", NULL, &err), VIV_OK);
    err = (struct viv_error)VIV_ERROR_INIT;
    assert_int_equal(judged(&scratch, &trust, &err), VH_TRUST_USER);
    scratch_remove(&scratch);
}

/* Room for a bounded number; what is retired makes room, what is kept does not. */
static void
old_keys_are_bounded(void **state)
{
    (void)state;
    struct scratch scratch;
    struct vh_trust trust = { 0 };
    struct viv_error err = VIV_ERROR_INIT;
    char old[17];
    scratch_make(&scratch);
    assert_int_equal(vh_trust_make_key(seam, scratch.fd, "keys", &vh_trust_plugins, &err), VIV_OK);
    for (int i = 0; i < VH_TRUST_OLD_MAX; i++) {
        assert_int_equal(vh_trust_rotate(seam, scratch.fd, "keys", &trust, &err), VIV_OK);
    }
    struct vh_trust full = trust;
    assert_int_equal(vh_trust_rotate(seam, scratch.fd, "keys", &trust, &err), VIV_E_LIMIT);
    assert_string_equal(err.text,
                        "there are 32 old keys, allowed 32; 'vivhost plugin key retire KEY' makes room");
    assert_int_equal(vh_trust_read_key(seam, scratch.fd, "keys", &trust, &err), VIV_OK);
    assert_memory_equal(trust.key, full.key, sizeof full.key);
    begin_of(full.old[3].key, old);
    assert_int_equal(vh_trust_retire(seam, scratch.fd, "keys", old, &trust, &err), VIV_OK);
    assert_int_equal(vh_trust_rotate(seam, scratch.fd, "keys", &trust, &err), VIV_OK);
    assert_int_equal(trust.old_count, VH_TRUST_OLD_MAX);
    assert_memory_equal(trust.old[3].key, full.old[4].key, sizeof full.old[4].key);
    assert_memory_equal(trust.old[VH_TRUST_OLD_MAX - 1].key, full.key, sizeof full.key);
    scratch_remove(&scratch);
}

/* Who can write the list can add trust; what is no list gives none. */
static void
a_list_of_old_keys_is_judged(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "vivarium-old-keys 2\n", "vivarium-old-keys 1\n00 kept\n", "vivarium-old-keys 1\nkept\n",
        "vivarium-old-keys 1\n"
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f lost\n",
    };
    struct scratch scratch;
    struct vh_trust trust = { 0 };
    struct viv_error err = VIV_ERROR_INIT;
    scratch_make(&scratch);
    assert_int_equal(vh_trust_make_key(seam, scratch.fd, "keys", &vh_trust_plugins, &err), VIV_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        scratch_write(&scratch, "keys/old-keys", bad[i]);
        assert_int_equal(fchmodat(scratch.fd, "keys/old-keys", 0600, 0), 0);
        assert_int_equal(vh_trust_read_key(seam, scratch.fd, "keys", &trust, &err), VIV_E_CORRUPT);
        assert_non_null(strstr(err.text, "the list of old keys 'keys/old-keys' is not the line"));
        assert_int_equal(trust.old_count, 0);
    }
    assert_int_equal(fchmodat(scratch.fd, "keys/old-keys", 0622, 0), 0);
    assert_int_equal(vh_trust_read_key(seam, scratch.fd, "keys", &trust, &err), VIV_E_DENIED);
    assert_non_null(strstr(err.text, "'keys/old-keys' is open to others: mode 0622, allowed: no bit of 0077"));
    scratch_remove(&scratch);
}

/* Whatever call fails in a rotation: what was signed counts, the key that is there signs, and it can be done again. */
static void
a_rotation_cut_short_is_usable(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 200; n++) {
        struct scratch scratch;
        struct seam_fail fail;
        struct vh_trust trust = { 0 };
        struct viv_error err = VIV_ERROR_INIT;
        scratch_make(&scratch);
        scratch_write(&scratch, "a.so", "plugin");
        assert_int_equal(vh_trust_make_key(seam, scratch.fd, "keys", &vh_trust_plugins, NULL), VIV_OK);
        assert_int_equal(vh_trust_sign(seam, "keys", scratch.fd, "a.so", NULL, NULL), VIV_OK);
        seam_fail_init(&fail, vh_seam_real());
        seam_fail_at(&fail, SEAM_ANY, n, EIO);
        (void)vh_trust_rotate(&fail.seam, scratch.fd, "keys", &trust, &err);
        assert_int_equal(vh_trust_read_key(seam, scratch.fd, "keys", &trust, NULL), VIV_OK);
        assert_true(trust.has_key);
        err = (struct viv_error)VIV_ERROR_INIT;
        assert_int_equal(judged(&scratch, &trust, &err), VH_TRUST_USER);
        assert_int_equal(vh_trust_sign(seam, "keys", scratch.fd, "a.so", NULL, NULL), VIV_OK);
        assert_int_equal(vh_trust_rotate(seam, scratch.fd, "keys", &trust, NULL), VIV_OK);
        assert_int_equal(judged(&scratch, &trust, &err), VH_TRUST_USER);
        assert_true(trust.old_count <= 2);
        scratch_remove(&scratch);
        if (!fail.reached) {
            assert_true(n > 10);
            return;
        }
    }
    fail_msg("there was no end of calls");
}

int
main(void)
{
    seam = vh_seam_real();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_made_once),          cmocka_unit_test(an_open_key_is_refused),
        cmocka_unit_test(a_key_of_somebody_else_is_refused),
        cmocka_unit_test(a_torn_key_is_named),         cmocka_unit_test(signatures),
        cmocka_unit_test(altered_signatures),          cmocka_unit_test(bundled_digests),
        cmocka_unit_test(a_key_is_whole_or_not_there), cmocka_unit_test(an_old_key_counts_until_it_is_retired),
        cmocka_unit_test(old_keys_are_bounded),        cmocka_unit_test(a_list_of_old_keys_is_judged),
        cmocka_unit_test(a_rotation_cut_short_is_usable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

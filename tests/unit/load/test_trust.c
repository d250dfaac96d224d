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
    assert_int_equal(vh_trust_make_key(seam, scratch.fd, "keys", &err), VIV_OK);
    assert_int_equal(fstatat(scratch.fd, "keys/" VH_TRUST_KEY_FILE, &stat, 0), 0);
    assert_int_equal(stat.st_mode & 07777, 0600);
    assert_int_equal(scratch_count(&scratch, "keys"), 1);
    assert_int_equal(vh_trust_read_key(seam, scratch.fd, "keys", &trust, &err), VIV_OK);
    assert_true(trust.has_key);
    assert_int_equal(vh_trust_make_key(seam, scratch.fd, "keys", &err), VIV_E_EXISTS);
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
    assert_int_equal(vh_trust_make_key(seam, scratch.fd, "keys", &err), VIV_OK);
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
    assert_int_equal(vh_trust_make_key(seam, scratch.fd, "keys", &err), VIV_OK);
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
    assert_int_equal(vh_trust_make_key(seam, scratch.fd, "keys", &err), VIV_OK);
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
    assert_int_equal(vh_trust_make_key(seam, scratch.fd, "keys", NULL), VIV_OK);
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
        viv_status status = vh_trust_make_key(&fail.seam, scratch.fd, "keys", &err);
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

int
main(void)
{
    seam = vh_seam_real();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_made_once),          cmocka_unit_test(an_open_key_is_refused),
        cmocka_unit_test(a_key_of_somebody_else_is_refused),
        cmocka_unit_test(a_torn_key_is_named),         cmocka_unit_test(signatures),
        cmocka_unit_test(altered_signatures),          cmocka_unit_test(bundled_digests),
        cmocka_unit_test(a_key_is_whole_or_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

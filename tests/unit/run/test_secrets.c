/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a key is read from where others read it too, is handed to children, or stands in a text somebody
 * keeps. */
#include "cm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/str.h"
#include "run/redact.h"
#include "run/secrets.h"

#define CANARY "canary/0123+45\"6789"

static struct vh_secrets secrets;
static struct vh_arena *arena;
static char folder[128], path[200];

static int
set_up(void **state)
{
    (void)state;
    struct viv_error err = VIV_ERROR_INIT;
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%.90s/viv-secrets-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/key", folder);
    arena = vh_arena_create(NULL, 0);
    return vh_secrets_init(&secrets, vh_seam_real(), &err);
}

static int
tear_down(void **state)
{
    (void)state;
    vh_secrets_finish(&secrets);
    vh_arena_destroy(arena);
    (void)unlink(path); /* or it was never made */
    return rmdir(folder);
}

static void
put_file(struct viv_str bytes, mode_t mode)
{
    (void)unlink(path); /* the one before */
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && write(fd, bytes.data, (size_t)bytes.len) == (ssize_t)bytes.len);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static viv_status
is_canary(void *data, struct viv_str value, struct viv_error *err)
{
    (void)err;
    assert_true(vh_str_is(value, data));
    return VIV_OK;
}

static void
holds(const char *name)
{
    static char canary[] = CANARY;
    struct viv_error err = VIV_ERROR_INIT;
    assert_int_equal(vh_secrets_use(&secrets, vh_str(name), is_canary, canary, &err), VIV_OK);
}

static void
files(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        mode_t mode;
        viv_status status;
        const char *text;
    } cases[] = {
        { CANARY, 0600, VIV_OK, "" },
        { CANARY "\n", 0400, VIV_OK, "" },
        { CANARY "\r\n", 0600, VIV_OK, "" },
        { CANARY "\n\n", 0600, VIV_E_INVALID, "holds a line break at byte 20; one line of printable ASCII" },
        { "canary\nsecond", 0600, VIV_E_INVALID, "holds a line break at byte 7" },
        { "canary\tsecond", 0600, VIV_E_INVALID, "holds a byte that is none of it at byte 7" },
        { "canary\303\244second", 0600, VIV_E_INVALID, "holds a byte that is none of it at byte 7" },
        { "", 0600, VIV_E_INVALID, "is empty; put the key into it" },
        { "\n", 0600, VIV_E_INVALID, "is empty" },
        { "short", 0600, VIV_E_LIMIT, "holds 5 bytes, allowed 8 to 2048" },
        { CANARY, 0640, VIV_E_DENIED, "has mode 0640, allowed 0600 or less; 'chmod 600' it, and take another key" },
        { CANARY, 0604, VIV_E_DENIED, "has mode 0604" },
        { CANARY, 0620, VIV_E_DENIED, "has mode 0620" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct viv_error err = VIV_ERROR_INIT;
        put_file(vh_str(cases[i].bytes), cases[i].mode);
        viv_status status = vh_secrets_file(&secrets, VH_STR("key"), path, &err);
        if (status != cases[i].status || !strstr(err.text, cases[i].text) || strstr(err.text, "canary")) {
            fail_msg("'%s': %d '%s'", cases[i].bytes, status, err.text);
        }
        assert_true(status == VIV_OK || strstr(err.text, path));
        holds("key"); /* what fails changes nothing */
    }
}

static void
what_is_no_file(void **state)
{
    (void)state;
    struct viv_error err = VIV_ERROR_INIT;
    char big[2100];
    assert_int_equal(vh_secrets_file(&secrets, VH_STR("key"), path, &err), VIV_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "write the key into that file, mode 0600"));
    assert_int_equal(vh_secrets_file(&secrets, VH_STR("key"), folder, &err), VIV_E_INVALID);
    assert_non_null(strstr(err.text, "is not a regular file"));
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(vh_secrets_file(&secrets, VH_STR("key"), path, &err), VIV_E_INVALID); /* and does not wait */
    memset(big, 'x', sizeof big);
    put_file((struct viv_str){ big, sizeof big }, 0600);
    assert_int_equal(vh_secrets_file(&secrets, VH_STR("key"), path, &err), VIV_E_LIMIT);
    assert_non_null(strstr(err.text, "holds 2100 bytes, allowed 8 to 2048"));
    put_file((struct viv_str){ "canary\0canary", 13 }, 0600);
    assert_int_equal(vh_secrets_file(&secrets, VH_STR("key"), path, &err), VIV_E_INVALID);
    assert_int_equal(vh_secrets_file(&secrets, VH_STR("../key"), path, &err), VIV_E_INVALID);
    assert_non_null(strstr(err.text, "the name of a secret is '../key', allowed: letters"));
    assert_int_equal(vh_secrets_use(&secrets, VH_STR("key"), is_canary, NULL, &err), VIV_E_NOT_FOUND);
    if (geteuid() == 0) {
        put_file(VH_STR(CANARY), 0600);
        assert_int_equal(chown(path, 65534, 65534), 0);
        assert_int_equal(vh_secrets_file(&secrets, VH_STR("key"), path, &err), VIV_E_DENIED);
        assert_non_null(strstr(err.text, "belongs to user 65534, allowed is you, 0"));
    }
}

static void
variables(void **state)
{
    (void)state;
    struct viv_error err = VIV_ERROR_INIT;
    char kept[64] = "VIV_TEST_KEY=" CANARY;
    assert_int_equal(putenv(kept), 0);
    assert_int_equal(vh_secrets_variable(&secrets, VH_STR("key"), "VIV_TEST_KEY", &err), VIV_OK);
    holds("key");
    assert_null(getenv("VIV_TEST_KEY"));
    assert_null(memmem(kept, sizeof kept, "canary", 6)); /* nor where it was */
    assert_int_equal(vh_secrets_variable(&secrets, VH_STR("key"), "VIV_TEST_KEY", &err), VIV_OK); /* a reload */
    holds("key");
    assert_int_equal(vh_secrets_variable(&secrets, VH_STR("other"), "VIV_TEST_KEY", &err), VIV_E_NOT_FOUND);
    assert_non_null(
        strstr(err.text, "the variable 'VIV_TEST_KEY' is not set; export it for the host, or name a file"));
    assert_int_equal(vh_secrets_variable(&secrets, VH_STR("key"), "PATH", &err), VIV_E_INVALID);
    assert_non_null(strstr(err.text, "'PATH' is no variable for a key"));
    assert_non_null(getenv("PATH"));
    assert_int_equal(setenv("VIV_TEST_KEY", "", 1), 0);
    assert_int_equal(vh_secrets_variable(&secrets, VH_STR("key"), "VIV_TEST_KEY", &err), VIV_E_INVALID);
    assert_non_null(strstr(err.text, "variable 'VIV_TEST_KEY' is empty"));
    for (int i = 0; i < VH_SECRETS_MAX - 1; i++) {
        char name[32];
        snprintf(name, sizeof name, "n%d", i);
        put_file(VH_STR(CANARY), 0600);
        assert_int_equal(vh_secrets_file(&secrets, vh_str(name), path, &err), VIV_OK);
    }
    assert_int_equal(vh_secrets_file(&secrets, VH_STR("more"), path, &err), VIV_E_LIMIT);
    assert_non_null(strstr(err.text, "secret 'more' is one more than 32"));
}

/* ---- redaction ---- */

/* Cut into pieces at every place, in two and by each size. */
static void
becomes(const char *text, const char *wanted)
{
    size_t len = strlen(text);
    for (size_t size = 1; size <= len; size++) {
        struct vh_redact redact;
        struct vh_buf out;
        vh_buf_init(&out, arena, SIZE_MAX);
        vh_redact_begin(&redact, &secrets);
        for (size_t at = 0; at < len; at += size) {
            vh_redact_put(&redact, (struct viv_str){ text + at, len - at < size ? len - at : size }, &out);
        }
        vh_redact_end(&redact, &out);
        if (!vh_str_is(vh_buf_view(&out), wanted)) {
            fail_msg("'%s' became '%.*s', wanted '%s'", text, VH_STR_ARGS(vh_buf_view(&out)), wanted);
        }
        vh_arena_reset(arena);
    }
    assert_true(vh_str_is(vh_redact_text(&secrets, arena, vh_str(text)), wanted));
}

static void
known_values(void **state)
{
    (void)state;
    struct viv_error err = VIV_ERROR_INIT;
    put_file(VH_STR(CANARY), 0600);
    assert_int_equal(vh_secrets_file(&secrets, VH_STR("key"), path, &err), VIV_OK);
    becomes("a " CANARY " b", "a [secret key] b");
    becomes(CANARY CANARY, "[secret key][secret key]");
    becomes("canary/0123+45\"678", "canary/0123+45\"678"); /* not whole */
    becomes("{\"k\":\"canary/0123+45\\\"6789\"}", "{\"k\":\"[secret key]\"}");
    becomes("canary\\/0123+45\\\"6789", "[secret key]");
    becomes("?k=canary%2F0123%2B45%226789&x", "?k=[secret key]&x");
    becomes("?k=canary%2f0123%2b45%226789&x", "?k=[secret key]&x");
    becomes("?k=canary/0123+45%226789&x", "?k=[secret key]&x");
    /* base64 of it alone, behind one byte and behind two; the digit at its ends may belong to a neighbour */
    becomes("Y2FuYXJ5LzAxMjMrNDUiNjc4OQ==", "[secret key]Q==");
    becomes("eGNhbmFyeS8wMTIzKzQ1IjY3ODk=", "eG[secret key]k=");
    becomes("eHhjYW5hcnkvMDEyMys0NSI2Nzg5", "eHh[secret key]");
}

static void
what_looks_like_a_key(void **state)
{
    (void)state;
    becomes("key sk-abcdefghij0123456789 end", "key [secret] end");
    becomes("task-abcdefghij0123456789", "task-abcdefghij0123456789"); /* in the middle of a word */
    becomes("sk-short", "sk-short");
    becomes("Authorization: Bearer abcdefgh.ij==\r\nX: y", "Authorization: Bearer [secret]\r\nX: y");
    becomes("Bearer of news", "Bearer of news");
    becomes("ghp_abcdefghij0123456789 AKIAABCDEFGHIJKLMNOP", "[secret] [secret]");
    assert_true(vh_redact_header(VH_STR("authorization")) && vh_redact_header(VH_STR("X-API-Key")) &&
                vh_redact_header(VH_STR("Set-Cookie")));
    assert_false(vh_redact_header(VH_STR("Content-Type")) || vh_redact_header(VH_STR("")));
}

/* Longer than what is held back. */
static void
long_texts(void **state)
{
    (void)state;
    struct viv_error err = VIV_ERROR_INIT;
    const size_t len = 100000;
    char *text = malloc(len + 1), *wanted = malloc(len + 1);
    assert_true(text && wanted);
    put_file(VH_STR(CANARY), 0600);
    assert_int_equal(vh_secrets_file(&secrets, VH_STR("key"), path, &err), VIV_OK);
    memset(text, '.', len);
    memset(wanted, '.', len);
    text[len] = wanted[len] = '\0';
    memcpy(text + 50000, CANARY, strlen(CANARY));
    memcpy(wanted + 50000, "[secret key]", 12);
    memset(wanted + 50012, '.', len - 50012);
    wanted[len - strlen(CANARY) + 12] = '\0';
    for (size_t size = 1; size < 20000; size = size * 7 + 13) {
        struct vh_redact redact;
        struct vh_buf out;
        vh_buf_init(&out, arena, SIZE_MAX);
        vh_redact_begin(&redact, &secrets);
        for (size_t at = 0; at < len; at += size) {
            vh_redact_put(&redact, (struct viv_str){ text + at, len - at < size ? len - at : size }, &out);
        }
        vh_redact_end(&redact, &out);
        assert_true(vh_str_is(vh_buf_view(&out), wanted));
    }
    free(text);
    free(wanted);
}

/* A dump of this process does not hold it: the pages are marked. */
static void
memory_is_guarded(void **state)
{
    (void)state;
    struct viv_error err = VIV_ERROR_INIT;
    char line[512];
    bool found = false, inside = false;
    put_file(VH_STR(CANARY), 0600);
    assert_int_equal(vh_secrets_file(&secrets, VH_STR("key"), path, &err), VIV_OK);
    FILE *maps = fopen("/proc/self/smaps", "r");
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps)) {
        unsigned long long from, to;
        if (sscanf(line, "%llx-%llx ", &from, &to) == 2) {
            uintptr_t at = (uintptr_t)secrets.secret[0].value;
            inside = at >= from && at < to;
            assert_true(!inside || strstr(line, " r--p "));
        }
        if (inside && strncmp(line, "VmFlags:", 8) == 0) {
            found = strstr(line, " dd") != NULL;
        }
    }
    fclose(maps);
    assert_true(found);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(files),      CASE(what_is_no_file),   CASE(variables), CASE(known_values), CASE(what_looks_like_a_key),
        CASE(long_texts), CASE(memory_is_guarded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a redacted log shows what somebody wrote, a kind of event has texts that no rule speaks of, or a hash
 * is shown from which short texts could be tried out. Every event of the golden homes is redacted; so are some made
 * up. */
#include "../support/cm.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "golden.h"
#include "keep/redact.h"

static struct vh_redactor redactor;

static void
begin(void)
{
    redactor = (struct vh_redactor){ .reader = { .arena = vh_arena_create(NULL, 0) } };
}

static void
end(void)
{
    vh_arena_destroy(redactor.reader.arena);
}

static void
every_kind_has_a_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < vh_event_kinds_count; i++) {
        const struct vh_redact_row *row = vh_redact_rows;
        while (row->kind && strcmp(row->kind, vh_event_kinds[i].name) != 0) {
            row++;
        }
        if (!row->kind) {
            fail_msg("events of kind '%s' have no row in host/keep/redact_rows.c", vh_event_kinds[i].name);
        }
    }
    for (const struct vh_redact_row *row = vh_redact_rows; row->kind; row++) {
        assert_non_null(vh_event_kind_of(vh_str(row->kind)));
        assert_null(strstr(row->stays, "head")); /* hashes of events */
        assert_null(strstr(row->stays, "seed"));
    }
}

static bool
redact(void *data, int64_t seq, struct viv_str line, const struct vh_hash *hash)
{
    struct vh_buf *buf = data;
    char hex[VH_HASH_HEX];
    struct viv_error err = VIV_ERROR_INIT;
    size_t before = buf->len;
    (void)seq;
    assert_int_equal(vh_redact_line(&redactor, line, hash, buf, &err), VIV_OK);
    if (redactor.unlisted[0]) {
        fail_msg("no row of host/keep/redact_rows.c speaks of this text: %s", redactor.unlisted);
    }
    vh_hash_hex(hash, hex);
    assert_null(memmem(buf->data, buf->len, hex, VH_HASH_HEX - 1)); /* nor does a later line show it */
    assert_true(buf->len > before && buf->data[buf->len - 1] == '\n');
    return true;
}

static void
golden_homes_say_nothing(void **state)
{
    static const char *const said[] = { "/srv/", "a look first", "not like this", "it broke", "it hung", "risky",
                                        "tester", "too long", "\"which\"", "make published", "00112233445566778899" };
    (void)state;
    for (int schema = 1; schema <= VH_STORE_SCHEMA; schema++) {
        char path[64];
        struct vh_buf buf;
        struct vh_store *store = NULL;
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        snprintf(path, sizeof path, "/tmp/viv-redact-%d-%d.db", schema, (int)getpid());
        golden_build(schema, path);
        begin();
        vh_buf_init(&buf, arena, (size_t)1 << 28);
        assert_int_equal(vh_store_open_read(arena, path, &store, NULL), VIV_OK);
        assert_int_equal(vh_reader_events(store, 0, (struct viv_str){ NULL, 0 }, redact, &buf, NULL), VIV_OK);
        vh_store_close(store);
        assert_true(redactor.has_secret);
        for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
            if (memmem(buf.data, buf.len, said[i], strlen(said[i]))) {
                fail_msg("the redacted home of schema %d says '%s'", schema, said[i]);
            }
        }
        assert_non_null(memmem(buf.data, buf.len, "\"kind\":\"task.ready\"", 19));
        end();
        vh_arena_destroy(arena);
        assert_int_equal(unlink(path), 0);
    }
}

#define EVENT(kind, data)                                                                                              \
    "{\"actor\":{\"name\":\"w\",\"pid\":1,\"role\":\"worker\",\"uid\":1},\"batch\":1,\"cause\":1,\"data\":" data       \
    ",\"kind\":\"" kind "\",\"seq\":1,\"time_us\":1,\"v\":1}"

static void
say(const char *line, const char *shows, const char *unlisted)
{
    struct vh_hash hash = { { 7 } };
    struct vh_buf buf;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    vh_buf_init(&buf, arena, 1 << 20);
    redactor.unlisted[0] = '\0';
    assert_int_equal(vh_redact_line(&redactor, vh_str(line), &hash, &buf, NULL), VIV_OK);
    if (!memmem(buf.data, buf.len, shows, strlen(shows))) {
        fail_msg("%s\ndoes not say %s", buf.data, shows);
    }
    assert_null(memmem(buf.data, buf.len, "secret", 6));
    assert_string_equal(redactor.unlisted, unlisted);
    vh_arena_destroy(arena);
}

/* What no row names is hidden, whatever it is and wherever. */
static void
unknown_texts_are_hidden(void **state)
{
    (void)state;
    begin();
    say(EVENT("calls.made", "{\"calls\":3,\"news\":\"secret\"}"), "\"calls\":3,\"news\":\"redacted\"",
        "calls.made news");
    say(EVENT("calls.made", "{\"news\":{\"secret\":1}}"), "\"news\":\"redacted\"", "calls.made news");
    say(EVENT("calls.made", "{\"news\":[\"secret\"]}"), "\"news\":\"redacted\"", "calls.made news");
    say(EVENT("calls.made", "{\"skill\":{\"secret\":\"x\"}}"), "\"skill\":\"redacted\"", "calls.made skill");
    say(EVENT("policy.loaded", "{\"gates\":{\"e2e\":[\"g\"],\"x\":{\"secret\":1}}}"),
        "\"e2e\":[\"g\"],\"x\":\"redacted\"", "policy.loaded gates.*");
    say(EVENT("execute.finished", "{\"failure\":{\"class\":\"plugin\",\"text\":\"secret\"}}"),
        "{\"class\":\"plugin\",\"text\":\"redacted\"}", "");
    say(EVENT("answer.given", "{\"answers\":{\"secret\":\"secret\"},\"digest\":\"d\"}"),
        "{\"answers\":\"redacted\",\"digest\":\"d\"}", "");
    say(EVENT("effect.finished", "{\"exit_code\":0,\"output\":\"\",\"text\":\"secret\"}"),
        "{\"exit_code\":0,\"output\":\"\",\"text\":\"redacted\"}", "");
    end();
}

/* Equal texts of two events have two digests; the same text of the same event has one. */
static void
digests_are_salted(void **state)
{
    static const char created[] = EVENT("home.created", "{\"home\":\"00\",\"seed\":\"11\"}");
    static const char noted[] = EVENT("cancel.requested", "{\"note\":\"yes\"}");
    struct vh_hash hash = { { 1 } }, other = { { 2 } };
    struct vh_buf first, second, third;
    (void)state;
    begin();
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    vh_buf_init(&first, arena, 1 << 20);
    vh_buf_init(&second, arena, 1 << 20);
    vh_buf_init(&third, arena, 1 << 20);
    assert_int_equal(vh_redact_line(&redactor, vh_str(created), &hash, &first, NULL), VIV_OK);
    first.len = 0;
    assert_int_equal(vh_redact_line(&redactor, vh_str(noted), &hash, &first, NULL), VIV_OK);
    assert_int_equal(vh_redact_line(&redactor, vh_str(noted), &other, &second, NULL), VIV_OK);
    assert_int_equal(vh_redact_line(&redactor, vh_str(noted), &hash, &third, NULL), VIV_OK);
    assert_true(vh_str_equal(vh_buf_view(&first), vh_buf_view(&third)));
    const char *a = strstr(first.data, "redacted:"), *b = strstr(second.data, "redacted:");
    assert_true(a && b && memcmp(a, b, 9 + 64) != 0);
    vh_arena_destroy(arena);
    end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_a_row),
        cmocka_unit_test(golden_homes_say_nothing),
        cmocka_unit_test(unknown_texts_are_hidden),
        cmocka_unit_test(digests_are_salted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

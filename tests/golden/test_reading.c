/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, `log verify` lets a record pass that nobody can read, or the host reads another
 * event than was recorded. Events are read without a tree where they have the form they are written
 * in; what that gives is compared with what the whole tree says, for every event of the golden
 * homes and for texts that differ from one in a few bytes. The seed is fixed; VIV_FUZZ_ROUNDS makes
 * more of them. */
#include "../support/cm.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "core/event.h"
#include "golden.h"
#include "keep/store.h"

static uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);

static uint32_t
draw(uint32_t below)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (uint32_t)((seed * UINT64_C(2685821657736338717)) >> 33) % below;
}

/* An event by the tree of its whole text, as it is said to be in docs/contract/log.md. */
static viv_status
by_tree(struct vh_arena *arena, struct viv_str text, struct vh_event *ret_event, struct viv_error *err)
{
    struct vh_json *line = NULL;
    viv_status status = vh_json_read(arena, text, &line, err);
    if (status) {
        return vh_error_extend(err, status, "event");
    }
    long long version = (long long)vh_json_int(line, "v", 0);
    if (version > 1) {
        return vh_error_set(err, VIV_E_VERSION, "event",
                            "event version is %lld, this program reads up to 1", version);
    }
    const struct vh_json *data = vh_json_get(line, "data"), *actor = vh_json_get(line, "actor");
    struct vh_event event = {
        .seq = vh_json_int(line, "seq", 0),
        .batch = vh_json_int(line, "batch", 0),
        .time_us = vh_json_int(line, "time_us", 0),
        .cause = vh_json_int(line, "cause", 0),
        .actor = {vh_json_str(actor, "role"), vh_json_str(actor, "name"),
                  vh_json_int(actor, "uid", 0), vh_json_int(actor, "pid", 0)},
        .kind = vh_json_str(line, "kind"),
        .task = vh_json_str(line, "task"),
        .attempt = vh_json_int(line, "attempt", 0),
        .key = vh_json_str(line, "key"),
        .data = data && data->type == VH_JSON_OBJECT ? vh_json_clone(arena, data) : NULL,
    };
    if (event.seq < 1 || event.cause < 1 || event.cause > event.seq || !event.data ||
        !vh_event_kind_of(event.kind)) {
        return vh_error_set(err, VIV_E_CORRUPT, "event",
                            "event %lld of kind '%.*s' is not one this program wrote",
                            (long long)event.seq, VH_STR_ARGS(event.kind));
    }
    *ret_event = event;
    return VIV_OK;
}

struct readings {
    struct vh_event_reader looking;
    struct vh_event_reader reading;
    long good;
    long bad;
};

static void
same_verdict(struct readings *all, struct viv_str given)
{
    struct vh_event tree, whole, again, looked;
    struct viv_error errs[4] = {VIV_ERROR_INIT, VIV_ERROR_INIT, VIV_ERROR_INIT, VIV_ERROR_INIT};
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    char *exact = malloc(given.len ? given.len : 1); /* a sanitizer then sees a step too far */
    memcpy(exact, given.data, given.len);
    struct viv_str text = {exact, given.len};
    const viv_status is[] = {by_tree(arena, text, &tree, &errs[0]),
                             vh_event_decode(arena, text, &whole, &errs[1]),
                             vh_event_read(&all->reading, text, true, &again, &errs[2]),
                             vh_event_read(&all->looking, text, false, &looked, &errs[3])};
    for (size_t i = 1; i < 4; i++) {
        if (is[i] != is[0] || strcmp(errs[i].text, errs[0].text) != 0) {
            fail_msg("%.*s\nby its tree: %d %s\nby reader %zu: %d %s", VH_STR_ARGS(text), is[0],
                     errs[0].text, i, is[i], errs[i].text);
        }
    }
    if (is[0] == VIV_OK) {
        struct viv_str line = vh_event_encode(arena, &tree);
        assert_true(vh_str_equal(line, vh_event_encode(arena, &whole)));
        assert_true(vh_str_equal(line, vh_event_encode(arena, &again)));
        looked.data = tree.data;
        assert_true(vh_str_equal(line, vh_event_encode(arena, &looked)));
    }
    all->good += is[0] == VIV_OK;
    all->bad += is[0] != VIV_OK;
    free(exact);
    vh_arena_destroy(arena);
}

/* Bytes that mean something, whole pieces, and bytes that are not allowed. */
static struct viv_str
piece(void)
{
    static const char *const pieces[] = {
        "\"", "\\", "{", "}", "[", "]", ",", ":", "0", "1", "-", " ", "\n", "\x7f", "\xc3\xa4", "\xc3",
        "\xff", "\\\"", "\\n", "\\u0001", "\\u000a", "\\u0041", "\\/", "9007199254740991",
        "9007199254740992", "-1", "{}", "[]", "\"a\":1,", ",\"w\":{}", ",\"v\":1}", ",\"v\":2}",
        ",\"key\":\"k\"", ",\"attempt\":0", ",\"task\":\"\"", ",\"kind\":\"task.ready\"", "null", "e", "t",
    };
    uint32_t which = draw(sizeof pieces / sizeof *pieces + 1);
    return which == sizeof pieces / sizeof *pieces ? VH_STR("\0") : vh_str(pieces[which]);
}

static void
mutate(struct readings *all, struct viv_str line)
{
    char *bytes = malloc((size_t)line.len + 200);
    size_t len = (size_t)line.len;
    memcpy(bytes, line.data, len);
    for (uint32_t i = draw(3) + 1; i > 0 && len; i--) {
        size_t at = draw((uint32_t)len), end = at + draw(20);
        struct viv_str more = piece();
        switch (draw(5)) {
        case 0:
            bytes[at] = (char)(bytes[at] ^ (1 << draw(8)));
            break;
        case 1:
            end = at + 1;
            /* fall through */
        case 2: /* drop one, or some */
            end = end < len ? end : len;
            memmove(bytes + at, bytes + end, len - end);
            len -= end - at;
            break;
        default:
            memmove(bytes + at + more.len, bytes + at, len - at);
            memcpy(bytes + at, more.data, (size_t)more.len);
            len += (size_t)more.len;
            break;
        }
    }
    same_verdict(all, (struct viv_str){bytes, len});
    free(bytes);
}

static void
each_line(void *data, struct viv_str line)
{
    const char *rounds = getenv("VIV_FUZZ_ROUNDS");
    same_verdict(data, line);
    for (long i = rounds ? strtol(rounds, NULL, 10) : 60; i > 0; i--) {
        mutate(data, line);
    }
}

static void
begin(struct readings *all)
{
    *all = (struct readings){.looking = {.arena = vh_arena_create(NULL, 0)},
                             .reading = {.arena = vh_arena_create(NULL, 0)}};
}

static void
end(struct readings *all)
{
    vh_arena_destroy(all->looking.arena);
    vh_arena_destroy(all->reading.arena);
}

static void
a_few_bytes_make_no_difference_between_readers(void **state)
{
    (void)state;
    struct readings all;
    begin(&all);
    const char *below = getenv("TMPDIR");
    char folder[64], path[96];
    snprintf(folder, sizeof folder, "%s/viv-reading-XXXXXX", below && *below ? below : "/tmp");
    assert_non_null(mkdtemp(folder));
    for (int schema = 1; schema <= VH_STORE_SCHEMA; schema++) {
        snprintf(path, sizeof path, "%s/%d.db", folder, schema);
        golden_build(schema, path);
        golden_each(path, each_line, &all);
    }
    printf("%ld texts were events, %ld were not\n", all.good, all.bad);
    assert_true(all.good > 1000 && all.bad > 1000);
    assert_int_equal(vh_fs_remove_tree(vh_seam_real(), AT_FDCWD, folder, NULL), VIV_OK);
    end(&all);
}

/* Forms that this program does not write, and a few bytes seldom give. */
static void
other_forms_are_read_or_refused_as_ever(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{\"cause\":1,\"data\":{},\"kind\":\"task.ready\",\"seq\":1}",
        "{\"actor\":{\"name\":\"a \\\"b\\\"\",\"pid\":1,\"role\":\"person\",\"uid\":0},\"batch\":1,"
        "\"cause\":1,\"data\":{\"a\\n\":1,\"b\":\"\\u0001\\\\\"},\"key\":\"k\\t\","
        "\"kind\":\"task.ready\",\"seq\":2,\"task\":\"t\",\"time_us\":-5,\"v\":1}",
        "{\"actor\":{\"name\":\"\",\"pid\":1,\"role\":\"person\",\"uid\":0},\"batch\":1,\"cause\":1,"
        "\"data\":{},\"hue\":1,\"kind\":\"task.ready\",\"seq\":2,\"time_us\":1,\"v\":0}",
    };
    static const char *const bad[] = {
        "", "{}", "{\"cause\":1,\"data\":[],\"kind\":\"task.ready\",\"seq\":1}",
        "{\"cause\":1,\"data\":{},\"kind\":\"task.unready\",\"seq\":1}",
        "{\"cause\":2,\"data\":{},\"kind\":\"task.ready\",\"seq\":1}",
        "{\"cause\":1,\"data\":{\"b\":1,\"a\":1},\"kind\":\"task.ready\",\"seq\":1}",
        "{\"cause\":1,\"data\":{},\"kind\":\"task.ready\",\"seq\":1,\"v\":2}",
        "{\"actor\":{\"name\":\"\",\"pid\":1,\"role\":\"person\",\"uid\":0},\"batch\":1,\"cause\":1,\"data\":{},"
        "\"kind\":\"\",\"seq\":2,\"time_us\":1,\"v\":1}",
    };
    struct readings all;
    begin(&all);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        same_verdict(&all, vh_str(good[i]));
    }
    assert_int_equal(all.bad, 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        same_verdict(&all, vh_str(bad[i]));
    }
    assert_int_equal(all.bad, sizeof bad / sizeof *bad);
    end(&all);
}

/* No memory is no other event. */
static void
memory_runs_out(void **state)
{
    (void)state;
    static const char line[] =
        "{\"actor\":{\"name\":\"\\t\",\"pid\":1,\"role\":\"person\",\"uid\":0},\"batch\":1,\"cause\":1,"
        "\"data\":{\"a\":[{}]},\"kind\":\"task.ready\",\"seq\":2,\"task\":\"t\",\"time_us\":1,\"v\":1}";
    for (int data = 0; data < 2; data++) {
        for (int64_t n = 1;; n++) {
            struct vh_event_reader reader = {.arena = vh_arena_create(NULL, 0)};
            struct vh_event event;
            struct viv_error err = VIV_ERROR_INIT;
            vh_arena_fail_at(-n);
            viv_status status = vh_event_read(&reader, vh_str(line), data, &event, &err);
            vh_arena_fail_at(0);
            if (status == VIV_OK) {
                struct vh_json *none = vh_json_object(reader.arena);
                event.data = event.data ? event.data : none;
                assert_true(vh_str_is(event.task, "t"));
                assert_true(vh_str_is(event.actor.name, "\t"));
                assert_true(!data || vh_str_is(vh_event_encode(reader.arena, &event), line));
            } else {
                assert_int_equal(status, VIV_E_MEMORY);
            }
            vh_arena_destroy(reader.arena);
            if (status == VIV_OK) {
                break;
            }
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_few_bytes_make_no_difference_between_readers),
        cmocka_unit_test(other_forms_are_read_or_refused_as_ever),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

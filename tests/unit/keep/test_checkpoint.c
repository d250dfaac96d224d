/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a checkpoint of the log does not pin what it saw: another tree than everybody computes, a log that was
 * altered or cut and is taken for the one that was signed, or a file of hostile bytes that is read as a checkpoint. */
#include "../../support/cm.h"

#include <stdio.h>
#include <string.h>

#include "../../support/home.h"
#include "base/str.h"
#include "keep/checkpoint.h"
#include "keep/verify.h"

/* By the definition of RFC 6962, 2.1, from above. */
static struct vh_hash
root_of(const struct vh_hash *hashes, size_t count)
{
    uint8_t bytes[1 + 2 * VH_HASH_BYTES] = { 1 };
    struct vh_hash root;
    size_t left = 1;
    if (count == 1) {
        assert_true(vh_merkle_leaf(hashes, &root));
        return root;
    }
    while (2 * left < count) {
        left *= 2;
    }
    struct vh_hash a = root_of(hashes, left), b = root_of(hashes + left, count - left);
    memcpy(bytes + 1, a.bytes, VH_HASH_BYTES);
    memcpy(bytes + 1 + VH_HASH_BYTES, b.bytes, VH_HASH_BYTES);
    assert_true(vh_hash_bytes(bytes, sizeof bytes, &root));
    return root;
}

static void
the_root_is_that_of_the_rfc(void **state)
{
    static struct vh_hash hashes[300];
    struct vh_merkle tree = { .count = 0 };
    struct vh_hash root;
    (void)state;
    assert_false(vh_merkle_root(&tree, &root)); /* of nothing */
    for (size_t n = 1; n <= 300; n++) {
        hashes[n - 1].bytes[n % VH_HASH_BYTES] = (uint8_t)n;
        assert_true(vh_merkle_add(&tree, &hashes[n - 1]));
        assert_true(vh_merkle_root(&tree, &root));
        struct vh_hash must = root_of(hashes, n);
        assert_memory_equal(root.bytes, must.bytes, VH_HASH_BYTES);
    }
}

struct past {
    struct home home;
    struct vh_store *reader;
};

static void
look(struct past *p)
{
    vh_store_close(p->reader);
    assert_int_equal(vh_sequencer_flush(p->home.sequencer, NULL), VIV_OK);
    assert_int_equal(vh_store_open_read(p->home.arena, p->home.path, &p->reader, NULL), VIV_OK);
}

static void
begin(struct past *p)
{
    home_new(&p->home);
    p->reader = NULL;
    (void)home_must(&p->home, "home.created", "",
                    "{\"home\":\"0123456789abcdef\",\"project\":\"/p\",\"seed\":\"00ff\"}");
    for (int i = 0; i < 20; i++) {
        (void)home_must(&p->home, "calls.made", "", "{}");
    }
    look(p);
}

static void
end(struct past *p)
{
    vh_store_close(p->reader);
    home_end(&p->home);
}

static struct vh_checkpoint
make(struct past *p, const struct vh_checkpoint *from)
{
    struct vh_checkpoint made;
    struct viv_error err = VIV_ERROR_INIT;
    assert_int_equal(vh_checkpoint_make(p->reader, from, &made, &err), VIV_OK);
    return made;
}

static void
one_that_goes_on_is_the_same(void **state)
{
    struct past p;
    (void)state;
    begin(&p);
    struct vh_checkpoint early = make(&p, NULL), again = make(&p, &early);
    assert_string_equal(early.home, "0123456789abcdef");
    assert_int_equal(early.events, vh_store_seq(p.reader));
    assert_memory_equal(&again.root, &early.root, VH_HASH_BYTES);
    for (int i = 0; i < 45; i++) {
        (void)home_must(&p.home, "calls.made", "", "{}");
        look(&p);
        struct vh_checkpoint whole = make(&p, NULL), more = make(&p, &early);
        assert_int_equal(whole.events, early.events + i + 1);
        assert_int_equal(more.events, whole.events);
        assert_int_equal(more.time_us, whole.time_us);
        assert_memory_equal(&more.root, &whole.root, VH_HASH_BYTES);
        assert_memory_equal(&more.leaf, &whole.leaf, VH_HASH_BYTES);
        struct viv_str a = vh_checkpoint_print(p.home.arena, &whole), b = vh_checkpoint_print(p.home.arena, &more);
        assert_true(vh_str_equal(a, b));
    }
    end(&p);
}

static void
what_contradicts_it_is_not_signed(void **state)
{
    struct past p;
    struct vh_checkpoint made;
    struct viv_error err = VIV_ERROR_INIT;
    (void)state;
    begin(&p);
    struct vh_checkpoint early = make(&p, NULL), other = early;
    other.leaf.bytes[0] ^= 1;
    assert_int_equal(vh_checkpoint_make(p.reader, &other, &made, &err), VIV_E_CONFLICT);
    assert_non_null(strstr(err.text, "is not the one that was signed for before: the log was altered"));
    other = early;
    other.events += 5;
    assert_int_equal(vh_checkpoint_make(p.reader, &other, &made, &err), VIV_E_CONFLICT);
    assert_non_null(strstr(err.text, "were signed for before, and the log ends sooner"));
    end(&p);
}

static enum vh_against_verdict
compare(struct past *p, const struct vh_checkpoint *with, struct vh_against *ret_against)
{
    struct vh_verify_result result;
    struct viv_error err = VIV_ERROR_INIT;
    *ret_against = (struct vh_against){ .checkpoint = with };
    assert_int_equal(vh_verify(p->reader, 0, ret_against, &result, &err), VIV_OK);
    assert_int_equal(result.bad_seq, 0);
    return vh_against_end(ret_against);
}

static void
a_log_is_told_from_another(void **state)
{
    struct past p;
    struct vh_against a;
    (void)state;
    begin(&p);
    struct vh_checkpoint seen = make(&p, NULL), bad = seen;
    assert_int_equal(compare(&p, &seen, &a), VH_AGAINST_HOLDS);
    (void)home_must(&p.home, "calls.made", "", "{}");
    look(&p);
    assert_int_equal(compare(&p, &seen, &a), VH_AGAINST_HOLDS); /* longer */
    bad.events += 9;
    bad.tree.count = 0;
    assert_int_equal(compare(&p, &bad, &a), VH_AGAINST_SHORTER);
    bad = seen;
    bad.leaf.bytes[3] ^= 1;
    assert_int_equal(compare(&p, &bad, &a), VH_AGAINST_ANOTHER);
    bad = seen;
    bad.root.bytes[3] ^= 1;
    bad.tree.count = 0; /* without peaks nobody knows where */
    assert_int_equal(compare(&p, &bad, &a), VH_AGAINST_ANOTHER);
    assert_int_equal(a.first, 1);
    assert_int_equal(a.last, seen.events);
    int64_t start = 0;
    for (int level = VH_MERKLE_LEVELS - 1; level >= 0; level--) { /* each peak in turn tells its own events */
        if (seen.events >> level & 1) {
            bad = seen;
            bad.tree.level[level].bytes[0] ^= 1;
            assert_int_equal(compare(&p, &bad, &a), VH_AGAINST_ANOTHER);
            assert_int_equal(a.first, start + 1);
            start += INT64_C(1) << level;
            assert_int_equal(a.last, start);
        }
    }
    end(&p);
}

/* Every cut, and every byte another: refused, or the same words (the signature is not looked at here). */
static void
hostile_bytes_are_no_checkpoint(void **state)
{
    struct past p;
    struct vh_checkpoint read;
    (void)state;
    begin(&p);
    struct vh_checkpoint seen = make(&p, NULL);
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct viv_str good = vh_checkpoint_print(p.home.arena, &seen);
    assert_int_equal(vh_checkpoint_read(p.home.arena, good, &read, NULL), VIV_OK);
    assert_int_equal(read.events, seen.events);
    assert_int_equal(read.tree.count, seen.events);
    char *bytes = vh_arena_copy(p.home.arena, good.data, (size_t)good.len);
    for (size_t i = 0; i < good.len; i++) {
        struct viv_error err = VIV_ERROR_INIT;
        vh_arena_reset(arena);
        assert_int_equal(vh_checkpoint_read(arena, (struct viv_str){ good.data, i }, &read, &err), VIV_E_CORRUPT);
        assert_true(err.text[0] != '\0');
        bytes[i] ^= 1;
        if (vh_checkpoint_read(arena, (struct viv_str){ bytes, good.len }, &read, &err) == VIV_OK) {
            struct viv_str again = vh_checkpoint_print(arena, &read);
            assert_true(vh_str_equal(again, (struct viv_str){ bytes, good.len }));
        }
        bytes[i] ^= 1;
    }
    static const char *const none[] = {
        "{}\n", "[]\n", "1\n", "\n", "{\"checkpoint\":{}}\n", "{\"checkpoint\":1,\"signature\":\"\"}\n",
        "{\"checkpoint\":{\"events\":-1,\"v\":1},\"signature\":\"\"}\n",
        "{\"checkpoint\":{\"v\":9007199254740991},\"signature\":\"\"}\n",
    };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_int_equal(vh_checkpoint_read(arena, vh_str(none[i]), &read, NULL), VIV_E_CORRUPT);
    }
    vh_arena_destroy(arena);
    end(&p);
}

/* Announced and no outcome: named; of a lease that holds only if nobody works. */
static void
effects_without_an_outcome_are_named(void **state)
{
    struct past p;
    struct vh_verify_result result;
    struct viv_error err = VIV_ERROR_INIT;
    char json[256];
    (void)state;
    begin(&p);
    (void)home_must(&p.home, "task.submitted", "t", "{\"goal\":\"g\",\"attempts_max\":1}");
    int64_t lease = home_walk(&p.home, "t", VH_PHASE_EXECUTE);
    snprintf(json, sizeof json, "{\"lease\":%lld,\"ordinal\":0,\"effect\":\"exec\",\"verdict\":2,\"digest\":\"d\"}",
             (long long)lease);
    int64_t seq = home_must(&p.home, "effect.started", "t", json).seq;
    look(&p);
    assert_int_equal(vh_verify(p.reader, VH_VERIFY_LIVE, NULL, &result, &err), VIV_OK);
    assert_int_equal(result.unmatched, 0);
    assert_int_equal(vh_verify_log(p.reader, &result, &err), VIV_OK);
    assert_int_equal(result.unmatched, 1);
    assert_int_equal(result.first[0].seq, seq);
    assert_string_equal(result.first[0].task, "t");
    assert_string_equal(result.first[0].effect, "exec");
    (void)home_must(&p.home, "effect.finished", "t", json);
    look(&p);
    assert_int_equal(vh_verify_log(p.reader, &result, &err), VIV_OK);
    assert_int_equal(result.unmatched, 0);
    end(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_root_is_that_of_the_rfc),
        cmocka_unit_test(one_that_goes_on_is_the_same),
        cmocka_unit_test(what_contradicts_it_is_not_signed),
        cmocka_unit_test(a_log_is_told_from_another),
        cmocka_unit_test(hostile_bytes_are_no_checkpoint),
        cmocka_unit_test(effects_without_an_outcome_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, the chain of the log and the identity of trees and plugins mean nothing. Vectors: FIPS 180-4. */
#include "../../support/cm.h"

#include <string.h>

#include "base/hash.h"
#include "base/str.h"

static const char *const empty_hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
static const char *const abc_hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
static const char *const long_hex = "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1";
static const char *const million_hex = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

static void
known_vectors(void **state)
{
    (void)state;
    char hex[VH_HASH_HEX];
    vh_hash_text((struct viv_str){ NULL, 0 }, hex);
    assert_string_equal(hex, empty_hex);
    vh_hash_text(VH_STR("abc"), hex);
    assert_string_equal(hex, abc_hex);
    vh_hash_text(VH_STR("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), hex);
    assert_string_equal(hex, long_hex);
}

static void
pieces_give_the_same(void **state)
{
    (void)state;
    char block[1000];
    char hex[VH_HASH_HEX];
    struct vh_hasher hasher;
    struct vh_hash hash;
    memset(block, 'a', sizeof block);
    vh_hasher_init(&hasher);
    for (size_t i = 0; i < 1000; i++) {
        vh_hasher_add(&hasher, block, i % sizeof block);
        vh_hasher_add(&hasher, block, sizeof block - i % sizeof block);
        vh_hasher_add(&hasher, NULL, 0);
    }
    assert_true(vh_hasher_finish(&hasher, &hash));
    vh_hash_hex(&hash, hex);
    assert_string_equal(hex, million_hex);
}

static void
hex_reads_back_and_nothing_else_does(void **state)
{
    (void)state;
    struct vh_hash hash;
    char hex[VH_HASH_HEX];
    assert_true(vh_hash_parse(vh_str(abc_hex), &hash));
    vh_hash_hex(&hash, hex);
    assert_string_equal(hex, abc_hex);
    struct vh_hash kept = hash;
    char wrong[VH_HASH_HEX];
    static const char letters[] = "gG A/:`\n";
    for (size_t i = 0; letters[i]; i++) {
        strcpy(wrong, empty_hex);
        wrong[63] = letters[i];
        assert_false(vh_hash_parse(vh_str(wrong), &hash));
    }
    assert_false(vh_hash_parse((struct viv_str){ abc_hex, 63 }, &hash));
    assert_false(vh_hash_parse((struct viv_str){ NULL, 0 }, &hash));
    assert_memory_equal(&hash, &kept, sizeof hash);
}

static void
a_failed_hasher_gives_nothing(void **state)
{
    (void)state;
    struct vh_hasher hasher;
    struct vh_hash hash = { { 7 } };
    vh_hasher_init(&hasher);
    hasher.failed = true;
    vh_hasher_add(&hasher, "a", 1);
    assert_false(vh_hasher_finish(&hasher, &hash));
    assert_int_equal(hash.bytes[0], 7);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_vectors),
        cmocka_unit_test(pieces_give_the_same),
        cmocka_unit_test(hex_reads_back_and_nothing_else_does),
        cmocka_unit_test(a_failed_hasher_gives_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, one greedy task could take the host's memory, or what a plugin was lent would outlive its call. */
#include "../../support/cm.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/str.h"

static void
memory_is_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    char *all[400];
    for (size_t i = 0; i < 400; i++) {
        size_t size = i * 37 % 6000;
        all[i] = vh_arena_alloc(arena, size);
        assert_non_null(all[i]);
        assert_int_equal((uintptr_t)all[i] % 16, 0);
        for (size_t j = 0; j < size; j++) {
            assert_int_equal(all[i][j], 0);
        }
        memset(all[i], (int)(i % 251) + 1, size);
    }
    for (size_t i = 0; i < 400; i++) {
        for (size_t j = 0; j < i * 37 % 6000; j++) {
            assert_int_equal((unsigned char)all[i][j], i % 251 + 1);
        }
    }
    vh_arena_destroy(arena);
}

static void
a_large_piece_leaves_the_small_room_usable(void **state)
{
    (void)state;
#ifdef VH_ARENA_EXACT
    print_message("under the address sanitizer each piece has a block of its own\n");
    skip();
#endif
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    char *first = vh_arena_alloc(arena, 16);
    assert_non_null(vh_arena_alloc(arena, 100000));
    char *second = vh_arena_alloc(arena, 16);
    assert_ptr_equal(first + 16, second);
    vh_arena_destroy(arena);
}

static void
the_bound_holds_to_the_byte(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 64);
    assert_non_null(vh_arena_alloc(arena, 48));
    assert_null(vh_arena_alloc(arena, 17));
    assert_int_equal(vh_arena_used(arena), 48);
    assert_non_null(vh_arena_alloc(arena, 16));
    assert_null(vh_arena_alloc(arena, 1));
    assert_null(vh_arena_alloc(arena, 0));
    vh_arena_destroy(arena);
}

static void
absurd_sizes_are_refused(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    assert_null(vh_arena_alloc(arena, SIZE_MAX));
    assert_null(vh_arena_alloc(arena, SIZE_MAX / 2 + 1));
    assert_null(vh_arena_array(arena, SIZE_MAX / 8, 16));
    assert_null(vh_arena_text_of(arena, (struct viv_str){ "x", UINT64_MAX }));
    assert_int_equal(vh_arena_used(arena), 0);
    vh_arena_destroy(arena);
}

static void
children_count_against_their_parents(void **state)
{
    (void)state;
    struct vh_arena *parent = vh_arena_create(NULL, 1024);
    struct vh_arena *child = vh_arena_create(parent, 0);
    struct vh_arena *grandchild = vh_arena_create(child, 512);
    assert_non_null(vh_arena_alloc(grandchild, 512));
    assert_null(vh_arena_alloc(grandchild, 1));
    assert_int_equal(vh_arena_used(parent), 512);
    assert_non_null(vh_arena_alloc(child, 512));
    assert_null(vh_arena_alloc(child, 1));
    assert_null(vh_arena_alloc(parent, 1));
    vh_arena_destroy(grandchild);
    assert_int_equal(vh_arena_used(child), 512);
    assert_int_equal(vh_arena_used(parent), 512);
    assert_non_null(vh_arena_alloc(parent, 512));
    vh_arena_destroy(child);
    assert_int_equal(vh_arena_used(parent), 512);
    vh_arena_destroy(parent);
}

static char order[16];

static void
note(void *data)
{
    strcat(order, data);
}

static void
cleanups_run_newest_first_and_children_before(void **state)
{
    (void)state;
    order[0] = '\0';
    struct vh_arena *parent = vh_arena_create(NULL, 0);
    struct vh_arena *child = vh_arena_create(parent, 0);
    char a[] = "a", b[] = "b", c[] = "c", d[] = "d";
    assert_int_equal(vh_arena_on_end(parent, note, a), 0);
    assert_int_equal(vh_arena_on_end(child, note, c), 0);
    assert_int_equal(vh_arena_on_end(parent, note, b), 0);
    assert_int_equal(vh_arena_on_end(child, note, d), 0);
    vh_arena_destroy(parent);
    assert_string_equal(order, "dcba");
    vh_arena_destroy(NULL);
}

static void
a_middle_child_can_go_alone(void **state)
{
    (void)state;
    struct vh_arena *parent = vh_arena_create(NULL, 0);
    struct vh_arena *children[3];
    for (size_t i = 0; i < 3; i++) {
        children[i] = vh_arena_create(parent, 0);
        assert_non_null(vh_arena_alloc(children[i], 32));
    }
    vh_arena_destroy(children[1]);
    assert_int_equal(vh_arena_used(parent), 64);
    vh_arena_destroy(children[2]);
    vh_arena_destroy(children[0]);
    assert_int_equal(vh_arena_used(parent), 0);
    vh_arena_destroy(parent);
}

static void
copies_end_in_nul(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    assert_string_equal(vh_arena_text(arena, "word"), "word");
    char *text = vh_arena_text_of(arena, (struct viv_str){ "words", 4 });
    assert_string_equal(text, "word");
    assert_string_equal(vh_arena_text_of(arena, (struct viv_str){ NULL, 0 }), "");
    assert_string_equal(vh_arena_format(arena, "%s %d", "n", 5), "n 5");
    assert_non_null(vh_arena_copy(arena, NULL, 0));
    vh_arena_destroy(arena);
}

static void
the_nth_allocation_fails(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    vh_arena_fail_at(2);
    assert_non_null(vh_arena_alloc(arena, 1));
    assert_null(vh_arena_alloc(arena, 1));
    assert_non_null(vh_arena_alloc(arena, 1));
    assert_int_equal(vh_arena_fail_at(-2), 3);
    assert_non_null(vh_arena_alloc(arena, 1));
    assert_null(vh_arena_alloc(arena, 1));
    assert_null(vh_arena_create(arena, 0));
    assert_int_equal(vh_arena_on_end(arena, note, order), -1);
    vh_arena_fail_at(0);
    order[0] = '\0';
    vh_arena_destroy(arena);
    assert_string_equal(order, "");
}

/* What was there before must not shine through, or one event's text stands in the next one's row. */
static void
a_reset_is_as_good_as_new(void **state)
{
    (void)state;
    struct vh_arena *parent = vh_arena_create(NULL, 200000);
    struct vh_arena *arena = vh_arena_create(parent, 0);
    char a[] = "a", b[] = "b";
    for (int round = 0; round < 3; round++) {
        order[0] = '\0';
        assert_int_equal(vh_arena_on_end(arena, note, a), 0);
        assert_int_equal(vh_arena_on_end(vh_arena_create(arena, 0), note, b), 0);
        for (size_t i = 0; i < 300; i++) {
            size_t size = i == 7 ? 100000 : i;
            char *bytes = vh_arena_alloc(arena, size);
            assert_non_null(bytes);
            for (size_t j = 0; j < size; j++) {
                assert_int_equal(bytes[j], 0);
            }
            memset(bytes, 'x', size);
        }
        vh_arena_reset(arena);
        assert_string_equal(order, "ba"); /* children first, and once */
        assert_int_equal(vh_arena_used(arena), 0);
        assert_int_equal(vh_arena_used(parent), 0);
    }
    vh_arena_destroy(arena);
    assert_string_equal(order, "ba");
    vh_arena_destroy(parent);
}

/* Out of memory once means out of memory from there on, not a crash. */
static void
an_arena_that_could_not_be_made_gives_nothing(void **state)
{
    (void)state;
    assert_null(vh_arena_alloc(NULL, 1));
    assert_null(vh_arena_text(NULL, "text"));
    assert_null(vh_arena_format(NULL, "%d", 1));
    assert_int_equal(vh_arena_used(NULL), 0);
    vh_arena_destroy(NULL);
}

#ifndef VH_SANITIZED /* their memory is not the C library's */
static long
resident_pages(void)
{
    char text[128];
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    assert_int_equal(sscanf(text, "%*d %ld", &pages), 1);
    fclose(file);
    return pages;
}

/* One small arena at the end must not hold what thousands before it had. */
static void
ended_arenas_go_back_to_the_system(void **state)
{
    (void)state;
    static struct vh_arena *arenas[2000];
    for (size_t i = 0; i < 2000; i++) {
        arenas[i] = vh_arena_create(NULL, 0);
        assert_non_null(vh_arena_alloc(arenas[i], 4000));
    }
    for (size_t i = 0; i < 1999; i++) {
        vh_arena_destroy(arenas[i]);
    }
    long before = resident_pages();
    vh_arena_trim();
    assert_true(resident_pages() < before - 1000);
    assert_non_null(vh_arena_alloc(arenas[1999], 1));
    vh_arena_destroy(arenas[1999]);
}
#endif

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_arena_that_could_not_be_made_gives_nothing),
        cmocka_unit_test(memory_is_zeroed_aligned_and_apart),
        cmocka_unit_test(a_large_piece_leaves_the_small_room_usable),
        cmocka_unit_test(the_bound_holds_to_the_byte),
        cmocka_unit_test(absurd_sizes_are_refused),
        cmocka_unit_test(children_count_against_their_parents),
        cmocka_unit_test(cleanups_run_newest_first_and_children_before),
        cmocka_unit_test(a_middle_child_can_go_alone),
        cmocka_unit_test(copies_end_in_nul),
        cmocka_unit_test(the_nth_allocation_fails),
        cmocka_unit_test(a_reset_is_as_good_as_new),
#ifndef VH_SANITIZED
        cmocka_unit_test(ended_arenas_go_back_to_the_system),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

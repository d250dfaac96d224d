/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a project that was moved more than once forgets where it began, and with that what it knows of its
 * plain folders; or it remembers without a bound. */
#include "../../support/cm.h"

#include <stdio.h>

#include "../../support/home.h"
#include "base/str.h"

struct facts {
    struct vh_arena *arena;
    struct viv_str project;
    struct viv_str places;
};

static viv_status
read_facts(void *data, struct vh_store *store, struct viv_error *err)
{
    struct facts *facts = data;
    struct vh_state_ops state = vh_store_state(store);
    viv_status status = state.get_fact(state.data, facts->arena, "project", &facts->project, err);
    return status ? status : state.get_fact(state.data, facts->arena, "places", &facts->places, err);
}

static struct facts
facts_of(struct home *home)
{
    struct facts facts = { .arena = home->arena };
    assert_int_equal(vh_sequencer_read(home->sequencer, read_facts, &facts, NULL), VIV_OK);
    return facts;
}

static void
move(struct home *home, const char *from, const char *to)
{
    char json[160];
    snprintf(json, sizeof json, "{\"from\":\"%s\",\"to\":\"%s\"}", from, to);
    home_must(home, "home.moved", "", json);
}

static void
places_are_kept_once_each_the_first_for_ever(void **state)
{
    (void)state;
    struct home home;
    home_new(&home);
    move(&home, "", "/a"); /* a home that did not say where it was made */
    assert_true(vh_str_is(facts_of(&home).project, "/a"));
    assert_int_equal(facts_of(&home).places.len, 0);
    move(&home, "/a", "/b");
    move(&home, "/b", "/a");
    move(&home, "/a", "/c");
    assert_true(vh_str_is(facts_of(&home).project, "/c"));
    assert_true(vh_str_is(facts_of(&home).places, "[\"/a\",\"/b\"]"));
    for (int i = 0; i < 300; i++) {
        char from[32], to[32];
        snprintf(from, sizeof from, "/m%d", i);
        snprintf(to, sizeof to, "/m%d", i + 1);
        move(&home, from, to);
    }
    struct vh_json *list = NULL;
    assert_int_equal(vh_json_read(home.arena, facts_of(&home).places, &list, NULL), VIV_OK);
    assert_int_equal(list->count, 256);
    assert_true(vh_str_is(list->child->text, "/a"));
    assert_true(vh_str_is(list->last->text, "/m299"));
    home_end(&home);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_kept_once_each_the_first_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a home that somebody made with an earlier program is read otherwise by this one:
 * its tasks stand elsewhere, or its decisions come out differently, or it cannot be opened at all.
 */
#include "../support/cm.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/home.h"
#include "base/fs.h"
#include "base/str.h"
#include "golden.h"
#include "keep/store.h"

struct place {
    struct vh_arena *arena;
    char folder[64];
    char path[96];
};

static int
begin(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    place->arena = vh_arena_create(NULL, 0);
    const char *below = getenv("TMPDIR");
    snprintf(place->folder, sizeof place->folder, "%s/viv-golden-XXXXXX",
             below && *below ? below : "/tmp");
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->path, sizeof place->path, "%s/vivarium.db", place->folder);
    *state = place;
    return 0;
}

static int
end(void **state)
{
    struct place *place = *state;
    vh_arena_destroy(place->arena);
    assert_int_equal(vh_fs_remove_tree(vh_seam_real(), AT_FDCWD, place->folder, NULL), VIV_OK);
    free(place);
    return 0;
}

static void
same(int schema, struct viv_str recorded, struct viv_str found)
{
    if (!vh_str_equal(recorded, found)) {
        fail_msg("the home of schema %d is another than recorded\nrecorded:\n%.*sfound:\n%.*s",
                 schema, VH_STR_ARGS(recorded), VH_STR_ARGS(found));
    }
}

/* Every record's log is what was recorded, and folds to the digests that were recorded for this
 * program. */
static void
every_log_folds_to_its_digests(void **state)
{
    struct place *place = *state;
    for (int schema = 1; schema <= VH_STORE_SCHEMA; schema++) {
        char path[128], own[32];
        snprintf(path, sizeof path, "%s/%d.db", place->folder, schema);
        golden_build(schema, path);
        struct viv_str recorded = golden_recorded(place->arena, schema);
        same(schema, golden_lines(place->arena, recorded, "log "), golden_log(place->arena, path));
        snprintf(own, sizeof own, "fold-%d ", schema);
        same(schema, golden_lines(place->arena, recorded, own), golden_stored(place->arena, path));
        snprintf(own, sizeof own, "fold-%d ", VH_STORE_SCHEMA);
        same(schema, golden_lines(place->arena, recorded, own), golden_folded(place->arena, path));
    }
}

/* The home of this program's own schema opens as it is: log verified, rebuilt to the same rows,
 * every decision again. */
static void
the_present_home_opens_and_verifies(void **state)
{
    struct place *place = *state;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_store *store = NULL;
    golden_build(VH_STORE_SCHEMA, place->path);
    assert_int_equal(vh_store_open(place->arena, place->path, NULL, &store, &err), VIV_OK);
    home_check(store);
    vh_store_close(store);
}

/* What tools/gen/golden writes into `digests`, for the file of any schema. */
static int
say_digests(const char *path)
{
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct viv_str parts[] = {golden_log(arena, path), golden_stored(arena, path),
                              golden_folded(arena, path)};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        printf("%.*s", VH_STR_ARGS(parts[i]));
    }
    vh_arena_destroy(arena);
    return 0;
}

int
main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--digests") == 0) {
        return say_digests(argv[2]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_log_folds_to_its_digests, begin, end),
        cmocka_unit_test_setup_teardown(the_present_home_opens_and_verifies, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

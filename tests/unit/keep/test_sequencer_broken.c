/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a host whose core made a mistake goes on deciding, or loses what was good before the mistake. The
 * mistake is planted as a row that no log could lead to. */
#include "../../support/cm.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>

#include "../../support/home.h"
#include "base/fs.h"
#include "base/log.h"
#include "keep/store_inside.h"
#include "keep/verify.h"

/* Behind the fold's back: an account whose limit is below what is set aside in it. */
static void
plant(struct home *home)
{
    struct viv_error err = VIV_ERROR_INIT;
    assert_int_equal(vh_sequencer_stop(home->sequencer, &err), VIV_OK);
    home->store->may_project = true;
    static const char sql[] = "UPDATE scopes SET doc=CAST(replace(CAST(doc AS TEXT), '1000000', '5') AS BLOB)";
    assert_int_equal(sqlite3_exec(home->store->db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_changes(home->store->db), 1);
    home->store->may_project = false;
    vh_store_close(home->store);
    vh_arena_destroy(home->arena);
    home_open(home);
}

static void
a_broken_invariant_stops_the_host(void **state)
{
    (void)state;
    struct home home;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_answer answer = { 0 };
    home_new(&home);
    home_must(&home, "task.submitted", "t", "{\"goal\":\"g\",\"attempts_max\":1}");
    (void)home_walk(&home, "t", VH_PHASE_SETTLE);
    plant(&home);
    vh_log_level(VH_LOG_ERROR + 1);
    home_must(&home, "lease.expired", "t", "{\"lease\":1}");
    int64_t last = home_must(&home, "task.claimed", "t", "{\"worker\":\"w\"}").seq; /* logged, not yet on disk */
    static const char price[] = "{\"lease\":2,\"cost_micro\":7}";
    assert_int_equal(home_say(&home, "settle.priced", "t", "", price, &answer, &err), VIV_E_INTERNAL);
    assert_string_equal(err.text, "'budget.settled' of task 't' would break invariant I9: account 'home' would have 7 "
                                  "settled and 0 reserved of 5; it was not recorded and the host stops: start it again "
                                  "and report this");
    assert_int_equal(vh_sequencer_committed(home.sequencer), last);
    assert_int_equal(home_say(&home, "task.submitted", "u", "", "{\"goal\":\"g\",\"attempts_max\":1}", &answer, &err),
                     VIV_E_STORE);
    assert_non_null(strstr(err.text, "would break invariant I9"));
    err = (struct viv_error)VIV_ERROR_INIT;
    assert_true(vh_sequencer_dead(home.sequencer, &err));
    assert_non_null(strstr(err.text, "would break invariant I9"));
    assert_int_equal(vh_sequencer_stop(home.sequencer, &err), VIV_E_STORE);
    vh_log_level(VH_LOG_WARNING);
    /* Nothing of the mistake is in the log; put right, the home goes on. */
    struct vh_verify_result verified;
    struct vh_rebuild_result rebuilt;
    assert_int_equal(vh_verify_log(home.store, &verified, &err), VIV_OK);
    assert_string_equal(verified.problem, "");
    assert_int_equal(verified.events, last);
    assert_int_equal(vh_verify_rebuild(home.store, true, &rebuilt, &err), VIV_OK);
    assert_false(rebuilt.same);
    vh_store_close(home.store);
    vh_arena_destroy(home.arena);
    home_open(&home);
    home_must(&home, "lease.expired", "t", "{\"lease\":2}");
    home_must(&home, "task.claimed", "t", "{\"worker\":\"w\"}");
    home_must(&home, "settle.priced", "t", "{\"lease\":3,\"cost_micro\":7}");
    home_end(&home);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_broken_invariant_stops_the_host) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

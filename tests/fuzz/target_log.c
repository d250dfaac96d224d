/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a damaged log brings down who looks at it, or verification passes what replay cannot read. The input
 * is a log, one event a line: exported lines ({"event":...,"hash":...}), or bare events, whose chain is then made here,
 * so that what lies behind the chain is reached. */
#include "cm.h"

#include "fuzz.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../host/keep/store_inside.h"
#include "base/str.h"
#include "core/chain.h"
#include "core/fold.h"
#include "core/memory.h"
#include "home.h"
#include "keep/reader.h"
#include "keep/verify.h"
#include "replay/replay.h"

static struct vh_store *store;

static void
open_store(void)
{
    static struct vh_arena *arena;
    char path[512];
    struct viv_error err = VIV_ERROR_INIT;
    arena = vh_arena_create(NULL, 0);
    snprintf(path, sizeof path, "%s/log.db", fuzz_folder());
    viv_status status = vh_store_open(arena, path, NULL, &store, &err);
    FUZZ_MUST(status == VIV_OK, "%s", err.text);
    FUZZ_MUST(sqlite3_exec(store->db, "PRAGMA synchronous=OFF", NULL, NULL, NULL) == SQLITE_OK, "pragma");
}

/* What was decoded is encoded, decoded and encoded to the same bytes, and folds into rows or is refused in words. */
static viv_status
one_event(struct vh_arena *arena, struct vh_state_ops *state, struct viv_str line, struct viv_error *err)
{
    struct vh_event event;
    struct vh_event again;
    viv_status status = vh_event_decode(arena, line, &event, err);
    if (status) {
        return status;
    }
    FUZZ_MUST(event.data && event.seq >= 1 && event.cause >= 1 && event.cause <= event.seq, "event %lld",
              (long long)event.seq);
    struct viv_str text = vh_event_encode(arena, &event);
    FUZZ_MUST(text.data, "an event that was read cannot be written");
    FUZZ_MUST(vh_event_decode(arena, text, &again, err) == VIV_OK, "what was written is refused: %s", err->text);
    FUZZ_MUST(vh_str_equal(text, vh_event_encode(arena, &again)), "an event changes on its way");
    return vh_fold(state, arena, &event, err);
}

struct lines {
    sqlite3_stmt *insert;
    struct vh_replay *replay;
    struct vh_state_ops state;
    struct vh_hash head;
    int64_t count;
    bool exported; /* one line at least was */
};

static void
take_line(struct vh_arena *arena, struct lines *lines, struct viv_str line)
{
    struct viv_error err = VIV_ERROR_INIT;
    if (vh_str_starts(line, "{\"event\":")) {
        viv_status status = vh_replay_exported(lines->replay, line, &err);
        FUZZ_MUST(status == VIV_OK, "an exported line ends the replay: %s", err.text);
        lines->exported = true;
        return;
    }
    lines->count++;
    FUZZ_MUST(vh_chain_add(&lines->head, line), "no hash");
    sqlite3_bind_int64(lines->insert, 1, lines->count);
    sqlite3_bind_blob64(lines->insert, 2, line.len ? line.data : "", line.len, SQLITE_STATIC);
    sqlite3_bind_blob(lines->insert, 3, lines->head.bytes, VH_HASH_BYTES, SQLITE_TRANSIENT);
    FUZZ_MUST(sqlite3_step(lines->insert) == SQLITE_DONE, "%s", sqlite3_errmsg(store->db));
    sqlite3_reset(lines->insert);
    FUZZ_MUST(vh_replay_line(lines->replay, line, &lines->head, &err) == VIV_OK, "a line ends the replay: %s",
              err.text);
    (void)fuzz_ended(one_event(arena, &lines->state, line, &err), &err);
}

static void
judge(struct lines *lines)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_verify_result verified;
    struct vh_rebuild_result rebuilt;
    struct vh_replay_result replayed;
    FUZZ_MUST(vh_verify_log(store, &verified, &err) == VIV_OK, "a bad log fails the verification: %s", err.text);
    FUZZ_MUST(verified.events <= lines->count, "%lld events of %lld", (long long)verified.events,
              (long long)lines->count);
    if (verified.bad_seq) {
        fuzz_line(verified.problem, "a problem of the log");
    } else {
        FUZZ_MUST(verified.events == lines->count, "%lld events of %lld", (long long)verified.events,
                  (long long)lines->count);
    }
    viv_status status = vh_verify_rebuild(store, false, &rebuilt, &err);
    if (status) {
        fuzz_message(status, &err);
    }
    FUZZ_MUST(vh_replay_finish(lines->replay, &replayed, &err) == VIV_OK, "a bad log fails the replay: %s", err.text);
    FUZZ_MUST(lines->exported || !verified.bad_seq || replayed.finding != VH_REPLAY_AGREES,
              "verify says '%s' at event %lld, replay agrees with all", verified.problem, (long long)verified.bad_seq);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vh_arena *arena = fuzz_arena();
    struct viv_str rest = fuzz_text(data, size);
    struct viv_str all = { NULL, 0 };
    struct lines lines = { .head = { { 0 } } };
    if (!store) {
        open_store();
    }
    struct vh_memory *memory = vh_memory_create(arena);
    FUZZ_MUST(memory && vh_replay_begin(arena, all, &lines.replay, NULL) == VIV_OK, "no memory");
    lines.state = vh_memory_state(memory);
    FUZZ_MUST(sqlite3_exec(store->db, "BEGIN; DELETE FROM events", NULL, NULL, NULL) == SQLITE_OK &&
                  sqlite3_prepare_v2(store->db, "INSERT INTO events(seq,task,line,hash) VALUES(?1,NULL,?2,?3)", -1,
                                     &lines.insert, NULL) == SQLITE_OK,
              "%s", sqlite3_errmsg(store->db));
    while (rest.len) {
        take_line(arena, &lines, fuzz_part(&rest, "\n"));
    }
    sqlite3_finalize(lines.insert);
    FUZZ_MUST(sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(store->db));
    judge(&lines);
    vh_arena_destroy(arena);
    return 0;
}

/* ---- seeds: logs of real homes, bare and exported ---- */

struct written {
    struct vh_buf buf;
    bool exported;
};

static bool
write_line(void *data, int64_t seq, struct viv_str line, const struct vh_hash *hash)
{
    struct written *written = data;
    char hex[VH_HASH_HEX];
    (void)seq;
    vh_hash_hex(hash, hex);
    vh_buf_text(&written->buf, written->exported ? "{\"event\":" : "");
    vh_buf_str(&written->buf, line);
    vh_buf_format(&written->buf, written->exported ? ",\"hash\":\"%s\"}\n" : "\n%.0s", hex);
    return true;
}

static void
live(struct home *home, size_t which)
{
    static const enum vh_phase ends[] = { VH_PHASE_IDLE, VH_PHASE_GATE_QA, VH_PHASE_PUBLISH };
    (void)home_must(home, "policy.loaded", "",
                    "{\"critics\":[\"k\"],\"gates\":{\"e2e\":[\"c\"],\"needs_qa\":[\"a\",\"b\"]}}");
    (void)home_must(home, "task.submitted", "a", "{\"attempts_max\":3,\"goal\":\"g\",\"target\":\"/p\"}");
    (void)home_must(home, "task.submitted", "b", "{\"attempts_max\":3,\"depends\":[\"a\"],\"goal\":\"g\"}");
    if (which / 2 < 3) {
        (void)home_walk(home, "a", ends[which / 2]);
    }
    (void)home_must(home, "cancel.requested", "b", "{\"note\":\"no\"}");
}

size_t
fuzz_seed(size_t which, uint8_t *bytes, size_t room)
{
    struct home home;
    struct viv_error err = VIV_ERROR_INIT;
    if (which >= 8) {
        return 0;
    }
    (void)setenv("TMPDIR", fuzz_folder(), 1);
    home_new(&home);
    live(&home, which);
    struct vh_arena *arena = fuzz_arena();
    struct written written = { .exported = which % 2 };
    vh_buf_init(&written.buf, arena, room);
    home_stop(&home);
    struct vh_store *log = NULL;
    viv_status status = vh_store_open_read(arena, home.path, &log, &err);
    status = status ? status : vh_reader_events(log, 0, (struct viv_str){ NULL, 0 }, write_line, &written, &err);
    FUZZ_MUST(status == VIV_OK && !written.buf.failed, "%s", err.text);
    vh_store_close(log);
    size_t len = written.buf.len;
    memcpy(bytes, written.buf.data, len);
    vh_arena_destroy(arena);
    return len;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a power cut loses or damages a file of a home that somebody was told is there:
 * contents in the store, the user's key, what is known of a plain folder, archived events, which the
 * database has no more. After each cut the same work is done again on what is left, and cut again. */
#include "../../support/cm.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../support/cut_folder.h"
#include "../../support/home.h"
#include "../../support/scratch.h"
#include "base/str.h"
#include "cuts.h"
#include "keep/blob.h"
#include "keep/segment.h"
#include "load/trust.h"
#include "run/folder_cache.h"
#include "run/target.h"

#define ACKS_MAX 24
#define BLOB_MAX 3000

#ifdef VH_SANITIZED
#define CUTS 1000
#else
#define CUTS 8000
#endif

enum kind { BLOB, KEY, CACHE, SEGMENT };

struct ack {
    enum kind kind;
    uint64_t at; /* operations of the record by then */
    char bytes[BLOB_MAX];
    size_t len;
    char hex[VH_HASH_HEX]; /* a blob's name, the commit of a cache */
};

struct world {
    struct scratch scratch;
    struct cut_folder cut;
    struct cut_record *record;
    struct home log; /* whose first events are archived; the folder that is cut has only the files */
    int home;
    uint64_t random;
    struct ack ack[ACKS_MAX];
    size_t acks;
    char *problem;
};

static struct world world;
static uint64_t kept; /* promises looked for, and found */
static uint64_t gone; /* begun, not answered, and not there */

static uint64_t
draw(struct world *w, uint64_t below)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (w->random >> 11) % below;
}

static bool
wrong(struct world *w, const char *what, const char *more)
{
    if (!w->problem[0]) {
        snprintf(w->problem, 512, "%s %s", what, more);
    }
    return false;
}

/* ---- what is done ---- */

static void
put_blob(struct world *w, struct ack *ack, struct viv_error *err)
{
    ack->len = draw(w, 4) ? draw(w, 100) : draw(w, BLOB_MAX);
    for (size_t i = 0; i < ack->len; i++) {
        ack->bytes[i] = (char)draw(w, 256);
    }
    if (draw(w, 4) == 0 && w->acks && w->ack[w->acks - 1].kind == BLOB) {
        *ack = w->ack[w->acks - 1]; /* the same again */
    }
    struct viv_str bytes = {ack->bytes, ack->len};
    vh_hash_text(bytes,
                 ack->hex); /* known before it is answered, to look for what was never answered */
    if (vh_blob_put(&w->cut.seam, w->home, bytes, ack->hex, err)) {
        (void)wrong(w, "a content cannot be kept:", err->text);
    }
}

static void
make_key(struct world *w, struct ack *ack, struct viv_error *err)
{
    struct vh_trust trust = {0};
    viv_status status = vh_trust_make_key(&w->cut.seam, w->home, "user/keys", &vh_trust_plugins, err);
    if (status && status != VIV_E_EXISTS) {
        (void)wrong(w, "a key cannot be made:", err->text);
    }
    if (vh_trust_read_key(&w->cut.seam, w->home, "user/keys", &trust, err) || !trust.has_key) {
        (void)wrong(w, "a key cannot be read:", err->text);
    }
    memcpy(ack->bytes, trust.key, sizeof trust.key);
    ack->len = sizeof trust.key;
}

static struct vh_target
folder_of(struct world *w, struct vh_git_tools *tools)
{
    *tools =
        (struct vh_git_tools){.seam = &w->cut.seam, .home = w->home, .home_path = w->scratch.path};
    return (struct vh_target){.tools = tools, .branch = "refs/viv/folder/0123"};
}

static void
write_cache(struct world *w, struct ack *ack, struct viv_error *err)
{
    struct vh_git_tools tools;
    struct vh_target target = folder_of(w, &tools);
    struct vh_folder_known known[30] = {{.size = 1}};
    struct vh_folder_cache cache = {.known = known, .count = draw(w, 30)};
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    for (size_t i = 0; i < cache.count; i++) {
        known[i] = (struct vh_folder_known){.ino = i, .size = draw(w, 1000)};
    }
    snprintf(cache.commit.hex, sizeof cache.commit.hex, "%040llx",
             (unsigned long long)draw(w, UINT32_MAX));
    memcpy(ack->hex, cache.commit.hex, sizeof ack->hex);
    if (vh_folder_cache_write(&target, arena, &cache, err)) {
        (void)wrong(w, "a cache cannot be written:", err->text);
    }
    vh_arena_destroy(arena);
}

struct segment_work {
    struct world *w;
    struct vh_segment *segment;
};

/* On the sequencer's thread, whose the store is. */
static viv_status
archive_first(void *data, struct vh_store *store, struct viv_error *err)
{
    const struct segment_work *work = data;
    return vh_segment_write(&work->w->cut.seam, store, work->w->home, 1, work->segment, err);
}

static void
write_segment(struct world *w, struct ack *ack, struct viv_error *err)
{
    struct vh_segment segment;
    if (vh_sequencer_read(w->log.sequencer, archive_first, &(struct segment_work){w, &segment}, err)) {
        (void)wrong(w, "events cannot be archived:", err->text);
    }
    memcpy(ack->bytes, &segment, sizeof segment);
    ack->len = sizeof segment;
}

static void
live(struct world *w)
{
    uint64_t rounds = 1 + draw(w, 6);
    for (uint64_t i = 0; i < rounds && w->acks < ACKS_MAX; i++) {
        struct viv_error err = VIV_ERROR_INIT;
        static const enum kind kinds[] = {BLOB, BLOB, BLOB, BLOB, BLOB, BLOB, KEY, CACHE, CACHE, SEGMENT};
        struct ack *ack = &w->ack[w->acks];
        *ack = (struct ack){.kind = kinds[draw(w, sizeof kinds / sizeof *kinds)]};
        ack->kind = ack->kind == SEGMENT && draw(w, 8) ? BLOB : ack->kind; /* as dear as hundreds of the others */
        (ack->kind == BLOB    ? put_blob
         : ack->kind == KEY   ? make_key
         : ack->kind == CACHE ? write_cache
                              : write_segment)(w, ack, &err);
        ack->at = cut_record_operations(w->record);
        w->acks++;
    }
}

/* ---- what is found ---- */

static bool
check_blob(struct world *w, const struct ack *ack, bool promised)
{
    struct viv_str bytes = {NULL, 0};
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    viv_status status = vh_blob_get(&w->cut.seam, arena, w->home, vh_str(ack->hex), &bytes, &err);
    bool same =
        status == VIV_OK && bytes.len == ack->len && memcmp(bytes.data, ack->bytes, ack->len) == 0;
    bool good = same || (!promised && status == VIV_E_NOT_FOUND);
    kept += same && promised;
    gone += !same && good;
    vh_arena_destroy(arena);
    return good ||
           wrong(w, promised ? "a promised content is lost:" : "a content is damaged:", err.text);
}

static bool
check_key(struct world *w, const struct ack *ack, bool promised)
{
    struct vh_trust trust = {0};
    struct viv_error err = VIV_ERROR_INIT;
    viv_status status = vh_trust_read_key(&w->cut.seam, w->home, "user/keys", &trust, &err);
    bool same = trust.has_key && memcmp(ack->bytes, trust.key, ack->len) == 0;
    kept += same && promised;
    gone += !trust.has_key && !promised;
    return (status == VIV_OK && (same || !promised)) ||
           wrong(w, "the key is lost or damaged:", err.text);
}

/* The last promised one, or one that was on its way after it. */
static bool
check_cache(struct world *w, uint64_t at)
{
    struct vh_git_tools tools;
    struct vh_folder_cache cache;
    struct vh_target target = folder_of(w, &tools);
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    viv_status status = vh_folder_cache_read(&target, arena, &cache, NULL);
    bool promised = false;
    bool found = false;
    for (size_t i = 0; i < w->acks; i++) {
        const struct ack *ack = &w->ack[i];
        if (ack->kind == CACHE) {
            found = (found && ack->at > at) || strcmp(cache.commit.hex, ack->hex) == 0;
            promised = promised || ack->at <= at;
        }
    }
    bool good = status == VIV_OK && (promised || cache.commit.hex[0] ? found : true);
    kept += good && promised;
    vh_arena_destroy(arena);
    return good ||
           wrong(w,
                 "the cache of a folder is not the one that was written last:", cache.commit.hex);
}

static bool
count_event(void *data, int64_t seq, struct viv_str line, const struct vh_hash *hash)
{
    (void)line;
    (void)hash;
    *(int64_t *)data = seq;
    return true;
}

static bool
check_segment(struct world *w, const struct ack *ack, bool promised)
{
    char folder[sizeof w->cut.root + sizeof VH_SEGMENT_FOLDER];
    struct vh_segment segment;
    int64_t last = 0;
    struct vh_segment_reading reading = {.each = count_event, .data = &last};
    struct viv_error err = VIV_ERROR_INIT;
    memcpy(&segment, ack->bytes, sizeof segment);
    snprintf(folder, sizeof folder, "%s/" VH_SEGMENT_FOLDER, w->cut.root);
    viv_status status = vh_segment_read(&w->cut.seam, folder, &segment, &reading, &err);
    bool same = status == VIV_OK && last == VH_SEGMENT_EVENTS;
    bool good = same || (!promised && status == VIV_E_NOT_FOUND);
    kept += same && promised;
    gone += !same && good;
    return good || wrong(w, promised ? "archived events are lost:" : "a segment is damaged:", err.text);
}

static bool
check(struct world *w, uint64_t at)
{
    bool good = check_cache(w, at);
    for (size_t i = 0; i < w->acks && good; i++) {
        const struct ack *ack = &w->ack[i];
        bool promised = ack->at <= at;
        good = ack->kind == BLOB      ? check_blob(w, ack, promised)
               : ack->kind == KEY     ? check_key(w, ack, promised)
               : ack->kind == SEGMENT ? check_segment(w, ack, promised)
                                      : true;
    }
    return good;
}

/* ---- cuts ---- */

/* What was promised stays so, whatever else is cut; what was not may be there. */
static void
keep_promises(struct world *w, uint64_t at)
{
    for (size_t i = 0; i < w->acks; i++) {
        w->ack[i].at = w->ack[i].at <= at ? 0 : UINT64_MAX;
    }
}

/* The same folder lives on from what a cut left, and is cut again. */
static bool
second_cut(struct world *w, uint64_t seed)
{
    w->record = cut_folder_begin(&w->cut);
    live(w);
    cut_folder_stop(&w->cut);
    uint64_t at = draw(w, cut_record_operations(w->record) + 1);
    cut_folder_cut(&w->cut, w->record, at, seed);
    cut_record_free(w->record);
    return !w->problem[0] && check(w, at);
}

static bool
cut_once(struct world *w, const struct cut_record *record, uint64_t seed)
{
    uint64_t at = draw(w, cut_record_operations(record) + 1);
    cut_folder_cut(&w->cut, record, at, seed);
    if (!check(w, at)) {
        return false;
    }
    if (draw(w, 4)) {
        return true;
    }
    struct world before = *w;
    keep_promises(w, at);
    bool good = second_cut(w, seed + 1);
    memcpy(w->ack, before.ack, sizeof before.ack);
    w->acks = before.acks;
    return good;
}

static uint64_t
history(uint64_t seed, uint64_t want, char *problem)
{
    struct world *w = &world;
    w->random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    w->problem = problem;
    w->acks = 0;
    w->record = cut_folder_begin(&w->cut);
    struct cut_record *record = w->record;
    live(w);
    cut_folder_stop(&w->cut);
    bool good = !problem[0];
    for (uint64_t i = 0; i < want && good; i++) {
        good = cut_once(w, record, seed * 1000 + 2 * i);
    }
    cut_folder_cut(&w->cut, record, 0, seed); /* the next one begins with a new home, too */
    cut_record_free(record);
    cut_folder_forget(&w->cut);
    return good ? want : 0;
}

static void
begin(void)
{
    char root[sizeof world.scratch.path + 8];
    scratch_make(&world.scratch);
    snprintf(root, sizeof root, "%s/home", world.scratch.path);
    assert_int_equal(mkdir(root, 0700), 0);
    world.home = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(world.home >= 0);
    assert_int_equal(mkdirat(world.home, "store", 0700), 0); /* 'vivhost init' made it */
    cut_folder_init(&world.cut, root, vh_seam_real());
    home_new(&world.log);
    for (int i = 0; i < VH_SEGMENT_EVENTS; i++) {
        (void)home_must(&world.log, "calls.made", "", "{}");
    }
}

static bool
tell(void)
{
    printf("%llu promises kept, %llu not made and gone\n", (unsigned long long)kept,
           (unsigned long long)gone);
    return kept > 0 && gone > 0;
}

static void
end(void)
{
    close(world.home);
    cut_folder_end(&world.cut);
    home_end(&world.log);
    scratch_remove(&world.scratch);
}

int
main(int argc, char **argv)
{
    const struct cuts_line line = {.cuts = CUTS,
                                   .seed = 1,
                                   .each = 25,
                                   .history = history,
                                   .begin = begin,
                                   .tell = tell,
                                   .end = end};
    return cuts_main(argc, argv, &line);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, events that left the database for a file are lost, come back altered, twice or of another log, or a
 * command that names the wrong ones takes what was never written. */
#include "../../support/cm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>
#include <zlib.h>

#include "../../support/home.h"
#include "../../support/seam_fail.h"
#include "base/fs.h"
#include "base/str.h"
#include "keep/export.h"
#include "keep/segments.h"
#include "keep/verify.h"

#define FILE_MAX ((size_t)64 << 20)
#define AFTER 300 /* events that stay in the table */

struct past {
    struct home home;
    struct vh_arena *arena;
    struct vh_store *reader;
    int folder;
    char archive[128];
    struct vh_segment segment;
};

/* The events of a home, as they come, under one digest. */
struct seen {
    struct vh_hasher hasher;
    int64_t count, first, last;
    int64_t stop_at; /* event after which no more is wanted; 0: none */
};

static bool
see(void *data, int64_t seq, struct viv_str line, const struct vh_hash *hash)
{
    struct seen *seen = data;
    vh_hasher_add(&seen->hasher, &seq, sizeof seq);
    vh_hasher_add(&seen->hasher, line.data, (size_t)line.len);
    vh_hasher_add(&seen->hasher, hash->bytes, VH_HASH_BYTES);
    seen->first = seen->count++ ? seen->first : seq;
    seen->last = seq;
    return seq != seen->stop_at;
}

static struct seen
look(struct vh_store *store, int64_t after, const char *task, int64_t stop_at)
{
    struct seen seen = { .stop_at = stop_at };
    struct viv_error err = VIV_ERROR_INIT;
    vh_hasher_init(&seen.hasher);
    assert_int_equal(vh_reader_events(store, after, vh_str(task), see, &seen, &err), VIV_OK);
    return seen;
}

static void
assert_same(struct seen *a, struct seen *b)
{
    struct vh_hash one, other;
    assert_int_equal(a->count, b->count);
    assert_true(vh_hasher_finish(&a->hasher, &one) && vh_hasher_finish(&b->hasher, &other));
    assert_memory_equal(one.bytes, other.bytes, VH_HASH_BYTES);
}

static void
begin(struct past *p)
{
    home_new(&p->home);
    p->arena = vh_arena_create(NULL, 0);
    snprintf(p->archive, sizeof p->archive, "%s/" VH_SEGMENT_FOLDER, p->home.folder);
    p->folder = open(p->home.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(p->folder >= 0);
    (void)home_must(&p->home, "task.submitted", "early", "{\"goal\":\"g\",\"attempts_max\":1}");
    struct vh_answer answer;
    struct viv_error err = VIV_ERROR_INIT;
    assert_int_equal(home_say(&p->home, "task.submitted", "keyed", "key-1", "{\"goal\":\"g\",\"attempts_max\":1}",
                              &answer, &err), VIV_OK);
    while (home_must(&p->home, "calls.made", "", "{}").seq < VH_SEGMENT_EVENTS + AFTER) {
    }
    (void)home_must(&p->home, "cancel.requested", "early", "{}");
    assert_int_equal(vh_sequencer_flush(p->home.sequencer, NULL), VIV_OK);
    assert_int_equal(vh_store_open_read(p->arena, p->home.path, &p->reader, NULL), VIV_OK);
}

static void
end(struct past *p)
{
    vh_store_close(p->reader);
    close(p->folder);
    vh_arena_destroy(p->arena);
    home_end(&p->home);
}

static viv_status
record(struct past *p, const struct vh_segment *segment, struct viv_error *err)
{
    struct vh_answer answer;
    struct viv_str json = vh_json_print(p->arena, vh_archive_json(p->arena, segment));
    *err = (struct viv_error)VIV_ERROR_INIT;
    return home_say(&p->home, "log.archived", "", "", vh_arena_text_of(p->arena, json), &answer, err);
}

static void
archive(struct past *p)
{
    struct viv_error err = VIV_ERROR_INIT;
    assert_int_equal(vh_segment_write(vh_seam_real(), p->reader, p->folder, 1, &p->segment, &err), VIV_OK);
    assert_int_equal(record(p, &p->segment, &err), VIV_OK);
}

static const char *
path_of(struct past *p)
{
    char name[VH_SEGMENT_NAME];
    vh_segment_name(&p->segment, name);
    return vh_arena_format(p->arena, "%s/%s", p->archive, name);
}

static void
put(const char *path, struct viv_str bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(vh_fs_write_all(vh_seam_real(), fd, bytes, NULL), VIV_OK);
    close(fd);
}

static struct viv_str
get(struct past *p, const char *path)
{
    struct viv_str bytes = { NULL, 0 };
    assert_int_equal(vh_fs_read(vh_seam_real(), p->arena, AT_FDCWD, path, FILE_MAX, &bytes, NULL), VIV_OK);
    return bytes;
}

static void
archived_events_come_as_before(void **state)
{
    (void)state;
    struct past p;
    begin(&p);
    struct seen all = look(p.reader, 0, "", 0), one = look(p.reader, 0, "early", 0);
    struct seen few = look(p.reader, 1000, "", 1010), over = look(p.reader, VH_SEGMENT_EVENTS - 5, "", 8199);
    archive(&p);
    struct seen all_now = look(p.reader, 0, "", VH_SEGMENT_EVENTS + AFTER + 2);
    all_now.stop_at = 0;
    assert_int_equal(all.count, VH_SEGMENT_EVENTS + AFTER + 2); /* the last ones: cancelled */
    assert_same(&all, &all_now);
    struct seen one_now = look(p.reader, 0, "early", 0), few_now = look(p.reader, 1000, "", 1010);
    assert_int_equal(one.count, 4);
    assert_same(&one, &one_now);
    assert_same(&few, &few_now);
    struct seen over_now = look(p.reader, VH_SEGMENT_EVENTS - 5, "", 8199);
    assert_same(&over, &over_now);
    int64_t last = 0;
    struct vh_hash head;
    assert_int_equal(vh_archive_end(p.reader, &last, &head, NULL), VIV_OK);
    assert_int_equal(last, VH_SEGMENT_EVENTS);
    assert_memory_equal(head.bytes, p.segment.head.bytes, VH_HASH_BYTES);
    struct viv_str line;
    assert_int_equal(vh_store_line(p.reader, p.arena, 2, &line, NULL), VIV_OK);
    assert_non_null(strstr(line.data, "\"seq\":2,"));
    struct viv_error err = VIV_ERROR_INIT;
    assert_int_equal(vh_store_line(p.reader, p.arena, 99999, &line, &err), VIV_E_NOT_FOUND);
    assert_string_equal(err.text, "there is no event 99999");
    end(&p); /* verified, folded, replayed */
}

/* What was answered long ago is answered again, by a host that was started after it left. */
static void
a_key_is_answered_from_the_file(void **state)
{
    (void)state;
    struct past p;
    struct vh_answer answer;
    struct viv_error err = VIV_ERROR_INIT;
    begin(&p);
    archive(&p);
    home_stop(&p.home);
    home_open(&p.home);
    assert_int_equal(home_say(&p.home, "task.submitted", "keyed", "key-1", "{\"goal\":\"g\",\"attempts_max\":1}",
                              &answer, &err), VIV_OK);
    assert_true(answer.repeated && answer.seq < VH_SEGMENT_EVENTS);
    assert_string_equal(answer.kind, "task.submitted");
    assert_int_equal(rename(path_of(&p), vh_arena_format(p.arena, "%s/away", p.home.folder)), 0);
    assert_int_equal(home_say(&p.home, "task.submitted", "keyed", "key-1", "{\"goal\":\"g\",\"attempts_max\":1}",
                              &answer, &err), VIV_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "events 1 to 8192 are archived in '"));
    assert_int_equal(rename(vh_arena_format(p.arena, "%s/away", p.home.folder), path_of(&p)), 0);
    end(&p);
}

/* Only the first whole segment of what is here leaves, and only with its own head. */
static void
other_events_do_not_leave(void **state)
{
    (void)state;
    struct past p;
    struct viv_error err = VIV_ERROR_INIT;
    begin(&p);
    assert_int_equal(vh_segment_write(vh_seam_real(), p.reader, p.folder, 1, &p.segment, &err), VIV_OK);
    struct seen before = look(p.reader, 0, "", 0);
    struct vh_segment other = p.segment;
    other.first++, other.last++;
    assert_int_equal(record(&p, &other, &err), VIV_E_CONFLICT);
    assert_string_equal(err.text, "events 2 to 8193 are not the first ones of the log that are not archived yet");
    other = p.segment;
    other.head.bytes[0] ^= 1;
    assert_int_equal(record(&p, &other, &err), VIV_E_CONFLICT);
    other = p.segment;
    other.last--;
    assert_int_equal(record(&p, &other, &err), VIV_E_INVALID);
    assert_string_equal(err.text, "'log.archived' needs first, last (8192 events), bytes, head, root and digest");
    struct seen after = look(p.reader, 0, "", 0);
    assert_same(&before, &after);
    assert_int_equal(record(&p, &p.segment, &err), VIV_OK);
    assert_int_equal(record(&p, &p.segment, &err), VIV_E_CONFLICT); /* a second time */
    assert_int_equal(vh_segment_write(vh_seam_real(), p.reader, p.folder, VH_SEGMENT_EVENTS + 1, &other, &err),
                     VIV_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "events after 8192, a segment has 8192"));
    end(&p);
}

static viv_status
read_one(struct past *p, struct viv_error *err)
{
    struct seen seen = { .stop_at = 0 };
    struct vh_segment_reading reading = { .each = see, .data = &seen };
    vh_hasher_init(&seen.hasher);
    *err = (struct viv_error)VIV_ERROR_INIT;
    return vh_segment_read(vh_seam_real(), p->archive, &p->segment, &reading, err);
}

static void
another_file_is_refused(void **state)
{
    (void)state;
    struct past p;
    struct viv_error err;
    begin(&p);
    archive(&p);
    const char *path = path_of(&p);
    struct viv_str good = get(&p, path);
    char *bytes = vh_arena_copy(p.arena, good.data, (size_t)good.len);
    for (size_t i = 0; i < good.len; i += 9973) {
        bytes[i] ^= 0x10;
        put(path, (struct viv_str){ bytes, good.len });
        assert_int_equal(read_one(&p, &err), VIV_E_CORRUPT);
        assert_non_null(strstr(err.text, "is not the file that was archived"));
        bytes[i] ^= 0x10;
    }
    put(path, (struct viv_str){ good.data, good.len - 1 });
    assert_int_equal(read_one(&p, &err), VIV_E_CORRUPT);
    put(path, VH_STR("x"));
    assert_int_equal(read_one(&p, &err), VIV_E_CORRUPT);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(read_one(&p, &err), VIV_E_NOT_FOUND);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(read_one(&p, &err), VIV_E_INVALID);
    assert_int_equal(rmdir(path), 0);
    put(path, good);
    assert_int_equal(read_one(&p, &err), VIV_OK);
    end(&p);
}

/* A file whose digest the database knows and whose content is nothing that a host writes. */
static void
forged(struct past *p, struct viv_str text, bool packed, const char *says)
{
    struct viv_error err;
    uLong room = compressBound((uLong)text.len) + 100;
    char *bytes = vh_arena_alloc(p->arena, room);
    struct viv_str file = text;
    if (packed) {
        z_stream z = { .next_in = (Bytef *)(uintptr_t)text.data, .avail_in = (uInt)text.len,
                       .next_out = (Bytef *)bytes, .avail_out = (uInt)room };
        assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
        assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
        file = (struct viv_str){ bytes, z.total_out };
        deflateEnd(&z);
    }
    struct vh_segment kept = p->segment;
    assert_true(vh_hash_bytes(file.data, (size_t)file.len, &p->segment.digest));
    p->segment.bytes = (int64_t)file.len;
    put(path_of(p), file);
    assert_int_equal(read_one(p, &err), VIV_E_CORRUPT);
    assert_string_equal(err.text, says);
    p->segment = kept;
}

static void
forged_files_are_refused(void **state)
{
    (void)state;
    struct past p;
    struct vh_buf buf;
    begin(&p);
    archive(&p);
    struct viv_str good = get(&p, path_of(&p));
    forged(&p, VH_STR("no gzip at all"), false, "not readable after event 0");
    forged(&p, VH_STR(""), true, "not readable after event 0");
    forged(&p, VH_STR("{}\n"), true, "not readable after event 0");
    vh_buf_init(&buf, p.arena, FILE_MAX);
    for (int i = 0; i < VH_SEGMENT_EVENTS; i++) {
        vh_export_line(&buf, VH_STR("{}"), &p.segment.head);
    }
    struct viv_str lines = vh_buf_view(&buf);
    forged(&p, (struct viv_str){ lines.data, lines.len - 1 }, true, "not readable after event 8191");
    char *wrong = vh_arena_copy(p.arena, lines.data, (size_t)lines.len);
    wrong[lines.len / 2 + 20] = '\n';
    forged(&p, (struct viv_str){ wrong, lines.len }, true, "not readable after event 4096");
    vh_export_line(&buf, VH_STR("{}"), &p.segment.head);
    forged(&p, vh_buf_view(&buf), true, "not readable after event 8193");
    put(path_of(&p), good);
    end(&p);
}

/* By the definition, from above: RFC 6962, 2.1. */
static struct vh_hash
root_of(const struct vh_hash *leaves, size_t count)
{
    uint8_t bytes[1 + 2 * VH_HASH_BYTES] = { count > 1 };
    struct vh_hash hash;
    for (size_t i = 0; i < 2 && count > 1; i++) {
        hash = root_of(leaves + i * (count / 2), count / 2);
        memcpy(bytes + 1 + i * VH_HASH_BYTES, hash.bytes, VH_HASH_BYTES);
    }
    if (count == 1) {
        memcpy(bytes + 1, leaves->bytes, VH_HASH_BYTES);
    }
    assert_true(vh_hash_bytes(bytes, count > 1 ? sizeof bytes : 1 + VH_HASH_BYTES, &hash));
    return hash;
}

static void
the_root_is_the_trees(void **state)
{
    (void)state;
    static struct vh_hash leaves[2 * VH_SEGMENT_EVENTS];
    struct vh_merkle merkle = { .count = 0 };
    for (uint32_t i = 0; i < 2 * VH_SEGMENT_EVENTS; i++) {
        memcpy(leaves[i].bytes, &i, sizeof i);
        assert_true(vh_merkle_add(&merkle, &leaves[i]));
        if ((i + 1) % VH_SEGMENT_EVENTS == 0) { /* a second tree as well */
            struct vh_hash root = root_of(leaves + i + 1 - VH_SEGMENT_EVENTS, VH_SEGMENT_EVENTS);
            assert_memory_equal(root.bytes, merkle.level[VH_SEGMENT_LEVELS].bytes, VH_HASH_BYTES);
        }
    }
}

/* Each call of the seam fails in turn: told, nothing of it left, and the next one goes well. */
static void
a_write_that_fails_leaves_nothing(void **state)
{
    (void)state;
    struct past p;
    int failures = 0;
    struct viv_error err = VIV_ERROR_INIT;
    begin(&p);
    for (uint64_t n = 1;; n++) {
        struct seam_fail fail;
        err = (struct viv_error)VIV_ERROR_INIT;
        seam_fail_init(&fail, vh_seam_real());
        seam_fail_at(&fail, SEAM_ANY, n, ENOSPC);
        viv_status status = vh_segment_write(&fail.seam, p.reader, p.folder, 1, &p.segment, &err);
        if (!fail.reached) {
            assert_int_equal(status, VIV_OK);
            break;
        }
        failures += status != VIV_OK;
        if (status) {
            assert_true(err.text[0]);
            assert_int_not_equal(access(vh_arena_format(p.arena, "%s/.new", p.archive), F_OK), 0);
        }
    }
    assert_true(failures > 10);
    assert_int_equal(read_one(&p, &err), VIV_OK);
    end(&p);
}

static void
update(struct past *p, viv_status want, const char *says)
{
    int64_t seq = 0;
    struct viv_error err = VIV_ERROR_INIT;
    assert_int_equal(vh_export_update(vh_seam_real(), p->reader, p->folder, "lines", &seq, &err), want);
    assert_non_null(strstr(err.text, says));
}

static void
the_exported_log_begins_after_it(void **state)
{
    (void)state;
    struct past p;
    char *path;
    begin(&p);
    path = vh_arena_format(p.arena, "%s/lines", p.home.folder);
    update(&p, VIV_OK, "");
    archive(&p);
    update(&p, VIV_OK, ""); /* as it was before */
    struct viv_str whole = get(&p, path);
    assert_int_equal(vh_export_trim(vh_seam_real(), p.reader, p.folder, "lines", NULL), VIV_OK);
    struct viv_str rest = get(&p, path);
    assert_true(rest.len < whole.len && memcmp(whole.data + whole.len - rest.len, rest.data, rest.len) == 0);
    assert_non_null(strstr(rest.data, "\"seq\":8193,"));
    (void)home_must(&p.home, "host.stopped", "", "{}"); /* any */
    update(&p, VIV_OK, "");
    assert_true(get(&p, path).len > rest.len);
    assert_int_equal(unlink(path), 0);
    update(&p, VIV_OK, ""); /* a new one begins there, too */
    assert_memory_equal(get(&p, path).data, rest.data, rest.len);
    const char *second = strchr(rest.data, '\n') + 1;
    put(path, vh_str(second)); /* and nowhere else */
    update(&p, VIV_E_CORRUPT, "is altered or foreign at event 8193; move it away to have it written again");
    end(&p);
}

/* The row and the file's name say another root than the events have. */
static void
give_root(struct past *p, uint8_t first)
{
    char sql[96];
    sqlite3 *db = NULL;
    const char *old = path_of(p);
    p->segment.root.bytes[0] = first;
    assert_int_equal(rename(old, path_of(p)), 0);
    char hex[VH_HASH_HEX];
    vh_hash_hex(&p->segment.root, hex);
    snprintf(sql, sizeof sql, "UPDATE segments SET root=X'%s'", hex);
    assert_int_equal(sqlite3_open(p->home.path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void
another_root_is_found(void **state)
{
    (void)state;
    struct past p;
    struct vh_verify_result result;
    begin(&p);
    archive(&p);
    assert_int_equal(vh_verify_log(p.reader, &result, NULL), VIV_OK);
    assert_int_equal(result.bad_seq, 0);
    assert_int_equal(result.archived, VH_SEGMENT_EVENTS);
    struct vh_hash head = result.head;
    assert_int_equal(vh_verify_recent(p.reader, &result, NULL), VIV_OK);
    assert_int_equal(result.bad_seq, 0);
    assert_memory_equal(result.head.bytes, head.bytes, VH_HASH_BYTES);
    uint8_t root = p.segment.root.bytes[0];
    give_root(&p, (uint8_t)(root ^ 1));
    assert_int_equal(vh_verify_log(p.reader, &result, NULL), VIV_OK);
    assert_int_equal(result.bad_seq, VH_SEGMENT_EVENTS);
    assert_string_equal(result.problem, "the root of the archived events up to it is another");
    give_root(&p, root);
    end(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(archived_events_come_as_before),
        cmocka_unit_test(a_key_is_answered_from_the_file),
        cmocka_unit_test(other_events_do_not_leave),
        cmocka_unit_test(another_file_is_refused),
        cmocka_unit_test(forged_files_are_refused),
        cmocka_unit_test(the_root_is_the_trees),
        cmocka_unit_test(a_write_that_fails_leaves_nothing),
        cmocka_unit_test(the_exported_log_begins_after_it),
        cmocka_unit_test(another_root_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

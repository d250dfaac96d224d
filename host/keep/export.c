/* SPDX-License-Identifier: Apache-2.0 */
#include "export.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/error.h"
#include "base/str.h"
#include "keep/segments.h"
#include <viv/limits.h>

#define CHUNK_BYTES (256u << 10)
#define TAIL_BYTES ((size_t)4 * CHUNK_BYTES) /* more than is ever written without a sync, but for one long line */

struct writer {
    const struct vh_seam *seam;
    int fd;
    struct vh_arena *arena;
    struct vh_buf buf;
    int64_t seq;
    viv_status status;
    struct viv_error *err;
};

static bool
drain(struct writer *w)
{
    if (w->buf.failed) {
        w->status = vh_error_set(w->err, VIV_E_MEMORY, "export", "no memory at event %lld", (long long)w->seq);
    } else if (w->buf.len) {
        w->status = vh_fs_write_all(w->seam, w->fd, vh_buf_view(&w->buf), w->err);
    }
    VH_PLACE(w->seam, "export.half-written");
    if (w->status == VIV_OK && w->buf.len && w->seam->sync(w->seam->data, w->fd)) {
        w->status = vh_error_errno(w->err, VIV_E_IO, "export", "cannot sync the exported log");
    }
    vh_arena_destroy(w->arena);
    w->arena = vh_arena_create(NULL, 0);
    if (!w->arena && w->status == VIV_OK) {
        w->status = vh_error_set(w->err, VIV_E_MEMORY, "export", "no memory");
    }
    vh_buf_init(&w->buf, w->arena, VH_EXPORT_LINE_MAX);
    return w->status == VIV_OK;
}

void
vh_export_line(struct vh_buf *buf, struct viv_str line, const struct vh_hash *hash)
{
    char hex[VH_HASH_HEX];
    vh_hash_hex(hash, hex);
    vh_buf_text(buf, "{\"event\":");
    vh_buf_str(buf, line);
    vh_buf_text(buf, ",\"hash\":\"");
    vh_buf_text(buf, hex);
    vh_buf_text(buf, "\"}\n");
}

static bool
write_event(void *data, int64_t seq, struct viv_str line, const struct vh_hash *hash)
{
    struct writer *w = data;
    vh_export_line(&w->buf, line, hash);
    w->seq = seq;
    return w->buf.len < CHUNK_BYTES || drain(w);
}

viv_status
vh_export_append(const struct vh_seam *seam, struct vh_store *store, int fd, int64_t after, int64_t *ret_seq,
                 struct viv_error *err)
{
    struct writer w = { .seam = seam, .fd = fd, .seq = after, .err = err };
    if (!drain(&w)) {
        return w.status;
    }
    viv_status status = vh_reader_events(store, after, (struct viv_str){ NULL, 0 }, write_event, &w, err);
    if (status == VIV_OK && w.status == VIV_OK) {
        drain(&w);
    }
    vh_arena_destroy(w.arena);
    status = status ? status : w.status;
    if (status == VIV_OK) {
        *ret_seq = w.seq;
    }
    return status;
}

/* ---- where the file is to be cut ---- */

struct tail {
    struct viv_str bytes; /* of the file, from the start of a line */
    size_t at;            /* of the line that is looked at */
    int64_t seq;          /* last event that stands there as it should */
    struct vh_arena *arena;
    viv_status status;
    struct viv_error *err;
    bool ended;
};

/* The next line: without its newline, and whether it had one. */
static struct viv_str
line_at(const struct tail *tail, bool *ret_whole)
{
    size_t left = (size_t)tail->bytes.len - tail->at;
    const char *start = left ? tail->bytes.data + tail->at : "";
    const char *end = left ? memchr(start, '\n', left) : NULL;
    *ret_whole = end != NULL;
    return (struct viv_str){ start, end ? (uint64_t)(end - start) : left };
}

/* What a crash leaves: the beginning of the line, then nothing, or zeros where a page never came to the disk. */
static bool
is_torn(struct viv_str line, bool whole, struct viv_str expected)
{
    const char *zero = line.len ? memchr(line.data, '\0', (size_t)line.len) : NULL;
    size_t len = zero ? (size_t)(zero - line.data) : (size_t)line.len;
    if (whole && !zero) {
        return false;
    }
    size_t common = expected.len < len ? (size_t)expected.len : len;
    return memcmp(line.data, expected.data, common) == 0;
}

static bool
bad_line(struct tail *tail, int64_t seq, const char *problem)
{
    tail->status = vh_error_set(tail->err, VIV_E_CORRUPT, "export",
                                "the exported log %s at event %lld; move it away to have it written again", problem,
                                (long long)seq);
    return false;
}

/* Compare the next line of the file with the next event of the log. */
static bool
compare(void *data, int64_t seq, struct viv_str line, const struct vh_hash *hash)
{
    struct tail *tail = data;
    bool whole = false;
    struct viv_str there = line_at(tail, &whole);
    if (there.len == 0 && !whole) {
        tail->ended = true;
        return false;
    }
    struct vh_arena *arena = vh_arena_create(tail->arena, 0);
    struct vh_buf buf;
    vh_buf_init(&buf, arena, VH_EXPORT_LINE_MAX);
    if (arena) {
        vh_export_line(&buf, line, hash);
    }
    bool same = false;
    if (!arena || buf.failed) {
        tail->status = vh_error_set(tail->err, VIV_E_MEMORY, "export", "no memory at event %lld", (long long)seq);
    } else {
        struct viv_str expected = { buf.data, buf.len - 1 };
        same = whole && vh_str_equal(there, expected);
        tail->ended = !same;
        if (!same && !is_torn(there, whole, expected)) {
            (void)bad_line(tail, seq, "is altered or foreign");
        }
    }
    if (same) {
        tail->at += (size_t)there.len + 1;
        tail->seq = seq;
    }
    vh_arena_destroy(arena);
    return same;
}

/* Number of the event in a line; 0 when it is no line of ours. */
static int64_t
number_of(struct vh_arena *arena, struct viv_str line)
{
    struct vh_json *value = NULL;
    return vh_json_read(arena, line, &value, NULL) ? 0 : vh_json_int(vh_json_get(value, "event"), "seq", 0);
}

/* The first line of the tail that can be read gives the place in the log; from there both must run alike. */
static viv_status
find_end(struct vh_store *store, struct tail *tail, bool from_start)
{
    bool whole = false;
    int64_t archived = 0;
    viv_status read = vh_archive_end(store, &archived, NULL, tail->err);
    struct viv_str line = line_at(tail, &whole);
    int64_t first = whole ? number_of(tail->arena, line) : 0;
    bool begins = first > 0 && (first - 1) % VH_SEGMENT_EVENTS == 0 && first - 1 <= archived;
    first = begins || !from_start ? first : archived + 1; /* where it must begin: what else is there is told below */
    if (read || first < 1) {
        (void)(read || bad_line(tail, 0, "has a line that is not one of its own"));
        return read ? read : tail->status;
    }
    tail->seq = first - 1;
    viv_status status =
        vh_reader_events(store, first - 1, (struct viv_str){ NULL, 0 }, compare, tail, tail->err);
    if (status || tail->status || tail->ended) {
        return status ? status : tail->status;
    }
    struct viv_str rest = line_at(tail, &whole);
    if (whole) {
        (void)bad_line(tail, tail->seq + 1, "knows more than the database, one of them is old or altered,");
    } else if (rest.len && !is_torn(rest, false, VH_STR("{\"event\":"))) {
        (void)bad_line(tail, tail->seq + 1, "is altered or foreign");
    }
    return tail->status;
}

/* Read the last `want` bytes; the tail begins after the first newline, or at the start of the file. */
static viv_status
read_tail(const struct vh_seam *seam, int fd, size_t size, size_t want, struct tail *tail)
{
    char *bytes = vh_arena_alloc(tail->arena, want + 1);
    if (!bytes) {
        return vh_error_set(tail->err, VIV_E_MEMORY, "export", "no memory for %zu bytes", want);
    }
    if (seam->pread(seam->data, fd, bytes, want, (off_t)(size - want)) != (ssize_t)want) {
        return vh_error_errno(tail->err, VIV_E_IO, "export", "cannot read the exported log");
    }
    const char *newline = want < size ? memchr(bytes, '\n', want) : NULL;
    size_t skip = newline ? (size_t)(newline - bytes) + 1 : 0;
    tail->bytes = (struct viv_str){ bytes + skip, want < size && !newline ? 0 : want - skip };
    return VIV_OK;
}

/* Lines are bounded and synced by chunks, so what a crash can have left undone is in the tail. */
static viv_status
cut(const struct vh_seam *seam, struct vh_store *store, int fd, int64_t *ret_seq, struct viv_error *err)
{
    struct stat stat;
    if (seam->fstat(seam->data, fd, &stat)) {
        return vh_error_errno(err, VIV_E_IO, "export", "cannot look at the exported log");
    }
    if (!S_ISREG(stat.st_mode)) {
        return vh_error_set(err, VIV_E_INVALID, "export", "the exported log is no regular file");
    }
    size_t size = (size_t)stat.st_size;
    struct tail tail = { .arena = vh_arena_create(NULL, 0), .err = err };
    viv_status status = tail.arena ? VIV_OK : vh_error_set(err, VIV_E_MEMORY, "export", "no memory");
    size_t want = 0;
    for (size_t next = TAIL_BYTES; status == VIV_OK && want < size && tail.bytes.len == 0; next *= 8) {
        if (want == VH_EXPORT_LINE_MAX) {
            status = vh_error_set(err, VIV_E_CORRUPT, "export",
                                  "the exported log ends in a line of more than %zu bytes", VH_EXPORT_LINE_MAX);
            break;
        }
        want = next < VH_EXPORT_LINE_MAX ? next : VH_EXPORT_LINE_MAX;
        want = want < size ? want : size;
        status = read_tail(seam, fd, size, want, &tail);
    }
    if (status == VIV_OK) {
        status = find_end(store, &tail, want == size);
    }
    size_t keep = size - (size_t)tail.bytes.len + tail.at;
    if (status == VIV_OK && keep != size && seam->truncate(seam->data, fd, (off_t)keep)) {
        status = vh_error_errno(err, VIV_E_IO, "export", "cannot cut the torn end of the exported log");
    }
    *ret_seq = tail.seq;
    vh_arena_destroy(tail.arena);
    return status;
}

viv_status
vh_export_update(const struct vh_seam *seam, struct vh_store *store, int dir, const char *path, int64_t *ret_seq,
                 struct viv_error *err)
{
    int fd = seam->open(seam->data, dir, path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return vh_error_errno(err, VIV_E_IO, "export", "cannot open '%s'", path);
    }
    int64_t seq = 0;
    viv_status status = cut(seam, store, fd, &seq, err);
    if (status == VIV_OK) {
        status = vh_export_append(seam, store, fd, seq, ret_seq, err);
    }
    seam->close(seam->data, fd);
    return status ? vh_error_extend(err, status, "'%s'", path) : VIV_OK;
}

viv_status
vh_export_trim(const struct vh_seam *seam, struct vh_store *store, int dir, const char *path, struct viv_error *err)
{
    char draft[VIV_PATH_MAX + 1];
    int64_t after = 0;
    snprintf(draft, sizeof draft, "%s.new", path);
    viv_status status = vh_archive_end(store, &after, NULL, err);
    if (status) {
        return status;
    }
    (void)seam->unlink(seam->data, dir, draft, 0); /* of one that was cut short */
    int fd = seam->open(seam->data, dir, draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return vh_error_errno(err, VIV_E_IO, "export", "cannot make '%s'", draft);
    }
    status = vh_export_append(seam, store, fd, after, &after, err); /* synced */
    seam->close(seam->data, fd);
    VH_PLACE(seam, "export.before-trim");
    if (status == VIV_OK && seam->rename(seam->data, dir, draft, dir, path, 0)) {
        status = vh_error_errno(err, VIV_E_IO, "export", "cannot rename '%s' to '%s'", draft, path);
    }
    if (status) {
        (void)seam->unlink(seam->data, dir, draft, 0); /* the error at hand matters more */
    }
    return status;
}

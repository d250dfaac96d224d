/* SPDX-License-Identifier: Apache-2.0 */
#include "export.h"

#include <fcntl.h>

#include "base/error.h"
#include "base/str.h"
#include "keep/reader.h"

#define CHUNK_BYTES (256u << 10)
#define LINE_MAX_BYTES (80u << 20)

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
    vh_arena_destroy(w->arena);
    w->arena = vh_arena_create(NULL, 0);
    if (!w->arena && w->status == VIV_OK) {
        w->status = vh_error_set(w->err, VIV_E_MEMORY, "export", "no memory");
    }
    vh_buf_init(&w->buf, w->arena, LINE_MAX_BYTES);
    return w->status == VIV_OK;
}

static bool
write_event(void *data, int64_t seq, struct viv_str line, const struct vh_hash *hash)
{
    struct writer *w = data;
    char hex[VH_HASH_HEX];
    vh_hash_hex(hash, hex);
    vh_buf_text(&w->buf, "{\"event\":");
    vh_buf_str(&w->buf, line);
    vh_buf_text(&w->buf, ",\"hash\":\"");
    vh_buf_text(&w->buf, hex);
    vh_buf_text(&w->buf, "\"}\n");
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
    if (status == VIV_OK && seam->sync(seam->data, fd)) {
        status = vh_error_errno(err, VIV_E_IO, "export", "cannot sync the exported log");
    }
    if (status == VIV_OK) {
        *ret_seq = w.seq;
    }
    return status;
}

/* Whether the bytes are a whole line as written above; gives its number and hash. */
static bool
read_line(struct vh_arena *arena, struct viv_str line, int64_t *ret_seq, struct vh_hash *ret_hash)
{
    struct vh_json *value = NULL;
    if (vh_json_read(arena, line, &value, NULL)) {
        return false;
    }
    *ret_seq = vh_json_int(vh_json_get(value, "event"), "seq", 0);
    return *ret_seq > 0 && vh_hash_parse(vh_json_str(value, "hash"), ret_hash);
}

/* Where the file is to be cut: after the last line that the database confirms. */
static viv_status
find_end(struct vh_store *store, struct vh_arena *arena, struct viv_str bytes, size_t *ret_end, int64_t *ret_seq,
         struct viv_error *err)
{
    size_t end = (size_t)bytes.len;
    *ret_end = 0;
    *ret_seq = 0;
    while (end > 0) {
        size_t stop = end;
        while (stop > 0 && bytes.data[stop - 1] != '\n') {
            stop--; /* what follows the last newline is a torn line */
        }
        if (stop == 0) {
            return VIV_OK;
        }
        size_t start = stop - 1;
        while (start > 0 && bytes.data[start - 1] != '\n') {
            start--;
        }
        struct vh_hash hash, stored;
        int64_t seq = 0;
        if (!read_line(arena, (struct viv_str){ bytes.data + start, stop - 1 - start }, &seq, &hash)) {
            end = start;
            continue;
        }
        viv_status status = vh_reader_hash(store, seq, &stored, err);
        if (status && status != VIV_E_NOT_FOUND) {
            return status;
        }
        if (status || memcmp(stored.bytes, hash.bytes, VH_HASH_BYTES) != 0) {
            return vh_error_set(err, VIV_E_CORRUPT, "export",
                                "the exported log knows event %lld, the database %s; one of them is old or altered",
                                (long long)seq, status ? "does not" : "has another there");
        }
        *ret_end = stop;
        *ret_seq = seq;
        return VIV_OK;
    }
    return VIV_OK;
}

/* The tail is enough: lines are bounded. */
static viv_status
cut(const struct vh_seam *seam, struct vh_store *store, int fd, int64_t *ret_seq, struct viv_error *err)
{
    struct stat stat;
    if (seam->fstat(seam->data, fd, &stat)) {
        return vh_error_errno(err, VIV_E_IO, "export", "cannot look at the exported log");
    }
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    size_t size = (size_t)stat.st_size;
    size_t tail = 0, end = 0;
    viv_status status = arena ? VIV_OK : vh_error_set(err, VIV_E_MEMORY, "export", "no memory");
    for (size_t want = CHUNK_BYTES; status == VIV_OK; want *= 16) {
        tail = want < size ? want : size;
        char *bytes = vh_arena_alloc(arena, tail + 1);
        if (!bytes || seam->pread(seam->data, fd, bytes, tail, (off_t)(size - tail)) != (ssize_t)tail) {
            status = vh_error_errno(err, VIV_E_IO, "export", "cannot read the exported log");
            break;
        }
        status = find_end(store, arena, (struct viv_str){ bytes, tail }, &end, ret_seq, err);
        if (*ret_seq || tail == size) {
            break;
        }
    }
    vh_arena_destroy(arena);
    if (status == VIV_OK && size - tail + end != size &&
        seam->truncate(seam->data, fd, (off_t)(size - tail + end))) {
        status = vh_error_errno(err, VIV_E_IO, "export", "cannot cut the torn end of the exported log");
    }
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

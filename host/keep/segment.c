/* SPDX-License-Identifier: Apache-2.0 */
#include "segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#define ZLIB_CONST
#include <zlib.h>

#include "base/error.h"
#include "base/str.h"
#include "keep/export.h"

#define DRAFT VH_SEGMENT_FOLDER "/.new"
#define CHUNK_BYTES (64u << 10)
#define GZIP_BITS (15 + 16)      /* the largest window, in gzip's own frame */
#define BYTES_MAX (INT64_C(1) << 30) /* of a file, which is read whole */

static bool
hash_node(const struct vh_hash *left, const struct vh_hash *right, struct vh_hash *ret_node)
{
    uint8_t bytes[1 + 2 * VH_HASH_BYTES] = { 1 };
    memcpy(bytes + 1, left->bytes, VH_HASH_BYTES);
    memcpy(bytes + 1 + VH_HASH_BYTES, right->bytes, VH_HASH_BYTES);
    return vh_hash_bytes(bytes, sizeof bytes, ret_node);
}

bool
vh_merkle_leaf(const struct vh_hash *hash, struct vh_hash *ret_leaf)
{
    uint8_t bytes[1 + VH_HASH_BYTES] = { 0 };
    memcpy(bytes + 1, hash->bytes, VH_HASH_BYTES);
    return vh_hash_bytes(bytes, sizeof bytes, ret_leaf);
}

bool
vh_merkle_add_leaf(struct vh_merkle *merkle, const struct vh_hash *leaf)
{
    struct vh_hash node = *leaf;
    uint32_t level = 0;
    bool good = true;
    for (uint64_t rest = merkle->count++; rest & 1; rest >>= 1) {
        struct vh_hash left = merkle->level[level], right = node;
        merkle->level[level++] = right;
        good = good && hash_node(&left, &right, &node);
    }
    merkle->level[level] = node;
    return good;
}

bool
vh_merkle_add(struct vh_merkle *merkle, const struct vh_hash *hash)
{
    struct vh_hash leaf;
    return vh_merkle_leaf(hash, &leaf) && vh_merkle_add_leaf(merkle, &leaf);
}

bool
vh_merkle_root(const struct vh_merkle *merkle, struct vh_hash *ret_root)
{
    bool any = false, good = true;
    for (uint32_t level = 0; level < VH_MERKLE_LEVELS && good; level++) {
        if (merkle->count >> level & 1) {
            struct vh_hash right = *ret_root;
            *ret_root = merkle->level[level];
            good = !any || hash_node(&merkle->level[level], &right, ret_root);
            any = true;
        }
    }
    return good && any;
}

void
vh_segment_name(const struct vh_segment *segment, char ret_name[VH_SEGMENT_NAME])
{
    char root[VH_HASH_HEX];
    vh_hash_hex(&segment->root, root);
    snprintf(ret_name, VH_SEGMENT_NAME, "%012lld-%012lld-%s.jsonl.gz", (long long)segment->first,
             (long long)segment->last, root);
}

/* ---- write ---- */

struct packer {
    const struct vh_seam *seam;
    int fd;
    z_stream stream;
    struct vh_arena *arena;
    struct vh_buf line;
    struct vh_hasher hasher;
    struct vh_merkle merkle;
    struct vh_segment segment;
    viv_status status;
    struct viv_error *err;
};

/* Give `text` to the compressor and what comes out to the file; `flush` Z_FINISH ends it. */
static viv_status
pack(struct packer *p, struct viv_str text, int flush)
{
    uint8_t chunk[CHUNK_BYTES];
    p->stream.next_in = (const uint8_t *)text.data;
    p->stream.avail_in = (uInt)text.len;
    viv_status status = VIV_OK;
    do {
        p->stream.next_out = chunk;
        p->stream.avail_out = sizeof chunk;
        (void)deflate(&p->stream, flush); /* with room it only fails for a broken stream, which no reader takes */
        struct viv_str part = { (const char *)chunk, sizeof chunk - p->stream.avail_out };
        vh_hasher_add(&p->hasher, chunk, (size_t)part.len);
        p->segment.bytes += (int64_t)part.len;
        status = p->segment.bytes <= BYTES_MAX
                     ? vh_fs_write_all(p->seam, p->fd, part, p->err)
                     : vh_error_set(p->err, VIV_E_LIMIT, "archive", "events from %lld take more than %lld bytes",
                                    (long long)p->segment.first, (long long)BYTES_MAX);
    } while (status == VIV_OK && p->stream.avail_out == 0);
    return status;
}

static bool
pack_event(void *data, int64_t seq, struct viv_str line, const struct vh_hash *hash)
{
    struct packer *p = data;
    p->line.len = 0;
    vh_export_line(&p->line, line, hash);
    p->status = seq != p->segment.last + 1 ? vh_error_set(p->err, VIV_E_CORRUPT, "archive", "event %lld is missing",
                                                          (long long)p->segment.last + 1)
                : p->line.failed || !vh_merkle_add(&p->merkle, hash)
                    ? vh_error_set(p->err, VIV_E_MEMORY, "archive", "no memory at event %lld", (long long)seq)
                    : pack(p, vh_buf_view(&p->line), Z_NO_FLUSH);
    p->segment.last = seq;
    p->segment.head = *hash;
    return p->status == VIV_OK && p->merkle.count < VH_SEGMENT_EVENTS;
}

static viv_status
pack_all(struct packer *p, struct vh_store *store)
{
    int64_t before = p->segment.last;
    viv_status status = vh_reader_events(store, before, (struct viv_str){ NULL, 0 }, pack_event, p, p->err);
    status = status ? status : p->status;
    if (status == VIV_OK && p->merkle.count < VH_SEGMENT_EVENTS) {
        return vh_error_set(p->err, VIV_E_NOT_FOUND, "archive", "%llu events after %lld, a segment has %d",
                            (unsigned long long)p->merkle.count, (long long)before, VH_SEGMENT_EVENTS);
    }
    status = status ? status : pack(p, (struct viv_str){ NULL, 0 }, Z_FINISH);
    if (status == VIV_OK && !vh_hasher_finish(&p->hasher, &p->segment.digest)) {
        status = vh_error_set(p->err, VIV_E_INTERNAL, "archive", "SHA-256 failed");
    }
    p->segment.root = p->merkle.level[VH_SEGMENT_LEVELS];
    return status;
}

/* Its name comes last, when all of it is on the disk. */
static viv_status
name_it(const struct packer *p, int home)
{
    char name[VH_SEGMENT_NAME], path[sizeof VH_SEGMENT_FOLDER + VH_SEGMENT_NAME];
    vh_segment_name(&p->segment, name);
    snprintf(path, sizeof path, VH_SEGMENT_FOLDER "/%s", name);
    if (p->seam->sync(p->seam->data, p->fd)) {
        return vh_error_errno(p->err, VIV_E_IO, "archive", "cannot sync '%s'", DRAFT);
    }
    VH_PLACE(p->seam, "archive.before-name");
    if (p->seam->rename(p->seam->data, home, DRAFT, home, path, 0)) {
        return vh_error_errno(p->err, VIV_E_IO, "archive", "cannot rename '%s' to '%s'", DRAFT, path);
    }
    return vh_fs_sync_folder(p->seam, home, VH_SEGMENT_FOLDER, p->err);
}

static viv_status
write_draft(struct packer *p, struct vh_store *store, int home)
{
    viv_status status = vh_fs_keep_folders(p->seam, home, VH_SEGMENT_FOLDER, 0700, p->err);
    if (status) {
        return status;
    }
    (void)p->seam->unlink(p->seam->data, home, DRAFT, 0); /* of one that was cut short */
    p->fd = p->seam->open(p->seam->data, home, DRAFT, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (p->fd < 0) {
        return vh_error_errno(p->err, VIV_E_IO, "archive", "cannot make '%s'", DRAFT);
    }
    status = pack_all(p, store);
    status = status ? vh_error_extend(p->err, status, "'%s'", DRAFT) : name_it(p, home);
    p->seam->close(p->seam->data, p->fd);
    if (status) {
        (void)p->seam->unlink(p->seam->data, home, DRAFT, 0); /* the error at hand matters more */
    }
    return status;
}

viv_status
vh_segment_write(const struct vh_seam *seam, struct vh_store *store, int home, int64_t first,
                 struct vh_segment *ret_segment, struct viv_error *err)
{
    struct packer p = { .seam = seam, .segment = { .first = first, .last = first - 1 }, .err = err };
    p.arena = vh_arena_create(NULL, 0);
    vh_buf_init(&p.line, p.arena, VH_EXPORT_LINE_MAX);
    vh_hasher_init(&p.hasher);
    viv_status status = VIV_E_MEMORY;
    if (!p.arena || deflateInit2(&p.stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_BITS, 8, Z_DEFAULT_STRATEGY)) {
        (void)vh_error_set(err, VIV_E_MEMORY, "archive", "no memory to archive events from %lld", (long long)first);
    } else {
        status = write_draft(&p, store, home);
        (void)deflateEnd(&p.stream);
    }
    vh_arena_destroy(p.arena);
    if (status == VIV_OK) {
        *ret_segment = p.segment;
    }
    return status;
}

/* ---- read ---- */

struct unpacker {
    z_stream stream;
    struct vh_buf line; /* of the file, as far as it came */
    int64_t seq;        /* of the last whole line */
    struct vh_segment_reading *reading;
};

/* An exported line without its newline. False: it is none. */
static bool
take_line(struct unpacker *u, struct viv_str text)
{
    static const char start[] = "{\"event\":", middle[] = ",\"hash\":\"", end[] = "\"}";
    const size_t around = sizeof start - 1 + sizeof middle - 1 + VH_HASH_HEX - 1 + sizeof end - 1;
    struct vh_hash hash;
    if (text.len < around) {
        return false;
    }
    struct viv_str line = { text.data + sizeof start - 1, text.len - around };
    const char *tail = line.data + line.len;
    struct viv_str hex = { tail + sizeof middle - 1, VH_HASH_HEX - 1 };
    if (memcmp(text.data, start, sizeof start - 1) != 0 || memcmp(tail, middle, sizeof middle - 1) != 0 ||
        !vh_hash_parse(hex, &hash)) {
        return false;
    }
    struct vh_segment_reading *r = u->reading;
    u->seq++;
    r->stopped = u->seq > r->after && !r->each(r->data, u->seq, line, &hash);
    return true;
}

/* Lines that ended in the `len` bytes at `chunk`; the rest is the next one's beginning. */
static bool
take_chunk(struct unpacker *u, const char *chunk, size_t len)
{
    bool good = true;
    while (len && good && !u->reading->stopped) {
        const char *newline = memchr(chunk, '\n', len);
        size_t part = newline ? (size_t)(newline - chunk) : len;
        vh_buf_add(&u->line, chunk, part);
        good = !u->line.failed;
        if (newline && good) {
            good = take_line(u, vh_buf_view(&u->line));
            u->line.len = 0;
        }
        chunk += part + (newline != NULL);
        len -= part + (newline != NULL);
    }
    return good;
}

static viv_status
unpack(struct unpacker *u, struct viv_str file, const struct vh_segment *segment, struct viv_error *err)
{
    char chunk[CHUNK_BYTES];
    int code = Z_OK;
    bool good = true;
    u->stream.next_in = (const uint8_t *)file.data;
    u->stream.avail_in = (uInt)file.len;
    while (code == Z_OK && good && !u->reading->stopped) {
        u->stream.next_out = (uint8_t *)chunk;
        u->stream.avail_out = sizeof chunk;
        code = inflate(&u->stream, Z_NO_FLUSH);
        good = take_chunk(u, chunk, sizeof chunk - u->stream.avail_out);
    }
    if (u->line.failed || code == Z_MEM_ERROR) {
        return vh_error_set(err, VIV_E_MEMORY, "archive", "no memory after event %lld", (long long)u->seq);
    }
    bool whole = u->reading->stopped || (code == Z_STREAM_END && u->seq == segment->last && u->line.len == 0);
    return good && whole ? VIV_OK
                         : vh_error_set(err, VIV_E_CORRUPT, "archive", "not readable after event %lld",
                                        (long long)u->seq);
}

/* The file, which must be the one that was written. */
static viv_status
read_whole(const struct vh_seam *seam, struct vh_arena *arena, const char *path, const struct vh_segment *segment,
           struct viv_str *ret_file, struct viv_error *err)
{
    struct vh_hash digest;
    viv_status status = vh_fs_read(seam, arena, AT_FDCWD, path, (size_t)segment->bytes, ret_file, err);
    if (status == VIV_E_NOT_FOUND) {
        return vh_error_set(err, status, "archive", "events %lld to %lld are archived in '%s', which is not there; put "
                            "it back, from a backup or from where it was moved", (long long)segment->first,
                            (long long)segment->last, path);
    }
    if (status && status != VIV_E_LIMIT) {
        return status;
    }
    if (status == VIV_OK && !vh_hash_bytes(ret_file->data, (size_t)ret_file->len, &digest)) {
        return vh_error_set(err, VIV_E_INTERNAL, "archive", "SHA-256 failed");
    }
    if (status || memcmp(digest.bytes, segment->digest.bytes, VH_HASH_BYTES) != 0) {
        return vh_error_set(err, VIV_E_CORRUPT, "archive", "'%s' is not the file that was archived, which has %lld "
                            "bytes and the SHA-256 that the log says; put a copy of that there", path,
                            (long long)segment->bytes);
    }
    return VIV_OK;
}

viv_status
vh_segment_read(const struct vh_seam *seam, const char *folder, const struct vh_segment *segment,
                struct vh_segment_reading *reading, struct viv_error *err)
{
    char name[VH_SEGMENT_NAME];
    struct viv_str file = { NULL, 0 };
    struct unpacker u = { .seq = segment->first - 1, .reading = reading };
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    vh_segment_name(segment, name);
    const char *path = arena ? vh_arena_format(arena, "%s/%s", folder, name) : NULL;
    vh_buf_init(&u.line, arena, VH_EXPORT_LINE_MAX);
    viv_status status = path && inflateInit2(&u.stream, GZIP_BITS) == Z_OK
                            ? VIV_OK
                            : vh_error_set(err, VIV_E_MEMORY, "archive", "no memory to read archived events");
    if (status == VIV_OK) {
        status = read_whole(seam, arena, path, segment, &file, err);
        status = status ? status : unpack(&u, file, segment, err);
        (void)inflateEnd(&u.stream);
    }
    vh_arena_destroy(arena);
    return status;
}

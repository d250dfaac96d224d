/* SPDX-License-Identifier: Apache-2.0 */
#include "log_file.h"

#include <errno.h>
#include <fcntl.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "core/chain.h"
#include "keep/export.h"

#define CHUNK_BYTES (256u << 10)

struct look {
    struct vh_log_file *file;
    struct vh_against *against;
    struct vh_log_proof *proof;
    struct vh_merkle tree;
    struct vh_hasher bytes; /* of the lines so far */
    struct vh_event_reader reader;
    struct vh_arena *arena; /* of the line that grows */
    struct vh_buf line;
    int64_t cause, batch;
    bool sealed;
};

static bool
bad(struct look *l, const char *problem)
{
    l->file->bad_seq = l->file->events + 1;
    snprintf(l->file->problem, sizeof l->file->problem, "%s", problem);
    return false;
}

/* Numbers, times and causes; what a redacted event says of them is what the event says. */
static bool
check_order(struct look *l, struct viv_str text)
{
    struct vh_event event;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_log_file *file = l->file;
    if (vh_event_read(&l->reader, text, true, &event, &err)) {
        return bad(l, err.text);
    }
    const struct vh_event_kind *kind = vh_event_kind_of(event.kind);
    if (event.seq != file->events + 1) {
        return bad(l, "the record's own number is another: one is missing, or they are out of order");
    }
    if (event.time_us < file->time_us || event.batch < l->batch) {
        return bad(l, "recorded time goes back");
    }
    l->cause = kind->input ? event.seq : l->cause;
    if (event.cause != l->cause) {
        return bad(l, "its cause is not the input event before it");
    }
    struct viv_str home = vh_json_str(event.data, "home");
    if (vh_str_is(event.kind, "home.created") && !file->home[0] && home.len < sizeof file->home) {
        memcpy(file->home, home.data, (size_t)home.len);
    }
    file->time_us = event.time_us;
    l->batch = event.batch;
    return true;
}

/* What stands behind the event: its hash, which follows from it, or the leaf alone. */
static bool
check_hash(struct look *l, struct viv_str text, bool redacted, const struct vh_hash *said)
{
    struct vh_log_file *file = l->file;
    struct vh_hash leaf = *said;
    if (file->events == 0) {
        file->redacted = redacted;
    } else if (redacted != file->redacted) {
        return bad(l, "a redacted record beside one that is not");
    }
    if (!redacted && (!vh_chain_add(&file->head, text) || memcmp(&file->head, said, sizeof *said) != 0)) {
        return bad(l, "the hash does not follow from the record and the one before");
    }
    bool good = (redacted || vh_merkle_leaf(said, &leaf)) && vh_merkle_add_leaf(&l->tree, &leaf) &&
                (!l->against || vh_against_add(l->against, &leaf));
    if (l->proof && l->proof->seq == file->events + 1) {
        l->proof->proved = memcmp(&leaf, &l->proof->leaf, sizeof leaf) == 0;
    }
    return good || bad(l, "SHA-256 failed");
}

static bool
check_event(struct look *l, struct viv_str text)
{
    static const char start[] = "{\"event\":", hash[] = ",\"hash\":\"", leaf[] = ",\"leaf\":\"", end[] = "\"}";
    const size_t around = sizeof start - 1 + sizeof hash - 1 + VH_HASH_HEX - 1 + sizeof end - 1;
    struct vh_hash said;
    if (text.len < around || memcmp(text.data, start, sizeof start - 1) != 0 ||
        memcmp(text.data + text.len - (sizeof end - 1), end, sizeof end - 1) != 0) {
        return bad(l, "no line of an exported log");
    }
    struct viv_str event = { text.data + sizeof start - 1, text.len - around };
    const char *tail = event.data + event.len;
    bool redacted = memcmp(tail, leaf, sizeof leaf - 1) == 0;
    if ((!redacted && memcmp(tail, hash, sizeof hash - 1) != 0) ||
        !vh_hash_parse((struct viv_str){ tail + sizeof hash - 1, VH_HASH_HEX - 1 }, &said)) {
        return bad(l, "no line of an exported log");
    }
    if (!check_hash(l, event, redacted, &said) || !check_order(l, event)) {
        return false;
    }
    l->file->events++;
    return true;
}

/* The last line of a redacted log: all lines before it, and the tree that they make. */
static bool
check_seal(struct look *l, struct viv_str text)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_log_file *file = l->file;
    struct vh_hash root, bytes;
    struct vh_hasher so_far = l->bytes;
    vh_arena_reset(l->reader.arena);
    if (!file->redacted) {
        return bad(l, "a checkpoint ends redacted logs only; give this one by '--against'");
    }
    if (vh_checkpoint_read(l->reader.arena, text, &file->seal, &err)) {
        return bad(l, err.text);
    }
    l->sealed = true;
    if (!file->seal.redacts || file->seal.events != file->events) {
        return bad(l, "the last line is not this log's: it is of another number of events, or of no redacted log");
    }
    if (!vh_hasher_finish(&so_far, &bytes) || memcmp(&bytes, &file->seal.redacted, sizeof bytes) != 0) {
        return bad(l, "the lines are not those that the last line signs: a redacted record was altered");
    }
    if (!vh_merkle_root(&l->tree, &root) || memcmp(&root, &file->seal.root, sizeof root) != 0) {
        return bad(l, "the leaves do not lead to the root that the last line signs");
    }
    return strcmp(file->home, file->seal.home) == 0 || bad(l, "the last line is of another home");
}

static bool
check_line(struct look *l, struct viv_str line)
{
    static const char seal[] = "{\"checkpoint\":";
    if (l->sealed) {
        return bad(l, "a line after the one that ends a redacted log");
    }
    if (line.len > sizeof seal && memcmp(line.data, seal, sizeof seal - 1) == 0) {
        return check_seal(l, line);
    }
    vh_hasher_add(&l->bytes, line.data, (size_t)line.len);
    return check_event(l, (struct viv_str){ line.data, line.len - 1 });
}

/* Lines that end in `chunk`; the rest is the next one's beginning. */
static bool
take(struct look *l, const char *chunk, size_t len)
{
    while (len) {
        const char *newline = memchr(chunk, '\n', len);
        size_t part = newline ? (size_t)(newline - chunk) + 1 : len;
        vh_buf_add(&l->line, chunk, part);
        if (l->line.failed) {
            return bad(l, "a line is longer than any event, or there is no memory for it");
        }
        if (newline && !check_line(l, vh_buf_view(&l->line))) {
            return false;
        }
        l->line.len = newline ? 0 : l->line.len;
        chunk += part;
        len -= part;
    }
    return true;
}

static viv_status
look_at(struct vh_cli *cli, int fd, struct look *l, struct viv_error *err)
{
    const struct vh_seam *seam = cli->app.seam;
    char *chunk = vh_arena_alloc(cli->arena, CHUNK_BYTES);
    ssize_t got = chunk ? 1 : 0;
    while (got && !l->file->bad_seq) {
        got = seam->read(seam->data, fd, chunk, CHUNK_BYTES);
        if (got < 0 && errno != EINTR) {
            return vh_error_errno(err, VIV_E_IO, "log", "cannot read it");
        }
        if (got > 0) {
            (void)take(l, chunk, (size_t)got); /* what is wrong is in the result */
        }
        vh_cli_progress(cli, "%lld events", (long long)l->file->events);
    }
    vh_cli_progress(cli, NULL);
    if (!l->file->bad_seq && l->line.len) {
        (void)bad(l, "the last line is cut short");
    } else if (!l->file->bad_seq && l->file->events == 0) {
        (void)bad(l, "there is no record");
    } else if (!l->file->bad_seq && l->file->redacted && !l->sealed) {
        (void)bad(l, "a redacted log without the line that ends it: it was cut short");
    }
    return chunk ? VIV_OK : vh_error_set(err, VIV_E_MEMORY, "log", "no memory to read a log");
}

viv_status
vh_log_file_check(struct vh_cli *cli, const char *path, struct vh_against *against, struct vh_log_proof *proof,
                  struct vh_log_file *ret_file, struct viv_error *err)
{
    const struct vh_seam *seam = cli->app.seam;
    struct look l = { .file = ret_file, .against = against, .proof = proof };
    *ret_file = (struct vh_log_file){ 0 };
    int fd = seam->open(seam->data, AT_FDCWD, path, O_RDONLY | O_NOCTTY | O_CLOEXEC, 0);
    if (fd < 0) {
        return vh_error_errno(err, errno == ENOENT ? VIV_E_NOT_FOUND : VIV_E_IO, "log", "cannot open '%s'", path);
    }
    l.arena = vh_arena_create(NULL, 0);
    l.reader.arena = vh_arena_create(NULL, 0);
    vh_buf_init(&l.line, l.arena, VH_EXPORT_LINE_MAX);
    vh_hasher_init(&l.bytes);
    viv_status status = l.arena && l.reader.arena ? look_at(cli, fd, &l, err)
                                                  : vh_error_set(err, VIV_E_MEMORY, "log", "no memory to read a log");
    vh_arena_destroy(l.reader.arena);
    vh_arena_destroy(l.arena);
    seam->close(seam->data, fd);
    return status ? vh_error_extend(err, status, "'%s'", path) : VIV_OK;
}

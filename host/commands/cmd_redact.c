/* SPDX-License-Identifier: Apache-2.0 */
/* log export --redact: the log without its texts, ended by a signed checkpoint that also says what the lines are. */
#include "cmd_checkpoint.h"

#include "app_checkpoint.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "keep/export.h"
#include "keep/redact.h"

#define CHUNK_BYTES (256u << 10)

struct writing {
    struct vh_cli *cli;
    int fd;
    int64_t end; /* last event that is wanted */
    int64_t seq;
    struct vh_redactor redactor;
    struct vh_arena *arena;
    struct vh_buf buf;
    struct vh_hasher bytes;
    viv_status status;
    struct viv_error *err;
};

static bool
drain(struct writing *w)
{
    struct viv_str text = vh_buf_view(&w->buf);
    vh_hasher_add(&w->bytes, text.data, (size_t)text.len);
    w->status = text.len ? vh_fs_write_all(w->cli->app.seam, w->fd, text, w->err) : VIV_OK;
    vh_arena_reset(w->arena);
    vh_buf_init(&w->buf, w->arena, 2 * VH_EXPORT_LINE_MAX);
    vh_cli_progress(w->cli, "%lld events", (long long)w->seq);
    return w->status == VIV_OK;
}

static bool
write_event(void *data, int64_t seq, struct viv_str line, const struct vh_hash *hash)
{
    struct writing *w = data;
    w->status = vh_redact_line(&w->redactor, line, hash, &w->buf, w->err);
    w->seq = seq;
    return w->status == VIV_OK && (w->buf.len < CHUNK_BYTES || drain(w)) && seq < w->end;
}

/* The checkpoint of just these events. */
static viv_status
write_seal(struct writing *w)
{
    struct vh_cli *cli = w->cli;
    struct vh_checkpoint seal;
    viv_status status = vh_app_checkpoint(&cli->app, cli->app.store, false, &seal, w->err);
    if (status == VIV_OK && !vh_hasher_finish(&w->bytes, &seal.redacted)) {
        status = vh_error_set(w->err, VIV_E_INTERNAL, "redact", "SHA-256 failed");
    }
    seal.redacts = true;
    status = status ? status : vh_app_checkpoint_sign(&cli->app, &seal, w->err);
    if (status) {
        return status;
    }
    struct viv_str line = vh_checkpoint_print(cli->arena, &seal);
    return line.data ? vh_fs_write_all(cli->app.seam, w->fd, line, w->err)
                     : vh_error_set(w->err, VIV_E_MEMORY, "redact", "no memory for the last line");
}

viv_status
vh_cli_write_redacted(struct vh_cli *cli, int fd, int64_t *ret_events, struct viv_error *err)
{
    struct writing w = { .cli = cli, .fd = fd, .end = vh_store_seq(cli->app.store), .err = err };
    w.arena = vh_arena_create(NULL, 0);
    w.redactor.reader.arena = vh_arena_create(NULL, 0);
    vh_buf_init(&w.buf, w.arena, 2 * VH_EXPORT_LINE_MAX);
    vh_hasher_init(&w.bytes);
    viv_status status = w.arena && w.redactor.reader.arena
                            ? vh_reader_events(cli->app.store, 0, (struct viv_str){ NULL, 0 }, write_event, &w, err)
                            : vh_error_set(err, VIV_E_MEMORY, "redact", "no memory to redact");
    status = status ? status : w.status;
    if (status == VIV_OK && drain(&w)) {
        status = write_seal(&w);
    }
    status = status ? status : w.status;
    vh_cli_progress(cli, NULL);
    if (status == VIV_OK && w.redactor.unlisted[0]) {
        vh_cli_note(cli, "hidden although no rule names it as text: %s", w.redactor.unlisted);
    }
    vh_arena_destroy(w.redactor.reader.arena);
    vh_arena_destroy(w.arena);
    *ret_events = w.seq;
    return status;
}

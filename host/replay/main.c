/* SPDX-License-Identifier: Apache-2.0 */
/* vivreplay [--task ID] [FILE]: replays an exported execution_log.jsonl, or standard input. Links the core, nothing of
 * the store, no plugin. Exit code 0 when all agrees, 1 for a difference, 2 for wrong use or an unreadable file. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/seam.h"
#include "base/str.h"
#include "replay.h"

#define READ_BYTES ((size_t)1 << 18)
#define LINE_MAX_BYTES ((size_t)80 << 20)

struct input {
    const struct vh_seam *seam;
    int fd;
    struct vh_arena *arena;
    char *bytes;
    size_t len;
    size_t size;
};

/* Room for one more read behind what is left of the last line. */
static viv_status
make_room(struct input *in, struct viv_error *err)
{
    if (in->size - in->len >= READ_BYTES) {
        return VIV_OK;
    }
    if (in->len > LINE_MAX_BYTES) {
        return vh_error_set(err, VIV_E_LIMIT, "vivreplay", "a line has more than %zu bytes", LINE_MAX_BYTES);
    }
    size_t size = in->size ? in->size * 2 : 2 * READ_BYTES;
    char *bytes = vh_arena_alloc(in->arena, size);
    if (!bytes) {
        return vh_error_set(err, VIV_E_MEMORY, "vivreplay", "no memory for a line of %zu bytes", in->len);
    }
    if (in->len) {
        memcpy(bytes, in->bytes, in->len);
    }
    in->bytes = bytes;
    in->size = size;
    return VIV_OK;
}

/* Give the whole lines to the replay and keep the rest. */
static viv_status
give_lines(struct input *in, struct vh_replay *replay, struct viv_error *err)
{
    size_t start = 0;
    const char *end;
    viv_status status = VIV_OK;
    while (status == VIV_OK && (end = memchr(in->bytes + start, '\n', in->len - start)) != NULL) {
        size_t len = (size_t)(end - in->bytes) - start;
        status = vh_replay_exported(replay, (struct viv_str){ in->bytes + start, len }, err);
        start += len + 1;
    }
    in->len -= start;
    memmove(in->bytes, in->bytes + start, in->len);
    return status;
}

static viv_status
run(struct input *in, struct viv_str task, struct vh_replay_result *ret_result, struct viv_error *err)
{
    struct vh_replay *replay = NULL;
    viv_status status = vh_replay_begin(in->arena, task, &replay, err);
    ssize_t got = 1;
    while (status == VIV_OK && got > 0) {
        status = make_room(in, err);
        got = status ? 0 : in->seam->read(in->seam->data, in->fd, in->bytes + in->len, READ_BYTES);
        if (got < 0) {
            return vh_error_errno(err, VIV_E_IO, "vivreplay", "cannot read the log");
        }
        in->len += (size_t)got;
        status = status ? status : give_lines(in, replay, err);
    }
    if (status == VIV_OK && in->len) {
        /* a torn last line: the exporter cuts it off at its next start, so it is no record */
        fprintf(stderr, "vivreplay: the last line is not whole and was left out\n");
    }
    return status ? status : vh_replay_finish(replay, ret_result, err);
}

static int
tell(const struct vh_replay_result *result)
{
    if (result->finding == VH_REPLAY_AGREES) {
        printf("agrees: %lld events, %lld commands decided again\n", (long long)result->events,
               (long long)result->commands);
        return 0;
    }
    printf("event %lld %s in '%s', it follows from event %lld\n", (long long)result->seq,
           result->finding == VH_REPLAY_ALTERED ? "was altered" : "is decided otherwise", result->what,
           (long long)result->cause);
    printf("recorded: %.*s\n", VH_STR_ARGS(result->recorded));
    printf("decided:  %.*s\n", VH_STR_ARGS(result->decided));
    printf("%lld differences in %lld events\n", (long long)result->differences, (long long)result->events);
    return 1;
}

int
main(int argc, char **argv)
{
    struct viv_str task = { NULL, 0 };
    int at = 1;
    if (argc > 2 && strcmp(argv[1], "--task") == 0) {
        task = vh_str(argv[2]);
        at = 3;
    }
    if (argc > at + 1 || (argc > at && argv[at][0] == '-' && argv[at][1])) {
        fprintf(stderr, "usage: vivreplay [--task ID] [execution_log.jsonl]\n");
        return 2;
    }
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_replay_result result;
    struct input in = { .seam = vh_seam_real(), .fd = 0, .arena = vh_arena_create(NULL, 0) };
    if (argc > at && strcmp(argv[at], "-") != 0) {
        in.fd = in.seam->open(in.seam->data, AT_FDCWD, argv[at], O_RDONLY | O_CLOEXEC, 0);
    }
    viv_status status = !in.arena   ? vh_error_set(&err, VIV_E_MEMORY, "vivreplay", "no memory")
                        : in.fd < 0 ? vh_error_errno(&err, VIV_E_IO, "vivreplay", "cannot open '%s'", argv[at])
                                    : run(&in, task, &result, &err);
    int code = 2;
    if (status) {
        fprintf(stderr, "vivreplay: %s\n", err.text);
    } else {
        code = tell(&result);
    }
    vh_arena_destroy(in.arena);
    return code;
}

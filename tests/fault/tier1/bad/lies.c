/* SPDX-License-Identifier: Apache-2.0 */
/* What hostile code in a runner can say to the host: packets of its own on the channel, and bytes of its own in the
 * shared area, which it finds by the request's texts. Uses the project's own protocol header, as an attacker would.
 */
#include "bad.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runner/protocol.h"

static struct vh_area *
find_area(const struct viv_skill_run_request *request)
{
    uintptr_t page = (uintptr_t)request->input_json.data & ~(uintptr_t)4095;
    while (((const struct vh_area *)page)->stage != VH_STAGE_CALL) {
        page -= 4096;
    }
    return (struct vh_area *)page;
}

static void
say(const void *bytes, size_t len)
{
    send(VH_FD_CHANNEL, bytes, len, MSG_NOSIGNAL);
}

static void
wait_for_the_end(void)
{
    for (;;) {
        pause();
    }
}

static void
answer_at(uint64_t offset, uint64_t len)
{
    struct vh_message message = {.kind = VH_MESSAGE_ANSWER, .seq = 1, .offset = offset, .len = len};
    say(&message, sizeof message);
    wait_for_the_end();
}

/* Cells that point out of the answer. */
static void
answer_cells(const struct viv_skill_run_request *request, uint64_t offset, uint64_t len)
{
    uint64_t cells[4] = {offset, len, offset, len};
    memcpy((char *)find_area(request) + (1u << 20), cells, sizeof cells);
    answer_at(1u << 20, sizeof cells);
}

static void
ask_for(const struct viv_skill_run_request *request, uint64_t kind)
{
    uint64_t cells[12] = {kind, 0, 0, 0, 96, 0, 96, 0, 96, 0, 96, 0};
    memcpy((char *)find_area(request) + (1u << 20), cells, sizeof cells);
    struct vh_message message = {.kind = VH_MESSAGE_SERVICE, .seq = 1, .offset = 1u << 20, .len = sizeof cells};
    say(&message, sizeof message);
    wait_for_the_end();
}

static void
flood(void)
{
    struct vh_message message = {.kind = VH_MESSAGE_LOG, .seq = 1};
    for (int i = 0; i < 10 * VH_LOG_FLOOD_MAX; i++) {
        say(&message, sizeof message);
    }
    wait_for_the_end();
}

static void
turn(uint32_t kind, uint32_t seq)
{
    struct vh_message message = {.kind = kind, .seq = seq};
    say(&message, sizeof message);
    wait_for_the_end();
}

/* The error page without an end and without a meaning. */
static void
scribble(const struct viv_skill_run_request *request)
{
    struct vh_area *area = find_area(request);
    memset(area, 0xff, VH_AREA_HEAD_BYTES);
    struct vh_message message = {.kind = VH_MESSAGE_ANSWER, .seq = 1, .status = VIV_E_INVALID};
    area->error.status = VIV_E_INVALID;
    say(&message, sizeof message);
    wait_for_the_end();
}

viv_status
lie(struct viv_str word, struct viv_call *call, const struct viv_skill_run_request *request, struct viv_error *err)
{
    (void)call;
    (void)err;
    if (viv_kit_is(word, "lie-offset")) {
        answer_at(UINT64_MAX - 7, 64);
    } else if (viv_kit_is(word, "lie-length")) {
        answer_at(VH_AREA_HEAD_BYTES, UINT64_MAX - 4096);
    } else if (viv_kit_is(word, "lie-head")) {
        answer_at(0, 64);
    } else if (viv_kit_is(word, "lie-odd")) {
        answer_at(VH_AREA_HEAD_BYTES + 4, 64);
    } else if (viv_kit_is(word, "lie-short")) {
        answer_at(VH_AREA_HEAD_BYTES, 8);
    } else if (viv_kit_is(word, "lie-cell")) {
        answer_cells(request, 8, UINT64_MAX);
    } else if (viv_kit_is(word, "lie-cell-offset")) {
        answer_cells(request, UINT64_MAX - 8, 16);
    } else if (viv_kit_is(word, "lie-effect")) {
        ask_for(request, 99);
    } else if (viv_kit_is(word, "lie-effect-wide")) {
        ask_for(request, UINT64_C(1) << 32 | 2);
    } else if (viv_kit_is(word, "lie-packet")) {
        say("short", 5);
        wait_for_the_end();
    } else if (viv_kit_is(word, "lie-flood")) {
        flood();
    } else if (viv_kit_is(word, "lie-turn")) {
        turn(VH_MESSAGE_READY, 1);
    } else if (viv_kit_is(word, "lie-seq")) {
        turn(VH_MESSAGE_ANSWER, 2);
    } else if (viv_kit_is(word, "lie-scribble")) {
        scribble(request);
    }
    return VIV_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "egress_inside.h"

#include <sys/socket.h>

#include "base/error.h"
#include "base/str.h"
#include "run/sandbox_inside.h"

/* Under the lock: the door of this id, or with 0 a free place; NULL: there is none. */
static struct vh_egress_door *
find_door(struct vh_egress *egress, uint64_t id)
{
    for (size_t i = 0; i < EW_DOORS_MAX; i++) {
        if (egress->doors[i].id == id) {
            return &egress->doors[i];
        }
    }
    return NULL;
}

/* Ask once; the answer is in `frame`, without a kind when the process ended before it gave one. */
static viv_status
ask_for_door(struct vh_egress *egress, struct viv_str text, int listener, struct vh_egress_frame *frame,
             int *ret_answer, struct viv_error *err)
{
    frame->head.kind = EW_DOOR;
    viv_status status = vh_egress_ask(egress, EW_DOOR, text, listener, ret_answer, err);
    if (status == VIV_OK) {
        int64_t until_ns = egress->seam->monotonic_ns(egress->seam->data) + VH_EGRESS_ANSWER_NS;
        status = vh_egress_take(egress, *ret_answer, until_ns, NULL, frame, err);
        if (status) {
            vh_sandbox_close_fds(egress->seam, ret_answer, 1);
        }
    }
    return status;
}

static viv_status
open_door(struct vh_egress *egress, struct vh_arena *arena, int listener, struct viv_str rules_json, int *ret_answer,
          struct viv_error *err)
{
    struct vh_json *rules = NULL;
    struct vh_egress_frame *frame = vh_arena_alloc(arena, sizeof *frame);
    if (!frame) {
        return vh_error_set(err, VIV_E_MEMORY, "egress", "no memory for a door");
    }
    viv_status status = vh_json_import(arena, rules_json, &rules, err);
    struct viv_str text = status ? VH_STR("") : vh_json_print(arena, rules);
    status = status || text.len ? status : vh_error_set(err, VIV_E_MEMORY, "egress", "no memory for a door");
    if (status) {
        return status;
    }
    status = ask_for_door(egress, text, listener, frame, ret_answer, err);
    if (status && frame->head.kind == 0) { /* of a new process, once */
        status = ask_for_door(egress, text, listener, frame, ret_answer, err);
    }
    if (status == VIV_OK && frame->head.kind != EW_OPENED) {
        status = vh_egress_end(arena, frame, NULL, err);
        status = status ? status : vh_error_set(err, VIV_E_INTERNAL, "egress", "the door was not opened");
        vh_sandbox_close_fds(egress->seam, ret_answer, 1);
    }
    return status;
}

viv_status
vh_egress_open(struct vh_egress *egress, int listener, struct viv_str rules_json, uint64_t *ret_door,
               struct viv_error *err)
{
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    int answer = -1;
    viv_status status = open_door(egress, arena, listener, rules_json, &answer, err);
    vh_arena_destroy(arena);
    vh_sandbox_close_fds(egress->seam, &listener, 1);
    if (status) {
        return vh_error_extend(err, status, "a task's way to the network");
    }
    pthread_mutex_lock(&egress->lock);
    struct vh_egress_door *door = find_door(egress, 0);
    if (door) {
        *door = (struct vh_egress_door){ ++egress->last_door, answer };
        *ret_door = door->id;
    }
    pthread_mutex_unlock(&egress->lock);
    if (!door) {
        vh_sandbox_close_fds(egress->seam, &answer, 1);
        return vh_error_set(err, VIV_E_LIMIT, "egress", "%d doors are open already", EW_DOORS_MAX);
    }
    return VIV_OK;
}

static viv_status
read_counts(struct vh_egress *egress, int answer, struct vh_arena *arena, struct viv_str *ret_counts,
            struct viv_error *err)
{
    const struct ew_frame close_it = { .kind = EW_CLOSE };
    struct vh_egress_frame *frame = vh_arena_alloc(arena, sizeof *frame);
    struct vh_json *end = NULL;
    if (!frame) {
        return vh_error_set(err, VIV_E_MEMORY, "egress", "no memory for a door's counts");
    }
    if (send(answer, &close_it, sizeof close_it, MSG_NOSIGNAL) != (ssize_t)sizeof close_it) {
        return vh_error_set(err, VIV_E_UNAVAILABLE, "egress",
                            "'%s' ended while the door was open, its counts are lost", egress->program);
    }
    int64_t until_ns = egress->seam->monotonic_ns(egress->seam->data) + VH_EGRESS_ANSWER_NS;
    viv_status status = vh_egress_take(egress, answer, until_ns, NULL, frame, err);
    if (status == VIV_E_TIMEOUT) {
        status = vh_error_set(err, VIV_E_UNAVAILABLE, "egress", "'%s' does not answer", egress->program);
    }
    status = status ? status : vh_egress_end(arena, frame, &end, err);
    if (status == VIV_OK) {
        *ret_counts = vh_json_print(arena, vh_json_get(end, "counts"));
        status = ret_counts->len ? VIV_OK : vh_error_set(err, VIV_E_MEMORY, "egress", "no memory for a door's counts");
    }
    return status;
}

viv_status
vh_egress_close(struct vh_egress *egress, uint64_t door, struct vh_arena *arena, struct viv_str *ret_counts_json,
                struct viv_error *err)
{
    pthread_mutex_lock(&egress->lock);
    struct vh_egress_door *kept = door ? find_door(egress, door) : NULL;
    int answer = kept ? kept->answer : -1;
    if (kept) {
        *kept = (struct vh_egress_door){ 0, -1 };
    }
    pthread_mutex_unlock(&egress->lock);
    if (answer < 0) {
        return vh_error_set(err, VIV_E_NOT_FOUND, "egress", "there is no door %llu", (unsigned long long)door);
    }
    viv_status status = read_counts(egress, answer, arena, ret_counts_json, err);
    vh_sandbox_close_fds(egress->seam, &answer, 1);
    return status;
}

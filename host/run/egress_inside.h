/* SPDX-License-Identifier: Apache-2.0 */
/* What egress.c (process, secrets), egress_door.c and egress_exchange.c share. egress/wire.h is what is spoken. */
#ifndef VH_EGRESS_INSIDE_H
#define VH_EGRESS_INSIDE_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/json.h"
#include "egress/wire.h"
#include "run/egress.h"
#include <viv/limits.h>

#define VH_EGRESS_ANSWER_NS INT64_C(10000000000) /* for what needs no network */
#define VH_EGRESS_PLACE_MAX 263                  /* "host:port" */

struct vh_egress_secret {
    char name[VIV_ID_MAX + 1];
    char place[VH_EGRESS_PLACE_MAX + 1];
    char *value; /* guarded */
};

struct vh_egress_door {
    uint64_t id; /* 0: free */
    int answer;
};

struct vh_egress {
    const struct vh_seam *seam;
    struct vh_arena *arena;
    char *program, *ca;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t keeper;
    bool keeping, stop, wanted;
    uint64_t starts;   /* that were tried */
    viv_status failed; /* of the last one */
    struct viv_error fault;
    int channel; /* -1: none runs */
    pid_t pid;
    int wake[2];
    struct vh_egress_secret secrets[EW_SECRETS_MAX];
    size_t secret_count;
    struct vh_egress_door doors[EW_DOORS_MAX];
    uint64_t last_door;
};

/* One frame, with room for any. */
struct vh_egress_frame {
    struct ew_frame head;
    struct viv_str bytes; /* until the next one */
    char message[sizeof(struct ew_frame) + EW_PIECE_MAX];
};

/* Send what `kind` says with `text` in a file of memory and `third` as last descriptor, to a process that runs:
 * started if there is none. The end that answers come to. VIV_E_UNAVAILABLE. */
viv_status vh_egress_ask(struct vh_egress *egress, enum ew_kind kind, struct viv_str text, int third, int *ret_answer,
                         struct viv_error *err);

/* The next frame: VIV_E_TIMEOUT at `until_ns`, VIV_E_CANCELLED when `*cancel` is set (it may be NULL),
 * VIV_E_UNAVAILABLE when the process ended, with no kind in `frame`. */
viv_status vh_egress_take(struct vh_egress *egress, int answer, int64_t until_ns, const atomic_uint *cancel,
                          struct vh_egress_frame *frame, struct viv_error *err);

/* What an EW_END says: VIV_OK, or its status and text; `ret_end` may be NULL. */
viv_status vh_egress_end(struct vh_arena *arena, const struct vh_egress_frame *frame, struct vh_json **ret_end,
                         struct viv_error *err);

#endif

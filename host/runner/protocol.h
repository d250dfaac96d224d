/* SPDX-License-Identifier: Apache-2.0 */
/* What goes over the two sockets of tier 1, shared by the host and the program `viv-zygote`.
 *
 * Host and zygote (SEQPACKET, descriptor 3 of the zygote): FORK -> FORKED, COLLECT -> COLLECTED; the host asks, the
 * zygote answers, never the other way round. One that could not confine itself answers its first question with REFUSED
 * and ends. Host and runner (SEQPACKET, descriptor 3 of the runner): READY or
 * REFUSED once, then CALL -> (SERVICE -> REPLY)* -> ANSWER, with LOG lines in between, and END. Payloads lie in the
 * shared area (a sealed memory file both map); a message names where. The host trusts nothing that comes from a
 * runner: it copies out, then checks. Both sides are built together, so there is no version here. */
#ifndef VH_RUNNER_PROTOCOL_H
#define VH_RUNNER_PROTOCOL_H

#include <viv/viv.h>

/* The shared area: one page of facts, then payload. Sparse: only touched pages cost memory. The request of the call
 * under way lies first; what follows it is used in turns. */
#define VH_AREA_HEAD_BYTES 4096u
#define VH_AREA_BYTES ((uint64_t)VIV_CALL_ARENA_MAX + (1u << 20))

/* Runners one zygote has at a time; services one call may ask for; log lines of one call that are kept, and that
 * are taken before the runner counts as flooding. */
#define VH_RUNNERS_MAX 256
#define VH_SERVICES_MAX 65536
#define VH_LOG_LINES_MAX 64
#define VH_LOG_FLOOD_MAX 4096
#define VH_LOG_TEXT_MAX 1024

/* Descriptors of a runner. */
#define VH_FD_CHANNEL 3
#define VH_FD_AREA 4
#define VH_FD_PLUGIN 5
#define VH_FD_ROOT 6

enum vh_message_kind {
    VH_MESSAGE_FORK = 1,
    VH_MESSAGE_FORKED,
    VH_MESSAGE_COLLECT,
    VH_MESSAGE_COLLECTED,
    VH_MESSAGE_READY,
    VH_MESSAGE_REFUSED,
    VH_MESSAGE_CALL,
    VH_MESSAGE_SERVICE,
    VH_MESSAGE_REPLY,
    VH_MESSAGE_ANSWER,
    VH_MESSAGE_LOG,
    VH_MESSAGE_END,
};

/* One shape for all. A LOG message, and REFUSED of a zygote, is followed by its text in the same packet. */
struct vh_message {
    uint32_t kind;
    uint32_t seq;       /* of the call; of the request to the zygote */
    int32_t status;     /* viv_status; wait status in COLLECTED; errno in FORKED; level in LOG */
    uint32_t interface; /* CALL, SERVICE (always effect) */
    uint32_t method;
    uint32_t pid;    /* FORKED, COLLECT */
    uint64_t offset; /* payload, from the start of the area */
    uint64_t len;
    int64_t deadline_ns; /* CALL, REPLY: monotonic */
    int64_t now_us;      /* CALL: recorded wall time */
    uint64_t extra;      /* READY: bit i: offers viv_interfaces[i]; CALL: bytes of the frame before the request;
                            COLLECTED: 1 when the runner has ended */
};

/* Where a runner is; the breadcrumb that names what was under way when it died. */
enum vh_stage {
    VH_STAGE_NONE,    /* a fresh area: the runner has not got it yet */
    VH_STAGE_CONFINE, /* limits, Landlock, first filter */
    VH_STAGE_MAP,         /* libraries and the plugin itself; constructors run here */
    VH_STAGE_ENTRY,       /* second filter, viv_plugin_entry, agreement with the manifest */
    VH_STAGE_CREATE,
    VH_STAGE_IDLE,
    VH_STAGE_CALL,
    VH_STAGE_DESTROY,
};

/* Exit codes of a runner that ended before it had the area to say why. */
enum vh_no_start {
    VH_NO_START_PARENT = 3,  /* the parent-death signal was refused, or the zygote is gone */
    VH_NO_START_DESCRIPTORS, /* they could not be put to their numbers, or the others not closed */
    VH_NO_START_AREA,        /* it could not be mapped */
};

/* First page of the area. Written by the runner but for `cancelled`; a hint for people, never a fact to act on. */
struct vh_area {
    uint32_t stage;
    uint32_t interface;
    uint32_t method;
    uint32_t cancelled;   /* host: the call should stop */
    uint32_t log_dropped; /* lines the runner itself held back in this call */
    uint32_t reserved;
    struct viv_error error; /* of REFUSED, REPLY and ANSWER when their status is not VIV_OK */
};

_Static_assert(sizeof(struct vh_message) == 64, "one cache line");
_Static_assert(sizeof(struct vh_area) <= VH_AREA_HEAD_BYTES, "the facts fit their page");

/* What a runner is told at its start: payload of the area when it is forked. Items are values whose name says
 * what they are: "service" and "library" with a text, "option.NAME" with a number or a text. */
struct vh_start {
    uint32_t size;
    uint32_t rev;
    struct viv_str id;
    struct viv_str version;
    const struct viv_value *items;
    uint32_t items_count;
    uint32_t items_stride;
    int64_t memory_bytes;
    int64_t cpu_s;
    int64_t files;
    uint32_t has_root;
    uint32_t no_constructors; /* nothing foreign runs while mapping: the filter for that is not needed */
};

/* What comes with each call beside its request. */
struct vh_frame {
    uint32_t size;
    uint32_t rev;
    struct viv_str trace_id;
    struct viv_str task_id; /* empty outside a task: then the plugin sees no task */
    struct viv_str goal;
    struct viv_str intent_json;
    struct viv_str target;
    struct viv_str base_tree;
    struct viv_str feedback_json;
    uint32_t attempt;
    uint32_t has_task;
};

#endif

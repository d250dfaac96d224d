/* SPDX-License-Identifier: Apache-2.0 */
/* What host, launcher and keepers say to each other: one SEQPACKET message each, descriptors by
 * SCM_RIGHTS. Long content travels as a *body*: a memfd, the first descriptor, holding numbers (8
 * bytes, native order) and texts (number of bytes, bytes, NUL). Both ends are one build, so there
 * is no version to agree on but the magic.
 *
 *   host asks launcher  with               answer
 *     HELLO             nothing            vw_reply, once all that died is reaped
 *     OPEN              body               vw_reply [control, pidfd]; on control: READY
 *                                           [root, door if one was wanted]
 *     TOOL              body, in, out,     vw_reply [pidfd]; on report: vw_tool_report
 *                       err, report, more
 *   launcher asks keeper
 *     OPEN              body, control      on control: READY
 *   host asks keeper
 *     EXEC              body, out, err,    vw_exec_reply at its end
 *                       perhaps in
 *     CANCEL            nothing            none of its own; the EXEC answers
 *     FREEZE, THAW      pipe               int32 errno on the pipe */
#ifndef VW_WIRE_H
#define VW_WIRE_H

#include <stdint.h>

#define VW_MAGIC UINT32_C(0x31575656)
#define VW_CHANNEL_FD 3
#define VW_FDS_MAX 12
#define VW_STAGES_MAX 64
#define VW_LOWERS_MAX 17
#define VW_BINDS_MAX 16
#define VW_BODY_MAX (4u << 20)
#define VW_DOOR_PORT 3128 /* of 127.0.0.1 inside, where a task has a way out */

enum vw_kind { VW_HELLO = 1, VW_OPEN, VW_TOOL, VW_READY, VW_EXEC, VW_CANCEL, VW_FREEZE, VW_THAW };

/* As enum vh_sandbox_variant. */
enum vw_variant { VW_AUTO, VW_FULL, VW_REDUCED_ROOT, VW_REDUCED_COPY };

/* As VH_PROFILE_: what was set up. */
#define VW_USERNS (1u << 0)
#define VW_MOUNTNS (1u << 1)
#define VW_PIDNS (1u << 2)
#define VW_NETNS (1u << 3)
#define VW_IPCNS (1u << 4)
#define VW_UTSNS (1u << 5)
#define VW_OVERLAY (1u << 6)
#define VW_PIVOT (1u << 7)
#define VW_CHROOT (1u << 8)
#define VW_LANDLOCK (1u << 9)
#define VW_SCOPES (1u << 10)
#define VW_SECCOMP (1u << 11)
#define VW_NO_SOCKETS (1u << 12)
#define VW_CAPS (1u << 13)
#define VW_RLIMITS (1u << 14)
#define VW_PROCESSES (1u << 15)

struct vw_request {
    uint32_t magic;
    uint32_t kind;
    uint64_t body_len;
};

/* `error` is an errno, `step` the set-up step it belongs to; both empty when all went well. */
struct vw_reply {
    uint32_t magic;
    uint32_t kind;
    int32_t error;
    uint32_t variant;
    uint32_t bits;
    uint32_t landlock_abi;
    char step[32];
    char detail[128];
};

struct vw_stage_reply {
    int32_t exit_code;
    int32_t signal;
    int32_t start_errno;
    char start_step[16];
    int64_t wall_ns;
    int64_t cpu_us;
    uint64_t rss_max_bytes;
};

struct vw_exec_reply {
    struct vw_reply head;
    uint32_t stage_count;
    uint32_t end; /* VW_END_ */
    struct vw_stage_reply stages[VW_STAGES_MAX];
};

#define VW_END_ENDED 0u
#define VW_END_TIMED_OUT 1u
#define VW_END_CANCELLED 2u

/* `step` is empty and `error` zero when the program ran. */
struct vw_tool_report {
    int32_t exit_code;
    int32_t signal;
    int32_t error;
    char step[16];
};

/* Flags of a stage in an EXEC body. */
#define VW_STAGE_INPUT (1u << 0) /* the paths that follow are there */
#define VW_STAGE_OUTPUT (1u << 1)
#define VW_STAGE_ERROR (1u << 2)
#define VW_STAGE_OUTPUT_APPEND (1u << 3)
#define VW_STAGE_ERROR_APPEND (1u << 4)
#define VW_STAGE_ERROR_TO_OUTPUT (1u << 5)

/* Bodies, in order. Lists are a number and then the items.
 *
 *   OPEN  variant (read by the launcher too) minimum cpu memory processes files file_bytes
 * tmp_bytes door upper work scratch copy; list of lowers; list of binds: source target writable TOOL
 * cwd; list of argv; list of env; number of extra descriptors EXEC  wall_ns cwd; list of env; list
 * of stages: flags input output error, argv list, env list */

#endif

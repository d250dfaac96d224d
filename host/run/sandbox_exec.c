/* SPDX-License-Identifier: Apache-2.0 */
/* One pipeline in a keeper, from request to result. The keeper holds the time limit; this side is
 * the backstop: when it does not answer in time, it is killed and everything in it. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/str.h"
#include "sandbox_inside.h"

#define CANCEL_LOOK_MS 20
#define DRAIN_AT_END                                                                               \
    (4u << 20) /* a process left behind may go on writing; a pipe never holds more than this */

struct waiting {
    struct vh_keeper *keeper;
    const struct vh_exec_watch *watch;
    struct vh_feed_stream streams[2];
    uint64_t flood_bytes;
    int64_t limit_ns;  /* when the keeper must have answered */
    int64_t frozen_ns; /* total at the start */
    enum vh_exec_end end;
};

static viv_status
check_exec(const struct vh_exec *exec, struct viv_error *err)
{
    if (exec->stage_count == 0 || exec->stage_count > VIV_STAGES_MAX) {
        return vh_error_set(err, VIV_E_LIMIT, "exec", "%zu stages, allowed 1 to %d",
                            exec->stage_count, VIV_STAGES_MAX);
    }
    if (exec->wall_ns <= 0) {
        return vh_error_set(err, VIV_E_INVALID, "exec",
                            "the time limit is %lld ns, allowed: more than 0",
                            (long long)exec->wall_ns);
    }
    if (exec->cwd && exec->cwd[0] == '/') {
        return vh_error_set(err, VIV_E_INVALID, "exec",
                            "folder '%s' is absolute, allowed: below the workspace", exec->cwd);
    }
    for (size_t i = 0; i < exec->stage_count; i++) {
        if (exec->stages[i].argc == 0 || exec->stages[i].argc > VIV_ARGV_MAX) {
            return vh_error_set(err, VIV_E_LIMIT, "exec",
                                "stage %zu has %zu words, allowed 1 to %d", i, exec->stages[i].argc,
                                VIV_ARGV_MAX);
        }
    }
    return VIV_OK;
}

static void
put_stage(struct vh_buf *body, const struct vh_exec_stage *stage)
{
    uint64_t flags = (stage->input_path ? VW_STAGE_INPUT : 0) |
                     (stage->output_path ? VW_STAGE_OUTPUT : 0) |
                     (stage->error_path ? VW_STAGE_ERROR : 0) |
                     (stage->output_append ? VW_STAGE_OUTPUT_APPEND : 0) |
                     (stage->error_append ? VW_STAGE_ERROR_APPEND : 0) |
                     (stage->error_to_output ? VW_STAGE_ERROR_TO_OUTPUT : 0);
    vh_sandbox_put_number(body, flags);
    vh_sandbox_put_text(body, stage->input_path);
    vh_sandbox_put_text(body, stage->output_path);
    vh_sandbox_put_text(body, stage->error_path);
    vh_sandbox_put_list(body, stage->argv, stage->argc);
    vh_sandbox_put_list(body, stage->env, stage->env_count);
}

static viv_status
send_exec(struct vh_keeper *keeper, struct vh_arena *arena, const struct vh_exec *exec,
          const int child[2], struct viv_error *err)
{
    struct vh_buf body;
    int fds[3] = {child[0], child[1], -1};
    vh_buf_init(&body, arena, VH_EXEC_BYTES_MAX);
    vh_sandbox_put_number(&body, (uint64_t)exec->wall_ns);
    vh_sandbox_put_text(&body, exec->cwd);
    vh_sandbox_put_list(&body, exec->env, exec->env_count);
    vh_sandbox_put_number(&body, exec->stage_count);
    for (size_t i = 0; i < exec->stage_count; i++) {
        put_stage(&body, &exec->stages[i]);
    }
    viv_status whole = vh_sandbox_whole(&body, "exec", err);
    if (whole) {
        return whole;
    }
    if (exec->input.len > 0) {
        fds[2] = vh_sandbox_memory_file(exec->input);
        if (fds[2] < 0) {
            return vh_error_errno(err, VIV_E_IO, "exec", "no memory file for standard input");
        }
    }
    int code = vh_sandbox_send(keeper->control, VW_EXEC, &body, fds, fds[2] >= 0 ? 3 : 2);
    int error = errno;
    vh_sandbox_close_fds(keeper->seam, &fds[2], 1);
    errno = error;
    return code ? vh_error_errno(err, VIV_E_UNAVAILABLE, "exec",
                                 "the keeper does not take the request")
                : VIV_OK;
}

static void
stop(struct waiting *waiting, enum vh_exec_end end)
{
    if (waiting->end == VH_EXEC_ENDED) {
        waiting->end = end;
        waiting->limit_ns =
            waiting->keeper->seam->monotonic_ns(waiting->keeper->seam->data) + VH_SANDBOX_GRACE_NS;
        waiting->frozen_ns = atomic_load(&waiting->keeper->frozen_total_ns);
        (void)vh_sandbox_send(waiting->keeper->control, VW_CANCEL, NULL, NULL,
                              0); /* the backstop follows */
    }
}

/* Called at least every 20 ms while there is something to look at. Returns false when the keeper
 * must die. */
static bool
look_after(struct waiting *waiting)
{
    const struct vh_seam *seam = waiting->keeper->seam;
    const struct vh_exec_watch *watch = waiting->watch;
    int64_t now = seam->monotonic_ns(seam->data);
    if (vh_feed_cancelled(watch)) {
        stop(waiting, VH_EXEC_CANCELLED);
    }
    if (watch && watch->deadline_ns && now >= watch->deadline_ns) {
        stop(waiting, VH_EXEC_TIMED_OUT);
    }
    uint64_t total = waiting->streams[0].total_bytes + waiting->streams[1].total_bytes;
    if (waiting->flood_bytes && total > waiting->flood_bytes) {
        stop(waiting, VH_EXEC_FLOODED);
    }
    if (atomic_load(&waiting->keeper->frozen_since_ns) && waiting->end == VH_EXEC_ENDED) {
        return true;
    }
    return now <
           waiting->limit_ns + atomic_load(&waiting->keeper->frozen_total_ns) - waiting->frozen_ns;
}

static int
poll_ms(const struct waiting *waiting)
{
    const struct vh_seam *seam = waiting->keeper->seam;
    const struct vh_exec_watch *watch = waiting->watch;
    int64_t until_ns = waiting->limit_ns;
    if (watch && watch->deadline_ns && watch->deadline_ns < until_ns &&
        waiting->end == VH_EXEC_ENDED) {
        until_ns = watch->deadline_ns;
    }
    int left = vh_sandbox_wait_ms(seam, until_ns);
    left = left == 0 ? CANCEL_LOOK_MS : left; /* frozen beyond the limit */
    return watch && watch->cancel && left > CANCEL_LOOK_MS ? CANCEL_LOOK_MS : left;
}

/* Until the answer is in `ret_reply`; output is drained meanwhile. */
static viv_status
wait_answer(struct waiting *waiting, struct vw_exec_reply *ret_reply, struct viv_error *err)
{
    struct vh_keeper *keeper = waiting->keeper;
    const struct vh_exec_watch *watch = waiting->watch;
    for (;;) {
        struct pollfd polled[] = {
            {.fd = keeper->control, .events = POLLIN},
            {.fd = keeper->pidfd, .events = POLLIN},
            {.fd = waiting->streams[0].fd, .events = POLLIN},
            {.fd = waiting->streams[1].fd, .events = POLLIN},
            {.fd = watch && watch->cancel_fd > 0 && waiting->end == VH_EXEC_ENDED ? watch->cancel_fd
                                                                                  : -1,
             .events = POLLIN}};
        if (poll(polled, 5, poll_ms(waiting)) < 0 && errno != EINTR) {
            return vh_error_errno(err, VIV_E_IO, "exec", "cannot wait for the keeper");
        }
        for (size_t i = 0; i < 2; i++) {
            vh_feed_drain(keeper->seam, &waiting->streams[i], 1u << 20);
        }
        int got = vh_sandbox_take(keeper->control, ret_reply, sizeof *ret_reply, NULL);
        if (got == 1) {
            return VIV_OK;
        }
        if (got == 0 || polled[1].revents) {
            return vh_error_set(err, VIV_E_UNAVAILABLE, "exec", "the keeper ended during the run");
        }
        if (!look_after(waiting)) {
            (void)syscall(SYS_pidfd_send_signal, keeper->pidfd, SIGKILL, NULL,
                          0); /* ESRCH: gone already */
            return vh_error_set(err, VIV_E_UNAVAILABLE, "exec",
                                "the keeper did not answer in time and was killed");
        }
    }
}

static viv_status
take_stages(struct vh_arena *arena, const struct vw_exec_reply *reply,
            struct vh_exec_result *ret_result, struct viv_error *err)
{
    size_t count = reply->stage_count;
    struct vh_exec_stage_result *stages = vh_arena_array(arena, count, sizeof *stages);
    if (!stages) {
        return vh_error_set(err, VIV_E_MEMORY, "exec", "no memory for the results of %zu stages",
                            count);
    }
    for (size_t i = 0; i < count; i++) {
        const struct vw_stage_reply *from = &reply->stages[i];
        stages[i] = (struct vh_exec_stage_result){.exit_code = from->exit_code,
                                                  .signal = from->signal,
                                                  .start_errno = from->start_errno,
                                                  .wall_ns = from->wall_ns,
                                                  .cpu_us = from->cpu_us,
                                                  .rss_max_bytes = from->rss_max_bytes};
        memcpy(stages[i].start_step, from->start_step, sizeof stages[i].start_step - 1);
    }
    ret_result->stages = stages;
    ret_result->stage_count = count;
    return VIV_OK;
}

static viv_status
take_result(struct waiting *waiting, struct vh_arena *arena, const struct vh_exec *exec,
            const struct vw_exec_reply *reply, struct vh_exec_result *ret_result,
            struct viv_error *err)
{
    if (reply->head.error) {
        bool busy = strcmp(reply->head.step, "request") == 0 && reply->head.error == EBUSY;
        (void)vh_sandbox_refused(&reply->head, "exec", err);
        viv_status status = busy ? VIV_E_BUSY : VIV_E_UNAVAILABLE;
        if (err) {
            err->status = status;
        }
        return status;
    }
    if (reply->stage_count != exec->stage_count) {
        return vh_error_set(err, VIV_E_INTERNAL, "exec", "%u results for %zu stages",
                            reply->stage_count, exec->stage_count);
    }
    enum vh_exec_end kept = reply->end == VW_END_TIMED_OUT ? VH_EXEC_TIMED_OUT : VH_EXEC_ENDED;
    ret_result->end = reply->end == VW_END_CANCELLED ? waiting->end : kept;
    return take_stages(arena, reply, ret_result, err);
}

static viv_status
run_locked(struct vh_keeper *keeper, struct vh_arena *arena, const struct vh_exec *exec,
           const struct vh_exec_watch *watch, struct vh_exec_result *ret_result,
           struct viv_error *err)
{
    const struct vh_seam *seam = keeper->seam;
    const size_t max[2] = {exec->output_max, exec->error_max};
    struct waiting waiting = {.keeper = keeper, .watch = watch, .flood_bytes = exec->flood_bytes};
    struct vw_exec_reply reply;
    int child[2];
    int64_t start_ns = seam->monotonic_ns(seam->data);
    if (atomic_load(&keeper->closed)) {
        return vh_error_set(err, VIV_E_UNAVAILABLE, "exec", "the keeper is closed");
    }
    viv_status status = vh_feed_open(seam, arena, max, waiting.streams, child, err);
    if (status) {
        return status;
    }
    waiting.streams[0].also = exec->output_hasher;
    waiting.limit_ns = exec->wall_ns > INT64_MAX / 4
                           ? INT64_MAX / 2
                           : start_ns + exec->wall_ns + VH_SANDBOX_GRACE_NS;
    waiting.frozen_ns = atomic_load(&keeper->frozen_total_ns);
    status = send_exec(keeper, arena, exec, child, err);
    vh_sandbox_close_fds(seam, child, 2);
    if (status == VIV_OK) {
        status = wait_answer(&waiting, &reply, err);
    }
    if (status == VIV_OK) {
        status = take_result(&waiting, arena, exec, &reply, ret_result, err);
    }
    struct vh_exec_output *outputs[2] = {&ret_result->output, &ret_result->errors};
    for (size_t i = 0; i < 2; i++) {
        vh_feed_drain(seam, &waiting.streams[i], DRAIN_AT_END);
        viv_status finished =
            vh_feed_finish(seam, &waiting.streams[i], outputs[i], status ? NULL : err);
        status = status ? status : finished;
    }
    ret_result->wall_ns = seam->monotonic_ns(seam->data) - start_ns;
    return status;
}

viv_status
vh_sandbox_exec(struct vh_keeper *keeper, struct vh_arena *arena, const struct vh_exec *exec,
                const struct vh_exec_watch *watch, struct vh_exec_result *ret_result,
                struct viv_error *err)
{
    struct vh_exec_result result = {0};
    viv_status status = check_exec(exec, err);
    if (status == VIV_OK) {
        pthread_mutex_lock(&keeper->exec_lock);
        status = run_locked(keeper, arena, exec, watch, &result, err);
        pthread_mutex_unlock(&keeper->exec_lock);
    }
    if (status == VIV_OK) {
        *ret_result = result;
    }
    return status;
}

/* ---- freezing ---- */

static viv_status
ask_all(struct vh_keeper *keeper, enum vw_kind kind, struct viv_error *err)
{
    int ends[2];
    int32_t error = 0;
    if (pipe2(ends, O_CLOEXEC)) {
        return vh_error_errno(err, VIV_E_IO, "sandbox", "no pipe for an answer");
    }
    int sent = vh_sandbox_send(keeper->control, kind, NULL, &ends[1], 1);
    vh_sandbox_close_fds(keeper->seam, &ends[1], 1);
    struct pollfd polled = {.fd = ends[0], .events = POLLIN};
    int ready = sent ? -1 : poll(&polled, 1, (int)(VH_SANDBOX_ANSWER_NS / 1000000));
    ssize_t got = ready == 1 ? read(ends[0], &error, sizeof error) : -1;
    vh_sandbox_close_fds(keeper->seam, ends, 1);
    if (got != (ssize_t)sizeof error || error) {
        return vh_error_set(err, VIV_E_UNAVAILABLE, "sandbox", "the keeper does not answer");
    }
    return VIV_OK;
}

viv_status
vh_sandbox_freeze(struct vh_keeper *keeper, struct viv_error *err)
{
    int64_t now = keeper->seam->monotonic_ns(keeper->seam->data);
    viv_status status = ask_all(keeper, VW_FREEZE, err);
    long long none = 0;
    if (status == VIV_OK) {
        (void)atomic_compare_exchange_strong(&keeper->frozen_since_ns, &none,
                                             now); /* twice is once */
    }
    return status;
}

viv_status
vh_sandbox_thaw(struct vh_keeper *keeper, struct viv_error *err)
{
    viv_status status = ask_all(keeper, VW_THAW, err);
    if (status == VIV_OK) {
        long long since = atomic_exchange(&keeper->frozen_since_ns, 0);
        long long now = keeper->seam->monotonic_ns(keeper->seam->data);
        atomic_fetch_add(&keeper->frozen_total_ns, since ? now - since : 0);
    }
    return status;
}

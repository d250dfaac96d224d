/* SPDX-License-Identifier: Apache-2.0 */
/* Host helpers such as git, started by the launcher outside any sandbox: fed, drained and ended
 * here. Their output is taken whole or not at all. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "sandbox_inside.h"

#define CANCEL_LOOK_MS 20
#define EXTRA_MAX 4

struct running {
    const struct vh_seam *seam;
    const struct vh_exec_watch *watch;
    struct vh_feed_stream streams[2];
    int report;
    int pidfd;
    size_t output_max;
};

static viv_status
check_tool(const struct vh_tool *tool, struct viv_error *err)
{
    if (tool->argc == 0 || tool->argc > VIV_ARGV_MAX) {
        return vh_error_set(err, VIV_E_LIMIT, "tool", "%zu words, allowed 1 to %d", tool->argc,
                            VIV_ARGV_MAX);
    }
    if (tool->fd_count > EXTRA_MAX) {
        return vh_error_set(err, VIV_E_LIMIT, "tool", "%zu descriptors, allowed %d", tool->fd_count,
                            EXTRA_MAX);
    }
    if (tool->cwd && tool->cwd[0] != '/') {
        return vh_error_set(err, VIV_E_INVALID, "tool",
                            "folder '%s' is relative, allowed: absolute", tool->cwd);
    }
    return VIV_OK;
}

/* Standard input is a file of its bytes: a tool that does not read it cannot hold anybody up. */
static viv_status
start(struct vh_launcher *launcher, struct vh_arena *arena, const struct vh_tool *tool,
      const int child[2], struct running *running, struct viv_error *err)
{
    struct vh_buf body;
    int report[2];
    int own = tool->input_fd > 0 ? -1 : vh_sandbox_memory_file(tool->input);
    struct vh_sandbox_fds fds = {
        .count = 4 + tool->fd_count,
        .fd = {tool->input_fd > 0 ? tool->input_fd : own,
               tool->output_fd > 0 ? tool->output_fd : child[0], child[1]},
    };
    struct vh_sandbox_fds pidfd = {.count = 1, .fd = {-1}};
    vh_buf_init(&body, arena, VH_EXEC_BYTES_MAX);
    vh_sandbox_put_text(&body, tool->cwd);
    vh_sandbox_put_list(&body, tool->argv, tool->argc);
    vh_sandbox_put_list(&body, tool->env, tool->env_count);
    vh_sandbox_put_number(&body, tool->fd_count);
    if (fds.fd[0] < 0 || pipe2(report, O_CLOEXEC)) {
        vh_sandbox_close_fds(running->seam, &own, 1);
        return vh_error_errno(err, VIV_E_IO, "tool", "no descriptors for '%s'", tool->argv[0]);
    }
    fds.fd[3] = report[1];
    for (size_t i = 0; i < tool->fd_count; i++) {
        fds.fd[4 + i] = tool->fds[i];
    }
    running->report = report[0];
    viv_status status = vh_sandbox_whole(&body, "tool", err);
    status = status ? status : vh_launcher_ask(launcher, VW_TOOL, &body, &fds, &pidfd, err);
    running->pidfd = pidfd.fd[0];
    vh_sandbox_close_fds(running->seam, (int[]){own, report[1]}, 2);
    return status;
}

/* The launcher reports when it has killed the session too: until then a child of the program still writes, and would
 * outlive a launcher that is stopped. */
static viv_status
end_early(struct running *running, viv_status status, struct viv_error *err, const char *why)
{
    struct pollfd polled = {.fd = running->report, .events = POLLIN};
    (void)syscall(SYS_pidfd_send_signal, running->pidfd, SIGKILL, NULL,
                  0); /* ESRCH: gone already */
    (void)poll(&polled, 1, (int)(VH_SANDBOX_ANSWER_NS / 1000000)); /* whoever cannot be killed is not waited for */
    return vh_error_set(err, status, "tool", "%s", why);
}

static viv_status
look_after(struct running *running, struct viv_error *err)
{
    const struct vh_exec_watch *watch = running->watch;
    if (vh_feed_cancelled(watch)) {
        return end_early(running, VIV_E_CANCELLED, err, "cancelled");
    }
    if (watch && watch->deadline_ns &&
        running->seam->monotonic_ns(running->seam->data) >= watch->deadline_ns) {
        return end_early(running, VIV_E_TIMEOUT, err, "the deadline passed");
    }
    if (running->streams[0].total_bytes > running->output_max) {
        return end_early(running, VIV_E_LIMIT, err, "more output than allowed");
    }
    return VIV_OK;
}

static viv_status
wait_report(struct running *running, struct vw_tool_report *ret_report, struct viv_error *err)
{
    const struct vh_exec_watch *watch = running->watch;
    for (;;) {
        struct pollfd polled[] = {
            {.fd = running->report, .events = POLLIN},
            {.fd = running->streams[0].fd, .events = POLLIN},
            {.fd = running->streams[1].fd, .events = POLLIN},
            {.fd = watch && watch->cancel_fd > 0 ? watch->cancel_fd : -1, .events = POLLIN}};
        int ms = vh_sandbox_wait_ms(running->seam, watch ? watch->deadline_ns : 0);
        if (watch && watch->cancel && (ms < 0 || ms > CANCEL_LOOK_MS)) {
            ms = CANCEL_LOOK_MS;
        }
        if (poll(polled, 4, ms) < 0 && errno != EINTR) {
            return vh_error_errno(err, VIV_E_IO, "tool", "cannot wait");
        }
        for (size_t i = 0; i < 2; i++) {
            vh_feed_drain(running->seam, &running->streams[i], 1u << 20);
        }
        if (polled[0].revents) {
            ssize_t got = read(running->report, ret_report, sizeof *ret_report);
            return got == (ssize_t)sizeof *ret_report
                       ? VIV_OK
                       : vh_error_set(err, VIV_E_UNAVAILABLE, "tool",
                                      "the launcher ended during the run");
        }
        viv_status status = look_after(running, err);
        if (status) {
            return status;
        }
    }
}

static viv_status
finish(struct running *running, viv_status status, const struct vw_tool_report *report,
       struct vh_tool_result *ret_result, struct viv_error *err)
{
    struct vh_exec_output outputs[2] = {0};
    for (size_t i = 0; i < 2; i++) {
        /* Its session was killed with it, so the pipes end; what holds them open still is not
         * waited for. */
        vh_feed_drain(running->seam, &running->streams[i], UINT64_C(1) << 30);
        viv_status taken =
            vh_feed_finish(running->seam, &running->streams[i], &outputs[i], status ? NULL : err);
        status = status ? status : taken;
    }
    if (status) {
        return status;
    }
    if (report->error) {
        char step[sizeof report->step + 1] = {0};
        memcpy(step, report->step, sizeof report->step);
        errno = report->error;
        return vh_error_errno(err, report->error == ENOENT ? VIV_E_NOT_FOUND : VIV_E_IO, "tool",
                              "step '%s' failed", step);
    }
    if (outputs[0].total_bytes > running->output_max) {
        return vh_error_set(err, VIV_E_LIMIT, "tool", "%llu bytes of output, allowed %zu",
                            (unsigned long long)outputs[0].total_bytes, running->output_max);
    }
    *ret_result = (struct vh_tool_result){.exit_code = report->exit_code,
                                          .signal = report->signal,
                                          .output = outputs[0].kept,
                                          .errors = outputs[1].kept};
    return VIV_OK;
}

viv_status
vh_sandbox_tool(struct vh_launcher *launcher, struct vh_arena *arena, const struct vh_tool *tool,
                const struct vh_exec_watch *watch, struct vh_tool_result *ret_result,
                struct viv_error *err)
{
    const struct vh_seam *seam = launcher->seam;
    struct running running = {
        .seam = seam, .watch = watch, .report = -1, .pidfd = -1, .output_max = tool->output_max};
    const size_t max[2] = {tool->output_max, tool->error_max};
    struct vw_tool_report report = {0};
    int child[2];
    int64_t start_ns = seam->monotonic_ns(seam->data);
    viv_status status = check_tool(tool, err);
    status = status ? status : vh_feed_open(seam, arena, max, running.streams, child, err);
    if (status) {
        return status;
    }
    status = start(launcher, arena, tool, child, &running, err);
    vh_sandbox_close_fds(seam, child, 2);
    if (status == VIV_OK) {
        status = wait_report(&running, &report, err);
    }
    status = finish(&running, status, &report, ret_result, err);
    vh_sandbox_close_fds(seam, (int[]){running.report, running.pidfd}, 2);
    if (status) {
        return vh_error_extend(err, status, "program '%s'", tool->argv[0]);
    }
    ret_result->wall_ns = seam->monotonic_ns(seam->data) - start_ns;
    return VIV_OK;
}

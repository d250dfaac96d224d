/* SPDX-License-Identifier: Apache-2.0 */
/* A pipeline of children: all are forked, confine themselves and wait at a gate; only when each is
 * ready or has failed by its own fault does the gate open, so a confinement that fails in the last
 * stage lets none of them run. */
#include "run.h"
#include "step.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int64_t
now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void
close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static int
start_stage(struct keeper *keeper, struct run *run, size_t i, int input, int output)
{
    struct run_stage *stage = &run->stages[i];
    int status[2];
    if (step_fails(STEP_START) || pipe2(status, O_CLOEXEC)) {
        return step_refuse(&run->refusal, STEP_START, "pipe");
    }
    stage->pid = fork();
    if (stage->pid == 0) {
        child_run(keeper, run, stage,
                  (struct child_fds){input, output, run->err, status[1], run->gate[0]});
    }
    close(status[1]);
    if (stage->pid < 0) {
        close(status[0]);
        return step_refuse(&run->refusal, STEP_START, "fork");
    }
    stage->status = status[0];
    stage->state = STAGE_FORKED;
    stage->reply.exit_code = -1;
    return 0;
}

static int
start_all(struct keeper *keeper, struct run *run)
{
    int input = run->input >= 0 ? run->input : keeper->null;
    int joint[2] = {-1, -1};
    int code = 0;
    for (size_t i = 0; i < run->stage_count && code == 0; i++) {
        bool last = i + 1 == run->stage_count;
        if (!last && pipe2(joint, O_CLOEXEC)) {
            code = step_refuse(&run->refusal, STEP_START, "pipe");
            break;
        }
        code = start_stage(keeper, run, i, input, last ? run->out : joint[1]);
        if (input != run->input && input != keeper->null) {
            close(input);
        }
        input = last ? keeper->null : joint[0];
        if (!last) {
            close(joint[1]);
        }
    }
    if (input != run->input && input != keeper->null) {
        close(input);
    }
    return code;
}

int
run_start(struct keeper *keeper, struct run *run)
{
    run->active = true;
    run->gate_open = false;
    run->end = VW_END_ENDED;
    memset(&run->refusal, 0, sizeof run->refusal);
    for (size_t i = 0; i < run->stage_count; i++) {
        run->stages[i].state = STAGE_ENDED;
    }
    run->deadline_ns = now_ns() + run->wall_ns;
    int code = pipe2(run->gate, O_CLOEXEC) ? step_refuse(&run->refusal, STEP_START, "pipe")
                                           : start_all(keeper, run);
    close_fd(&run->out);
    close_fd(&run->err);
    close_fd(&run->input);
    if (code) {
        run_kill(keeper, run, VW_END_ENDED);
    }
    return code;
}

/* Let all through once none is on its way any more. */
static void
open_gate(struct run *run)
{
    size_t ready = 0;
    for (size_t i = 0; i < run->stage_count; i++) {
        if (run->stages[i].state == STAGE_FORKED) {
            return;
        }
        ready += run->stages[i].state == STAGE_READY;
    }
    if (run->gate_open || run->refusal.error) {
        return;
    }
    run->gate_open = true;
    int64_t now = now_ns();
    char bytes[VW_STAGES_MAX] = {0};
    for (size_t i = 0; i < run->stage_count; i++) {
        run->stages[i].started_ns = now;
        if (run->stages[i].state == STAGE_READY) {
            run->stages[i].state = STAGE_RUNNING;
        }
    }
    (void)!write(run->gate[1], bytes,
                 ready); /* an empty pipe holds 64 bytes; without them the children see its end */
}

static void
take_note(struct keeper *keeper, struct run *run, struct run_stage *stage,
          const struct run_note *note)
{
    if (note->kind == NOTE_READY) {
        stage->state = STAGE_READY;
    } else if (note->kind == NOTE_NOT_STARTED) {
        stage->state = STAGE_NOT_STARTED;
        stage->reply.start_errno = note->error;
        snprintf(stage->reply.start_step, sizeof stage->reply.start_step, "%.15s", note->step);
    } else {
        errno = note->error;
        step_refuse(&run->refusal, step_find(note->step), NULL);
        run_kill(keeper, run, VW_END_ENDED);
    }
}

void
run_heard(struct keeper *keeper, struct run *run, struct run_stage *stage)
{
    struct run_note note;
    ssize_t got = read(stage->status, &note, sizeof note);
    if (got == (ssize_t)sizeof note) {
        take_note(keeper, run, stage, &note);
    } else if (got >= 0 || errno != EINTR) {
        close_fd(&stage->status);
        if (stage->state == STAGE_FORKED) { /* killed on its way, by the system or for time */
            stage->state = STAGE_NOT_STARTED;
            stage->reply.start_errno = ECANCELED;
            snprintf(stage->reply.start_step, sizeof stage->reply.start_step, "exec");
        }
    }
    open_gate(run);
}

static void
note_end(struct run_stage *stage, int status, const struct rusage *usage)
{
    stage->pid = 0;
    stage->reply.cpu_us = (int64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000 +
                          usage->ru_utime.tv_usec + usage->ru_stime.tv_usec;
    stage->reply.rss_max_bytes = (uint64_t)usage->ru_maxrss * 1024;
    stage->reply.wall_ns = stage->started_ns ? now_ns() - stage->started_ns : 0;
    if (WIFEXITED(status)) {
        stage->reply.exit_code = WEXITSTATUS(status);
    } else {
        stage->reply.signal = WTERMSIG(status);
    }
}

void
run_reap(struct run *run)
{
    int status;
    struct rusage usage;
    for (pid_t pid = wait4(-1, &status, WNOHANG, &usage); pid > 0;
         pid = wait4(-1, &status, WNOHANG, &usage)) {
        for (size_t i = 0; run->active && i < run->stage_count; i++) {
            if (run->stages[i].pid == pid) {
                note_end(&run->stages[i], status, &usage);
            }
        }
    }
}

void
run_kill(struct keeper *keeper, struct run *run, uint32_t end)
{
    run->end = run->end ? run->end : end;
    tree_signal(keeper, SIGKILL);
}

bool
run_done(const struct run *run)
{
    for (size_t i = 0; i < run->stage_count; i++) {
        if (run->stages[i].pid > 0 || run->stages[i].status >= 0) {
            return false;
        }
    }
    return true;
}

void
run_answer(struct keeper *keeper, struct run *run)
{
    static struct vw_exec_reply reply;
    memset(&reply, 0, sizeof reply);
    reply.head = run->refusal;
    reply.head.magic = VW_MAGIC;
    reply.head.kind = VW_EXEC;
    reply.stage_count = (uint32_t)run->stage_count;
    reply.end = run->end;
    for (size_t i = 0; i < run->stage_count; i++) {
        struct run_stage *stage = &run->stages[i];
        if (stage->reply.start_errno) { /* how the child that could not start ended says nothing */
            stage->reply.exit_code = -1;
            stage->reply.signal = 0;
        }
        reply.stages[i] = stage->reply;
    }
    close_fd(&run->gate[0]);
    close_fd(&run->gate[1]);
    body_unmap(&run->body);
    run->active = false;
    (void)channel_send(keeper->control, &reply, sizeof reply, NULL,
                       0); /* a host that is gone is seen by the loop */
}

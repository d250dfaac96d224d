/* SPDX-License-Identifier: Apache-2.0 */
/* One EXEC: its request, decoded, and its pipeline of children while it runs. A stage goes
 *
 *   forked -> ready (confined, waiting at the gate) -> running -> ended
 *          `-> not started (its own fault: program, folder, redirection)
 *          `-> unconfined (ours: the whole pipeline is refused, nothing has run)
 *
 * and open_gate() in run.c lets all that are ready through at once. */
#ifndef VL_RUN_H
#define VL_RUN_H

#include "keeper.h"

#define RUN_WORDS_MAX 20480 /* argv and environment of all stages */
#define RUN_ENV_MAX 1024

enum stage_state { STAGE_FORKED, STAGE_READY, STAGE_NOT_STARTED, STAGE_RUNNING, STAGE_ENDED };

struct run_stage {
    uint64_t flags;
    const char *input, *output, *error;
    const char **argv; /* NULL-terminated, as env */
    const char **env;
    size_t argc;
    enum stage_state state;
    pid_t pid;
    int status; /* pipe from the child; -1 when closed */
    int64_t started_ns;
    struct vw_stage_reply reply;
};

/* What a child says on its pipe: READY, or what went wrong. The pipe closes when its program
 * starts. */
struct run_note {
    int32_t kind;
    int32_t error;
    char step[16];
};
#define NOTE_READY 1
#define NOTE_NOT_STARTED 2
#define NOTE_UNCONFINED 3

struct run {
    bool active;
    struct body body;
    int64_t wall_ns;
    const char *cwd;
    struct run_stage stages[VW_STAGES_MAX];
    size_t stage_count;
    int out, err, input; /* input -1: /dev/null */
    int gate[2];         /* one byte lets one child through */
    bool gate_open;
    int64_t deadline_ns;
    uint32_t end;
    struct vw_reply refusal;
    const char *words[RUN_WORDS_MAX];
    size_t word_count;
};

/* request.c: 0, or -1 with errno; takes the descriptors of `message`. */
int run_read(struct keeper *keeper, struct message *message, struct run *run);

/* run.c: start all stages; -1 with `refusal` filled when a fork or a pipe failed (what was forked
 * is killed). */
int run_start(struct keeper *keeper, struct run *run);
void run_heard(struct keeper *keeper, struct run *run,
               struct run_stage *stage); /* its pipe is readable */
void run_reap(struct run *run);          /* SIGCHLD */
void run_kill(struct keeper *keeper, struct run *run, uint32_t end);
bool run_done(const struct run *run);
void run_answer(struct keeper *keeper, struct run *run);

/* child.c: from fork to exec. `input`, `output`, `error` are the pipes or the exec's own. */
struct child_fds {
    int input, output, error, status, gate;
};
_Noreturn void child_run(const struct keeper *keeper, const struct run *run,
                         const struct run_stage *stage, struct child_fds fds);

int64_t now_ns(void);

#endif

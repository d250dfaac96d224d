/* SPDX-License-Identifier: Apache-2.0 */
/* How a runner died, in words for a person: plugin, interface, method, what happened. The facts come from the kernel
 * by way of the zygote; the runner's own page only says at which stage of its start it was. Read runner_inside.h
 * first. */
#include "runner_inside.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/error.h"

/* A closed channel is nearly always the beginning of an exit. */
#define EXIT_MS 200
/* Killing is done in a millisecond but for a process that waits in the kernel for a device. */
#define KILL_MS 5000

struct death {
    int known;  /* the zygote knew */
    int by_us;  /* it lived until we killed it */
    int status; /* as wait gives it */
};

int
vh_runner_ended(const struct vh_runner *runner, int wait_ms)
{
    struct pollfd wait = {.fd = runner->pidfd, .events = POLLIN};
    int ready;
    do {
        ready = poll(&wait, 1, wait_ms);
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

static struct death
bury(struct vh_runner *runner, bool closed)
{
    struct death death = {0};
    runner->alive = false;
    if (!vh_runner_ended(runner, closed ? EXIT_MS : 0)) {
        death.by_us = 1;
        runner->seam->kill_pidfd(runner->seam->data, runner->pidfd, SIGKILL);
        if (!vh_runner_ended(runner, KILL_MS)) {
            return death;
        }
    }
    death.known = vh_zygote_pid(runner->zygote) == runner->zygote_pid &&
                  vh_zygote_collect(runner->zygote, runner->pid, &death.status, NULL) == VIV_OK;
    runner->pid = 0;
    return death;
}

static const char *
stage_name(const struct vh_runner *runner)
{
    uint32_t stage = runner->area->stage;
    if (stage == VH_STAGE_NONE) {
        return "its start";
    }
    if (stage == VH_STAGE_CONFINE) {
        return "its confinement";
    }
    if (stage == VH_STAGE_MAP) {
        return "mapping (a constructor or a library's)";
    }
    if (stage == VH_STAGE_ENTRY) {
        return "viv_plugin_entry";
    }
    if (stage == VH_STAGE_CREATE) {
        return "create";
    }
    if (stage == VH_STAGE_DESTROY) {
        return "destroy";
    }
    return "idle";
}

static const char *
signal_words(int number)
{
    if (number == SIGSYS) {
        return "a system call its sandbox forbids";
    }
    if (number == SIGKILL) {
        return "killed from outside: memory, processor limit or a person";
    }
    const char *words = sigdescr_np(number);
    return words ? words : "unknown";
}

static void
describe(const struct death *death, char *text, size_t size, enum vh_runner_failure *ret_failure)
{
    if (WIFSIGNALED(death->status)) {
        *ret_failure = VH_RUNNER_CRASHED;
        snprintf(text, size, "signal %d, %s", WTERMSIG(death->status), signal_words(WTERMSIG(death->status)));
    } else {
        *ret_failure = VH_RUNNER_EXITED;
        snprintf(text, size, "exit code %d; a plugin must return", WEXITSTATUS(death->status));
    }
}

static viv_status
status_of(enum vh_runner_failure failure)
{
    switch (failure) {
    case VH_RUNNER_HUNG:
        return VIV_E_TIMEOUT;
    case VH_RUNNER_CANCELLED:
        return VIV_E_CANCELLED;
    case VH_RUNNER_LOST:
        return VIV_E_UNAVAILABLE;
    case VH_RUNNER_FINE:
    case VH_RUNNER_REFUSED:
    case VH_RUNNER_CRASHED:
    case VH_RUNNER_EXITED:
    case VH_RUNNER_LIED:
        break;
    }
    return VIV_E_PLUGIN;
}

static const char *
verb(enum vh_runner_failure failure)
{
    switch (failure) {
    case VH_RUNNER_CRASHED:
        return "crashed";
    case VH_RUNNER_EXITED:
        return "called exit";
    case VH_RUNNER_HUNG:
        return "hung";
    case VH_RUNNER_LIED:
        return "answered nonsense";
    case VH_RUNNER_CANCELLED:
        return "was cancelled and killed";
    case VH_RUNNER_FINE:
    case VH_RUNNER_REFUSED:
    case VH_RUNNER_LOST:
        break;
    }
    return "failed";
}

/* What it was that failed before anything of the plugin could run, or NULL: it was something else. Only a runner that
 * never was ready is believed, and all it gains is that it does not run. */
static const char *
no_start(const struct vh_runner *runner, const struct death *death)
{
    if (runner->interfaces || runner->area->stage != VH_STAGE_NONE || !WIFEXITED(death->status)) {
        return NULL;
    }
    switch (WEXITSTATUS(death->status)) {
    case VH_NO_START_PARENT:
        return "the parent-death signal was refused, or the zygote ended";
    case VH_NO_START_DESCRIPTORS:
        return "its descriptors could not be placed";
    case VH_NO_START_AREA:
        return "the area shared with the host could not be mapped";
    default:
        return NULL;
    }
}

viv_status
vh_runner_blame(struct vh_runner *runner, const struct vh_runner_place *place, enum vh_runner_failure failure,
                const char *detail, enum vh_runner_failure *ret_failure, struct viv_error *err)
{
    char words[128] = "";
    struct death death = bury(runner, failure == VH_RUNNER_CRASHED);
    bool ended_itself = failure == VH_RUNNER_CRASHED && death.known && !death.by_us;
    const char *step = ended_itself ? no_start(runner, &death) : NULL;
    if (step) {
        *ret_failure = VH_RUNNER_REFUSED;
        return vh_error_set(err, VIV_E_UNAVAILABLE, "runner", "plugin '%s' %s does not start: %s", runner->id,
                            runner->version, step);
    }
    if (ended_itself) {
        describe(&death, words, sizeof words, &failure);
        detail = words;
    } else if (failure == VH_RUNNER_CRASHED && death.known) {
        failure = VH_RUNNER_LIED;
        detail = "it closed its channel";
    } else if (failure == VH_RUNNER_CRASHED) {
        failure = VH_RUNNER_LOST;
    }
    *ret_failure = failure;
    if (failure == VH_RUNNER_LOST) {
        return vh_error_set(err, VIV_E_UNAVAILABLE, "runner",
                            "the runner of plugin '%s' %s is lost: its zygote ended; the plugin is not to blame",
                            runner->id, runner->version);
    }
    char where[160];
    snprintf(where, sizeof where, "%s%s%s", place ? place->interface->id : stage_name(runner), place ? " " : "",
             place ? place->method->name : "");
    return vh_error_set(err, status_of(failure), "runner", "plugin '%s' %s %s in %s: %s", runner->id, runner->version,
                        verb(failure), where, detail ? detail : "no reason known");
}

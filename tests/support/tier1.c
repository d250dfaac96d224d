/* SPDX-License-Identifier: Apache-2.0 */
#include "tier1.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fs.h"
#include "load/map.h"

const char *const tier1_zygote = TIER1_ZYGOTE;

int
tier1_setup(void **state)
{
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct tier1 *tier1 = vh_arena_alloc(arena, sizeof *tier1);
    struct viv_error err = VIV_ERROR_INIT;
    tier1->arena = arena;
    if (vh_zygote_start(vh_seam_real(), arena, tier1_zygote, &tier1->zygote, &err) != VIV_OK) {
        fail_msg("%s", err.text);
    }
    *state = tier1;
    return 0;
}

int
tier1_teardown(void **state)
{
    struct tier1 *tier1 = *state;
    vh_zygote_end(tier1->zygote);
    for (size_t i = 0; i < tier1->fd_count; i++) {
        close(tier1->fds[i]);
    }
    vh_arena_destroy(tier1->arena);
    return 0;
}

int
tier1_seal(struct tier1 *tier1, const char *name)
{
    char path[512];
    struct viv_str bytes;
    int fd = -1;
    snprintf(path, sizeof path, "%s/%s.so", TIER1_PLUGINS, name);
    assert_int_equal(vh_fs_read(vh_seam_real(), tier1->arena, AT_FDCWD, path, VIV_PLUGIN_FILE_MAX, &bytes, NULL),
                     VIV_OK);
    assert_int_equal(vh_map_seal(bytes.data, (size_t)bytes.len, name, &fd, NULL), VIV_OK);
    assert_true(tier1->fd_count < TIER1_PLANS_MAX);
    tier1->fds[tier1->fd_count++] = fd;
    return fd;
}

void
tier1_plan(struct tier1 *tier1, const char *name, struct tier1_plan *ret_plan)
{
    static const char *const services[] = {VIV_SERVICE_LOG, VIV_SERVICE_CLOCK, VIV_SERVICE_EFFECT};
    int good = strncmp(name, "tier1_good", 10) == 0;
    uint64_t skill = UINT64_C(1) << VIV_INDEX_SKILL;
    memset(ret_plan, 0, sizeof *ret_plan);
    ret_plan->plan.id = good ? "tests.tier1_good" : "tests.tier1_bad";
    ret_plan->plan.version = good ? "0.1.0" : "1.2.3";
    ret_plan->plan.interfaces =
        good ? skill : skill | UINT64_C(1) << VIV_INDEX_GATE | UINT64_C(1) << VIV_INDEX_CRITIC;
    ret_plan->plan.services = services;
    ret_plan->plan.service_count = 3;
    ret_plan->plan.root_fd = -1;
    ret_plan->plan.plugin_fd = tier1_seal(tier1, name);
}

struct vh_runner *
tier1_start(struct tier1 *tier1, const struct tier1_plan *plan)
{
    struct vh_runner *runner = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    if (vh_runner_start(tier1->zygote, tier1->arena, &plan->plan, &runner, NULL, &err) != VIV_OK) {
        fail_msg("%s: %s", err.where, err.text);
    }
    return runner;
}

void
tier1_sanitized(char *text)
{
#ifdef VH_SANITIZED
    char *number = strstr(text, "signal ");
    if (number) {
        *number = '\0';
    }
#else
    (void)text;
#endif
}

void
tier1_refused(struct tier1 *tier1, const struct tier1_plan *plan, enum vh_runner_failure wanted, const char *says)
{
    struct vh_runner *runner = NULL;
    enum vh_runner_failure failure = VH_RUNNER_FINE;
    struct viv_error err = VIV_ERROR_INIT;
    char wanted_text[256];
    snprintf(wanted_text, sizeof wanted_text, "%s", says);
    tier1_sanitized(wanted_text);
    assert_int_not_equal(vh_runner_start(tier1->zygote, tier1->arena, &plan->plan, &runner, &failure, &err), VIV_OK);
    if (!strstr(err.text, wanted_text) || !strstr(err.text, plan->plan.id)) {
        fail_msg("'%s' does not hold '%s' and '%s'", err.text, says, plan->plan.id);
    }
    assert_int_equal(failure, wanted);
    assert_null(runner);
}

struct vh_runner_call
tier1_skill(struct tier1 *tier1, const struct viv_value *values, uint32_t count)
{
    tier1->skill_request = (struct viv_skill_run_request){
        .size = sizeof tier1->skill_request,
        .rev = 1,
        .values = values,
        .values_count = count,
        .values_stride = sizeof *values,
        .input_json = VH_STR("{}"),
    };
    return (struct vh_runner_call){
        .interface = VIV_INDEX_SKILL,
        .method = VIV_METHOD_SKILL_RUN,
        .request = &tier1->skill_request,
        .deadline_ns = vh_seam_real()->monotonic_ns(NULL) + TIER1_DEADLINE_NS,
        .cancel_fd = -1,
    };
}

struct vh_runner_call
tier1_gate(struct tier1 *tier1, const char *stage)
{
    tier1->gate_request = (struct viv_gate_check_request){
        .size = sizeof tier1->gate_request,
        .rev = 1,
        .stage = vh_str(stage),
        .tree = VH_STR("tree-1"),
        .config_json = VH_STR("{}"),
        .change_json = VH_STR("{}"),
    };
    return (struct vh_runner_call){
        .interface = VIV_INDEX_GATE,
        .method = VIV_METHOD_GATE_CHECK,
        .request = &tier1->gate_request,
        .deadline_ns = vh_seam_real()->monotonic_ns(NULL) + TIER1_DEADLINE_NS,
        .cancel_fd = -1,
    };
}

viv_status
tier1_run(struct tier1 *tier1, struct vh_runner *runner, const struct vh_runner_call *call,
          struct tier1_answer *ret_answer)
{
    union {
        struct viv_skill_run_answer skill;
        struct viv_gate_check_answer gate;
        char room[256];
    } answer;
    memset(ret_answer, 0, sizeof *ret_answer);
    memset(&answer, 0, sizeof answer);
    viv_status status = vh_runner_call(runner, call, &answer, &ret_answer->result, tier1->arena, &ret_answer->err);
    ret_answer->skill = answer.skill;
    ret_answer->gate = answer.gate;
    return status;
}

void
tier1_works(struct tier1 *tier1)
{
    struct tier1_plan plan;
    tier1_plan(tier1, "tier1_good", &plan);
    struct vh_runner *runner = tier1_start(tier1, &plan);
    struct viv_value value = {.name = VH_STR("do"), .type = VIV_VALUE_TEXT, .text = VH_STR("small")};
    struct vh_runner_call call = tier1_skill(tier1, &value, 1);
    struct tier1_answer answer;
    call.deadline_ns += INT64_C(10000000000);
    assert_int_equal(tier1_run(tier1, runner, &call, &answer), VIV_OK);
    assert_true(vh_str_is(answer.skill.output_json, "{}"));
    assert_int_equal(vh_runner_end(runner, NULL), VIV_OK);
}

int
tier1_children(struct tier1 *tier1)
{
    char path[96], pid[32];
    int count = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)vh_zygote_pid(tier1->zygote),
             (int)vh_zygote_pid(tier1->zygote));
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while (fscanf(file, "%31s", pid) == 1) {
        count++;
    }
    fclose(file);
    return count;
}

int
tier1_pidfd(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    assert_true(fd >= 0);
    return fd;
}

int
tier1_gone(int pidfd)
{
    struct pollfd wait = {.fd = pidfd, .events = POLLIN};
    int ready = poll(&wait, 1, TIER1_PATIENCE_MS);
    close(pidfd);
    return ready == 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Starting and ending one runner. The host makes area and channel itself, so a
 * runner never sees a descriptor it was not given. Read runner.h first; calls are in runner_call.c, messages in
 * runner_wait.c. */
#include "runner_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/str.h"

#define DEFAULT_MEMORY_BYTES (INT64_C(256) << 20)
#define DEFAULT_CPU_S 3600
#define DEFAULT_START_NS INT64_C(5000000000)
#define WARM_FILES 16
#define FOLDER_FILES 256
#define END_MS 1000
#define KEPT_BYTES (UINT64_C(4) << 20)
#define BLOCK_BYTES 512 /* of st_blocks */
#define NAME_BYTES 128

static int64_t
now_ns(const struct vh_runner *runner)
{
    return runner->seam->monotonic_ns(runner->seam->data);
}

int
vh_runner_send(const struct vh_runner *runner, const struct vh_message *message)
{
    ssize_t sent;
    do {
        sent = send(runner->channel, message, sizeof *message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)sizeof *message ? 0 : -1;
}

/* recv takes no descriptors: what a runner might attach is dropped by the kernel. */
ssize_t
vh_runner_packet(const struct vh_runner *runner, void *bytes, size_t size, bool wait)
{
    return recv(runner->channel, bytes, size, wait ? 0 : MSG_DONTWAIT);
}

/* ---- start ---- */

static viv_status
make_area(struct vh_runner *runner, struct viv_error *err)
{
    runner->area_fd = memfd_create("viv-area", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (runner->area_fd < 0 || ftruncate(runner->area_fd, (off_t)VH_AREA_BYTES) != 0 ||
        fcntl(runner->area_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        return vh_error_errno(err, VIV_E_IO, "runner", "no memory file for the runner of '%s'", runner->id);
    }
    void *area = mmap(NULL, VH_AREA_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, runner->area_fd, 0);
    if (area == MAP_FAILED) {
        return vh_error_errno(err, VIV_E_MEMORY, "runner", "no memory for the runner of '%s'", runner->id);
    }
    runner->area = area;
    return VIV_OK;
}

static viv_status
fill_items(struct vh_arena *arena, const struct vh_runner_plan *plan, struct vh_start *start, struct viv_error *err)
{
    uint64_t count = (uint64_t)plan->service_count + plan->library_count + plan->option_count;
    struct viv_value *items =
        count <= VH_MARSHAL_VALUES_MAX ? vh_arena_array(arena, (size_t)count, sizeof *items) : NULL;
    if (!items) {
        return vh_error_set(err, VIV_E_LIMIT, "runner", "'%s' has %llu services, libraries and options, allowed %d",
                            plan->id, (unsigned long long)count, VH_MARSHAL_VALUES_MAX);
    }
    start->items = items;
    start->items_count = (uint32_t)count;
    start->items_stride = (uint32_t)sizeof *items;
    for (uint32_t i = 0; i < plan->service_count; i++) {
        *items++ = (struct viv_value){.name = VH_STR("service"), .text = vh_str(plan->services[i])};
    }
    for (uint32_t i = 0; i < plan->library_count; i++) {
        *items++ = (struct viv_value){.name = VH_STR("library"), .text = vh_str(plan->libraries[i])};
    }
    for (uint32_t i = 0; i < plan->option_count; i++) {
        *items = plan->options[i];
        const char *name = vh_arena_format(arena, "option.%.*s", VH_STR_ARGS(plan->options[i].name));
        if (!name) {
            return vh_error_set(err, VIV_E_MEMORY, "runner", "no memory for the options of '%s'", plan->id);
        }
        items++->name = vh_str(name);
    }
    return VIV_OK;
}

static viv_status
write_start(struct vh_runner *runner, const struct vh_runner_plan *plan, struct vh_arena *arena, uint64_t *ret_len,
            struct viv_error *err)
{
    struct vh_start start = {
        .size = sizeof start,
        .rev = 1,
        .id = vh_str(plan->id),
        .version = vh_str(plan->version),
        .memory_bytes = plan->memory_bytes > 0 ? plan->memory_bytes : DEFAULT_MEMORY_BYTES,
        .cpu_s = plan->cpu_s > 0 ? plan->cpu_s : DEFAULT_CPU_S,
        .files = plan->root_fd >= 0 ? FOLDER_FILES : WARM_FILES,
        .has_root = plan->root_fd >= 0,
        .no_constructors = plan->no_constructors && plan->library_count == 0,
    };
    struct vh_arena *scratch = vh_arena_create(arena, 0);
    viv_status status = scratch ? fill_items(scratch, plan, &start, err)
                                : vh_error_set(err, VIV_E_MEMORY, "runner", "no memory for '%s'", plan->id);
    if (status == VIV_OK) {
        *ret_len = vh_marshal_encode(&vh_marshal_start, &start, (char *)runner->area + VH_AREA_HEAD_BYTES,
                                     VH_AREA_BYTES - VH_AREA_HEAD_BYTES);
        if (*ret_len == 0) {
            status = vh_error_set(err, VIV_E_LIMIT, "runner", "the settings of '%s' do not fit", plan->id);
        }
    }
    vh_arena_destroy(scratch);
    return status;
}

static viv_status
fork_it(struct vh_runner *runner, const struct vh_runner_plan *plan, uint64_t start_len, struct viv_error *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        return vh_error_errno(err, VIV_E_IO, "runner", "no channel for the runner of '%s'", plan->id);
    }
    runner->channel = pair[0];
    struct vh_zygote_fork fork = {pair[1], runner->area_fd, plan->plugin_fd, plan->root_fd, start_len};
    runner->zygote_pid = vh_zygote_pid(runner->zygote);
    viv_status status = vh_zygote_fork(runner->zygote, &fork, &runner->pid, &runner->pidfd, err);
    close(pair[1]);
    runner->alive = status == VIV_OK;
    return status;
}

/* READY and the offers the manifest names, or the blame. */
static viv_status
await_ready(struct vh_runner *runner, const struct vh_runner_plan *plan, enum vh_runner_failure *ret_failure,
            struct viv_error *err)
{
    struct vh_message message;
    int64_t patience_ns = plan->start_ns > 0 ? plan->start_ns : DEFAULT_START_NS;
    enum vh_runner_event event = vh_runner_wait(runner, now_ns(runner) + patience_ns, -1, &message);
    if (event == VH_RUNNER_EVENT_LATE) {
        return vh_runner_blame(runner, NULL, VH_RUNNER_HUNG, "not ready in time, killed", ret_failure, err);
    }
    if (event == VH_RUNNER_EVENT_GONE) {
        return vh_runner_blame(runner, NULL, VH_RUNNER_CRASHED, NULL, ret_failure, err);
    }
    if (event == VH_RUNNER_EVENT_MESSAGE && message.kind == VH_MESSAGE_REFUSED && message.status < 0 &&
        message.status >= VIV_STATUS_LAST) {
        struct viv_error said;
        vh_runner_said(runner, message.status, &said);
        *ret_failure = VH_RUNNER_REFUSED;
        return vh_error_set(err, message.status, said.where, "plugin '%s' %s does not start: %s", runner->id,
                            runner->version, said.text);
    }
    if (event != VH_RUNNER_EVENT_MESSAGE || message.kind != VH_MESSAGE_READY || message.status != VIV_OK) {
        return vh_runner_blame(runner, NULL, VH_RUNNER_LIED, "no message a start can have", ret_failure, err);
    }
    if (message.extra != plan->interfaces) {
        *ret_failure = VH_RUNNER_REFUSED;
        return vh_error_set(err, VIV_E_PLUGIN, "agree",
                            "plugin '%s' %s offers interfaces 0x%llx, its manifest names 0x%llx; rebuild it",
                            plan->id, plan->version, (unsigned long long)message.extra,
                            (unsigned long long)plan->interfaces);
    }
    runner->interfaces = message.extra;
    return VIV_OK;
}

static struct vh_runner *
make(struct vh_zygote *zygote, struct vh_arena *arena, const struct vh_runner_plan *plan)
{
    struct vh_runner *runner = vh_arena_alloc(arena, sizeof *runner);
    if (!runner) {
        return NULL;
    }
    runner->zygote = zygote;
    runner->seam = vh_zygote_seam(zygote);
    runner->id = vh_arena_format(arena, "%.*s", NAME_BYTES, plan->id);
    runner->version = vh_arena_format(arena, "%.*s", NAME_BYTES, plan->version);
    runner->channel = runner->pidfd = runner->area_fd = -1;
    runner->folder = plan->root_fd >= 0;
    runner->log = plan->log;
    runner->log_data = plan->log_data;
    return runner->id && runner->version ? runner : NULL;
}

viv_status
vh_runner_start(struct vh_zygote *zygote, struct vh_arena *arena, const struct vh_runner_plan *plan,
                struct vh_runner **ret_runner, enum vh_runner_failure *ret_failure, struct viv_error *err)
{
    enum vh_runner_failure failure = VH_RUNNER_LOST;
    uint64_t start_len = 0;
    struct vh_runner *runner = make(zygote, arena, plan);
    viv_status status =
        runner ? make_area(runner, err) : vh_error_set(err, VIV_E_MEMORY, "runner", "no memory for '%s'", plan->id);
    status = status == VIV_OK ? write_start(runner, plan, arena, &start_len, err) : status;
    status = status == VIV_OK ? fork_it(runner, plan, start_len, err) : status;
    status = status == VIV_OK ? await_ready(runner, plan, &failure, err) : status;
    if (status == VIV_OK) {
        failure = VH_RUNNER_FINE;
        *ret_runner = runner;
    } else {
        vh_runner_end(runner, NULL);
    }
    if (ret_failure) {
        *ret_failure = failure;
    }
    return status;
}

/* ---- end ---- */

static viv_status
destroy_it(struct vh_runner *runner, struct viv_error *err)
{
    struct vh_message message = {.kind = VH_MESSAGE_END, .seq = ++runner->seq}, done;
    enum vh_runner_failure failure;
    if (vh_runner_send(runner, &message) != 0) {
        return vh_runner_blame(runner, NULL, VH_RUNNER_CRASHED, NULL, &failure, err);
    }
    runner->log_lines = 0;
    enum vh_runner_event event = vh_runner_wait(runner, now_ns(runner) + END_MS * INT64_C(1000000), -1, &done);
    if (event == VH_RUNNER_EVENT_LATE) {
        return vh_runner_blame(runner, NULL, VH_RUNNER_HUNG, "no end within 1 s, killed", &failure, err);
    }
    if (event == VH_RUNNER_EVENT_GONE) {
        return vh_runner_blame(runner, NULL, VH_RUNNER_CRASHED, NULL, &failure, err);
    }
    if (event != VH_RUNNER_EVENT_MESSAGE || done.kind != VH_MESSAGE_ANSWER || done.seq != message.seq) {
        return vh_runner_blame(runner, NULL, VH_RUNNER_LIED, "no message an end can have", &failure, err);
    }
    return VIV_OK;
}

viv_status
vh_runner_end(struct vh_runner *runner, struct viv_error *err)
{
    if (!runner) {
        return VIV_OK;
    }
    viv_status status = VIV_OK;
    if (runner->alive) {
        status = runner->interfaces ? destroy_it(runner, err) : VIV_OK;
    }
    if (runner->pid) {
        enum vh_runner_failure failure, known = runner->interfaces ? VH_RUNNER_CRASHED : VH_RUNNER_LOST;
        (void)vh_runner_blame(runner, NULL, known, NULL, &failure, NULL); /* only to bury it */
    }
    runner->alive = false;
    if (runner->area) {
        munmap(runner->area, VH_AREA_BYTES);
    }
    const int fds[] = {runner->channel, runner->pidfd, runner->area_fd};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    runner->area = NULL;
    runner->channel = runner->pidfd = runner->area_fd = -1;
    return status;
}

void
vh_runner_trim(struct vh_runner *runner)
{
    struct stat stat;
    if (runner->area && runner->seam->fstat(runner->seam->data, runner->area_fd, &stat) == 0 &&
        (uint64_t)stat.st_blocks * BLOCK_BYTES > KEPT_BYTES) {
        /* Failing costs memory, nothing else. */
        (void)madvise((char *)runner->area + VH_AREA_HEAD_BYTES, VH_AREA_BYTES - VH_AREA_HEAD_BYTES, MADV_REMOVE);
    }
}

bool
vh_runner_alive(const struct vh_runner *runner)
{
    return runner->alive;
}

pid_t
vh_runner_pid(const struct vh_runner *runner)
{
    return runner->pid;
}

int64_t
vh_runner_used_ns(const struct vh_runner *runner)
{
    return runner->used_ns;
}

bool
vh_runner_folder(const struct vh_runner *runner)
{
    return runner->folder;
}

viv_status
vh_runner_pin(struct vh_runner *runner, int cpu, struct viv_error *err)
{
    if (runner->seam->pin(runner->seam->data, runner->pid, cpu) != 0) {
        return vh_error_errno(err, VIV_E_IO, "runner", "the runner of '%s' cannot be kept on processor %d",
                              runner->id, cpu);
    }
    return VIV_OK;
}

const char *
vh_runner_failure_name(enum vh_runner_failure failure)
{
    static const char *const names[] = {"fine", "refused", "crashed", "exited", "hung", "lied", "cancelled", "lost"};
    return (size_t)failure < sizeof names / sizeof *names ? names[failure] : "lost";
}

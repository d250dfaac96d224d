/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin that does what no plugin may, one word a deed: in create() and destroy() by option, in run() by the typed
 * input "do", in check() and review() by stage and rubric. With BAD_ENTRY it does the deed in viv_plugin_entry, with
 * BAD_CONSTRUCTOR before that. What it tries on the channel itself is in lies.c. */
#include "bad.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tier1_bad_manifest.h"

static const struct viv_log *log_service;

static void
crash(void)
{
    volatile int *nowhere = NULL;
    *nowhere = 1;
}

static void
hang(void)
{
    for (volatile unsigned i = 0;; i++) {
    }
}

static unsigned
overflow(unsigned depth)
{
    volatile char frame[4096];
    frame[0] = (char)depth;
    if (depth == UINT32_MAX) {
        return 0;
    }
    return overflow(depth + 1) + (unsigned)frame[0];
}

static void
deep(void)
{
    if (overflow(0) == 1) {
        abort();
    }
}

static void
leave(void)
{
    exit(7);
}

static void
leave_at_once(void)
{
    _exit(0);
}

static void
make_child(void)
{
    if (fork() == 0) {
        hang();
    }
}

static void *
idle(void *data)
{
    return data;
}

static void
make_thread(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, idle, NULL);
}

static void
open_file(void)
{
    (void)open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static void
open_socket(void)
{
    (void)socket(AF_INET, SOCK_STREAM, 0);
}

static void
run_program(void)
{
    char *const argv[] = {(char *)(uintptr_t) "/bin/true", NULL};
    execv("/bin/true", argv);
}

static void
make_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static void
map_code(void)
{
    (void)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void
kill_parent(void)
{
    kill(getppid(), SIGKILL);
}

static void
trace_parent(void)
{
    ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static void
raise_limit(void)
{
    (void)alarm(1);
}

static void
close_channel(void)
{
    close(3);
    hang();
}

/* Not a crime: the bound answers NULL, and what is asked for in pieces runs out. */
static void
take_memory(void)
{
    char *large = malloc((size_t)1 << 30);
    if (large) {
        memset(large, 1, (size_t)1 << 30);
        crash();
    }
    for (int i = 0; i < 1024; i++) {
        char *piece = malloc((size_t)1 << 20);
        if (!piece) {
            return;
        }
        memset(piece, 1, (size_t)1 << 20);
    }
    crash();
}

static void
flood_log(void)
{
    for (int i = 0; i < 100000; i++) {
        log_service->write(log_service, VIV_LOG_INFO, (struct viv_str){"flood\x1b[2J", 9});
    }
}

static const struct {
    const char *word;
    void (*deed)(void);
} deeds[] = {
    {"crash", crash},         {"abort", abort},         {"hang", hang},           {"overflow", deep},
    {"exit", leave},          {"_exit", leave_at_once}, {"fork", make_child},     {"thread", make_thread},
    {"open", open_file},      {"socket", open_socket},  {"exec", run_program},    {"mprotect", make_code},
    {"mmap-exec", map_code},  {"kill", kill_parent},    {"ptrace", trace_parent}, {"alarm", raise_limit},
    {"close", close_channel}, {"memory", take_memory},  {"flood", flood_log},
};

static void
misbehave(struct viv_str word)
{
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        if (viv_kit_is(word, deeds[i].word)) {
            deeds[i].deed();
            return;
        }
    }
}

#ifdef BAD_CONSTRUCTOR
__attribute__((constructor)) static void
before_all(void)
{
    misbehave((struct viv_str){BAD_CONSTRUCTOR, sizeof BAD_CONSTRUCTOR - 1});
}
#endif

static viv_status
create(const struct viv_host *host, const void *data, void **ret_self, struct viv_error *err)
{
    static const struct tier1_bad_config *config;
    config = data;
    *ret_self = &config;
    if (viv_kit_is(config->create, "refuse")) {
        snprintf(err->text, sizeof err->text, "the moon\nis\xff wrong");
        return VIV_E_INVALID;
    }
    if (viv_kit_is(config->create, "random")) {
        const void *table;
        return host->acquire(host, "viv.random/1", &table, err);
    }
    viv_status status = host->acquire(host, VIV_SERVICE_LOG, (const void **)&log_service, err);
    misbehave(config->create);
    return status;
}

static void
destroy(void *self)
{
    misbehave((*(const struct tier1_bad_config **)self)->destroy);
}

static viv_status
run(void *self, struct viv_call *call, const struct viv_skill_run_request *request,
    struct viv_skill_run_answer *ret_answer, struct viv_error *err)
{
    (void)self;
    struct viv_str word = request->values_count ? request->values[0].text : (struct viv_str){"", 0};
    misbehave(word);
    ret_answer->output_json = (struct viv_str){"{}", 2};
    ret_answer->text = (struct viv_str){"done", 4};
    if (viv_kit_is(word, "latin1")) {
        ret_answer->text = (struct viv_str){"caf\xe9", 4};
    }
    if (viv_kit_is(word, "status")) {
        return 7;
    }
    if (viv_kit_is(word, "status-low")) {
        return -1000;
    }
    if (viv_kit_is(word, "wild")) {
        ret_answer->text = (struct viv_str){(const char *)16, 4};
    }
    if (viv_kit_is(word, "endless")) {
        ret_answer->text.len = UINT64_MAX - 3;
    }
    return lie(word, call, request, err);
}

static viv_status
check(void *self, struct viv_call *call, const struct viv_gate_check_request *request,
      struct viv_gate_check_answer *ret_answer, struct viv_error *err)
{
    (void)self;
    (void)call;
    (void)err;
    misbehave(request->stage);
    ret_answer->outcome = viv_kit_is(request->stage, "outcome") ? 99 : VIV_GATE_PASSED;
    ret_answer->reserved = viv_kit_is(request->stage, "reserved");
    ret_answer->tree = request->tree;
    ret_answer->findings_json = (struct viv_str){"[]", 2};
    return VIV_OK;
}

static viv_status
review(void *self, struct viv_call *call, const struct viv_critic_review_request *request,
       struct viv_critic_review_answer *ret_answer, struct viv_error *err)
{
    (void)self;
    (void)call;
    (void)request;
    (void)err;
    ret_answer->score_permille = 5000;
    return VIV_OK;
}

static const struct viv_skill skill = {.size = sizeof skill, .rev = 1, .run = run};
static const struct viv_gate gate = {.size = sizeof gate, .rev = 1, .check = check};
static const struct viv_critic critic = {.size = sizeof critic, .rev = 1, .review = review};
static const struct viv_offer offers[] = {
    {VIV_IFACE_SKILL, &skill}, {VIV_IFACE_GATE, &gate}, {VIV_IFACE_CRITIC, &critic}};

static const struct viv_plugin plugin = {
    VIV_MANIFEST_PLUGIN, .offers = offers, .offer_count = 3, .create = create, .destroy = destroy,
};

VIV_EXPORT const struct viv_plugin *
viv_plugin_entry(const struct viv_host_offer *offer, struct viv_refusal *ret_refusal)
{
    (void)offer;
    (void)ret_refusal;
#ifdef BAD_ENTRY
    misbehave((struct viv_str){BAD_ENTRY, sizeof BAD_ENTRY - 1});
#endif
    return &plugin;
}

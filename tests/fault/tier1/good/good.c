/* SPDX-License-Identifier: Apache-2.0 */
/* A well-behaved skill for the tests of tier 1: "echo" says back settings, task and every typed value; "effect" asks
 * for one effect; "read" tries a list of paths below the granted folder; "cancel" works until it is told to stop;
 * "large" answers a given number of bytes; "small" answers at once, for the benchmarks. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <kit.h>
#include <viv/iface/skill.h>

#include "tier1_good_manifest.h"

#define OUT_BYTES (64u << 10)

struct good {
    const struct tier1_good_config *config;
    const struct viv_log *log;
    const struct viv_clock *clock;
    const struct viv_effects *effects;
};

static struct good good;

struct out {
    char *text;
    size_t len;
};

#define SAY(out, ...) ((out)->len += (size_t)snprintf((out)->text + (out)->len, OUT_BYTES - (out)->len, __VA_ARGS__))
#define ARGS(str) (int)(str).len, (str).data

static viv_status
create(const struct viv_host *host, const void *config, void **ret_self, struct viv_error *err)
{
    good.config = config;
    *ret_self = &good;
    viv_status status = host->acquire(host, VIV_SERVICE_LOG, (const void **)&good.log, err);
    if (status == VIV_OK) {
        status = host->acquire(host, VIV_SERVICE_CLOCK, (const void **)&good.clock, err);
    }
    if (status == VIV_OK) {
        status = host->acquire(host, VIV_SERVICE_EFFECT, (const void **)&good.effects, err);
    }
    return status;
}

static void
echo(struct viv_call *call, const struct viv_skill_run_request *request, struct out *out)
{
    const struct tier1_good_config *config = good.config;
    SAY(out, "%lld %lld %u %.*s\n", (long long)config->factor, (long long)config->patience_ns, config->loud,
        ARGS(config->greeting));
    SAY(out, "%lld %.*s\n", (long long)good.clock->now_us(good.clock, call), ARGS(call->trace_id));
    if (call->task) {
        SAY(out, "%.*s %.*s %u\n", ARGS(call->task->id), ARGS(call->task->goal), call->task->attempt);
    }
    for (uint32_t i = 0; i < request->values_count; i++) {
        const struct viv_value *value = &request->values[i];
        SAY(out, "%.*s %u %u %lld %.*s\n", ARGS(value->name), value->type, value->index, (long long)value->integer,
            ARGS(value->text));
    }
    good.log->write(good.log, VIV_LOG_WARNING, (struct viv_str){"echoed\n\x1b[31m", 12});
}

static viv_status
effect(struct viv_call *call, const struct viv_skill_run_request *request, struct out *out, struct viv_error *err)
{
    int64_t before_ns = call->deadline_ns;
    struct viv_effect_request wanted = {.size = sizeof wanted, .rev = 1, .kind = VIV_EFFECT_WRITE};
    struct viv_effect_outcome outcome;
    wanted.path = request->values[1].text;
    wanted.target = (struct viv_str){"there", 5};
    wanted.bytes = (struct viv_str){"\0\xff", 2};
    wanted.spec_json = (struct viv_str){"{}", 2};
    viv_status status = good.effects->perform(good.effects, call, &wanted, &outcome, err);
    if (status == VIV_OK) {
        SAY(out, "%d %u %lld %.*s|%.*s|%.*s|%.*s later %d", outcome.exit_code, outcome.flags,
            (long long)outcome.duration_ns, ARGS(outcome.output), ARGS(outcome.errors), ARGS(outcome.output_digest),
            ARGS(outcome.detail_json), call->deadline_ns > before_ns);
    }
    return status;
}

static void
try_paths(struct viv_call *call, const struct viv_skill_run_request *request, struct out *out)
{
    for (uint32_t i = 1; i < request->values_count; i++) {
        char path[256] = {0};
        struct viv_str text = request->values[i].text;
        memcpy(path, text.data, text.len < sizeof path - 1 ? (size_t)text.len : sizeof path - 1);
        int fd = openat(call->root_fd, path, O_RDONLY | O_CLOEXEC);
        char content[32] = {0};
        ssize_t got = fd < 0 ? -1 : read(fd, content, sizeof content - 1);
        SAY(out, "%s: %s\n", path, fd < 0 ? strerrorname_np(errno) : got < 0 ? "unreadable" : content);
        if (fd >= 0) {
            close(fd);
        }
    }
}

static viv_status
run(void *self, struct viv_call *call, const struct viv_skill_run_request *request,
    struct viv_skill_run_answer *ret_answer, struct viv_error *err)
{
    (void)self;
    struct viv_str word = request->values_count ? request->values[0].text : (struct viv_str){"", 0};
    viv_status status = VIV_OK;
    if (viv_kit_is(word, "small")) {
        ret_answer->output_json = request->input_json;
        return VIV_OK;
    }
    struct out out = {call->alloc(call, OUT_BYTES), 0};
    if (!out.text || call->alloc(call, (uint64_t)1 << 40) != NULL) {
        return VIV_E_MEMORY;
    }
    if (viv_kit_is(word, "echo")) {
        echo(call, request, &out);
    } else if (viv_kit_is(word, "effect")) {
        status = effect(call, request, &out, err);
    } else if (viv_kit_is(word, "read")) {
        try_paths(call, request, &out);
    } else if (viv_kit_is(word, "write")) {
        openat(call->root_fd, "made", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    } else if (viv_kit_is(word, "cancel")) {
        good.log->write(good.log, VIV_LOG_INFO, (struct viv_str){"working", 7});
        while (!call->cancelled(call)) {
        }
        SAY(&out, "stopped");
    } else if (viv_kit_is(word, "large")) {
        ret_answer->output_json.len = (uint64_t)request->values[1].integer;
        ret_answer->output_json.data = call->alloc(call, ret_answer->output_json.len);
        ret_answer->output_json.len = ret_answer->output_json.data ? ret_answer->output_json.len : 0;
    }
#ifdef GOOD_LIBRARY
    if (viv_kit_is(word, "root")) {
        SAY(&out, "%.1f", cbrt((double)request->values[1].integer));
    }
#endif
    ret_answer->text = (struct viv_str){out.text, out.len};
    return status;
}

static void
destroy(void *self)
{
    (void)self;
}

static const struct viv_skill skill = {.size = sizeof skill, .rev = 1, .run = run};
static const struct viv_offer offers[] = {{VIV_IFACE_SKILL, &skill}};
static const struct viv_plugin plugin = {
    VIV_MANIFEST_PLUGIN, .offers = offers, .offer_count = 1, .create = create, .destroy = destroy,
};

VIV_EXPORT const struct viv_plugin *
viv_plugin_entry(const struct viv_host_offer *offer, struct viv_refusal *ret_refusal)
{
    (void)offer;
    (void)ret_refusal;
    return &plugin;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Measures what stands between a wish and its deed without any waiting: the safety plugin's verdicts, the economy
 * plugin's prices and choice, and the core's hold and settlement of one call to a model. All by processor time of one
 * thread, on the built plugins, over a policy with 40 rules and two models. Beside it in the same run: SHA-256 of the
 * bytes of an event. Goals: a verdict 20 us; hold and settlement 15 us, plus their commit.
 *
 *   tools/bench money [--json] [--rounds N] */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <viv/iface/economy.h>
#include <viv/iface/safety.h>
#include <viv/plugin.h>

#include "../support/fake_host.h"
#include "base/hash.h"
#include "base/str.h"
#include "bench.h"
#include "core/memory.h"
#include "core/step.h"

#define CONFIG_BYTES 256
#define RULES 40

static struct fake_host host;
static const struct viv_safety *safety;
static const struct viv_economy *economy;
static void *safety_self, *economy_self;
static char policy[32768], layers[32768];

static void
stop(const char *what, const char *text)
{
    fprintf(stderr, "money: %s: %s\n", what, text);
    exit(1);
}

/* A plugin of the build, with the least of each setting. */
static const void *
load(const char *file, void **ret_self)
{
    static uint64_t config[2][CONFIG_BYTES / sizeof(uint64_t)];
    static int count;
    char path[512];
    struct viv_error err = VIV_ERROR_INIT;
    struct viv_host_offer offer = { (uint32_t)sizeof offer, 1, VIV_ABI_MAJOR, VIV_ABI_MINOR };
    struct viv_refusal refusal = { .size = (uint32_t)sizeof refusal, .rev = 1 };
    viv_plugin_entry_fn entry = NULL;
    snprintf(path, sizeof path, "%s/plugins/%s.so", VIV_BUILD_DIR, file);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *symbol = library ? dlsym(library, "viv_plugin_entry") : NULL;
    memcpy(&entry, &symbol, sizeof entry);
    const struct viv_plugin *plugin = entry ? entry(&offer, &refusal) : NULL;
    char *settings = (char *)config[count++];
    for (uint32_t i = 0; plugin && i < plugin->option_count; i++) {
        const struct viv_option *option = &plugin->options[i];
        if (option->type != VIV_OPTION_TEXT && option->type != VIV_OPTION_JSON) {
            memcpy(settings + option->offset, &option->max, sizeof option->max);
        }
    }
    if (!plugin || plugin->create(&host.host, settings, ret_self, &err)) {
        stop(file, plugin ? err.text : "it cannot be loaded");
    }
    return plugin->offers[0].table;
}

static struct viv_str
text_of(const char *text)
{
    return (struct viv_str){ text, strlen(text) };
}

/* ---- safety ---- */

static void
make_policy(void)
{
    static char yaml[32768];
    struct fake_call call;
    struct viv_error err = VIV_ERROR_INIT;
    size_t len = (size_t)snprintf(
        yaml, sizeof yaml,
        "version: 1\nlimits: {home: 1000.00, task: 100.00, day: 500.00, model: 500.00}\nmodels:\n"
        "  small: {plugin: viv.model_openai, base_url: \"https://one.example/v1\", tier: fast, context: 100000, "
        "output: 8000, price: {input: 0.05, output: 0.08}}\n"
        "  big: {plugin: viv.model_openai, base_url: \"https://two.example/v1\", tier: strong, context: 200000, "
        "output: 16000, price: {input: 3.00, output: 15.00}}\ncommands:\n");
    for (int i = 0; i < RULES; i++) {
        len += (size_t)snprintf(yaml + len, sizeof yaml - len,
                                "  - {id: r%d, match: [program%d, word], verdict: ask, reason: asks}\n", i, i);
    }
    struct viv_safety_compile_request request = { .size = (uint32_t)sizeof request, .rev = 1, .text = text_of(yaml),
                                                  .origin = text_of("bench"), .scope = VIV_POLICY_USER, .trusted = 1 };
    struct viv_safety_compile_answer answer = { .size = (uint32_t)sizeof answer, .rev = 1 };
    fake_call_init(&call, &host);
    if (safety->compile(safety_self, &call.call, &request, &answer, &err)) {
        stop("policy", err.text);
    }
    snprintf(policy, sizeof policy, "%.*s", VH_STR_ARGS(answer.policy_json));
    snprintf(layers, sizeof layers, "[%.*s]", VH_STR_ARGS(answer.policy_json));
    fake_call_finish(&call);
}

static bool
judge(void *data)
{
    static const char capability[] = "{\"read\":[\"**\"],\"write\":[\"**\"],\"avoid\":[],\"exec\":\"any\",\"hosts\":[],"
                                     "\"models\":[\"big\",\"small\"],\"network\":0,\"profile\":\"full\"}";
    struct fake_call call;
    struct viv_error err = VIV_ERROR_INIT;
    struct viv_safety_judge_effect_request request = { .size = (uint32_t)sizeof request, .rev = 1,
                                                       .policy_json = text_of(layers),
                                                       .capability_json = text_of(capability),
                                                       .effect_json = text_of(data) };
    struct viv_safety_judge_effect_answer answer = { .size = (uint32_t)sizeof answer, .rev = 1 };
    fake_call_init(&call, &host);
    bool good = safety->judge_effect(safety_self, &call.call, &request, &answer, &err) == VIV_OK &&
                answer.verdict == VIV_VERDICT_ALLOW;
    fake_call_finish(&call);
    return good;
}

/* ---- economy ---- */

#define PRICE "\"price\":{\"cache_write_micro\":3000000,\"cached_micro\":3000000,\"input_micro\":3000000," \
              "\"output_micro\":15000000}"

static bool
estimate(void *data)
{
    struct fake_call call;
    struct viv_error err = VIV_ERROR_INIT;
    struct viv_economy_estimate_request request = {
        .size = (uint32_t)sizeof request, .rev = 1, .policy_json = text_of(policy),
        .work_json = text_of("{\"effect\":\"model\",\"expected_tokens\":300,\"input_tokens\":9000,\"kind\":\"effect\","
                             "\"model\":\"big\",\"now_us\":1790000000000000,\"output_tokens\":4000," PRICE
                             ",\"task\":\"t1\"}") };
    struct viv_economy_estimate_answer answer = { .size = (uint32_t)sizeof answer, .rev = 1 };
    (void)data;
    fake_call_init(&call, &host);
    bool good = economy->estimate(economy_self, &call.call, &request, &answer, &err) == VIV_OK;
    fake_call_finish(&call);
    return good && answer.worst_case_micro == 87000;
}

static bool
settle(void *data)
{
    struct fake_call call;
    struct viv_error err = VIV_ERROR_INIT;
    struct viv_economy_settle_request request = {
        .size = (uint32_t)sizeof request, .rev = 1, .held_micro = 87000,
        .usage_json = text_of("{\"model\":\"big\"," PRICE ",\"tokens\":{\"cache_write_tokens\":0,\"cached_tokens\":0,"
                              "\"input_tokens\":2000,\"output_tokens\":100}}") };
    struct viv_economy_settle_answer answer = { .size = (uint32_t)sizeof answer, .rev = 1 };
    (void)data;
    fake_call_init(&call, &host);
    bool good = economy->settle(economy_self, &call.call, &request, &answer, &err) == VIV_OK;
    fake_call_finish(&call);
    return good && answer.cost_micro == 7500;
}

static bool
choose(void *data)
{
    struct fake_call call;
    struct viv_error err = VIV_ERROR_INIT;
    struct viv_economy_choose_request request = {
        .size = (uint32_t)sizeof request, .rev = 1, .policy_json = text_of(policy),
        .choice_json = text_of("{\"asked\":\"\",\"attempt\":1,\"goal\":\"correct the greeting in the readme\","
                               "\"learned\":[],\"left_micro\":900000,\"rejected\":[],\"task\":\"t1\"}") };
    struct viv_economy_choose_answer answer = { .size = (uint32_t)sizeof answer, .rev = 1 };
    (void)data;
    fake_call_init(&call, &host);
    bool good = economy->choose(economy_self, &call.call, &request, &answer, &err) == VIV_OK &&
                vh_str_is(answer.model, "small");
    fake_call_finish(&call);
    return good;
}

/* ---- the core ---- */

struct core {
    struct vh_arena *arena, *scratch;
    struct vh_memory *memory;
    struct vh_state_ops state;
    int64_t seq, ordinal;
    uint64_t bytes; /* of the events' lines */
};

static bool
say(struct core *core, const char *kind, const char *json)
{
    struct vh_arena *arena = core->scratch;
    struct vh_decision decision = { .count = 0 };
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_json *data = NULL;
    viv_status status = vh_json_read(arena, text_of(json), &data, &err); /* as cheap as a handler's building it */
    bool of_host = strcmp(kind, "host.started") == 0;
    struct vh_command command = { .kind = text_of(kind), .task = of_host ? VH_STR("") : VH_STR("t"),
                                  .actor = { VH_STR("w1"), VH_STR("worker"), 1, 1 }, .data = data };
    struct vh_step_place place = { 1790000000000000 + core->seq, core->seq + 1, 1 };
    status = status ? status : vh_memory_mark(core->memory, &err);
    status = status ? status : vh_step(&core->state, arena, &command, &place, &decision, &err);
    for (size_t i = 0; i < decision.count && status == VIV_OK; i++) {
        core->bytes += vh_event_encode(arena, &decision.events[i]).len;
    }
    vh_memory_keep(core->memory);
    core->seq += (int64_t)decision.count;
    vh_arena_reset(arena);
    if (status) {
        fprintf(stderr, "money: %s: %s\n", kind, err.text);
    }
    return status == VIV_OK;
}

static void
begin_task(struct core *core)
{
    static const char *const life[][2] = {
        { "host.started", "{\"epoch\":1,\"pid\":1}" },
        { "task.submitted", "{\"attempts_max\":1,\"goal\":\"g\"}" },
        { "task.claimed", "{\"worker\":\"w1\"}" },
        { "intent.captured", "{\"intent\":{\"goal\":\"g\"},\"lease\":1}" },
        { "plan.answered", "{\"lease\":1}" },
        { "safety.report", "{\"capability\":{\"write\":[\"\"]},\"lease\":1,\"verdict\":2}" },
        { "budget.estimated", "{\"lease\":1,\"scopes\":[{\"limit_micro\":1000000000000,\"scope\":\"home\"}],"
                              "\"worst_case_micro\":100}" },
        { "route.chosen", "{\"lease\":1,\"route\":\"executor\"}" },
        { "base.captured", "{\"base\":{},\"commit\":\"C0\",\"lease\":1,\"tree\":\"T0\"}" },
    };
    core->arena = vh_arena_create(NULL, 0);
    core->scratch = vh_arena_create(NULL, 0);
    core->memory = vh_memory_create(core->arena);
    core->state = vh_memory_state(core->memory);
    for (size_t i = 0; i < sizeof life / sizeof *life; i++) {
        if (!say(core, life[i][0], life[i][1])) {
            exit(1);
        }
    }
}

#define SCOPE(name) "{\"limit_micro\":1000000000000,\"scope\":\"" name "\"}"

/* Start with a hold in four accounts, finish with a price: five events. */
static bool
hold_and_settle(void *data)
{
    struct core *core = data;
    char start[800], finish[400];
    snprintf(start, sizeof start,
             "{\"digest\":\"0123456789abcdef\",\"effect\":\"model\",\"hold\":{\"micro\":87000,\"scopes\":["
             SCOPE("home") "," SCOPE("task:t") "," SCOPE("model:big") "," SCOPE("home:day:2026-11-27")
             "]},\"lease\":1,\"ordinal\":%lld,\"verdict\":2,\"what\":{\"kind\":\"model\",\"path\":\"big\"}}",
             (long long)core->ordinal);
    snprintf(finish, sizeof finish,
             "{\"cost_micro\":7500,\"digest\":\"0123456789abcdef\",\"effect\":\"model\",\"lease\":1,\"ordinal\":%lld,"
             "\"prices\":\"0123456789abcdef\",\"status\":0}", (long long)core->ordinal);
    core->ordinal++;
    return say(core, "effect.started", start) && say(core, "effect.finished", finish);
}

static bool
digest(void *data)
{
    struct vh_hash hash;
    return vh_hash_bytes(data, 1024, &hash);
}

int
main(int argc, char **argv)
{
    static char block[1024];
    static struct {
        const char *what;
        char effect[120];
    } verdicts[] = {
        { "verdict: a file is read", "{\"kind\":\"read\",\"path\":\"src/main.c\"}" },
        { "verdict: a command", "{\"kind\":\"exec\",\"spec\":{\"stages\":[{\"argv\":[\"make\",\"-j2\",\"check\"]}]}}" },
        { "verdict: a shell text",
          "{\"kind\":\"exec\",\"spec\":{\"stages\":[{\"argv\":[\"sh\",\"-c\",\"grep -rn main src | wc -l\"]}]}}" },
        { "verdict: a call to a model", "{\"kind\":\"model\",\"path\":\"big\"}" },
    };
    struct bench bench;
    struct core core = { .seq = 0 };
    bench_begin(&bench, "money", "", argc, argv);
    fake_host_init(&host);
    safety = load("safety_policy", &safety_self);
    economy = load("economy_ledger", &economy_self);
    make_policy();
    bench_run(&bench, "sha256 of 1 KiB", digest, block);
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++) {
        bench_run(&bench, verdicts[i].what, judge, verdicts[i].effect);
    }
    bench_run(&bench, "economy: the worst case of a call", estimate, NULL);
    bench_run(&bench, "economy: the price of a call", settle, NULL);
    bench_run(&bench, "economy: the choice of a model", choose, NULL);
    begin_task(&core);
    uint64_t before = core.bytes;
    int64_t calls = core.ordinal;
    bench_run(&bench, "core: hold and settle a call", hold_and_settle, &core);
    bench_value(&bench, "bytes of log a call", (double)(core.bytes - before) / (double)(core.ordinal - calls), "B");
    vh_arena_destroy(core.scratch);
    vh_arena_destroy(core.arena);
    return bench_end(&bench);
}

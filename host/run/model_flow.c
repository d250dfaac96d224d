/* SPDX-License-Identifier: Apache-2.0 */
/* Rates by the generic cell rate algorithm: of each rate one time is kept, that at which the next call would be on
 * schedule; a call may come before it by the burst. Integers only. What a host did in its last minute is read from the
 * log, so that starting it again buys nothing. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "run/models.h"
#include "run/socket.h"

#define FLOWS_MAX 64
#define MINUTE_US INT64_C(60000000)
#define LOOK_MS 20 /* a waiting call looks again, also at its cancel flag */
#define NEVER INT64_MAX

/* `each` ns for one unit, and how many of them may come at once. */
struct rate {
    int64_t at_ns; /* when the next would be on schedule */
    int64_t per_minute;
    int64_t burst;
};

struct flow {
    char name[VIV_ID_MAX + 1];
    int64_t active;
    struct vh_model_place *places; /* of the active ones */
    struct rate requests, tokens;
    int64_t not_before_ns; /* the provider's wish */
    int64_t rest_until_ns;
    int64_t failures;
    int64_t output[VH_MODEL_OUTPUTS]; /* a ring */
    size_t outputs;
};

struct vh_model_flows {
    const struct vh_seam *seam;
    vh_model_past past;
    void *data;
    pthread_mutex_t lock;
    struct flow flow[FLOWS_MAX];
    size_t count;
};

struct vh_model_flows *
vh_model_flows_create(const struct vh_seam *seam, struct vh_arena *arena, vh_model_past past, void *data)
{
    struct vh_model_flows *flows = vh_arena_alloc(arena, sizeof *flows);
    if (flows) {
        pthread_mutex_init(&flows->lock, NULL);
        flows->seam = seam;
        flows->past = past;
        flows->data = data;
    }
    return flows;
}

void
vh_model_flows_end(struct vh_model_flows *flows)
{
    pthread_mutex_destroy(&flows->lock);
}

/* ---- one rate ---- */

/* Together burst and schedule let through no more than the rate in any minute. */
static int64_t
cost_ns(const struct rate *rate, int64_t units)
{
    int64_t steady = rate->per_minute - rate->burst + 1;
    return units * MINUTE_US / steady * 1000; /* units are at most half a rate, a rate at most 10^9 */
}

/* More than may ever come at once counts as that, or it could never come. */
static int64_t
weight(const struct rate *rate, int64_t units)
{
    return units > rate->burst ? rate->burst : units;
}

/* The limits are those of the policy now; what was taken stays. */
static void
set_rate(struct rate *rate, int64_t per_minute, int64_t burst)
{
    rate->per_minute = per_minute;
    rate->burst = burst > 0 ? burst : 1;
}

static int64_t
free_at(const struct rate *rate, int64_t units)
{
    return rate->per_minute ? rate->at_ns + cost_ns(rate, weight(rate, units)) - cost_ns(rate, rate->burst) : 0;
}

static void
take(struct rate *rate, int64_t now_ns, int64_t units)
{
    if (rate->per_minute) {
        rate->at_ns = (rate->at_ns > now_ns ? rate->at_ns : now_ns) + cost_ns(rate, weight(rate, units));
    }
}

/* Of what a call took, `unused_ns`: never more than it took, and nothing that time has given back already, or calls
 * that end late would let others in above the rate. Gives how much it was. */
static int64_t
give(struct rate *rate, const struct vh_model_share *share, int64_t unused_ns)
{
    int64_t ns = unused_ns < share->taken_ns ? unused_ns : share->taken_ns;
    ns = ns < share->behind_ns ? ns : share->behind_ns;
    ns = ns > 0 ? ns : 0;
    rate->at_ns -= ns;
    return ns;
}

/* What went before keeps nobody waiting for longer than it counts, whatever the limits or the clock were then. */
static void
keep_within_a_minute(struct rate *rate, int64_t now_ns)
{
    int64_t last_ns = now_ns + MINUTE_US * 1000;
    rate->at_ns = rate->at_ns < last_ns ? rate->at_ns : last_ns;
}

/* ---- one model ---- */

static void
set_limits(struct flow *flow, const struct vh_model *model)
{
    set_rate(&flow->requests, model->requests, model->requests / 10);
    set_rate(&flow->tokens, model->tokens, model->tokens / 2);
}

/* The caller does not hold the lock: the log is read meanwhile. */
static viv_status
read_past(struct vh_model_flows *flows, const struct vh_model *model, struct flow *flow, struct viv_error *err)
{
    struct vh_model_call *calls = NULL;
    size_t count = 0;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    if (!arena) {
        return vh_error_set(err, VIV_E_MEMORY, "model", "no memory for a call");
    }
    viv_status status = flows->past ? flows->past(flows->data, model->name, arena, &calls, &count, err) : VIV_OK;
    int64_t now_ns = flows->seam->monotonic_ns(flows->seam->data);
    for (size_t i = 0; i < count && status == VIV_OK; i++) {
        take(&flow->requests, now_ns - calls[i].age_ns, 1);
        take(&flow->tokens, now_ns - calls[i].age_ns, calls[i].tokens);
    }
    keep_within_a_minute(&flow->requests, now_ns);
    keep_within_a_minute(&flow->tokens, now_ns);
    vh_arena_destroy(arena);
    return status;
}

static struct flow *
look_up(struct vh_model_flows *flows, struct viv_str name)
{
    for (size_t i = 0; i < flows->count; i++) {
        if (vh_str_is(name, flows->flow[i].name)) {
            return &flows->flow[i];
        }
    }
    return NULL;
}

/* With the lock held, which is let go while a new one's past is read. A full table forgets nobody. */
static viv_status
find(struct vh_model_flows *flows, const struct vh_model *model, struct flow **ret_flow, struct viv_error *err)
{
    struct flow fresh = { .active = 0 };
    *ret_flow = look_up(flows, model->name);
    if (!*ret_flow) {
        pthread_mutex_unlock(&flows->lock);
        snprintf(fresh.name, sizeof fresh.name, "%.*s", VH_STR_ARGS(model->name));
        set_limits(&fresh, model);
        viv_status status = read_past(flows, model, &fresh, err);
        pthread_mutex_lock(&flows->lock);
        *ret_flow = look_up(flows, model->name);
        if (status) {
            return status;
        }
    }
    if (!*ret_flow && flows->count == FLOWS_MAX) {
        return vh_error_set(err, VIV_E_LIMIT, "model", "this host has called %d models under different names, which is "
                            "all it keeps rates of; start it again", FLOWS_MAX);
    }
    if (!*ret_flow) {
        flows->flow[flows->count] = fresh;
        *ret_flow = &flows->flow[flows->count++];
    }
    set_limits(*ret_flow, model);
    return VIV_OK;
}

/* When a call could begin; NEVER: when another has ended. */
static int64_t
ready_at(const struct flow *flow, const struct vh_model *model, int64_t tokens)
{
    int64_t at = flow->not_before_ns;
    int64_t requests = free_at(&flow->requests, 1), amount = free_at(&flow->tokens, tokens);
    at = requests > at ? requests : at;
    at = amount > at ? amount : at;
    return flow->active >= model->concurrent ? NEVER : at;
}

/* As told to people: never too few. */
static int64_t
seconds(int64_t ns)
{
    return (ns + 999999999) / 1000000000;
}

static viv_status
refuse(const struct flow *flow, int64_t now_ns, int64_t at_ns, struct viv_error *err)
{
    if (flow->rest_until_ns > now_ns) {
        return vh_error_set(err, VIV_E_UNAVAILABLE, "model",
                            "model '%s' failed %lld times in a row and rests for %lld more seconds", flow->name,
                            (long long)flow->failures, (long long)seconds(flow->rest_until_ns - now_ns));
    }
    return at_ns == NEVER
               ? vh_error_set(err, VIV_E_BUSY, "model", "model '%s' has %lld calls at one time, which is all it may "
                              "have", flow->name, (long long)flow->active)
               : vh_error_set(err, VIV_E_BUSY, "model", "the rate of model '%s' has room again in %lld seconds",
                              flow->name, (long long)seconds(at_ns - now_ns));
}

/* With the lock held, which is let go while it waits. A rest is waited for as well: it is longer than all the times
 * after which a task comes again, so that every task there is would fail in it. */
static viv_status
wait_for(struct vh_model_flows *flows, struct flow *flow, const struct vh_model *model, int64_t tokens,
         int64_t deadline_ns, const atomic_uint *cancel, struct viv_error *err)
{
    for (;;) {
        int64_t now_ns = flows->seam->monotonic_ns(flows->seam->data);
        int64_t at_ns = ready_at(flow, model, tokens);
        at_ns = flow->rest_until_ns > at_ns ? flow->rest_until_ns : at_ns;
        if (at_ns <= now_ns) {
            return VIV_OK;
        }
        if (cancel && atomic_load(cancel)) {
            return vh_error_set(err, VIV_E_CANCELLED, "model", "the work was stopped while it waited for model '%s'",
                                flow->name);
        }
        if (at_ns == NEVER ? now_ns >= deadline_ns : at_ns > deadline_ns) {
            return refuse(flow, now_ns, at_ns, err);
        }
        pthread_mutex_unlock(&flows->lock);
        vh_socket_pause(LOOK_MS);
        pthread_mutex_lock(&flows->lock);
    }
}

/* Before another call takes its share: what the schedule is ahead by is all that those before can give back. */
static void
note_behind(struct flow *flow, int64_t now_ns)
{
    int64_t requests = flow->requests.at_ns - now_ns, tokens = flow->tokens.at_ns - now_ns;
    for (struct vh_model_place *p = flow->places; p; p = p->next) {
        p->requests.behind_ns = requests < p->requests.behind_ns ? requests : p->requests.behind_ns;
        p->tokens.behind_ns = tokens < p->tokens.behind_ns ? tokens : p->tokens.behind_ns;
    }
}

static struct vh_model_share
take_share(struct rate *rate, int64_t now_ns, int64_t units)
{
    take(rate, now_ns, units);
    return (struct vh_model_share){ rate->per_minute ? cost_ns(rate, weight(rate, units)) : 0, INT64_MAX };
}

static void
take_place(struct flow *flow, int64_t now_ns, int64_t tokens, struct vh_model_place *ret_place)
{
    note_behind(flow, now_ns);
    *ret_place = (struct vh_model_place){
        .next = flow->places,
        .requests = take_share(&flow->requests, now_ns, 1),
        .tokens = take_share(&flow->tokens, now_ns, tokens),
        .trial = flow->failures >= VH_MODEL_FAILURES,
    };
    flow->places = ret_place;
    flow->active++;
    if (ret_place->trial) { /* this call tries it; the others wait for what it finds */
        flow->rest_until_ns = now_ns + VH_MODEL_REST_NS;
    }
}

viv_status
vh_model_enter(struct vh_model_flows *flows, const struct vh_model *model, int64_t tokens, int64_t deadline_ns,
               const atomic_uint *cancel, struct vh_model_place *ret_place, struct viv_error *err)
{
    struct flow *flow = NULL;
    pthread_mutex_lock(&flows->lock);
    viv_status status = find(flows, model, &flow, err);
    if (status == VIV_OK) {
        status = wait_for(flows, flow, model, tokens, deadline_ns, cancel, err);
    }
    if (status == VIV_OK) {
        take_place(flow, flows->seam->monotonic_ns(flows->seam->data), tokens, ret_place);
    }
    pthread_mutex_unlock(&flows->lock);
    return status;
}

static void
give_back(struct flow *flow, const struct vh_model_place *place, const struct vh_model_leave *leave)
{
    int64_t requests = 0, tokens = 0;
    if (leave->end == VH_MODEL_UNSENT) {
        requests = give(&flow->requests, &place->requests, INT64_MAX);
        tokens = give(&flow->tokens, &place->tokens, INT64_MAX);
    } else if (leave->used >= 0 && flow->tokens.per_minute) {
        int64_t used_ns = cost_ns(&flow->tokens, weight(&flow->tokens, leave->used));
        tokens = give(&flow->tokens, &place->tokens, place->tokens.taken_ns - used_ns);
    }
    for (struct vh_model_place *p = flow->places; p; p = p->next) { /* given once */
        p->requests.behind_ns -= p->requests.behind_ns == INT64_MAX ? 0 : requests;
        p->tokens.behind_ns -= p->tokens.behind_ns == INT64_MAX ? 0 : tokens;
    }
}

static void
leave_place(struct flow *flow, const struct vh_model_place *place)
{
    struct vh_model_place **at = &flow->places;
    while (*at != place) {
        at = &(*at)->next;
    }
    *at = place->next;
    flow->active--;
}

static void
judge(struct flow *flow, enum vh_model_end end, bool trial, int64_t now_ns)
{
    if (end == VH_MODEL_GOOD) {
        flow->failures = 0;
        flow->rest_until_ns = 0;
    } else if (end == VH_MODEL_FAILED) {
        flow->failures++;
        flow->rest_until_ns = flow->failures >= VH_MODEL_FAILURES ? now_ns + VH_MODEL_REST_NS : 0;
    } else if (trial) {
        flow->rest_until_ns = 0; /* the call that was to try it found nothing out: the next does */
    }
}

void
vh_model_leave(struct vh_model_flows *flows, const struct vh_model *model, const struct vh_model_place *place,
               const struct vh_model_leave *leave)
{
    pthread_mutex_lock(&flows->lock);
    struct flow *flow = look_up(flows, model->name);
    int64_t now_ns = flows->seam->monotonic_ns(flows->seam->data);
    leave_place(flow, place);
    give_back(flow, place, leave);
    judge(flow, leave->end, place->trial, now_ns);
    if (leave->retry_after_ns > 0 && now_ns + leave->retry_after_ns > flow->not_before_ns) {
        flow->not_before_ns = now_ns + leave->retry_after_ns;
    }
    if (leave->output > 0) {
        flow->output[flow->outputs++ % VH_MODEL_OUTPUTS] = leave->output;
    }
    pthread_mutex_unlock(&flows->lock);
}

static int
by_size(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

int64_t
vh_model_expected(struct vh_model_flows *flows, const struct vh_model *model)
{
    int64_t sorted[VH_MODEL_OUTPUTS];
    size_t count = 0;
    pthread_mutex_lock(&flows->lock);
    const struct flow *flow = look_up(flows, model->name);
    if (flow) {
        count = flow->outputs < VH_MODEL_OUTPUTS ? flow->outputs : VH_MODEL_OUTPUTS;
        memcpy(sorted, flow->output, count * sizeof *sorted);
    }
    pthread_mutex_unlock(&flows->lock);
    if (count == 0) {
        return 0;
    }
    qsort(sorted, count, sizeof *sorted, by_size);
    return sorted[(count * 95 + 99) / 100 - 1];
}

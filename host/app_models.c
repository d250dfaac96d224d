/* SPDX-License-Identifier: Apache-2.0 */
/* What calls to models need of the host: their keys, and the rates that the log remembers. */
#include "app_inside.h"

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "keep/reader.h"
#include "run/model_call.h"

#define PAGE_EVENTS 4096
#define EVENTS_MAX 262144 /* a clock that was set back would have the whole log read */
#define MINUTE_US INT64_C(60000000)

struct past {
    struct viv_str model;
    struct vh_arena *arena;
    int64_t now_us;
    struct vh_model_call *calls;
    size_t count, room;
    int64_t oldest_us; /* of the events read */
};

static viv_status
add(struct past *past, int64_t age_us, int64_t tokens, struct viv_error *err)
{
    if (past->count == past->room) {
        size_t room = past->room ? past->room * 2 : 64;
        struct vh_model_call *more = vh_arena_array(past->arena, room, sizeof *more);
        if (!more) {
            return vh_error_set(err, VIV_E_MEMORY, "model", "no memory for the calls of the last minute");
        }
        for (size_t i = 0; i < past->count; i++) {
            more[i] = past->calls[i];
        }
        past->calls = more;
        past->room = room;
    }
    /* A clock that was set back makes nothing older than it is. */
    past->calls[past->count++] = (struct vh_model_call){ age_us > 0 ? age_us * 1000 : 0, tokens };
    return VIV_OK;
}

static viv_status
take(void *data, const struct vh_event *event, struct viv_error *err)
{
    struct past *past = data;
    const struct vh_json *what = vh_json_get(event->data, "what");
    int64_t age_us = past->now_us - event->time_us;
    past->oldest_us = event->time_us < past->oldest_us ? event->time_us : past->oldest_us;
    bool counts = age_us <= MINUTE_US && vh_str_is(event->kind, "effect.started") &&
                  vh_str_is(vh_json_str(event->data, "effect"), "model") &&
                  vh_str_equal(vh_json_str(what, "path"), past->model);
    int64_t tokens = vh_json_int(what, "input_tokens", 0) + vh_json_int(what, "output_tokens", 0);
    return counts ? add(past, age_us, tokens, err) : VIV_OK;
}

/* From the end back, until a page begins more than a minute ago; each has the one before again. */
static viv_status
read_pages(void *data, struct vh_store *store, struct viv_error *err)
{
    struct past *past = data;
    int64_t last = vh_store_seq(store), after = last;
    viv_status status = VIV_OK;
    for (int64_t events = PAGE_EVENTS; events <= EVENTS_MAX && after > 0 && status == VIV_OK; events *= 4) {
        after = last > events ? last - events : 0;
        past->count = 0;
        past->oldest_us = INT64_MAX;
        status = vh_reader_walk(store, after, (struct viv_str){ NULL, 0 }, take, past, err);
        if (past->oldest_us < past->now_us - MINUTE_US) {
            return status;
        }
    }
    return status;
}

static viv_status
past_calls(void *data, struct viv_str model, struct vh_arena *arena, struct vh_model_call **ret_calls,
           size_t *ret_count, struct viv_error *err)
{
    struct vh_app *app = data;
    struct past past = { .model = model, .arena = arena, .now_us = app->seam->wall_us(app->seam->data) };
    viv_status status = vh_sequencer_read(app->run.sequencer, read_pages, &past, err);
    *ret_calls = past.calls;
    *ret_count = past.count;
    return status;
}

/* Keys that come by variable, which nothing that is started later may have. One that is missing is told to who asks
 * for it. */
static void
take_variables(struct vh_app *app, struct vh_model_source *source)
{
    const struct vh_json *secrets = vh_run_setting(app->run.policy, "secrets");
    for (const struct vh_json *s = secrets ? secrets->child : NULL; s; s = s->next) {
        struct viv_error err = VIV_ERROR_INIT;
        struct viv_str variable = vh_json_str(s, "variable");
        char *name = variable.len ? vh_arena_text_of(app->arena, variable) : NULL;
        if (name && vh_secrets_variable(&source->secrets, s->key, name, &err)) {
            vh_log(VH_LOG_WARNING, "secret", "%s", err.text);
        }
    }
}

viv_status
vh_app_models(struct vh_app *app, struct viv_error *err)
{
    struct vh_model_source *source = vh_arena_alloc(app->arena, sizeof *source);
    if (!source) {
        return vh_error_set(err, VIV_E_MEMORY, "host", "no memory to start");
    }
    viv_status status = vh_secrets_init(&source->secrets, app->seam, err);
    if (status) {
        return status;
    }
    source->flows = vh_model_flows_create(app->seam, app->arena, past_calls, app);
    if (!source->flows) {
        vh_secrets_finish(&source->secrets);
        return vh_error_set(err, VIV_E_MEMORY, "host", "no memory to start");
    }
    pthread_mutex_init(&source->lock, NULL);
    take_variables(app, source);
    app->run.models = source;
    return VIV_OK;
}

void
vh_app_models_end(struct vh_app *app)
{
    struct vh_model_source *source = app->run.models;
    if (source) {
        vh_model_flows_end(source->flows);
        vh_secrets_finish(&source->secrets);
        pthread_mutex_destroy(&source->lock);
        app->run.models = NULL;
    }
}

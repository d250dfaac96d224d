/* SPDX-License-Identifier: Apache-2.0 */
#include "router.h"

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "template.h"
#include <viv_interfaces.h>

#define READINGS_MAX 4   /* of one template; two are one too many already */
#define CANDIDATES_MAX 32

struct seed {
    struct viv_template tmpl;
    struct viv_str text;
    struct viv_str skill;
    struct vh_hash digest;
};

struct vh_router {
    const struct vh_seam *seam;
    struct vh_arena *arena; /* of the present filling; no child of the host's, which other threads use */
    struct seed **seeds;
    size_t count;
    uint64_t generation;
    bool filled;
};

static void *
memory_alloc(void *data, uint64_t size)
{
    return vh_arena_alloc(data, (size_t)size);
}

static void
end_router(void *data)
{
    struct vh_router *router = data;
    vh_arena_destroy(router->arena);
}

struct vh_router *
vh_router_create(struct vh_arena *arena, const struct vh_seam *seam)
{
    struct vh_router *router = vh_arena_alloc(arena, sizeof *router);
    if (!router || vh_arena_on_end(arena, end_router, router)) {
        return NULL;
    }
    router->seam = seam;
    return router;
}

static viv_status
add_seed(struct vh_router *router, const struct vh_registry_entry *entry, struct viv_str json, size_t *room,
         struct viv_error *err)
{
    if (router->count == *room) {
        *room = *room ? *room * 2 : 64;
        struct seed **more = vh_arena_array(router->arena, *room, sizeof *more);
        if (!more) {
            return vh_error_set(err, VIV_E_MEMORY, "route", "no memory for %zu templates", *room);
        }
        if (router->count) {
            memcpy(more, router->seeds, router->count * sizeof *more);
        }
        router->seeds = more;
    }
    struct seed *seed = vh_arena_alloc(router->arena, sizeof *seed);
    char *text = vh_arena_text_of(router->arena, json);
    char *id = vh_arena_text_of(router->arena, entry->id);
    if (!seed || !text || !id) {
        return vh_error_set(err, VIV_E_MEMORY, "route", "no memory for a template");
    }
    seed->text = (struct viv_str){ text, json.len };
    seed->skill = vh_str(id);
    seed->digest = entry->digest;
    struct viv_kit_memory memory = { memory_alloc, router->arena };
    viv_status status = viv_template_open(seed->text, memory, &seed->tmpl, err);
    if (status) {
        return vh_error_extend(err, status, "template of '%s'", id);
    }
    router->seeds[router->count++] = seed;
    return VIV_OK;
}

static viv_status
fill(struct vh_router *router, const struct vh_registry *registry, struct viv_error *err)
{
    struct vh_registry_entry entry;
    uint32_t cursor = 0;
    size_t room = 0;
    vh_arena_destroy(router->arena);
    router->arena = vh_arena_create(NULL, 0);
    router->seeds = NULL;
    router->count = 0;
    router->filled = false;
    if (!router->arena) {
        return vh_error_set(err, VIV_E_MEMORY, "route", "no memory for the templates");
    }
    while (vh_registry_next(registry, VIV_INDEX_SKILL, &cursor, &entry)) {
        const struct vh_manifest *manifest = NULL;
        viv_status status = vh_registry_manifest(registry, router->arena, &entry, &manifest, err);
        for (uint32_t i = 0; status == VIV_OK && i < manifest->template_count; i++) {
            status = add_seed(router, &entry, manifest->templates[i].json, &room, err);
        }
        if (status == VIV_E_MEMORY) {
            return status;
        }
        if (status) { /* one broken skill is not served; all others are */
            vh_log(VH_LOG_WARNING, "route", "'%.*s' is left out: %s", VH_STR_ARGS(entry.id), err ? err->text : "");
        }
    }
    router->generation = vh_registry_generation(registry);
    router->filled = true;
    return VIV_OK;
}

static bool
is_missed(struct vh_arena *arena, struct viv_str missed, struct viv_str skill)
{
    struct vh_json *list = NULL;
    if (missed.len == 0 || vh_json_read(arena, missed, &list, NULL)) {
        return false;
    }
    for (const struct vh_json *item = list->child; item; item = item->next) {
        if (vh_str_equal(item->text, skill)) {
            return true;
        }
    }
    return false;
}

static void
add_candidate(struct vh_arena *arena, struct vh_route *route, const struct seed *seed, struct viv_str input,
              const char *why)
{
    if (route->candidates && route->candidates->count >= CANDIDATES_MAX) {
        return;
    }
    struct vh_json *item = vh_json_object(arena);
    if (input.len) {
        vh_json_set_str(arena, item, "input", input);
    }
    vh_json_set_str(arena, item, "skill", seed->skill);
    vh_json_set_str(arena, item, "template", seed->tmpl.text);
    vh_json_set_text(arena, item, "why", why);
    vh_json_push(route->candidates, item);
}

/* One reading of one template: it may be the route, the same as the route, or a second one. */
static void
take_reading(struct vh_arena *arena, struct vh_route *route, const struct seed *seed,
             const struct viv_template_reading *reading, uint32_t *readings)
{
    struct viv_str input = { NULL, 0 };
    struct viv_error fault = VIV_ERROR_INIT;
    struct viv_kit_memory memory = { memory_alloc, arena };
    if (viv_template_input(&seed->tmpl, reading, memory, &input, &fault)) {
        add_candidate(arena, route, seed, input, vh_arena_text(arena, fault.text));
        return;
    }
    if (*readings && vh_str_equal(route->skill, seed->skill) && vh_str_equal(route->input_json, input)) {
        return;
    }
    add_candidate(arena, route, seed, input, "matches");
    if ((*readings)++ == 0) {
        route->skill = seed->skill;
        route->input_json = input;
        vh_hash_hex(&seed->digest, route->digest);
    }
}

static void
decide(struct vh_arena *arena, struct vh_route *route, uint32_t readings)
{
    if (readings == 1) {
        char *text = vh_arena_format(arena, "one reading: %.*s", VH_STR_ARGS(route->skill));
        route->reason = vh_str(text ? text : "one reading");
        return;
    }
    char *text = readings ? vh_arena_format(arena, "%u readings are left; say it so that one remains", readings)
                          : vh_arena_text(arena, "no template matches the request");
    route->reason = vh_str(text ? text : "no route");
    route->skill = route->input_json = (struct viv_str){ NULL, 0 };
    route->digest[0] = '\0';
}

viv_status
vh_router_words(struct vh_router *router, const struct vh_registry *registry, struct vh_arena *arena,
                struct viv_str request, struct viv_str missed, struct vh_route *ret_route, struct viv_error *err)
{
    struct vh_route route = { .candidates = vh_json_array(arena) };
    struct viv_template_request *cut = vh_arena_alloc(arena, sizeof *cut);
    struct viv_template_reading *found = vh_arena_array(arena, READINGS_MAX, sizeof *found);
    if (!cut || !found || !route.candidates) {
        return vh_error_set(err, VIV_E_MEMORY, "route", "no memory to route a request");
    }
    if (!router->filled || router->generation != vh_registry_generation(registry)) {
        viv_status status = fill(router, registry, err);
        if (status) {
            return status;
        }
    }
    uint32_t readings = 0;
    viv_template_request(request, cut);
    for (size_t i = 0; i < router->count; i++) {
        const struct seed *seed = router->seeds[i];
        if (!viv_template_may_match(&seed->tmpl, cut)) {
            continue;
        }
        uint32_t count = viv_template_match(&seed->tmpl, cut, found, READINGS_MAX);
        if (count && is_missed(arena, missed, seed->skill)) {
            add_candidate(arena, &route, seed, (struct viv_str){ NULL, 0 }, "failed on this task before");
            continue;
        }
        for (uint32_t r = 0; r < count && r < READINGS_MAX; r++) {
            take_reading(arena, &route, seed, &found[r], &readings);
        }
    }
    decide(arena, &route, readings);
    *ret_route = route;
    return VIV_OK;
}

viv_status
vh_router_name(const struct vh_registry *registry, struct vh_arena *arena, struct viv_str skill,
               struct viv_str input_json, struct vh_route *ret_route, struct viv_error *err)
{
    struct vh_route route = { .candidates = vh_json_array(arena) };
    struct vh_registry_entry entry;
    const struct vh_manifest *manifest = NULL;
    struct vh_schema_values values;
    char *id = vh_arena_text_of(arena, skill);
    if (!id) {
        return vh_error_set(err, VIV_E_MEMORY, "route", "no memory to route a request");
    }
    viv_status status = vh_registry_find(registry, id, NULL, &entry, err);
    if (status == VIV_OK && !(entry.flags & VH_REGISTRY_SKILL)) {
        status = vh_error_set(err, VIV_E_INVALID, "route", "'%s' is a plugin, not a skill", id);
    }
    if (status == VIV_OK) {
        status = vh_registry_manifest(registry, arena, &entry, &manifest, err);
    }
    if (status == VIV_OK) {
        status = vh_schema_values(arena, manifest->input, input_json.len ? input_json : VH_STR("{}"), &values, err);
    }
    if (status) {
        return vh_error_extend(err, status, "skill '%s'", id);
    }
    route.skill = vh_str(id);
    route.input_json = values.json;
    route.reason = VH_STR("named by the task");
    vh_hash_hex(&entry.digest, route.digest);
    *ret_route = route;
    return VIV_OK;
}

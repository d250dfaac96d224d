/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_merge.h"

#include "base/str.h"

static struct vh_json *
member(struct vh_json *object, struct viv_str key)
{
    for (struct vh_json *m = object ? object->child : NULL; m; m = m->next) {
        if (vh_str_equal(m->key, key)) {
            return m;
        }
    }
    return NULL;
}

static void
merge(struct vh_arena *arena, struct vh_json *to, const struct vh_json *from)
{
    for (const struct vh_json *f = from->child; f; f = f->next) {
        struct vh_json *t = member(to, f->key);
        char *key = vh_arena_text_of(arena, f->key);
        if (!key) {
            to->failed = true;
            return;
        }
        if (t && t->type == VH_JSON_OBJECT && f->type == VH_JSON_OBJECT) {
            merge(arena, t, f);
            to->failed = to->failed || t->failed;
        } else if (t && t->type == VH_JSON_ARRAY && f->type == VH_JSON_ARRAY) {
            for (const struct vh_json *item = f->child; item; item = item->next) {
                vh_json_push(t, vh_json_clone(arena, item));
            }
            to->failed = to->failed || t->failed;
        } else {
            vh_json_set(to, key, vh_json_clone(arena, f));
        }
    }
}

static bool
names(const struct vh_json *list, struct viv_str name)
{
    for (const struct vh_json *item = list ? list->child : NULL; item; item = item->next) {
        if (item->type == VH_JSON_STRING && vh_str_equal(item->text, name)) {
            return true;
        }
    }
    return false;
}

/* What both name: where a task may be sent is narrowed by whoever says so. NULL: the project says nothing of it. */
static struct vh_json *
models_left(struct vh_arena *arena, const struct vh_json *to, const struct vh_json *from)
{
    const struct vh_json *own = vh_json_get(vh_json_get(to, "routing"), "allow");
    const struct vh_json *allow = vh_json_get(vh_json_get(from, "routing"), "allow");
    struct vh_json *left = allow ? vh_json_array(arena) : NULL;
    for (const struct vh_json *item = own && allow ? own->child : NULL; item; item = item->next) {
        if (names(allow, item->text)) {
            vh_json_push(left, vh_json_clone(arena, item));
        }
    }
    return left;
}

/* The member, made when it is not there. */
static struct vh_json *
object_in(struct vh_arena *arena, struct vh_json *to, const char *key)
{
    struct vh_json *there = member(to, vh_str(key));
    if (!there) {
        there = vh_json_object(arena);
        vh_json_set(to, key, there);
    }
    return there;
}

static void
put_models(struct vh_arena *arena, struct vh_json *to, const struct vh_json *from, struct vh_json *left)
{
    if (vh_json_get(vh_json_get(from, "routing"), "allow")) {
        struct vh_json *routing = object_in(arena, to, "routing");
        vh_json_set(routing, "allow", left);
        to->failed = to->failed || !routing || routing->failed;
    }
}

void
vh_policy_merge_trusted(struct vh_arena *arena, struct vh_json *to, const struct vh_json *from)
{
    int64_t most = vh_json_int(vh_json_get(to, "network"), "bytes", INT64_MAX);
    struct vh_json *left = models_left(arena, to, from);
    merge(arena, to, from);
    put_models(arena, to, from, left);
    struct vh_json *bytes = member(member(to, VH_STR("network")), VH_STR("bytes"));
    if (bytes && bytes->integer > most) {
        bytes->integer = most;
    }
}

static void
narrow_limits(struct vh_arena *arena, struct vh_json *to, const struct vh_json *limits)
{
    struct vh_json *own = member(to, VH_STR("limits"));
    for (const struct vh_json *l = limits ? limits->child : NULL; l; l = l->next) {
        struct vh_json *t = member(own, l->key);
        if (t && l->integer < t->integer) {
            t->integer = l->integer;
        }
        char *key = t ? NULL : vh_arena_text_of(arena, l->key);
        if (!t) {
            struct vh_json *ceilings = object_in(arena, to, "ceilings");
            vh_json_set(ceilings, key ? key : "", key ? vh_json_integer(arena, l->integer) : NULL);
            to->failed = to->failed || !ceilings || ceilings->failed;
        }
    }
}

/* Hosts are the safety plugin's affair: it has both layers. */
static void
narrow_network(struct vh_arena *arena, struct vh_json *to, const struct vh_json *network)
{
    int64_t most = vh_json_int(vh_json_get(to, "network"), "bytes", VH_POLICY_NETWORK_BYTES);
    int64_t bytes = vh_json_int(network, "bytes", most);
    if (bytes < most) {
        struct vh_json *own = object_in(arena, to, "network");
        vh_json_set_int(arena, own, "bytes", bytes);
        to->failed = to->failed || !own || own->failed;
    }
}

void
vh_policy_merge_narrowing(struct vh_arena *arena, struct vh_json *to, const struct vh_json *from)
{
    const struct vh_json *threshold = vh_json_get(vh_json_get(from, "critic"), "threshold_permille");
    int64_t there = vh_json_int(vh_json_get(to, "critic"), "threshold_permille", VH_POLICY_THRESHOLD_PERMILLE);
    narrow_limits(arena, to, vh_json_get(from, "limits"));
    narrow_network(arena, to, vh_json_get(from, "network"));
    put_models(arena, to, from, models_left(arena, to, from));
    if (vh_json_int(from, "uncommitted", 1) == 0) {
        vh_json_set_int(arena, to, "uncommitted", 0);
    }
    if (threshold && threshold->integer > there) {
        struct vh_json *critic = object_in(arena, to, "critic");
        vh_json_set_int(arena, critic, "threshold_permille", threshold->integer);
        to->failed = to->failed || !critic || critic->failed;
    }
}

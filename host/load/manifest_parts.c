/* SPDX-License-Identifier: Apache-2.0 */
/* The lists of a manifest: interfaces, grants, libraries, templates. */
#include "manifest_parts.h"

#include <jansson.h>
#include <string.h>
#include <viv/draft/http.h>
#include <viv/effect.h>
#include <viv/host.h>
#include <viv_interfaces.h>

#include "base/error.h"
#include "base/str.h"
#include "document.h"
#include "nearest.h"

#define SENTENCE_MAX 4096
#define TEMPLATE_MAX 1024 /* one sentence; the matcher takes no more */

static const char *const effect_names[] = {
    [VIV_EFFECT_EXEC] = "exec", [VIV_EFFECT_READ] = "read",     [VIV_EFFECT_WRITE] = "write",
    [VIV_EFFECT_LIST] = "list", [VIV_EFFECT_MOVE] = "move",     [VIV_EFFECT_DELETE] = "delete",
    [VIV_EFFECT_SKILL] = "skill", [VIV_EFFECT_ASK] = "ask",
};

static const char *const service_names[] = { VIV_SERVICE_LOG,    VIV_SERVICE_CLOCK, VIV_SERVICE_RANDOM,
                                             VIV_SERVICE_STORE,  VIV_SERVICE_EFFECT, VIV_SERVICE_TASK,
                                             VIV_SERVICE_CONTROL, VIV_SERVICE_HTTP, NULL };

uint32_t
vh_manifest_effect(struct viv_str name)
{
    for (uint32_t kind = VIV_EFFECT_EXEC; kind <= VIV_EFFECT_ASK; kind++) {
        if (vh_str_is(name, effect_names[kind])) {
            return kind;
        }
    }
    return 0;
}

viv_status
vh_manifest_texts(struct vh_manifest_reader *r, struct json_t *list, const char *key, const char *allowed,
                  bool (*fits)(struct viv_str text), const char *const **ret_texts, uint32_t *ret_count)
{
    size_t count = json_array_size(list);
    if (list && (!json_is_array(list) || count > VH_MANIFEST_LIST_MAX)) {
        return vh_error_set(r->err, VIV_E_INVALID, "manifest", "'%s' must be a list of at most %d: %s", key,
                            VH_MANIFEST_LIST_MAX, allowed);
    }
    const char **texts = vh_arena_array(r->arena, count, sizeof *texts);
    if (!texts) {
        return vh_manifest_no_memory(r);
    }
    for (size_t i = 0; i < count; i++) {
        json_t *value = json_array_get(list, i);
        char shown[80];
        struct viv_str text = { json_string_value(value), json_string_length(value) };
        if (text.len == 0 || text.len > SENTENCE_MAX || (fits && !fits(text))) {
            return vh_error_set(r->err, VIV_E_INVALID, "manifest", "'%s' holds '%s', allowed: %s", key,
                                vh_document_show(value, shown, sizeof shown), allowed);
        }
        texts[i] = vh_arena_text_of(r->arena, text);
        if (!texts[i]) {
            return vh_manifest_no_memory(r);
        }
    }
    *ret_texts = texts;
    *ret_count = (uint32_t)count;
    return VIV_OK;
}

static void
find_interface(struct vh_manifest_interface *interface)
{
    for (uint32_t i = 0; i < viv_interface_count; i++) {
        if (strcmp(viv_interfaces[i].id, interface->id) == 0) {
            interface->known = &viv_interfaces[i];
            interface->index = i;
        }
    }
}

/* "name.name/1" */
static bool
is_interface_id(const char *id)
{
    const char *slash = id ? strchr(id, '/') : NULL;
    return slash && slash != id && strlen(id) <= VIV_ID_MAX && slash[1] >= '1' && slash[1] <= '9' &&
           strspn(slash + 1, "0123456789") == strlen(slash + 1) &&
           strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789_.") == (size_t)(slash - id);
}

static viv_status
read_interface(struct vh_manifest_reader *r, json_t *value, struct vh_manifest_interface *ret_interface)
{
    static const char *const keys[] = { "id", "rev", NULL };
    json_t *id = json_is_object(value) ? json_object_get(value, "id") : value;
    json_t *rev = json_is_object(value) ? json_object_get(value, "rev") : NULL;
    if (!is_interface_id(json_string_value(id)) ||
        (rev && (!json_is_integer(rev) || json_integer_value(rev) < 1 || json_integer_value(rev) > UINT16_MAX))) {
        char shown[80];
        return vh_error_set(r->err, VIV_E_INVALID, "manifest",
                            "interfaces hold '%s', allowed: an id like \"" VIV_IFACE_GATE
                            "\", or {\"id\":\"" VIV_IFACE_GATE "\",\"rev\":1}",
                            vh_document_show(id ? id : value, shown, sizeof shown));
    }
    ret_interface->id = vh_arena_text(r->arena, json_string_value(id));
    ret_interface->rev = rev ? (uint32_t)json_integer_value(rev) : 1;
    if (!ret_interface->id) {
        return vh_manifest_no_memory(r);
    }
    find_interface(ret_interface);
    return json_is_object(value) ? vh_document_keys(value, keys, "an interface", r->err) : VIV_OK;
}

viv_status
vh_manifest_interfaces(struct vh_manifest_reader *r)
{
    json_t *list = json_object_get(r->root, "interfaces");
    size_t count = json_array_size(list);
    if (!json_is_array(list) || count == 0 || count > VH_MANIFEST_LIST_MAX) {
        return vh_error_set(r->err, VIV_E_INVALID, "manifest", "'interfaces' must be a list of 1 to %d ids",
                            VH_MANIFEST_LIST_MAX);
    }
    struct vh_manifest_interface *interfaces = vh_arena_array(r->arena, count, sizeof *interfaces);
    if (!interfaces) {
        return vh_manifest_no_memory(r);
    }
    for (size_t i = 0; i < count; i++) {
        viv_status status = read_interface(r, json_array_get(list, i), &interfaces[i]);
        if (status) {
            return status;
        }
        for (size_t before = 0; before < i; before++) {
            if (strcmp(interfaces[before].id, interfaces[i].id) == 0) {
                return vh_error_set(r->err, VIV_E_INVALID, "manifest", "interfaces hold '%s' twice", interfaces[i].id);
            }
        }
    }
    r->manifest->interfaces = interfaces;
    r->manifest->interface_count = (uint32_t)count;
    return VIV_OK;
}

static bool
is_service(struct viv_str text)
{
    for (size_t i = 0; service_names[i]; i++) {
        if (vh_str_is(text, service_names[i])) {
            return true;
        }
    }
    return false;
}

static bool
is_effect(struct viv_str text)
{
    return vh_manifest_effect(text) != 0;
}

static viv_status
read_effects(struct vh_manifest_reader *r, json_t *grants)
{
    const char *const *names = NULL;
    uint32_t count = 0;
    viv_status status = vh_manifest_texts(r, json_object_get(grants, "effects"), "effects",
                                          "exec, read, write, list, move, delete, skill, ask", is_effect, &names,
                                          &count);
    for (uint32_t i = 0; status == VIV_OK && i < count; i++) {
        r->manifest->effects |= 1u << vh_manifest_effect(vh_str(names[i]));
    }
    json_t *folder = json_object_get(grants, "folder");
    if (status == VIV_OK && folder && (!json_is_string(folder) || strcmp(json_string_value(folder), "read") != 0)) {
        char shown[64];
        status = vh_error_set(r->err, VIV_E_INVALID, "manifest", "folder is '%s', allowed: read",
                              vh_document_show(folder, shown, sizeof shown));
    }
    r->manifest->folder_read = folder != NULL;
    return status;
}

/* The network is for who asks models; the host bounds where to. */
static viv_status
check_http(const struct vh_manifest_reader *r)
{
    const struct vh_manifest *m = r->manifest;
    bool model = !vh_manifest_grants_service(m, VIV_SERVICE_HTTP);
    for (uint32_t i = 0; i < m->interface_count; i++) {
        model = model || (m->interfaces[i].known && m->interfaces[i].index == VIV_INDEX_MODEL);
    }
    return model ? VIV_OK
                 : vh_error_set(r->err, VIV_E_INVALID, "manifest",
                                "the grant '" VIV_SERVICE_HTTP "' is for plugins that offer '" VIV_IFACE_MODEL "'");
}

viv_status
vh_manifest_grants(struct vh_manifest_reader *r)
{
    static const char *const keys[] = { "services", "effects", "folder", NULL };
    static const char allowed[] = "viv.log/1, viv.clock/1, viv.random/1, viv.store/1, viv.effect/1, viv.task/1, "
                                  "viv.control/1, viv.http/1";
    struct vh_manifest *m = r->manifest;
    json_t *grants = json_object_get(r->root, "grants");
    if (!grants || (!json_is_array(grants) && !json_is_object(grants))) {
        return vh_error_set(r->err, VIV_E_INVALID, "manifest",
                            "'grants' must be a list of service ids, or an object of services, effects and folder");
    }
    if (json_is_array(grants)) {
        viv_status read = vh_manifest_texts(r, grants, "grants", allowed, is_service, &m->services, &m->service_count);
        return read ? read : check_http(r);
    }
    viv_status status = vh_document_keys(grants, keys, "grants", r->err);
    status = status ? status
                    : vh_manifest_texts(r, json_object_get(grants, "services"), "services", allowed, is_service,
                                        &m->services, &m->service_count);
    status = status ? status : read_effects(r, grants);
    if (status == VIV_OK && m->kind == VH_MANIFEST_PLUGIN && m->folder_read) {
        status = vh_error_set(r->err, VIV_E_INVALID, "manifest", "the grant 'folder' is for skills, this is a plugin");
    }
    if (status == VIV_OK && m->effects != 0 && !vh_manifest_grants_service(m, VIV_SERVICE_EFFECT)) {
        status = vh_error_set(r->err, VIV_E_INVALID, "manifest",
                              "effects are granted without the service they go through: add '" VIV_SERVICE_EFFECT
                              "' to services");
    }
    return status ? status : check_http(r);
}

static bool
is_library(struct viv_str text)
{
    return vh_str_id(text) && vh_str_starts(text, "lib");
}

viv_status
vh_manifest_libraries(struct vh_manifest_reader *r)
{
    struct vh_manifest *m = r->manifest;
    return vh_manifest_texts(r, json_object_get(r->root, "libraries"), "libraries",
                             "names of shared libraries, like libpcre2-8.so.0", is_library, &m->libraries,
                             &m->library_count);
}

/* "/name" of the input, as a target of `bind` or `set`. */
static viv_status
check_pointer(struct vh_manifest_reader *r, const char *pointer, const char *what)
{
    const struct vh_schema *input = r->manifest->input;
    const char *names[VH_SCHEMA_PROPERTIES_MAX + 1] = { NULL };
    const char *name = pointer && pointer[0] == '/' ? pointer + 1 : NULL;
    for (uint32_t i = 0; i < input->property_count; i++) {
        names[i] = input->properties[i].name;
        if (name && strcmp(name, names[i]) == 0) {
            return VIV_OK;
        }
    }
    const char *near = name ? vh_nearest(names, name) : NULL;
    return vh_error_set(r->err, VIV_E_INVALID, "manifest",
                        "%s of a template points to '%s', which is no property of inputSchema%s%s", what,
                        pointer ? pointer : "(no text)", near ? "; nearest: /" : "", near ? near : "");
}

/* "/name", or {"to":"/name","as":TRANSFORM}. */
static viv_status
check_binding(struct vh_manifest_reader *r, json_t *value)
{
    static const char *const keys[] = { "to", "as", NULL };
    static const char *const transforms[] = { "identity", "unquote", "lower", "extension", "integer", "bytes",
                                              "ns",       "us",      "seconds", "choice",  NULL };
    json_t *as = json_object_get(value, "as");
    bool known = !as;
    for (size_t i = 0; transforms[i] && json_is_string(as); i++) {
        known = known || strcmp(transforms[i], json_string_value(as)) == 0;
    }
    if (!known) {
        char shown[64];
        return vh_error_set(r->err, VIV_E_INVALID, "manifest",
                            "'as' of a template is '%s', allowed: identity, unquote, lower, extension, integer, bytes, "
                            "ns, us, seconds, choice",
                            vh_document_show(as, shown, sizeof shown));
    }
    viv_status status = json_is_object(value) ? vh_document_keys(value, keys, "a binding", r->err) : VIV_OK;
    json_t *to = json_is_object(value) ? json_object_get(value, "to") : value;
    return status ? status : check_pointer(r, json_string_value(to), "bind");
}

static viv_status
check_bindings(struct vh_manifest_reader *r, json_t *element)
{
    json_t *bind = json_object_get(element, "bind"), *set = json_object_get(element, "set");
    const char *key;
    json_t *value;
    viv_status status = VIV_OK;
    if ((bind && !json_is_object(bind)) || (set && !json_is_object(set))) {
        return vh_error_set(r->err, VIV_E_INVALID, "manifest", "'bind' and 'set' of a template must be objects");
    }
    json_object_foreach (bind, key, value) {
        status = status ? status : check_binding(r, value);
    }
    json_object_foreach (set, key, value) {
        status = status ? status : check_pointer(r, key, "set");
    }
    return status;
}

static viv_status
read_template(struct vh_manifest_reader *r, json_t *element, struct vh_manifest_template *ret_template)
{
    static const char *const keys[] = { "text", "bind", "set", "accept", "refuse", NULL };
    const char *const *sentences;
    uint32_t count;
    if (!json_is_object(element)) {
        return vh_error_set(r->err, VIV_E_INVALID, "manifest", "a template must be an object with text and bind");
    }
    viv_status status = vh_document_keys(element, keys, "a template", r->err);
    if (status) {
        return status;
    }
    ret_template->text = vh_manifest_text(r, element, "a template", "text", TEMPLATE_MAX);
    if (!ret_template->text) {
        return r->err->status;
    }
    status = check_bindings(r, element);
    status = status ? status
                    : vh_manifest_texts(r, json_object_get(element, "accept"), "accept", "sentences", NULL, &sentences,
                                        &count);
    status = status ? status
                    : vh_manifest_texts(r, json_object_get(element, "refuse"), "refuse", "sentences", NULL, &sentences,
                                        &count);
    ret_template->json = vh_document_print(r->arena, element);
    return status || ret_template->json.data ? status : vh_manifest_no_memory(r);
}

viv_status
vh_manifest_templates(struct vh_manifest_reader *r)
{
    json_t *list = json_object_get(r->root, "templates");
    size_t count = json_array_size(list);
    if (!list) {
        return VIV_OK;
    }
    if (!json_is_array(list) || count > VH_MANIFEST_LIST_MAX || r->manifest->kind != VH_MANIFEST_SKILL) {
        return vh_error_set(r->err, VIV_E_INVALID, "manifest",
                            "'templates' must be a list of at most %d, in the manifest of a skill",
                            VH_MANIFEST_LIST_MAX);
    }
    struct vh_manifest_template *templates = vh_arena_array(r->arena, count, sizeof *templates);
    if (!templates) {
        return vh_manifest_no_memory(r);
    }
    for (size_t i = 0; i < count; i++) {
        viv_status status = read_template(r, json_array_get(list, i), &templates[i]);
        if (status) {
            return status;
        }
    }
    r->manifest->templates = templates;
    r->manifest->template_count = (uint32_t)count;
    return VIV_OK;
}

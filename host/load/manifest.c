/* SPDX-License-Identifier: Apache-2.0 */
/* The plain members and the order of reading. Lists: manifest_parts.c. Options: manifest_options.c. */
#include "manifest_parts.h"

#include <jansson.h>
#include <string.h>
#include <viv_interfaces.h>

#include "base/error.h"
#include "base/str.h"
#include "document.h"

#define DESCRIPTION_MAX 1024
#define SCHEMA_TEXT_MAX (64u << 10)

static const char *const known_keys[] = { "id",           "version",      "kind",    "abi",       "description",
                                          "interfaces",   "grants",       "options", "libraries", "experimental",
                                          "inputSchema",  "outputSchema", "templates", "provenance", "goals", NULL };

viv_status
vh_manifest_no_memory(struct vh_manifest_reader *r)
{
    return vh_error_set(r->err, VIV_E_MEMORY, "manifest", "no memory for a manifest");
}

const char *
vh_manifest_text(struct vh_manifest_reader *r, struct json_t *object, const char *what, const char *key, size_t max)
{
    json_t *value = json_object_get(object, key);
    size_t len = json_string_length(value);
    char shown[64];
    if (!json_is_string(value) || len == 0 || len > max) {
        (void)vh_error_set(r->err, VIV_E_INVALID, "manifest", "'%s' of %s is '%s', allowed: text of 1 to %zu bytes",
                           key, what, value ? vh_document_show(value, shown, sizeof shown) : "(missing)", max);
        return NULL;
    }
    const char *text = vh_arena_text(r->arena, json_string_value(value));
    if (!text) {
        (void)vh_manifest_no_memory(r);
    }
    return text;
}

/* For callers that got NULL from vh_manifest_text(): what the error says, or invalid when nobody listens. */
static viv_status
failed(const struct vh_manifest_reader *r)
{
    return r->err && r->err->status ? r->err->status : VIV_E_INVALID;
}

/* Lower-case words joined by dots, two at least: viv.gate_command. */
static bool
is_plugin_id(struct viv_str id)
{
    uint64_t dots = 0;
    bool at_start = true;
    for (uint64_t i = 0; i < id.len; i++) {
        char c = id.data[i];
        bool letter = c >= 'a' && c <= 'z', inside = letter || (c >= '0' && c <= '9') || c == '_';
        if (c == '.' && !at_start) {
            dots++;
            at_start = true;
        } else if (at_start ? letter : inside) {
            at_start = false;
        } else {
            return false;
        }
    }
    return dots > 0 && !at_start && id.len <= VIV_ID_MAX;
}

bool
vh_manifest_version(struct viv_str text, uint32_t ret_part[3])
{
    uint64_t at = 0;
    uint32_t part[3];
    for (int i = 0; i < 3; i++) {
        uint64_t start = at;
        part[i] = 0;
        while (at < text.len && text.data[at] >= '0' && text.data[at] <= '9' && at - start < 6) {
            part[i] = part[i] * 10 + (uint32_t)(text.data[at++] - '0');
        }
        bool zero_first = at - start > 1 && text.data[start] == '0';
        bool joined = i == 2 ? at == text.len : at < text.len && text.data[at++] == '.';
        if (at == start || (i < 2 && at == start + 1) || zero_first || !joined) {
            return false;
        }
    }
    memcpy(ret_part, part, sizeof part);
    return true;
}

int
vh_manifest_compare_versions(const uint32_t a[3], const uint32_t b[3])
{
    for (int i = 0; i < 3; i++) {
        if (a[i] != b[i]) {
            return a[i] < b[i] ? -1 : 1;
        }
    }
    return 0;
}

static viv_status
read_identity(struct vh_manifest_reader *r)
{
    struct vh_manifest *m = r->manifest;
    m->id = vh_manifest_text(r, r->root, "the manifest", "id", VIV_ID_MAX);
    m->version = m->id ? vh_manifest_text(r, r->root, "the manifest", "version", 32) : NULL;
    m->description = m->version ? vh_manifest_text(r, r->root, "the manifest", "description", DESCRIPTION_MAX) : NULL;
    if (!m->description) {
        return failed(r);
    }
    if (!is_plugin_id(vh_str(m->id))) {
        return vh_error_set(r->err, VIV_E_INVALID, "manifest",
                            "id is '%s', allowed: lower-case words joined by dots, like viv.gate_command", m->id);
    }
    if (!vh_manifest_version(vh_str(m->version), m->version_part)) {
        return vh_error_set(r->err, VIV_E_INVALID, "manifest", "version is '%s', allowed: three numbers, like 0.1.0",
                            m->version);
    }
    return VIV_OK;
}

static viv_status
read_abi(struct vh_manifest_reader *r)
{
    static const char *const keys[] = { "min", "max", NULL };
    struct vh_manifest *m = r->manifest;
    json_t *abi = json_object_get(r->root, "abi");
    m->abi_min = m->abi_max = VIV_ABI_MAJOR;
    if (!abi) {
        return VIV_OK;
    }
    json_t *low = json_object_get(abi, "min"), *high = json_object_get(abi, "max");
    int64_t min = json_integer_value(low), max = json_integer_value(high);
    if (!json_is_integer(low) || !json_is_integer(high) || min < 0 || max < min || max > UINT16_MAX) {
        return vh_error_set(r->err, VIV_E_INVALID, "manifest",
                            "abi must be an object with integers min and max, like {\"min\":%u,\"max\":%u}",
                            VIV_ABI_MAJOR, VIV_ABI_MAJOR);
    }
    m->abi_min = (uint32_t)min;
    m->abi_max = (uint32_t)max;
    return vh_document_keys(abi, keys, "abi", r->err);
}

static bool
offers_skill(const struct vh_manifest *m)
{
    bool found = false;
    for (uint32_t i = 0; i < m->interface_count; i++) {
        found = found || (m->interfaces[i].known && m->interfaces[i].index == VIV_INDEX_SKILL);
    }
    return found;
}

static viv_status
read_goals(struct vh_manifest_reader *r)
{
    struct vh_manifest *m = r->manifest;
    json_t *goals = json_object_get(r->root, "goals");
    bool executor = false;
    for (uint32_t i = 0; i < m->interface_count; i++) {
        executor = executor || (m->interfaces[i].known && m->interfaces[i].index == VIV_INDEX_EXECUTOR);
    }
    if (goals && (!json_is_boolean(goals) || !executor)) {
        return vh_error_set(r->err, VIV_E_INVALID, "manifest", "goals is %s, allowed: true or false, of a plugin that "
                            "offers '" VIV_IFACE_EXECUTOR "'", executor ? "no boolean" : "said of another plugin");
    }
    m->goals = json_is_true(goals);
    return VIV_OK;
}

static viv_status
read_kind(struct vh_manifest_reader *r)
{
    struct vh_manifest *m = r->manifest;
    json_t *kind = json_object_get(r->root, "kind"), *experimental = json_object_get(r->root, "experimental");
    bool skill = offers_skill(m);
    const char *name = kind ? json_string_value(kind) : skill ? "skill" : "plugin";
    if (!name || (strcmp(name, "plugin") != 0 && strcmp(name, "skill") != 0)) {
        return vh_error_set(r->err, VIV_E_INVALID, "manifest", "kind is '%s', allowed: plugin, skill",
                            name ? name : "(no text)");
    }
    m->kind = strcmp(name, "skill") == 0 ? VH_MANIFEST_SKILL : VH_MANIFEST_PLUGIN;
    if ((m->kind == VH_MANIFEST_SKILL) != skill || (skill && m->interface_count != 1)) {
        return vh_error_set(r->err, VIV_E_INVALID, "manifest",
                            "kind is '%s' and the interfaces are of another kind: a skill has '" VIV_IFACE_SKILL
                            "' and nothing else, a plugin has not",
                            name);
    }
    if (experimental && !json_is_boolean(experimental)) {
        return vh_error_set(r->err, VIV_E_INVALID, "manifest", "experimental must be true or false");
    }
    m->experimental = json_is_true(experimental);
    return read_goals(r);
}

static viv_status
read_schema(struct vh_manifest_reader *r, const char *key, bool flat, const struct vh_schema **ret_schema,
            struct viv_str *ret_text)
{
    json_t *document = json_object_get(r->root, key);
    if (!document && r->manifest->kind == VH_MANIFEST_PLUGIN) {
        return VIV_OK;
    }
    if (!document) {
        return vh_error_set(r->err, VIV_E_INVALID, "manifest", "'%s' is missing, a skill must say it", key);
    }
    if (r->manifest->kind == VH_MANIFEST_PLUGIN) {
        return vh_error_set(r->err, VIV_E_INVALID, "manifest", "'%s' is for skills, this is a plugin", key);
    }
    viv_status status = vh_schema_compile(r->arena, document, key, flat, ret_schema, r->err);
    if (status) {
        return status;
    }
    *ret_text = vh_document_print(r->arena, document);
    if (ret_text->len > SCHEMA_TEXT_MAX) {
        return vh_error_set(r->err, VIV_E_LIMIT, "manifest", "'%s' has %llu bytes, allowed %u", key,
                            (unsigned long long)ret_text->len, SCHEMA_TEXT_MAX);
    }
    return ret_text->data ? VIV_OK : vh_manifest_no_memory(r);
}

static viv_status
read_provenance(struct vh_manifest_reader *r)
{
    json_t *provenance = json_object_get(r->root, "provenance");
    if (!provenance) {
        return VIV_OK;
    }
    json_t *origin = json_object_get(provenance, "origin");
    const char *name = origin ? json_string_value(origin) : "person";
    if (!json_is_object(provenance) || !name || (strcmp(name, "person") != 0 && strcmp(name, "machine") != 0)) {
        return vh_error_set(r->err, VIV_E_INVALID, "manifest",
                            "provenance must be an object whose origin is 'person' or 'machine'");
    }
    r->manifest->machine_made = strcmp(name, "machine") == 0;
    r->manifest->provenance = vh_document_print(r->arena, provenance);
    return r->manifest->provenance.data ? VIV_OK : vh_manifest_no_memory(r);
}

static viv_status
read_all(struct vh_manifest_reader *r)
{
    struct vh_manifest *m = r->manifest;
    if (!json_is_object(r->root)) {
        return vh_error_set(r->err, VIV_E_INVALID, "manifest", "the manifest must be an object");
    }
    viv_status status = vh_document_keys(r->root, known_keys, "the manifest", r->err);
    status = status ? status : read_identity(r);
    status = status ? status : read_abi(r);
    status = status ? status : vh_manifest_interfaces(r);
    status = status ? status : read_kind(r);
    status = status ? status : vh_manifest_grants(r);
    status = status ? status : vh_manifest_libraries(r);
    status = status ? status : vh_manifest_options(r);
    status = status ? status : read_schema(r, "inputSchema", true, &m->input, &m->input_schema);
    status = status ? status : read_schema(r, "outputSchema", false, &m->output, &m->output_schema);
    status = status ? status : vh_manifest_templates(r);
    return status ? status : read_provenance(r);
}

viv_status
vh_manifest_read(struct vh_arena *arena, struct viv_str text, const struct vh_manifest **ret_manifest,
                 struct viv_error *err)
{
    struct vh_manifest *manifest = vh_arena_alloc(arena, sizeof *manifest);
    struct viv_error own = VIV_ERROR_INIT;
    struct vh_manifest_reader r = { .arena = arena, .manifest = manifest, .err = err ? err : &own };
    if (!manifest) {
        return vh_manifest_no_memory(&r);
    }
    viv_status status = vh_document_read(arena, text, VIV_MANIFEST_MAX, "the manifest", &r.root, r.err);
    if (status == VIV_OK) {
        manifest->text = (struct viv_str){ vh_arena_text_of(arena, text), text.len };
        status = manifest->text.data ? VIV_OK : vh_manifest_no_memory(&r);
    }
    status = status ? status : read_all(&r);
    if (status == VIV_OK) {
        *ret_manifest = manifest;
    }
    return status;
}

viv_status
vh_manifest_machine_made(const struct vh_manifest *manifest, struct viv_error *err)
{
    for (uint32_t i = 0; i < manifest->interface_count; i++) {
        const struct vh_manifest_interface *interface = &manifest->interfaces[i];
        if (!interface->known || !interface->known->machine_made) {
            return vh_error_set(err, VIV_E_DENIED, "manifest",
                                "'%s' is made by a machine and offers '%s', allowed for such code: '" VIV_IFACE_SKILL
                                "'",
                                manifest->id, interface->id);
        }
    }
    if (manifest->library_count > 0) {
        return vh_error_set(err, VIV_E_DENIED, "manifest",
                            "'%s' is made by a machine and needs '%s', allowed for such code: libc alone", manifest->id,
                            manifest->libraries[0]);
    }
    return VIV_OK;
}

bool
vh_manifest_grants_service(const struct vh_manifest *manifest, const char *service_id)
{
    for (uint32_t i = 0; i < manifest->service_count; i++) {
        if (strcmp(manifest->services[i], service_id) == 0) {
            return true;
        }
    }
    return false;
}

bool
vh_manifest_grants_effect(const struct vh_manifest *manifest, uint32_t kind)
{
    return kind < 32 && (manifest->effects >> kind & 1u) != 0;
}

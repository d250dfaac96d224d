/* SPDX-License-Identifier: Apache-2.0 */
/* libyaml reads the events; the tree is built over an explicit stack, so that depth costs no stack
 * of the host. */
#include "yaml_tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <tree.h>
#include <yaml.h>

struct builder {
    struct viv_call *call;
    const char *origin;
    struct viv_error *err;
    struct yaml_value *root;
    struct yaml_value *open[YAML_DEPTH_MAX];
    struct viv_str key; /* of the member that comes next */
    uint32_t has_key;
    uint32_t depth;
    uint32_t nodes;
    uint32_t documents;
};

viv_status
yaml_tree_fail(struct viv_error *err, viv_status status, const char *origin, uint32_t line,
               const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    (void)viv_tree_fail(err, status, "policy", "%s line %u: %s", origin, line, text);
    if (err) {
        err->line = line;
    }
    return status;
}

static uint32_t
line_of(const yaml_event_t *event)
{
    return (uint32_t)event->start_mark.line + 1;
}

static viv_status
check_key(struct builder *builder, const yaml_event_t *event, struct viv_str key)
{
    struct yaml_value *map = builder->open[builder->depth - 1];
    if (map->count == YAML_KEYS_MAX) {
        return yaml_tree_fail(builder->err, VIV_E_LIMIT, builder->origin, line_of(event),
                              "more than %d keys in one mapping", YAML_KEYS_MAX);
    }
    for (const struct yaml_value *old = map->child; old; old = old->next) {
        if (old->key.len == key.len && memcmp(old->key.data, key.data, (size_t)key.len) == 0) {
            return yaml_tree_fail(builder->err, VIV_E_INVALID, builder->origin, line_of(event),
                                  "key '%.*s' stands here a second time, the first is in line %u",
                                  (int)key.len, key.data, old->line);
        }
    }
    builder->key = key;
    builder->has_key = 1;
    return VIV_OK;
}

/* A new value under the open mapping or list, or as the root. */
static viv_status
add(struct builder *builder, const yaml_event_t *event, enum yaml_kind kind,
    struct yaml_value **ret_value)
{
    struct yaml_value *value = builder->call->alloc(builder->call, sizeof *value);
    if (!value) {
        return viv_tree_fail(builder->err, VIV_E_MEMORY, "policy",
                             "the policy does not fit into the call's memory");
    }
    if (++builder->nodes > YAML_NODES_MAX) {
        return yaml_tree_fail(builder->err, VIV_E_LIMIT, builder->origin, line_of(event),
                              "more than %d values", YAML_NODES_MAX);
    }
    value->kind = kind;
    value->line = line_of(event);
    if (builder->depth == 0) {
        builder->root = value;
    } else {
        struct yaml_value *parent = builder->open[builder->depth - 1];
        value->key = builder->key;
        builder->has_key = 0;
        if (parent->last) {
            parent->last->next = value;
        } else {
            parent->child = value;
        }
        parent->last = value;
        parent->count++;
    }
    *ret_value = value;
    return VIV_OK;
}

static int
in_map_without_key(const struct builder *builder)
{
    return builder->depth > 0 && builder->open[builder->depth - 1]->kind == YAML_MAP &&
           !builder->has_key;
}

static viv_status
take_scalar(struct builder *builder, const yaml_event_t *event)
{
    struct viv_str text = {(const char *)event->data.scalar.value, event->data.scalar.length};
    if (memchr(text.data, '\0', (size_t)text.len)) {
        return yaml_tree_fail(builder->err, VIV_E_INVALID, builder->origin, line_of(event),
                              "a NUL stands in a text");
    }
    text = viv_tree_copy(builder->call, text);
    if (!text.data) {
        return viv_tree_fail(builder->err, VIV_E_MEMORY, "policy",
                             "the policy does not fit into the call's memory");
    }
    if (in_map_without_key(builder)) {
        return check_key(builder, event, text);
    }
    struct yaml_value *value = NULL;
    viv_status status = add(builder, event, YAML_TEXT, &value);
    if (status == VIV_OK) {
        value->text = text;
        value->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    }
    return status;
}

static viv_status
take_start(struct builder *builder, const yaml_event_t *event, enum yaml_kind kind)
{
    if (in_map_without_key(builder)) {
        return yaml_tree_fail(builder->err, VIV_E_INVALID, builder->origin, line_of(event),
                              "a key is not plain text");
    }
    if (builder->depth == YAML_DEPTH_MAX) {
        return yaml_tree_fail(builder->err, VIV_E_LIMIT, builder->origin, line_of(event),
                              "nested more than %d deep", YAML_DEPTH_MAX);
    }
    struct yaml_value *value = NULL;
    viv_status status = add(builder, event, kind, &value);
    if (status == VIV_OK) {
        builder->open[builder->depth++] = value;
    }
    return status;
}

static viv_status
take_document(struct builder *builder, const yaml_event_t *event)
{
    if (++builder->documents > 1) {
        return yaml_tree_fail(builder->err, VIV_E_INVALID, builder->origin, line_of(event),
                              "a second document begins, allowed: one");
    }
    if (event->data.document_start.version_directive ||
        event->data.document_start.tag_directives.start !=
            event->data.document_start.tag_directives.end) {
        return yaml_tree_fail(builder->err, VIV_E_INVALID, builder->origin, line_of(event),
                              "directives ('%%') are not allowed");
    }
    return VIV_OK;
}

/* What makes one text mean more than it shows. */
static const char *
unwanted(const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL;
    const yaml_char_t *tag = NULL;
    if (event->type == YAML_ALIAS_EVENT) {
        return "aliases ('*')";
    }
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    return anchor ? "anchors ('&')" : tag ? "tags ('!')" : NULL;
}

static viv_status
take(struct builder *builder, const yaml_event_t *event)
{
    const char *what = unwanted(event);
    if (what) {
        return yaml_tree_fail(builder->err, VIV_E_INVALID, builder->origin, line_of(event),
                              "%s are not allowed in a policy; write the value out", what);
    }
    if (event->type == YAML_DOCUMENT_START_EVENT) {
        return take_document(builder, event);
    }
    if (event->type == YAML_SCALAR_EVENT) {
        return take_scalar(builder, event);
    }
    if (event->type == YAML_SEQUENCE_START_EVENT) {
        return take_start(builder, event, YAML_LIST);
    }
    if (event->type == YAML_MAPPING_START_EVENT) {
        return take_start(builder, event, YAML_MAP);
    }
    if (event->type == YAML_SEQUENCE_END_EVENT || event->type == YAML_MAPPING_END_EVENT) {
        builder->depth--;
    }
    return VIV_OK;
}

static viv_status
run(struct builder *builder, yaml_parser_t *parser)
{
    for (int done = 0; !done;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event)) {
            return yaml_tree_fail(builder->err,
                                  parser->error == YAML_MEMORY_ERROR ? VIV_E_MEMORY : VIV_E_INVALID,
                                  builder->origin, (uint32_t)parser->problem_mark.line + 1,
                                  "not YAML: %s", parser->problem ? parser->problem : "no memory");
        }
        viv_status status = take(builder, &event);
        done = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
        if (status != VIV_OK) {
            return status;
        }
    }
    return VIV_OK;
}

viv_status
yaml_tree_read(struct viv_call *call, struct viv_str text, const char *origin,
               struct yaml_value **ret_root, struct viv_error *err)
{
    struct builder builder = {.call = call, .origin = origin, .err = err};
    yaml_parser_t parser;
    if (text.len > YAML_BYTES_MAX) {
        return viv_tree_fail(err, VIV_E_LIMIT, "policy", "%s has %llu bytes, allowed %u", origin,
                             (unsigned long long)text.len, YAML_BYTES_MAX);
    }
    if (!yaml_parser_initialize(&parser)) {
        return viv_tree_fail(err, VIV_E_MEMORY, "policy", "no memory to read the policy");
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text.data ? text.data : ""),
                                 (size_t)text.len);
    viv_status status = run(&builder, &parser);
    yaml_parser_delete(&parser);
    if (status != VIV_OK) {
        return status;
    }
    if (!builder.root) {
        yaml_event_t nowhere = {.type = YAML_NO_EVENT};
        status = add(&builder, &nowhere, YAML_MAP, &builder.root);
        if (status == VIV_OK) {
            builder.root->line = 0;
        }
    }
    if (status == VIV_OK) {
        *ret_root = builder.root;
    }
    return status;
}

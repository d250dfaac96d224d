/* SPDX-License-Identifier: Apache-2.0 */
/* Where keys come from, and where models are reached. A person may have put the key itself into any
 * of these places, so no message repeats what stands there. Read next: compile_models.c. */
#include "compile.h"

#include <host.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <tree.h>

#include "rules.h"

#define NAMED_MAX 32
#define NAME_MAX_BYTES 64
#define VARIABLE_MAX 128
#define URL_MAX 2048

static int
shown(struct viv_str text)
{
    return (int)(text.len < 64 ? text.len : 64);
}

uint32_t
compile_is_name(struct viv_str name)
{
    uint32_t good = name.len > 0 && name.len <= NAME_MAX_BYTES;
    for (uint64_t i = 0; good && i < name.len; i++) {
        char c = name.data[i];
        good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    }
    return good;
}

struct json_t *
compile_named(struct compile *compile, const struct yaml_value *value, compile_read read,
              const char *what)
{
    if (value->kind != YAML_MAP || value->count > NAMED_MAX) {
        return compile_fault(compile, value, "'%s' is %s, allowed: a mapping of at most %d names",
                             what, value->kind == YAML_MAP ? "too long" : "no mapping", NAMED_MAX);
    }
    json_t *object = json_object();
    for (const struct yaml_value *one = value->child; one && compile->status == VIV_OK;
         one = one->next) {
        if (!compile_is_name(one->key)) {
            (void)compile_fault(compile, one,
                                "name '%.*s' in '%s' is not allowed, allowed: 1 to %d of a-z, 0-9, "
                                "'_' and '-'",
                                shown(one->key), one->key.data, what, NAME_MAX_BYTES);
            break;
        }
        json_t *member = read(compile, one);
        if (compile->status == VIV_OK) {
            viv_tree_set(object, one->key.data, member, &compile->failed);
        }
    }
    if (compile->status != VIV_OK) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static int
is_path(const struct yaml_value *value)
{
    struct viv_str text = value->text;
    int good = value->kind == YAML_TEXT && text.len > 1 && text.len <= VIV_PATH_MAX &&
               text.data[0] == '/' && text.data[text.len - 1] != '/';
    for (uint64_t i = 0; good && i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        good = c >= ' ' && c != 0x7f;
    }
    return good;
}

/* Capitals alone: no provider's key is spelled so, and one that was pasted here is refused. */
static int
is_variable(const struct yaml_value *value)
{
    struct viv_str text = value->text;
    int good = value->kind == YAML_TEXT && text.len > 0 && text.len <= VARIABLE_MAX;
    for (uint64_t i = 0; good && i < text.len; i++) {
        char c = text.data[i];
        good = (c >= 'A' && c <= 'Z') || c == '_' || (i > 0 && c >= '0' && c <= '9');
    }
    return good;
}

static json_t *
read_source(struct compile *compile, const struct yaml_value *value, struct viv_str name)
{
    int file = rules_is(value->key, "file");
    if (!file && !rules_is(value->key, "variable")) {
        return compile_fault(
            compile, value,
            "secret '%.*s' has a key that is not known (it is not shown), allowed: "
            "file, variable",
            shown(name), name.data);
    }
    if (file && !is_path(value)) {
        return compile_fault(compile, value,
                             "'file' of secret '%.*s' is no absolute path of a file (it is not "
                             "shown), allowed: a path that begins with '/'",
                             shown(name), name.data);
    }
    if (!file && !is_variable(value)) {
        return compile_fault(
            compile, value,
            "'variable' of secret '%.*s' is no name of an environment variable (it "
            "is not shown), allowed: 1 to %d of A-Z, 0-9 and '_'",
            shown(name), name.data, VARIABLE_MAX);
    }
    return compile_text(compile, value);
}

static json_t *
read_secret(struct compile *compile, const struct yaml_value *value)
{
    struct viv_str name = value->key;
    if (value->kind != YAML_MAP || value->count != 1) {
        return compile_fault(compile, value,
                             "secret '%.*s' %s, allowed: exactly one of {file: /PATH} and "
                             "{variable: NAME}",
                             shown(name), name.data,
                             value->kind != YAML_MAP ? "is no mapping (it is not shown)"
                             : value->count == 0     ? "says no source"
                                                     : "says more than one source");
    }
    json_t *source = read_source(compile, value->child, name);
    json_t *secret = compile->status == VIV_OK ? json_object() : NULL;
    if (secret) {
        viv_tree_set(secret, value->child->key.data, source, &compile->failed);
        return secret;
    }
    compile->failed |= compile->status == VIV_OK;
    json_decref(source);
    return NULL;
}

struct json_t *
compile_secrets(struct compile *compile, const struct yaml_value *value)
{
    return compile_named(compile, value, read_secret, "secrets");
}

/* "HOST:PORT" of a URL's authority; what is left out is the scheme's. Empty: it does not fit. */
static struct viv_str
host_of(struct viv_str authority, const char *port, char *buffer, size_t size)
{
    const char *close =
        authority.len > 0 ? memrchr(authority.data, ']', (size_t)authority.len) : NULL;
    const char *from = close ? close : authority.data;
    uint64_t rest = authority.len - (close ? (uint64_t)(close - authority.data) : 0);
    int has_port = authority.len > 0 && memchr(from, ':', (size_t)rest) != NULL;
    int len = authority.len == 0 || authority.len > VIV_KIT_HOST_MAX
                  ? -1
                  : snprintf(buffer, size, "%.*s%s", (int)authority.len, authority.data,
                             has_port ? "" : port);
    return (struct viv_str){buffer, len > 0 && (size_t)len < size ? (uint64_t)len : 0};
}

static int
is_loopback(struct viv_str host)
{
    return (host.len > 4 && memcmp(host.data, "127.", 4) == 0 &&
            strspn(host.data, "0123456789.:") == host.len) ||
           (host.len > 5 && memcmp(host.data, "[::1]", 5) == 0);
}

/* What is wrong with it, in words that repeat nothing of it; NULL: nothing is. `ret_of` goes before
 * them. */
static const char *
url_fault(struct viv_str url, const char **ret_of)
{
    uint64_t at = url.len > 8 && memcmp(url.data, "https://", 8) == 0  ? 8
                  : url.len > 7 && memcmp(url.data, "http://", 7) == 0 ? 7
                                                                       : 0;
    char buffer[VIV_KIT_HOST_MAX + 8];
    if (at == 0 || url.len > URL_MAX) {
        return "does not begin with https:// or http://, or is longer than 2048 bytes";
    }
    for (uint64_t i = at; i < url.len; i++) {
        unsigned char c = (unsigned char)url.data[i];
        if (c == '@') {
            return "has user info ('@'); keys stand in 'secrets'";
        }
        if (c == '?' || c == '#') {
            return c == '?' ? "has a query ('?')" : "has a fragment ('#')";
        }
        if (c <= ' ' || c >= 0x7f || strchr("\\\"<>", c)) {
            return "has a character that stands in no URL";
        }
    }
    const char *slash = memchr(url.data + at, '/', (size_t)(url.len - at));
    uint64_t end = slash ? (uint64_t)(slash - url.data) : url.len;
    struct viv_str host = host_of((struct viv_str){url.data + at, end - at},
                                  at == 8 ? ":443" : ":80", buffer, sizeof buffer);
    const char *fault = viv_kit_host_fault(host, 0);
    if (fault) {
        *ret_of = " has a host that";
        return fault;
    }
    return at == 8 || is_loopback(host) ? NULL
                                        : "goes without TLS to a host that is no loopback address";
}

struct json_t *
compile_url(struct compile *compile, const struct yaml_value *value)
{
    const char *of = "";
    const char *fault = value->kind == YAML_TEXT ? url_fault(value->text, &of) : "is no text";
    if (fault) {
        return compile_fault(compile, value,
                             "'%.*s'%s %s, allowed: https://HOST[:PORT][/PATH], or http:// to "
                             "a loopback address like 127.0.0.1",
                             shown(value->key), value->key.data, of, fault);
    }
    return compile_text(compile, value);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "scope.h"

#include "base/error.h"
#include "base/str.h"
#include <viv/limits.h>

#define ALLOWED "allowed: a folder beneath the target by its path from there, as 'docs/api'"
#define SHOWN 100 /* bytes of a scope that a message quotes */

static viv_status
refuse(struct viv_str text, const char *why, struct viv_error *err)
{
    return vh_error_set(err, VIV_E_INVALID, "scope", "scope '%.*s' %s; " ALLOWED,
                        (int)(text.len > SHOWN ? SHOWN : text.len), text.len ? text.data : "", why);
}

static bool
has_control(struct viv_str text)
{
    for (uint64_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f) {
            return true;
        }
    }
    return false;
}

static viv_status
check(struct viv_str text, struct viv_error *err)
{
    if (text.len > VIV_PATH_MAX) {
        return vh_error_set(err, VIV_E_LIMIT, "scope", "a scope has %llu bytes, allowed 1 to %d",
                            (unsigned long long)text.len, VIV_PATH_MAX);
    }
    if (!vh_str_utf8(text)) {
        return refuse(text, "is not UTF-8", err);
    }
    if (has_control(text)) {
        return refuse(text, "holds control characters", err);
    }
    return text.len && text.data[0] == '/' ? refuse(text, "is absolute", err) : VIV_OK;
}

viv_status
vh_scope_read(struct vh_arena *arena, struct viv_str text, struct viv_str *ret_scope, struct viv_error *err)
{
    size_t len = 0;
    viv_status status = check(text, err);
    char *out = status ? NULL : vh_arena_alloc(arena, (size_t)text.len + 1);
    if (!out) {
        return status ? status : vh_error_set(err, VIV_E_MEMORY, "scope", "no memory for a scope");
    }
    for (uint64_t at = 0, end; at < text.len; at = end + 1) {
        for (end = at; end < text.len && text.data[end] != '/'; end++) {
        }
        struct viv_str part = {text.data + at, end - at};
        if (vh_str_is(part, "..")) {
            return refuse(text, "holds '..'", err);
        }
        if (part.len && !vh_str_is(part, ".")) {
            out[len] = '/';
            len += len > 0;
            memcpy(out + len, part.data, (size_t)part.len);
            len += (size_t)part.len;
        }
    }
    out[len] = '\0';
    if (text.len && !len) {
        return refuse(text, "is the whole target, which is what is meant without a scope", err);
    }
    *ret_scope = (struct viv_str){out, len};
    return VIV_OK;
}

bool
vh_scope_holds(struct viv_str scope, struct viv_str path)
{
    return scope.len == 0 || (path.len > scope.len && memcmp(path.data, scope.data, (size_t)scope.len) == 0 &&
                              path.data[scope.len] == '/');
}

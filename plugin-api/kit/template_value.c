/* SPDX-License-Identifier: Apache-2.0 */
/* Transforms: from a slot's bytes to a member of the input. A closed list: a template is data and never code. */
#include <string.h>

#include "template_inside.h"
#include "text.h"
#include "write.h"

static const struct {
    const char *name;
    uint32_t as;
} transforms[] = {
    { "identity", VIV_TEMPLATE_AS_IDENTITY },
    { "unquote", VIV_TEMPLATE_AS_UNQUOTE },
    { "lower", VIV_TEMPLATE_AS_LOWER },
    { "extension", VIV_TEMPLATE_AS_EXTENSION },
    { "integer", VIV_TEMPLATE_AS_INTEGER },
    { "bytes", VIV_TEMPLATE_AS_BYTES },
    { "ns", VIV_TEMPLATE_AS_NS },
    { "us", VIV_TEMPLATE_AS_US },
    { "seconds", VIV_TEMPLATE_AS_SECONDS },
    { "choice", VIV_TEMPLATE_AS_CHOICE },
};

struct unit {
    const char *name;
    int64_t factor;
    uint32_t folded; /* case of the name does not matter */
};

static const struct unit sizes[] = {
    { "B", 1, 1 },
    { "byte", 1, 1 },
    { "bytes", 1, 1 },
    { "K", 1024, 1 },
    { "KiB", 1024, 1 },
    { "KB", 1000, 1 },
    { "M", 1 << 20, 1 },
    { "MiB", 1 << 20, 1 },
    { "MB", 1000000, 1 },
    { "G", 1 << 30, 1 },
    { "GiB", 1 << 30, 1 },
    { "GB", 1000000000, 1 },
    { "T", INT64_C(1) << 40, 1 },
    { "TiB", INT64_C(1) << 40, 1 },
    { "TB", INT64_C(1000000000000), 1 },
};

/* In nanoseconds. "m" is minutes as in options; "M" is nothing. */
static const struct unit durations[] = {
    { "ns", 1, 0 },
    { "us", 1000, 0 },
    { "ms", 1000000, 0 },
    { "s", 1000000000, 0 },
    { "sec", 1000000000, 1 },
    { "second", 1000000000, 1 },
    { "seconds", 1000000000, 1 },
    { "m", INT64_C(60000000000), 0 },
    { "min", INT64_C(60000000000), 1 },
    { "minute", INT64_C(60000000000), 1 },
    { "minutes", INT64_C(60000000000), 1 },
    { "h", INT64_C(3600000000000), 0 },
    { "hour", INT64_C(3600000000000), 1 },
    { "hours", INT64_C(3600000000000), 1 },
    { "d", INT64_C(86400000000000), 0 },
    { "day", INT64_C(86400000000000), 1 },
    { "days", INT64_C(86400000000000), 1 },
    { "w", INT64_C(604800000000000), 0 },
    { "week", INT64_C(604800000000000), 1 },
    { "weeks", INT64_C(604800000000000), 1 },
};

static const struct {
    uint32_t type;
    uint32_t as;
} natural[] = {
    { VIV_TEMPLATE_NUMBER, VIV_TEMPLATE_AS_INTEGER },
    { VIV_TEMPLATE_SIZE, VIV_TEMPLATE_AS_BYTES },
    { VIV_TEMPLATE_DURATION, VIV_TEMPLATE_AS_NS },
    { VIV_TEMPLATE_CHOICE, VIV_TEMPLATE_AS_CHOICE },
};

static uint32_t
natural_of(uint32_t type)
{
    for (uint32_t i = 0; i < sizeof natural / sizeof *natural; i++) {
        if (natural[i].type == type)
            return natural[i].as;
    }
    return VIV_TEMPLATE_AS_UNQUOTE;
}

uint32_t
viv_template_is_number(uint32_t as)
{
    return as >= VIV_TEMPLATE_AS_INTEGER && as <= VIV_TEMPLATE_AS_SECONDS;
}

uint32_t
viv_template_transform(struct viv_str name, uint32_t type)
{
    uint32_t own = natural_of(type);
    if (name.len == 0)
        return own;
    for (uint32_t i = 0; i < sizeof transforms / sizeof *transforms; i++) {
        uint32_t as = transforms[i].as;
        if (!viv_kit_is(name, transforms[i].name))
            continue;
        uint32_t of_time = as >= VIV_TEMPLATE_AS_NS && as <= VIV_TEMPLATE_AS_SECONDS;
        if (viv_template_is_number(as) || as == VIV_TEMPLATE_AS_CHOICE)
            return as == own || (of_time && type == VIV_TEMPLATE_DURATION) ? as : VIV_TEMPLATE_AS_DEFAULT;
        return as;
    }
    return VIV_TEMPLATE_AS_DEFAULT;
}

static const struct unit *
find_unit(const struct unit *units, uint32_t count, struct viv_str name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (units[i].folded ? viv_kit_is_folded(name, units[i].name) : viv_kit_is(name, units[i].name))
            return &units[i];
    }
    return NULL;
}

viv_status
viv_template_number(uint32_t as, struct viv_str raw, int64_t *ret_number, struct viv_error *err)
{
    uint64_t at = as == VIV_TEMPLATE_AS_INTEGER && raw.len > 0 && raw.data[0] == '-';
    uint64_t first = at;
    int64_t number = 0;
    for (; at < raw.len && raw.data[at] >= '0' && raw.data[at] <= '9' && at < first + 15; at++) {
        number = number * 10 + (raw.data[at] - '0');
    }
    uint64_t digits_end = at;
    while (at < raw.len && (raw.data[at] == ' ' || (raw.data[at] >= '\t' && raw.data[at] <= '\r'))) {
        at++;
    }
    struct viv_str name = { raw.data + at, raw.len - at };
    const struct unit *unit = as == VIV_TEMPLATE_AS_BYTES ? find_unit(sizes, sizeof sizes / sizeof *sizes, name)
                              : as == VIV_TEMPLATE_AS_INTEGER
                                  ? NULL
                                  : find_unit(durations, sizeof durations / sizeof *durations, name);
    int64_t factor = unit ? unit->factor : 1;
    int64_t part = as == VIV_TEMPLATE_AS_US ? 1000 : as == VIV_TEMPLATE_AS_SECONDS ? 1000000000 : 1;
    uint32_t fits = as == VIV_TEMPLATE_AS_INTEGER ? name.len == 0 && digits_end == raw.len : unit != NULL;
    /* Large units in coarse parts must not overflow on the way: reduce the factor first where it divides. */
    if (factor >= part && factor % part == 0) {
        factor /= part;
        part = 1;
    }
    if (digits_end == first || !fits || number > VIV_KIT_INTEGER_MAX / factor) {
        return viv_kit_fail(err, VIV_E_INVALID, "template", "'%.*s' is not a number in range with a known unit",
                            (int)(raw.len < 60 ? raw.len : 60), raw.len ? raw.data : "");
    }
    number = number * factor / part;
    *ret_number = first > 0 ? -number : number;
    return VIV_OK;
}

static viv_status
extension(struct viv_str inner, struct viv_kit_buf *buf, struct viv_error *err)
{
    struct viv_str rest = inner;
    if (rest.len > 0 && rest.data[0] == '*') {
        rest = (struct viv_str){ rest.data + 1, rest.len - 1 };
    }
    if (rest.len > 0 && rest.data[0] == '.') {
        rest = (struct viv_str){ rest.data + 1, rest.len - 1 };
    }
    uint32_t plain = rest.len > 0;
    for (uint64_t i = 0; i < rest.len; i++) {
        char c = rest.data[i];
        plain &= (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                 c == '+' || c == '-';
    }
    if (!plain) {
        return viv_kit_fail(err, VIV_E_INVALID, "template", "'%.*s' is not a file type, allowed: c, .c or *.c",
                            (int)(inner.len < 60 ? inner.len : 60), inner.len ? inner.data : "");
    }
    viv_kit_buf_text(buf, "*.");
    viv_kit_buf_str(buf, rest);
    return VIV_OK;
}

static struct viv_str
as_spelled(struct viv_str choices, struct viv_str raw)
{
    uint64_t start = 0;
    for (uint64_t i = 0; i <= choices.len; i++) {
        if (i < choices.len && choices.data[i] != '|')
            continue;
        struct viv_str one = { choices.data + start, i - start };
        if (viv_template_same(one, raw))
            return one;
        start = i + 1;
    }
    return raw;
}

viv_status
viv_template_value(uint32_t as, const struct viv_template_part *part, struct viv_str raw, struct viv_str inner,
                   struct viv_kit_memory memory, struct viv_str *ret_text, struct viv_error *err)
{
    struct viv_kit_buf buf;
    viv_kit_buf_init(&buf, memory, VIV_GOAL_MAX + 2);
    *ret_text = as == VIV_TEMPLATE_AS_IDENTITY ? raw : inner;
    if (as == VIV_TEMPLATE_AS_CHOICE) {
        *ret_text = as_spelled(part->choices, raw);
    }
    if (as != VIV_TEMPLATE_AS_LOWER && as != VIV_TEMPLATE_AS_EXTENSION)
        return VIV_OK;
    if (as == VIV_TEMPLATE_AS_EXTENSION) {
        viv_status status = extension(inner, &buf, err);
        if (status != VIV_OK)
            return status;
    } else {
        viv_kit_buf_str(&buf, inner);
        for (uint64_t i = 0; i < buf.len; i++) {
            buf.data[i] = (char)(buf.data[i] >= 'A' && buf.data[i] <= 'Z' ? buf.data[i] + 32 : buf.data[i]);
        }
    }
    return viv_kit_buf_finish(&buf, ret_text, err);
}

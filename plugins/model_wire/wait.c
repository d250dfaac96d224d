/* SPDX-License-Identifier: Apache-2.0 */
/* Times in headers: seconds, milliseconds, spans like 6m0s, and two forms of points in time. A point is measured from
 * the answer's own date, so that a wrong clock on either side changes nothing. */
#include <kit.h>
#include <stdio.h>
#include <string.h>

#include "failure.h"

#define SECOND_NS INT64_C(1000000000)
#define DAY_NS (86400 * SECOND_NS)

/* A number with a fraction, in billionths, at most 10^9 whole ones; -1: none stands there. */
static int64_t
number_at(struct viv_str text, uint64_t *at)
{
    int64_t whole = 0;
    int64_t fraction = 0;
    int64_t place = SECOND_NS;
    uint64_t start = *at;
    for (; *at < text.len && text.data[*at] >= '0' && text.data[*at] <= '9'; ++*at) {
        whole = whole < 1000000000 ? whole * 10 + (text.data[*at] - '0') : whole;
    }
    if (*at == start)
        return -1;
    if (*at < text.len && text.data[*at] == '.') {
        for (++*at; *at < text.len && text.data[*at] >= '0' && text.data[*at] <= '9'; ++*at) {
            place /= 10;
            fraction += place * (text.data[*at] - '0');
        }
    }
    return whole > 1000000000 ? 1000000000 * SECOND_NS : whole * SECOND_NS + fraction;
}

/* `billionths` of a unit of so many nanoseconds, up to a day. */
static int64_t
scaled(int64_t billionths, int64_t unit_ns)
{
    if (billionths / SECOND_NS > DAY_NS / unit_ns)
        return DAY_NS;
    int64_t thousandths = billionths % SECOND_NS / 1000000; /* finer than anybody waits */
    int64_t ns = billionths / SECOND_NS * unit_ns + thousandths * unit_ns / 1000;
    return ns < DAY_NS ? ns : DAY_NS;
}

static int64_t
unit_at(struct viv_str text, uint64_t *at)
{
    static const struct {
        const char *word;
        int64_t unit_ns;
    } units[] = { { "ms", 1000000 },         { "us", 1000 }, { "ns", 1 }, { "s", SECOND_NS }, { "m", 60 * SECOND_NS },
                  { "h", 3600 * SECOND_NS }, { "d", DAY_NS } };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        uint64_t len = strlen(units[i].word);
        if (text.len - *at >= len && memcmp(text.data + *at, units[i].word, (size_t)len) == 0) {
            *at += len;
            return units[i].unit_ns;
        }
    }
    return -1;
}

/* "20", "7.66s", "6m0s", "1h2m3.5s", "20ms"; -1 for anything else. */
static int64_t
span_of(struct viv_str text, int64_t plain_unit_ns)
{
    int64_t sum = 0;
    uint64_t at = 0;
    if (text.len == 0)
        return -1;
    while (at < text.len) {
        uint64_t start = at;
        int64_t number = number_at(text, &at);
        int64_t unit = at == text.len && start == 0 ? plain_unit_ns : unit_at(text, &at);
        if (number < 0 || unit < 0)
            return -1;
        sum += scaled(number, unit);
        sum = sum < DAY_NS ? sum : DAY_NS;
    }
    return sum;
}

static int64_t
days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = year / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int64_t
point(const int64_t date[3], const int64_t time[3])
{
    if (date[0] < 1970 || date[0] > 9999 || date[1] < 1 || date[1] > 12 || date[2] < 1 || date[2] > 31 ||
        time[0] > 23 || time[1] > 59 || time[2] > 60)
        return -1;
    return ((days_of(date[0], date[1], date[2]) * 24 + time[0]) * 60 + time[1]) * 60000000 + time[2] * 1000000;
}

/* `form`: 0 a digit, anything else itself. Digits are gathered in groups. */
static uint32_t
digits(const char *at, const char *form, int64_t *groups)
{
    int64_t *group = groups - 1;
    char before = ' ';
    for (; *form; form++, at++) {
        if (*form != '0' && *form != *at)
            return 0;
        if (*form == '0' && (*at < '0' || *at > '9'))
            return 0;
        if (*form == '0') {
            if (before != '0') {
                *++group = 0;
            }
            *group = *group * 10 + (*at - '0');
        }
        before = *form;
    }
    return 1;
}

/* "2026-11-27T06:21:03Z", with a fraction, which is not looked at, and an offset; microseconds or -1. */
static int64_t
rfc3339(struct viv_str text)
{
    int64_t found[6];
    int64_t offset[2] = { 0, 0 };
    if (text.len < 20 || text.len > 40 || !digits(text.data, "0000-00-00T00:00:00", found))
        return -1;
    uint64_t at = 19;
    if (text.data[at] == '.') {
        for (at++; at < text.len && text.data[at] >= '0' && text.data[at] <= '9'; at++) {
        }
    }
    uint64_t rest = text.len - at;
    uint32_t utc = rest == 1 && (text.data[at] == 'Z' || text.data[at] == 'z');
    if (!utc && (rest != 6 || !strchr("+-", text.data[at]) || !digits(text.data + at + 1, "00:00", offset)))
        return -1;
    int64_t us = point(found, found + 3);
    int64_t shift = (offset[0] * 60 + offset[1]) * 60000000;
    return us < 0 ? -1 : text.data[at] == '-' ? us + shift : us - shift;
}

/* "Fri, 27 Nov 2026 06:21:03 GMT"; microseconds or -1. */
static int64_t
http_date(struct viv_str text)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t day[1], year[1], time[3];
    if (text.len != 29 || memcmp(text.data + 25, " GMT", 4) != 0 || !digits(text.data + 5, "00 ", day) ||
        !digits(text.data + 11, " 0000 ", year) || !digits(text.data + 17, "00:00:00", time))
        return -1;
    for (int64_t month = 1; month <= 12; month++) {
        if (memcmp(months + (month - 1) * 3, text.data + 8, 3) == 0) {
            int64_t date[3] = { year[0], month, day[0] };
            return point(date, time);
        }
    }
    return -1;
}

void
wire_wait_init(struct wire_wait *wait)
{
    memset(wait, 0, sizeof *wait);
    wait->after_ns = wait->after_us = wait->date_us = -1;
}

/* The limit of this name; NULL when there are too many or the name is none. */
static struct wire_limit *
limit_of(struct wire_wait *wait, struct viv_str name)
{
    for (uint32_t i = 0; i < wait->count; i++) {
        if (viv_kit_is_folded(name, wait->limits[i].name))
            return &wait->limits[i];
    }
    if (wait->count == WIRE_LIMITS_MAX || name.len == 0 || name.len >= sizeof wait->limits[0].name)
        return NULL;
    struct wire_limit *limit = &wait->limits[wait->count++];
    memcpy(limit->name, name.data, (size_t)name.len);
    limit->name[name.len] = '\0';
    limit->reset_ns = limit->reset_us = -1;
    return limit;
}

/* What stands between `begin` and `end` of a header's name; length 0 when it is another one. */
static struct viv_str
middle(struct viv_str name, const char *begin, const char *end)
{
    uint64_t first = strlen(begin);
    uint64_t last = strlen(end);
    if (name.len <= first + last || !viv_kit_is_folded((struct viv_str){ name.data, first }, begin) ||
        !viv_kit_is_folded((struct viv_str){ name.data + name.len - last, last }, end))
        return (struct viv_str){ NULL, 0 };
    return (struct viv_str){ name.data + first, name.len - first - last };
}

static void
take_limit(struct wire_wait *wait, struct viv_str name, struct viv_str value)
{
    static const struct {
        const char *begin;
        const char *end;
        uint32_t reset;
        uint32_t reserved;
    } forms[] = { { "x-ratelimit-reset-", "", 1, 0 },
                  { "x-ratelimit-remaining-", "", 0, 0 },
                  { "anthropic-ratelimit-", "-reset", 1, 0 },
                  { "anthropic-ratelimit-", "-remaining", 0, 0 } };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct viv_str which = middle(name, forms[i].begin, forms[i].end);
        struct wire_limit *limit = which.len ? limit_of(wait, which) : NULL;
        if (limit && forms[i].reset) {
            limit->reset_ns = span_of(value, SECOND_NS);
            limit->reset_us = rfc3339(value);
        } else if (limit) {
            limit->empty = viv_kit_is(value, "0");
        }
    }
}

void
wire_wait_header(struct wire_wait *wait, struct viv_str name, struct viv_str value)
{
    while (value.len > 0 && value.data[0] == ' ') {
        value = (struct viv_str){ value.data + 1, value.len - 1 };
    }
    if (viv_kit_is_folded(name, "retry-after-ms")) {
        int64_t span = span_of(value, 1000000);
        wait->exact = span >= 0;
        wait->after_ns = span >= 0 ? span : wait->after_ns;
    } else if (viv_kit_is_folded(name, "retry-after") && !wait->exact) {
        wait->after_ns = span_of(value, SECOND_NS);
        wait->after_us = http_date(value);
    } else if (viv_kit_is_folded(name, "date")) {
        wait->date_us = http_date(value);
    } else {
        take_limit(wait, name, value);
    }
}

/* From `now_us` to a point, as a span; -1 for no point. */
static int64_t
until(int64_t point_us, int64_t now_us)
{
    if (point_us < 0)
        return -1;
    int64_t us = point_us > now_us ? point_us - now_us : 0;
    return us < DAY_NS / 1000 ? us * 1000 : DAY_NS;
}

int64_t
wire_wait_ns(const struct wire_wait *wait, int64_t now_us)
{
    int64_t now = wait->date_us >= 0 ? wait->date_us : now_us;
    int64_t empty = -1;
    int64_t soonest = -1;
    if (wait->after_ns >= 0)
        return wait->after_ns;
    if (wait->after_us >= 0)
        return until(wait->after_us, now);
    /* A limit with nothing left must be waited for; else the first that lets more through is worth a try. */
    for (uint32_t i = 0; i < wait->count; i++) {
        const struct wire_limit *limit = &wait->limits[i];
        int64_t ns = limit->reset_ns >= 0 ? limit->reset_ns : until(limit->reset_us, now);
        if (ns >= 0 && limit->empty && ns > empty) {
            empty = ns;
        }
        if (ns >= 0 && (soonest < 0 || ns < soonest)) {
            soonest = ns;
        }
    }
    int64_t ns = empty >= 0 ? empty : soonest;
    return ns > 0 ? ns : 0;
}

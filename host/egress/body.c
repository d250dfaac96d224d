/* SPDX-License-Identifier: Apache-2.0 */
/* A body by its length, or in chunks: SIZE CR LF, that many bytes, CR LF, again; 0 CR LF CR LF ends it. Extensions and
 * trailers, which few send and readers disagree about, are not taken. */
#include "proxy.h"

enum state { SIZE, SIZE_LF, DATA, DATA_CR, DATA_LF, LAST_CR, LAST_LF, ENDED };

#define SIZE_DIGITS_MAX 12

static int
digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
step_size(struct body *body, char c)
{
    int value = digit(c);
    if (value >= 0 && body->digits < SIZE_DIGITS_MAX) {
        body->left = body->left * 16 + (uint64_t)value;
        body->digits++;
        return true;
    }
    body->state = SIZE_LF;
    return value < 0 && c == '\r' && body->digits > 0;
}

/* One byte that is no data. */
static bool
step(struct body *body, char c)
{
    switch ((enum state)body->state) {
    case SIZE:
        return step_size(body, c);
    case SIZE_LF:
        body->state = body->left ? DATA : LAST_CR;
        body->digits = 0;
        return c == '\n';
    case DATA_CR:
        body->state = DATA_LF;
        return c == '\r';
    case DATA_LF:
        body->state = SIZE;
        return c == '\n';
    case LAST_CR:
        body->state = LAST_LF;
        return c == '\r';
    case LAST_LF:
        body->state = ENDED;
        return c == '\n';
    case DATA:
    case ENDED:
        break;
    }
    return false;
}

bool
body_ended(const struct body *body)
{
    return body->chunked ? body->state == ENDED : body->left == 0;
}

int64_t
body_take(struct body *body, struct viv_str bytes)
{
    uint64_t at = 0;
    while (at < bytes.len && !body_ended(body)) {
        if (!body->chunked || body->state == DATA) {
            uint64_t len = bytes.len - at < body->left ? bytes.len - at : body->left;
            at += len;
            body->left -= len;
            body->state = body->chunked && body->left == 0 ? DATA_CR : body->state;
        } else if (!step(body, bytes.data[at++])) {
            return -1;
        }
    }
    return (int64_t)at;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The name in a TLS ClientHello. A tunnel was allowed for one host; a client that then asks the server there for
 * another one (domain fronting) is ended. What is encrypted stays hidden: this sees the outer name only. */
#include "proxy.h"

#include <string.h>
#include <strings.h>

#include "base/str.h"

#define RECORD_HANDSHAKE 22
#define CLIENT_HELLO 1
#define HELLO_MAX (12u << 10)

struct reader {
    const unsigned char *at;
    size_t left;
    bool failed;
};

static size_t
number(struct reader *r, size_t bytes)
{
    size_t value = 0;
    if (r->failed || r->left < bytes) {
        r->failed = true;
        return 0;
    }
    for (size_t i = 0; i < bytes; i++) {
        value = value << 8 | r->at[i];
    }
    r->at += bytes;
    r->left -= bytes;
    return value;
}

/* The next `len` bytes as a reader of their own. */
static struct reader
part(struct reader *r, size_t len)
{
    struct reader inner = { r->at, len, false };
    if (r->failed || r->left < len) {
        r->failed = true;
        return (struct reader){ NULL, 0, true };
    }
    r->at += len;
    r->left -= len;
    return inner;
}

/* Put the handshake message together, whose records may be cut anywhere. 1: whole; 0: more is needed; -1: it is none.
 */
static int
gather(struct viv_str bytes, unsigned char *ret_hello, size_t *ret_len)
{
    struct reader r = { (const unsigned char *)bytes.data, (size_t)bytes.len, false };
    size_t len = 0, want = 4;
    while (len < want) {
        if (r.left < 5) {
            return 0;
        }
        size_t type = number(&r, 1), major = number(&r, 1), minor = number(&r, 1), record = number(&r, 2);
        (void)minor;
        if (type != RECORD_HANDSHAKE || major != 3 || record == 0) {
            return -1;
        }
        size_t take = record < r.left ? record : r.left;
        if (len + take > HELLO_MAX) {
            return -1;
        }
        struct reader piece = part(&r, take);
        memcpy(ret_hello + len, piece.at, take);
        len += take;
        if (len >= 4) {
            want = 4 + ((size_t)ret_hello[1] << 16 | (size_t)ret_hello[2] << 8 | ret_hello[3]);
        }
        if (take < record && len < want) {
            return 0;
        }
    }
    *ret_len = want;
    return ret_hello[0] == CLIENT_HELLO ? 1 : -1;
}

static int
check_name(struct reader list, const char *host, char ret_name[HOST_MAX + 1])
{
    struct reader names = part(&list, number(&list, 2));
    while (names.left && !names.failed) {
        size_t type = number(&names, 1);
        struct reader name = part(&names, number(&names, 2));
        if (names.failed || type != 0 || name.left == 0 || name.left > HOST_MAX || memchr(name.at, 0, name.left)) {
            return -1;
        }
        memcpy(ret_name, name.at, name.left);
        ret_name[name.left] = '\0';
        size_t len = name.left - (ret_name[name.left - 1] == '.');
        if (len != strlen(host) || strncasecmp(ret_name, host, len) != 0) {
            return -1;
        }
    }
    return names.failed ? -1 : 1;
}

/* A second list of names is refused: of two a server may take the one that was not looked at. */
static int
check_extensions(struct reader extensions, const char *host, char ret_name[HOST_MAX + 1])
{
    bool seen = false;
    while (extensions.left && !extensions.failed) {
        size_t type = number(&extensions, 2);
        struct reader inner = part(&extensions, number(&extensions, 2));
        if (extensions.failed || (type == 0 && (seen || check_name(inner, host, ret_name) < 0))) {
            return -1;
        }
        seen = seen || type == 0;
    }
    return extensions.failed ? -1 : 1;
}

int
sni_check(struct viv_str bytes, const char *host, char ret_name[HOST_MAX + 1])
{
    unsigned char hello[HELLO_MAX];
    size_t len = 0;
    ret_name[0] = '\0';
    if (bytes.len == 0 || bytes.data[0] != RECORD_HANDSHAKE) {
        return bytes.len != 0;
    }
    int whole = gather(bytes, hello, &len);
    if (whole <= 0) {
        return whole;
    }
    struct reader r = { hello + 4, len - 4, false };
    (void)part(&r, 2 + 32);        /* version, random */
    (void)part(&r, number(&r, 1)); /* session */
    (void)part(&r, number(&r, 2)); /* cipher suites */
    (void)part(&r, number(&r, 1)); /* compression */
    if (!r.failed && r.left == 0) {
        return 1;
    }
    return check_extensions(part(&r, number(&r, 2)), host, ret_name);
}

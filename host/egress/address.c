/* SPDX-License-Identifier: Apache-2.0 */
/* Of v4 everything may be dialled but what the table names. Of v6 nothing but global unicast (2000::/3), and of that
 * what the table leaves: so mapped, compatible, translated and NAT64 forms, unique local and link-local addresses need
 * no row. */
#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

struct range {
    uint8_t bytes[16];
    uint8_t bits;
    const char *what;
};

static const struct range ranges4[] = {
    { { 0 }, 8, "an address of this host (0.0.0.0/8)" },
    { { 10 }, 8, "a private address (10.0.0.0/8)" },
    { { 100, 64 }, 10, "a carrier's private address (100.64.0.0/10)" },
    { { 127 }, 8, "a loopback address" },
    { { 168, 63, 129, 16 }, 32, "a metadata address" },
    { { 169, 254 }, 16, "a link-local or metadata address (169.254.0.0/16)" },
    { { 172, 16 }, 12, "a private address (172.16.0.0/12)" },
    { { 192, 0, 0 }, 24, "a protocol or metadata address (192.0.0.0/24)" },
    { { 192, 0, 2 }, 24, "an address for documents (192.0.2.0/24)" },
    { { 192, 88, 99 }, 24, "a 6to4 relay (192.88.99.0/24)" },
    { { 192, 168 }, 16, "a private address (192.168.0.0/16)" },
    { { 198, 18 }, 15, "an address for benchmarks (198.18.0.0/15)" },
    { { 198, 51, 100 }, 24, "an address for documents (198.51.100.0/24)" },
    { { 203, 0, 113 }, 24, "an address for documents (203.0.113.0/24)" },
    { { 224 }, 4, "a multicast address" },
    { { 240 }, 4, "a reserved or broadcast address (240.0.0.0/4)" },
};

static const struct range ranges6[] = {
    { { 0x20, 0x01, 0, 0 }, 32, "a Teredo address, which holds a v4 address" },
    { { 0x20, 0x01 }, 23, "a protocol address (2001::/23)" },
    { { 0x20, 0x01, 0x0d, 0xb8 }, 32, "an address for documents (2001:db8::/32)" },
    { { 0x20, 0x02 }, 16, "a 6to4 address, which holds a v4 address" },
    { { 0x3f, 0xff }, 20, "an address for documents (3fff::/20)" },
};

/* Outside 2000::/3 all are refused; these only have better words. */
static const struct range words6[] = {
    { { [15] = 1 }, 128, "a loopback address" },
    { { 0 }, 128, "the unspecified address" },
    { { [10] = 0xff, [11] = 0xff }, 96, "a v4-mapped address" },
    { { [8] = 0xff, [9] = 0xff }, 96, "a v4-translated address" },
    { { 0 }, 96, "a v4-compatible address" },
    { { 0, 0x64, 0xff, 0x9b }, 32, "a NAT64 address, which holds a v4 address" },
    { { 0xfc }, 7, "a private address (fc00::/7)" },
    { { 0xfe, 0x80 }, 10, "a link-local address" },
    { { 0xff }, 8, "a multicast address" },
};

#define COUNT(list) (sizeof(list) / sizeof *(list))

static const char *
find(const struct range *list, size_t count, const uint8_t *bytes)
{
    for (size_t i = 0; i < count; i++) {
        size_t whole = list[i].bits / 8, rest = list[i].bits % 8;
        uint8_t mask = rest ? (uint8_t)(0xff << (8 - rest)) : 0;
        if (memcmp(list[i].bytes, bytes, whole) == 0 &&
            (!rest || (list[i].bytes[whole] & mask) == (bytes[whole] & mask))) {
            return list[i].what;
        }
    }
    return NULL;
}

const char *
address_refused(const struct address *address)
{
    if (!address->v6) {
        return find(ranges4, COUNT(ranges4), address->bytes);
    }
    if ((address->bytes[0] & 0xe0) != 0x20) {
        const char *what = find(words6, COUNT(words6), address->bytes);
        return what ? what : "not a global address";
    }
    return find(ranges6, COUNT(ranges6), address->bytes);
}

bool
address_loopback(const struct address *address)
{
    return address->v6 ? find(words6, 1, address->bytes) != NULL : address->bytes[0] == 127;
}

bool
address_read(struct viv_str text, struct address *ret_address)
{
    char copy[ADDRESS_TEXT_MAX];
    struct address address = { 0 };
    if (text.len == 0 || text.len >= sizeof copy || memchr(text.data, '\0', (size_t)text.len)) {
        return false;
    }
    memcpy(copy, text.data, (size_t)text.len);
    copy[text.len] = '\0';
    address.v6 = strchr(copy, ':') != NULL;
    if (inet_pton(address.v6 ? AF_INET6 : AF_INET, copy, address.bytes) != 1) {
        return false;
    }
    *ret_address = address;
    return true;
}

void
address_text(const struct address *address, char ret_text[ADDRESS_TEXT_MAX])
{
    ret_text[0] = '\0';
    (void)inet_ntop(address->v6 ? AF_INET6 : AF_INET, address->bytes, ret_text, ADDRESS_TEXT_MAX); /* it fits */
}

bool
address_equal(const struct address *a, const struct address *b)
{
    return a->v6 == b->v6 && memcmp(a->bytes, b->bytes, a->v6 ? 16 : 4) == 0;
}

bool
address_from(const struct sockaddr *from, struct address *ret_address)
{
    *ret_address = (struct address){ 0 };
    if (from->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, from, sizeof in);
        memcpy(ret_address->bytes, &in.sin_addr, 4);
        return true;
    }
    if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, from, sizeof in);
        ret_address->v6 = 1;
        memcpy(ret_address->bytes, &in.sin6_addr, 16);
        return true;
    }
    return false;
}

socklen_t
address_to(const struct address *address, uint16_t port, struct sockaddr_storage *ret_to)
{
    memset(ret_to, 0, sizeof *ret_to);
    if (!address->v6) {
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
        memcpy(&in.sin_addr, address->bytes, 4);
        memcpy(ret_to, &in, sizeof in);
        return sizeof in;
    }
    struct sockaddr_in6 in = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    memcpy(&in.sin6_addr, address->bytes, 16);
    memcpy(ret_to, &in, sizeof in);
    return sizeof in;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

#include <arpa/inet.h>
#include <string.h>

#include "text.h"

#define NAME_MAX_BYTES 253
#define LABEL_MAX 63

static int
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct viv_str
from(struct viv_str text, uint64_t at)
{
    return (struct viv_str){text.data + at, text.len - at};
}

static const char *
port_fault(struct viv_str port)
{
    uint32_t number = 0;
    int good = port.len >= 1 && port.len <= 5 && port.data[0] != '0';
    for (uint64_t i = 0; good && i < port.len; i++) {
        good = is_digit(port.data[i]);
        number = number * 10 + (uint32_t)(port.data[i] - '0');
    }
    return good && number <= 65535 ? NULL : "has a port that is none, allowed: 1 to 65535";
}

/* The text as the system prints the address: then there is no second spelling. */
static int
is_address(int family, struct viv_str text, unsigned char *ret_bytes)
{
    char copy[INET6_ADDRSTRLEN + 1], printed[INET6_ADDRSTRLEN + 1];
    if (text.len == 0 || text.len >= sizeof copy) {
        return 0;
    }
    memcpy(copy, text.data, (size_t)text.len);
    copy[text.len] = '\0';
    return strlen(copy) == text.len && inet_pton(family, copy, ret_bytes) == 1 &&
           inet_ntop(family, ret_bytes, printed, sizeof printed) && strcmp(printed, copy) == 0;
}

static const char *
v4_fault(struct viv_str text)
{
    unsigned char bytes[4] = {0};
    if (!is_address(AF_INET, text, bytes)) {
        return "ends in a number and is no address, allowed: four numbers from 0 to 255, like 192.0.2.1";
    }
    return bytes[0] == 0 || bytes[0] >= 224 ? "is an address that no single machine has" : NULL;
}

static const char *
v6_fault(struct viv_str text)
{
    static const unsigned char zeros[12] = {0};
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    unsigned char bytes[16] = {0};
    if (!is_address(AF_INET6, text, bytes)) {
        return "is no IPv6 address in its shortest spelling, like [2001:db8::1]:443";
    }
    int low = memcmp(bytes, zeros, 12) == 0; /* "::" and "::1" are addresses of their own there */
    int none = low && memcmp(bytes + 12, zeros, 4) == 0;
    int own = low && memcmp(bytes + 12, "\0\0\0\1", 4) == 0;
    if (none || bytes[0] == 0xff) {
        return "is an address that no single machine has";
    }
    return memcmp(bytes, mapped, 12) == 0 || (low && !own) ? "hides an IPv4 address; write that one" : NULL;
}

/* Whether a resolver would take the last label for part of an address: digits, or 0x and hexadecimal digits. */
static int
is_number(struct viv_str label)
{
    uint64_t digits = 0;
    while (digits < label.len && is_digit(label.data[digits])) {
        digits++;
    }
    return digits == label.len || (label.len >= 2 && label.data[0] == '0' && label.data[1] == 'x');
}

static const char *
label_fault(struct viv_str label)
{
    if (label.len == 0 || label.len > LABEL_MAX || label.data[0] == '-' || label.data[label.len - 1] == '-') {
        return "has a part that is empty, longer than 63 bytes, or begins or ends with '-'";
    }
    for (uint64_t i = 0; i < label.len; i++) {
        char c = label.data[i];
        if (c == '*') {
            return "has a '*' elsewhere than as '*.' at its beginning";
        }
        if (!(c >= 'a' && c <= 'z') && !is_digit(c) && c != '-') {
            return "has a character that host names have not, allowed: a to z, 0 to 9, '-' and '.'";
        }
    }
    return NULL;
}

static const char *
name_fault(struct viv_str name, uint32_t below)
{
    struct viv_str label = {name.data, 0};
    uint32_t labels = 0;
    if (name.len == 0 || name.len > NAME_MAX_BYTES) {
        return "has a name that is empty or longer than 253 bytes";
    }
    for (uint64_t at = 0; at <= name.len; at = (uint64_t)(label.data - name.data) + label.len + 1) {
        const char *dot = memchr(name.data + at, '.', (size_t)(name.len - at));
        label = (struct viv_str){name.data + at, dot ? (uint64_t)(dot - name.data) - at : name.len - at};
        const char *fault = label_fault(label);
        if (fault) {
            return fault;
        }
        labels++;
    }
    if (is_number(label)) {
        return below ? "ends in a number and begins with '*.'; an address has no names below it" : v4_fault(name);
    }
    if (below && labels < 2) {
        return "stands for all names of a whole domain like 'org', allowed: two parts and more after '*.'";
    }
    return viv_kit_is(label, "localhost") ? "is a name of this machine; name the address, like 127.0.0.1:8080" : NULL;
}

const char *
viv_kit_host_fault(struct viv_str entry, uint32_t rule)
{
    if (entry.len == 0 || entry.len > VIV_KIT_HOST_MAX) {
        return "is empty or longer than 259 bytes";
    }
    if (memmem(entry.data, (size_t)entry.len, "://", 3)) {
        return "has a scheme, allowed: HOST:PORT alone";
    }
    if (memchr(entry.data, '/', (size_t)entry.len)) {
        return "has a path, allowed: HOST:PORT alone";
    }
    if (entry.data[0] == '[') {
        const char *end = memchr(entry.data, ']', (size_t)entry.len);
        uint64_t at = end ? (uint64_t)(end - entry.data) : 0;
        const char *fault = end ? v6_fault((struct viv_str){entry.data + 1, at - 1}) : "has no ']'";
        if (fault) {
            return fault;
        }
        return at + 1 < entry.len && end[1] == ':' ? port_fault(from(entry, at + 2)) : "has no port, like :443";
    }
    const char *colon = memrchr(entry.data, ':', (size_t)entry.len);
    if (!colon) {
        return "has no port, like :443";
    }
    struct viv_str name = {entry.data, (uint64_t)(colon - entry.data)};
    if (memchr(name.data, ':', (size_t)name.len)) {
        return "has two colons; an IPv6 address stands in brackets, like [2001:db8::1]:443";
    }
    uint32_t below = rule && name.len >= 2 && memcmp(name.data, "*.", 2) == 0;
    const char *fault = name_fault(from(name, below ? 2 : 0), below);
    return fault ? fault : port_fault(from(entry, name.len + 1));
}

uint32_t
viv_kit_host_covers(struct viv_str rule, struct viv_str entry)
{
    if (rule.len == entry.len && memcmp(rule.data, entry.data, (size_t)rule.len) == 0) {
        return 1;
    }
    if (rule.len < 2 || rule.data[0] != '*') {
        return 0;
    }
    struct viv_str tail = from(rule, 1); /* with its dot: the name itself is not below itself */
    return entry.len > tail.len && entry.data[0] != '[' &&
           memcmp(entry.data + (entry.len - tail.len), tail.data, (size_t)tail.len) == 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a policy entry means more than it shows, or two spellings of one host are two hosts. */
#include "../../support/cm.h"

#include <string.h>

#include "host.h"
#include "text.h"

static void
good_entries(void **state)
{
    (void)state;
    static const char *const good[] = {
        "example.org:443",  "a.b-c.example.org:8443", "registry:5000",      "127.0.0.1:1",       "10.0.0.1:65535",
        "169.254.169.254:80", "[::1]:80",             "[2001:db8::1]:443",  "xn--bcher-kva.example:443", "1.example:1",
        "0x1.example:1",    "[fe80::1]:22",           "192.0.2.1:80",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        for (uint32_t rule = 0; rule < 2; rule++) {
            const char *fault = viv_kit_host_fault(viv_kit_str(good[i]), rule);
            if (fault) {
                fail_msg("'%s' %s", good[i], fault);
            }
        }
    }
    assert_null(viv_kit_host_fault(viv_kit_str("*.example.org:443"), 1));
    assert_null(viv_kit_host_fault(viv_kit_str("*.a.example.org:443"), 1));
}

static const struct {
    const char *entry, *why;
} bad[] = {
    {"", "is empty"},
    {":443", "a name that is empty"},
    {"example.org", "has no port"},
    {"example.org:", "allowed: 1 to 65535"},
    {"example.org:0", "allowed: 1 to 65535"},
    {"example.org:0443", "allowed: 1 to 65535"},
    {"example.org:65536", "allowed: 1 to 65535"},
    {"example.org:100000", "allowed: 1 to 65535"},
    {"example.org:https", "allowed: 1 to 65535"},
    {"example.org:*", "allowed: 1 to 65535"},
    {"example.org:+1", "allowed: 1 to 65535"},
    {"https://example.org:443", "has a scheme"},
    {"example.org:443/x", "has a path"},
    {"example.org/x:443", "has a path"},
    {"user@example.org:443", "a character that host names have not"},
    {"Example.org:443", "a character that host names have not"},
    {"ex_ample.org:443", "a character that host names have not"},
    {"ex ample.org:443", "a character that host names have not"},
    {"b\xc3\xbc.example:443", "a character that host names have not"},
    {"*:443", "'*' elsewhere"},
    {"a.*.org:443", "'*' elsewhere"},
    {"*example.org:443", "'*' elsewhere"},
    {"*.*.example.org:443", "'*' elsewhere"},
    {"*.org:443", "a whole domain"},
    {"*.:443", "a name that is empty"},
    {"*.1.2.3.4:80", "an address has no names"},
    {".example.org:443", "a part that is empty"},
    {"example.org.:443", "a part that is empty"},
    {"a..b:443", "a part that is empty"},
    {"-a.example:443", "begins or ends with '-'"},
    {"a-.example:443", "begins or ends with '-'"},
    {"localhost:80", "a name of this machine"},
    {"a.localhost:80", "a name of this machine"},
    {"*.a.localhost:80", "a name of this machine"},
    {"127.1:80", "is no address"},
    {"2130706433:80", "is no address"},
    {"0x7f000001:80", "is no address"},
    {"0177.0.0.1:80", "is no address"},
    {"127.0.0.01:80", "is no address"},
    {"256.0.0.1:80", "is no address"},
    {"1.2.3.4.5:80", "is no address"},
    {"a.0x7f:80", "is no address"},
    {"0.0.0.0:80", "no single machine"},
    {"224.0.0.1:80", "no single machine"},
    {"255.255.255.255:80", "no single machine"},
    {"::1:80", "in brackets"},
    {"[::1]", "has no port"},
    {"[::1]80", "has no port"},
    {"[::1:80", "has no ']'"},
    {"[0:0:0:0:0:0:0:1]:80", "shortest spelling"},
    {"[2001:DB8::1]:80", "shortest spelling"},
    {"[fe80::1%lo]:80", "shortest spelling"},
    {"[example.org]:80", "shortest spelling"},
    {"[]:80", "shortest spelling"},
    {"[::]:80", "no single machine"},
    {"[ff02::1]:80", "no single machine"},
    {"[::ffff:127.0.0.1]:80", "hides an IPv4 address"},
    {"[::127.0.0.1]:80", "hides an IPv4 address"},
    {"[::1]:0", "allowed: 1 to 65535"},
};

static void
faults(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *fault = viv_kit_host_fault(viv_kit_str(bad[i].entry), 1);
        if (!fault || !strstr(fault, bad[i].why)) {
            fail_msg("'%s' %s, expected: %s", bad[i].entry, fault ? fault : "is good", bad[i].why);
        }
    }
    assert_non_null(strstr(viv_kit_host_fault(viv_kit_str("*.example.org:443"), 0), "'*' elsewhere"));
    struct viv_str nul = {"a\0b.example:443", 15};
    assert_non_null(viv_kit_host_fault(nul, 1));
}

static void
lengths(void **state)
{
    (void)state;
    char text[300];
    memset(text, 'a', sizeof text);
    memcpy(text + 63, ".example:1", 11);
    assert_null(viv_kit_host_fault(viv_kit_str(text), 0));
    memset(text, 'a', sizeof text);
    memcpy(text + 64, ".example:1", 11);
    assert_non_null(strstr(viv_kit_host_fault(viv_kit_str(text), 0), "longer than 63"));
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = i % 2 ? '.' : 'a';
    }
    memcpy(text + 253, ":65535", 7);
    assert_null(viv_kit_host_fault(viv_kit_str(text), 0));
    memcpy(text + 253, ".a:1", 5);
    assert_non_null(strstr(viv_kit_host_fault(viv_kit_str(text), 0), "longer than 253"));
    memset(text, 'a', sizeof text);
    text[299] = '\0';
    assert_non_null(strstr(viv_kit_host_fault(viv_kit_str(text), 0), "longer than 259"));
}

static void
covering(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *entry;
        uint32_t covers;
    } rows[] = {
        {"example.org:443", "example.org:443", 1},
        {"example.org:443", "example.org:80", 0},
        {"example.org:443", "a.example.org:443", 0},
        {"*.example.org:443", "a.example.org:443", 1},
        {"*.example.org:443", "a.b.example.org:443", 1},
        {"*.example.org:443", "*.b.example.org:443", 1},
        {"*.example.org:443", "*.example.org:443", 1},
        {"*.example.org:443", "example.org:443", 0},
        {"*.example.org:443", "badexample.org:443", 0},
        {"*.example.org:443", "a.example.org:4430", 0},
        {"*.example.org:443", "a.example.org.evil.example:443", 0},
        {"*.example.org:443", "[2001:db8::1]:443", 0},
        {"a.example.org:443", "*.example.org:443", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (viv_kit_host_covers(viv_kit_str(rows[i].rule), viv_kit_str(rows[i].entry)) != rows[i].covers) {
            fail_msg("'%s' and '%s'", rows[i].rule, rows[i].entry);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_entries),
        cmocka_unit_test(faults),
        cmocka_unit_test(lengths),
        cmocka_unit_test(covering),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

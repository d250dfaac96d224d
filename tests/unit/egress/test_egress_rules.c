/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, an address has a spelling by which a task gets to the machine, its network or its cloud's metadata.
 */
#include "world.h"

#include "egress/rules.h"
#include "egress/wire.h"

static struct vh_arena *arena;

static void
read_rules(const char *json, struct rules *ret_rules)
{
    struct vh_json *list = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    assert_int_equal(vh_json_import(arena, vh_str(json), &list, &err), VIV_OK);
    if (rules_read(arena, list, ret_rules, &err)) {
        fail_msg("%s", err.text);
    }
}

static const struct {
    const char *text;
    const char *why; /* NULL: may be dialled */
} address_cases[] = {
    { "0.0.0.0", "an address of this host" },
    { "0.255.255.255", "an address of this host" },
    { "1.0.0.0", NULL },
    { "9.255.255.255", NULL },
    { "10.0.0.0", "a private address" },
    { "10.255.255.255", "a private address" },
    { "11.0.0.0", NULL },
    { "100.63.255.255", NULL },
    { "100.64.0.0", "a carrier's private address" },
    { "100.100.100.200", "a carrier's private address" }, /* metadata of one cloud */
    { "100.127.255.255", "a carrier's private address" },
    { "100.128.0.0", NULL },
    { "126.255.255.255", NULL },
    { "127.0.0.1", "a loopback address" },
    { "127.255.255.254", "a loopback address" },
    { "128.0.0.0", NULL },
    { "168.63.129.15", NULL },
    { "168.63.129.16", "a metadata address" },
    { "169.253.255.255", NULL },
    { "169.254.169.254", "a link-local or metadata address" },
    { "169.254.170.2", "a link-local or metadata address" },
    { "169.255.0.0", NULL },
    { "172.15.255.255", NULL },
    { "172.16.0.0", "a private address" },
    { "172.31.255.255", "a private address" },
    { "172.32.0.0", NULL },
    { "192.0.0.192", "a protocol or metadata address" },
    { "192.0.1.0", NULL },
    { "192.0.2.1", "an address for documents" },
    { "192.88.99.1", "a 6to4 relay" },
    { "192.167.255.255", NULL },
    { "192.168.0.1", "a private address" },
    { "192.169.0.0", NULL },
    { "198.17.255.255", NULL },
    { "198.18.0.0", "an address for benchmarks" },
    { "198.19.255.255", "an address for benchmarks" },
    { "198.20.0.0", NULL },
    { "198.51.100.7", "an address for documents" },
    { "203.0.113.7", "an address for documents" },
    { "223.255.255.255", NULL },
    { "224.0.0.1", "a multicast address" },
    { "239.255.255.255", "a multicast address" },
    { "240.0.0.1", "a reserved or broadcast address" },
    { "255.255.255.255", "a reserved or broadcast address" },
    { "8.8.8.8", NULL },
    { "::", "the unspecified address" },
    { "::1", "a loopback address" },
    { "0:0:0:0:0:0:0:1", "a loopback address" },
    { "::2", "a v4-compatible address" },
    { "::7f00:1", "a v4-compatible address" },
    { "::127.0.0.1", "a v4-compatible address" },
    { "::8.8.8.8", "a v4-compatible address" },
    { "::ffff:127.0.0.1", "a v4-mapped address" },
    { "::ffff:7f00:1", "a v4-mapped address" },
    { "::ffff:8.8.8.8", "a v4-mapped address" },
    { "::ffff:0:7f00:1", "a v4-translated address" },
    { "64:ff9b::7f00:1", "a NAT64 address" },
    { "64:ff9b::8.8.8.8", "a NAT64 address" },
    { "64:ff9b:1::a9fe:a9fe", "a NAT64 address" },
    { "100::1", "not a global address" },
    { "1fff::1", "not a global address" },
    { "2001::1", "a Teredo address" },
    { "2001:0:7f00:1::", "a Teredo address" },
    { "2001:10::1", "a protocol address" },
    { "2001:1ff::1", "a protocol address" },
    { "2001:200::1", NULL },
    { "2001:db8::1", "an address for documents" },
    { "2001:4860:4860::8888", NULL },
    { "2002:7f00:1::", "a 6to4 address" },
    { "2002:a9fe:a9fe::", "a 6to4 address" },
    { "2003::1", NULL },
    { "2606:4700:4700::1111", NULL },
    { "3fff::1", "an address for documents" },
    { "3fff:1000::1", NULL },
    { "4000::1", "not a global address" },
    { "fc00::1", "a private address" },
    { "fd00:ec2::254", "a private address" },
    { "fd20:ce::254", "a private address" },
    { "fdff:ffff::1", "a private address" },
    { "fe00::1", "not a global address" },
    { "fe80::1", "a link-local address" },
    { "febf::1", "a link-local address" },
    { "fec0::1", "not a global address" },
    { "ff02::1", "a multicast address" },
};

/* Every form of every address that leads inside, and their neighbours that do not. */
static void
addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof address_cases / sizeof *address_cases; i++) {
        struct address address, again;
        struct sockaddr_storage to;
        char text[ADDRESS_TEXT_MAX];
        assert_true(address_read(vh_str(address_cases[i].text), &address));
        const char *why = address_refused(&address);
        if ((why == NULL) != (address_cases[i].why == NULL) ||
            (why && strncmp(why, address_cases[i].why, strlen(address_cases[i].why)) != 0)) {
            fail_msg("%s: '%s', wanted '%s'", address_cases[i].text, why ? why : "allowed",
                     address_cases[i].why ? address_cases[i].why : "allowed");
        }
        address_text(&address, text);
        assert_true(address_read(vh_str(text), &again) && address_equal(&address, &again));
        (void)address_to(&address, 1, &to);
        assert_true(address_from((struct sockaddr *)&to, &again) && address_equal(&address, &again));
    }
    struct address address;
    struct sockaddr_storage unix_one = { .ss_family = AF_UNIX };
    assert_false(address_from((struct sockaddr *)&unix_one, &address));
}

static const struct {
    const char *text;
    const char *means; /* the one spelling, or a part of the refusal */
    bool good;
} place_cases[] = {
    { "good.test:443", "good.test:443", true },
    { "GOOD.Test.:443", "good.test:443", true },
    { "a_b.x-1.test:1", "a_b.x-1.test:1", true },
    { "xn--bcher-kva.test:443", "xn--bcher-kva.test:443", true },
    { "1.2.3.4:80", "1.2.3.4:80", true },
    { "1.2.3.4.:80", "1.2.3.4:80", true },
    { "[::1]:80", "[::1]:80", true },
    { "[0:0:0:0:0:0:0:1]:80", "[::1]:80", true },
    { "[::ffff:127.0.0.1]:80", "[::ffff:127.0.0.1]:80", true }, /* and is refused as an address */
    { "[2001:DB8::A]:80", "[2001:db8::a]:80", true },
    { "1.2.3.4a:80", "1.2.3.4a:80", true }, /* a name */
    { "0x7f.0.0.1.x:80", "0x7f.0.0.1.x:80", true },
    { "127.1:80", "is no address: write it as four decimal numbers", false },
    { "127.0.1:80", "is no address", false },
    { "2130706433:80", "is no address", false },
    { "0x7f000001:80", "is no address", false },
    { "0X7F.0.0.1:80", "is no address", false },
    { "0x7f.0.0.0x1:80", "is no address", false },
    { "0177.0.0.1:80", "is no address", false },
    { "127.0.0.01:80", "is no address", false },
    { "127.0.0.1.1:80", "is no address", false },
    { "256.0.0.1:80", "is no address", false },
    { "1.2.3.4.5:80", "is no address", false },
    { "a.0x:80", "is no address", false },
    { "b\303\274cher.test:80", "is not ASCII; write the name in its xn-- form", false },
    { "\342\223\250.test:80", "is not ASCII", false },
    { "good.test..:80", "each part has 1 to 63 bytes", false },
    { ".good.test:80", "each part has", false },
    { "a..b:80", "each part has", false },
    { "-a.test:80", "no '-' at its ends", false },
    { "a-.test:80", "no '-' at its ends", false },
    { ":80", "a name has 1 to 253 bytes", false },
    { ".:80", "a name has 1 to 253 bytes", false },
    { "a b:80", "is no host name", false },
    { "a%2e.test:80", "is no host name", false },
    { "u@a.test:80", "is no host name", false },
    { "a.test/:80", "is no host name", false },
    { "a\\b:80", "is no host name", false },
    { "a.test", "has no port of 1 to 65535", false },
    { "a.test:", "has no port", false },
    { "a.test:0", "has no port", false },
    { "a.test:65536", "has no port", false },
    { "a.test:080", "has no port", false },
    { "a.test:+80", "has no port", false },
    { "a.test:80:80", "has no port", false },
    { "a.test: 80", "has no port", false },
    { "[::1", "has no IPv6 address in its brackets", false },
    { "[::1]80", "has no port", false },
    { "[::1]", "has no port", false },
    { "[fe80::1%eth0]:80", "has no IPv6 address", false },
    { "[1.2.3.4]:80", "has no IPv6 address", false },
    { "[]:80", "has no IPv6 address", false },
    { "::1:80", "a name has 1 to 253 bytes", false },
};

static void
places(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof place_cases / sizeof *place_cases; i++) {
        struct place place;
        char text[PLACE_TEXT_MAX] = "";
        struct viv_error err = VIV_ERROR_INIT;
        bool good = place_read(vh_str(place_cases[i].text), 0, &place, &err) == VIV_OK;
        if (good) {
            place_text(&place, text);
        }
        if (good != place_cases[i].good ||
            (good ? strcmp(text, place_cases[i].means) != 0 : !strstr(err.text, place_cases[i].means))) {
            fail_msg("%s: '%s' '%s'", place_cases[i].text, text, err.text);
        }
        assert_true(vh_str_utf8(vh_str(err.text)));
    }
    struct place place;
    assert_int_equal(place_read((struct viv_str){ "a.t\0st:80", 9 }, 0, &place, NULL), VIV_E_INVALID);
    char name[300];
    memset(name, 'a', sizeof name);
    assert_int_equal(place_read((struct viv_str){ name, 64 }, 80, &place, NULL), VIV_E_INVALID);
    assert_int_equal(place_read((struct viv_str){ name, 63 }, 80, &place, NULL), VIV_OK);
    for (size_t i = 63; i < sizeof name; i += 64) {
        name[i] = '.';
    }
    assert_int_equal(place_read((struct viv_str){ name, 253 }, 80, &place, NULL), VIV_OK);
    assert_int_equal(place_read((struct viv_str){ name, 255 }, 80, &place, NULL), VIV_E_INVALID);
}

static void
lists(void **state)
{
    (void)state;
    struct rules rules;
    read_rules("[\"a.test:443\",\"*.b.test:443\",\"http://c.test:80\",\"10.0.0.1:5\",\"[::1]:6\"]", &rules);
    static const struct {
        const char *place;
        bool allowed;
    } cases[] = {
        { "a.test:443", true },       { "A.TEST.:443", true },  { "a.test:80", false },     { "x.a.test:443", false },
        { "b.test:443", false },      { "x.b.test:443", true }, { "y.x.b.test:443", true }, { "xb.test:443", false },
        { "b.test.evil:443", false }, { "c.test:80", true },    { "10.0.0.1:5", true },     { "10.0.0.1:6", false },
        { "[::1]:6", true },          { "[0::0:1]:6", true },   { "[::2]:6", false },       { "1.b.test:443", true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct place place;
        assert_int_equal(place_read(vh_str(cases[i].place), 0, &place, NULL), VIV_OK);
        if ((rules_find(&rules, &place) != NULL) != cases[i].allowed) {
            fail_msg("%s", cases[i].place);
        }
    }
    char text[200], small[40];
    rules_text(&rules, text, sizeof text);
    assert_string_equal(text, "a.test:443, *.b.test:443, http://c.test:80, 10.0.0.1:5, [::1]:6");
    rules_text(&rules, small, sizeof small);
    assert_string_equal(small, "a.test:443, *.b.test:443, ...");
    static const char *const bad[] = {
        "\"*\"", "\"*.10.0.0.1:1\"", "\"*.*.a:1\"", "\"a.*:1\"", "\"https://a:1\"", "\"a.test\"", "1", "[]",
        "\"\"",  "\"*.:443\""
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct vh_json *list = vh_json_array(arena);
        size_t len = strlen(bad[i]);
        vh_json_push(list, bad[i][0] == '"' ? vh_json_string(arena, (struct viv_str){ bad[i] + 1, len - 2 })
                                            : vh_json_integer(arena, 1));
        struct viv_error err = VIV_ERROR_INIT;
        assert_int_equal(rules_read(arena, list, &rules, &err), VIV_E_INVALID);
        assert_non_null(strstr(err.text, "the allow list's entry"));
    }
    struct vh_json *many = vh_json_array(arena);
    for (int i = 0; i <= EW_ALLOW_MAX; i++) {
        vh_json_push(many, vh_json_string(arena, VH_STR("a.test:1")));
    }
    struct viv_error err = VIV_ERROR_INIT;
    assert_int_equal(rules_read(arena, many, &rules, &err), VIV_E_LIMIT);
    assert_non_null(strstr(err.text, "has 257 entries, allowed 256"));
}

static bool
own(const struct address *address)
{
    return address->bytes[0] == 8;
}

/* An address inside is dialled only where it is named itself, with its port. */
static void
choices(void **state)
{
    (void)state;
    struct rules rules;
    struct place place;
    struct viv_error err = VIV_ERROR_INIT;
    struct address found[5];
    static const char *const texts[] = { "10.0.0.1", "1.1.1.1", "10.0.0.2", "8.8.8.8", "::ffff:10.0.0.1" };
    read_rules("[\"a.test:443\",\"10.0.0.1:443\",\"10.0.0.2:80\"]", &rules);
    assert_int_equal(place_read(VH_STR("a.test:443"), 0, &place, NULL), VIV_OK);
    for (size_t i = 0; i < 5; i++) {
        assert_true(address_read(vh_str(texts[i]), &found[i]));
    }
    assert_int_equal(rules_choose(&rules, &place, found, 5, own, &err), 2);
    assert_int_equal(found[0].bytes[0], 10);
    assert_int_equal(found[1].bytes[0], 1);
    assert_true(address_read(VH_STR("8.8.8.8"), &found[0]));
    assert_int_equal(rules_choose(&rules, &place, found, 1, own, &err), 0);
    assert_non_null(strstr(err.text,
                           "'a.test' is at 8.8.8.8, an address of this machine; it may be dialled only if the "
                           "allow list names '8.8.8.8:443' itself"));
    assert_true(address_read(VH_STR("fe80::1"), &found[0]));
    assert_int_equal(rules_choose(&rules, &place, found, 1, NULL, &err), 0);
    assert_non_null(strstr(err.text, "names '[fe80::1]:443' itself"));
    assert_int_equal(rules_choose(&rules, &place, found, 0, NULL, &err), 0);
    assert_non_null(strstr(err.text, "'a.test' has no address"));
}

static int
set_up(void **state)
{
    (void)state;
    arena = vh_arena_create(NULL, 0);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    vh_arena_destroy(arena);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(places),
        cmocka_unit_test(lists),
        cmocka_unit_test(choices),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

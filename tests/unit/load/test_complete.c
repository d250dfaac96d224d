/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a plugin of another age jumps to address zero, or bytes behind its table are taken for functions. */
#include "load_test.h"

#include <viv_interfaces.h>

#include "load/complete.h"

static void *
poison(void)
{
    return (void *)(uintptr_t)0x5a5a5a5a5a5a5a5a;
}

/* Every interface with every size from its head to beyond: what the table has is kept, the rest is a stub. */
static void
every_size_of_every_table(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < viv_interface_count; i++) {
        const struct viv_interface *interface = &viv_interfaces[i];
        for (uint32_t size = 0; size <= interface->table_size + 64u; size += 4) {
            struct viv_error err = VIV_ERROR_INIT;
            void *given[128], *full[128];
            for (size_t slot = 0; slot < 128; slot++) {
                given[slot] = poison();
                full[slot] = NULL;
            }
            memcpy(given, &size, sizeof size);
            viv_status status = vh_complete_table(interface, given, full, &err);
            if (size < 16 || size % 8 != 0) {
                assert_int_equal(status, VIV_E_PLUGIN);
                assert_null(full[1]);
                continue;
            }
            assert_int_equal(status, VIV_OK);
            for (uint32_t method = 0; method < interface->method_count; method++) {
                uint32_t slot = interface->methods[method].slot / 8;
                void *stub;
                memcpy(&stub, (const char *)interface->stubs + slot * 8u, sizeof stub);
                assert_ptr_equal(full[slot], slot * 8u < size ? poison() : stub);
            }
            assert_null(full[interface->table_size / 8]);
        }
    }
}

static void
no_table_at_all(void **state)
{
    (void)state;
    struct viv_error err = VIV_ERROR_INIT;
    struct viv_gate full;
    assert_int_equal(vh_complete_table(&viv_interfaces[VIV_INDEX_GATE], NULL, &full, &err), VIV_E_PLUGIN);
    assert_string_equal(err.text, "the table of 'viv.gate/1' has 0 bytes, allowed 16 to 4096 in steps of 8");
}

static void
stubs_answer(void **state)
{
    (void)state;
    struct viv_error err = VIV_ERROR_INIT;
    struct viv_gate given = { .size = 16, .rev = 1 }, full;
    assert_int_equal(vh_complete_table(&viv_interfaces[VIV_INDEX_GATE], &given, &full, &err), VIV_OK);
    viv_method_fn method;
    memcpy(&method, (const char *)&full + 8, sizeof method);
    assert_int_equal(method(NULL, NULL, NULL, NULL, &err), VIV_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "the plugin does not offer this method: viv.gate/1"));
}

struct shape {
    struct viv_plugin plugin;
    const char *words;
};

static void
broken_descriptors(void **state)
{
    (void)state;
    static const struct viv_offer offers[] = { { "viv.gate/1", NULL } };
    const struct viv_plugin good = { VIV_PLUGIN_HEAD, .offers = offers, .offer_count = 1 };
    struct shape shapes[8];
    for (size_t i = 0; i < 8; i++) {
        shapes[i].plugin = good;
    }
    shapes[0] = (struct shape){ good, NULL };
    shapes[1].plugin.offer_count = 0;
    shapes[1].words = "offers 0 interfaces of 16 bytes, allowed 1 to 64 of 16 and more";
    shapes[2].plugin.offers = NULL;
    shapes[2].words = "the descriptor offers 1 interfaces";
    shapes[3].plugin.offer_stride = 8;
    shapes[3].words = "the descriptor offers 1 interfaces of 8 bytes";
    shapes[4].plugin.option_count = 65;
    shapes[4].words = "the descriptor has 65 options of 40 bytes, allowed 0 to 64 of 40 and more";
    shapes[5].plugin.option_count = 1;
    shapes[5].words = "the descriptor has 1 options";
    shapes[6].plugin.size = 0xfffffff8;
    shapes[6].words = "the descriptor has 4294967288 bytes, allowed 56 to 4096";
    shapes[7].plugin.magic = 0;
    shapes[7].words = "the descriptor's magic is 0x0, allowed 0x";
    for (size_t i = 0; i < 8; i++) {
        struct viv_error err = VIV_ERROR_INIT;
        struct viv_plugin full = { 0 };
        viv_status status = vh_complete_descriptor(&shapes[i].plugin, &full, &err);
        if (!shapes[i].words) {
            assert_int_equal(status, VIV_OK);
            assert_non_null(full.create);
            assert_non_null(full.destroy);
            continue;
        }
        assert_int_equal(status, VIV_E_PLUGIN);
        assert_int_equal(full.size, 0);
        if (!strstr(err.text, shapes[i].words)) {
            fail_msg("'%s', allowed '%s'", err.text, shapes[i].words);
        }
    }
}

/* An offer row of a later revision is wider. */
static void
wider_rows_are_stepped_over(void **state)
{
    (void)state;
    struct wide {
        struct viv_offer offer;
        uint64_t more;
    };
    int a, b;
    const struct wide rows[] = { { { "viv.gate/1", &a }, 1 }, { { NULL, NULL }, 2 }, { { "viv.critic/1", &b }, 3 } };
    struct viv_plugin plugin = { VIV_PLUGIN_HEAD, .offers = &rows[0].offer, .offer_count = 3 };
    plugin.offer_stride = sizeof rows[0];
    assert_ptr_equal(vh_complete_find(&plugin, "viv.critic/1"), &b);
    assert_null(vh_complete_find(&plugin, "viv.safety/1"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_of_every_table),
        cmocka_unit_test(no_table_at_all),
        cmocka_unit_test(stubs_answer),
        cmocka_unit_test(broken_descriptors),
        cmocka_unit_test(wider_rows_are_stepped_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

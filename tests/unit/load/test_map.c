/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, the loader hands out the code of another plugin, or maps bytes somebody can still change. */
#include "load_test.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "load/map.h"

static void
sealed_bytes_stay(void **state)
{
    (void)state;
    int fd = -1;
    char byte = 'x';
    assert_int_equal(vh_map_seal("hello", 5, "some", &fd, NULL), VIV_OK);
    assert_int_equal(pwrite(fd, &byte, 1, 0), -1);
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(ftruncate(fd, 100), -1);
    assert_ptr_equal(mmap(NULL, 5, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    close(fd);
}

static void
unsealed_bytes_are_refused(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct viv_str bytes = fault_bytes(arena, "good");
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_map map;
    int fd = memfd_create("open", MFD_ALLOW_SEALING | MFD_CLOEXEC);
    assert_int_equal(write(fd, bytes.data, (size_t)bytes.len), bytes.len);
    assert_int_equal(vh_map_open(fd, "open", &map, &err), VIV_E_DENIED);
    assert_string_equal(err.text, "the memory of 'open' is not sealed: seals 0x0, needed 0xf");
    close(fd);
    fd = open(fault_path(arena, "good"), O_RDONLY | O_CLOEXEC);
    assert_int_equal(vh_map_open(fd, "file", &map, &err), VIV_E_DENIED);
    close(fd);
    vh_arena_destroy(arena);
}

/* Reproduced trap: the loader knows files by name, and a descriptor number that comes back brings the old code back.
 */
static void
each_plugin_gets_its_own_code(void **state)
{
    (void)state;
    static const char *const names[] = { "good", "larger", "lying_id", "null_slot", "smaller", "good" };
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    const void *seen[sizeof names / sizeof *names];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct viv_str bytes = fault_bytes(arena, names[i]);
        struct vh_map map;
        struct viv_refusal refusal = { .size = sizeof refusal, .rev = 1 };
        struct viv_host_offer offer = { sizeof offer, 1, VIV_ABI_MAJOR, VIV_ABI_MINOR };
        assert_int_equal(vh_map_bytes(bytes.data, (size_t)bytes.len, names[i], &map, NULL), VIV_OK);
        const struct viv_plugin *plugin = map.entry(&offer, &refusal);
        char want[64];
        snprintf(want, sizeof want, "fault.%s", names[i]);
        assert_string_equal(plugin->id, strcmp(names[i], "lying_id") == 0 ? "viv.safety_policy" : want);
        seen[i] = plugin;
        for (size_t before = 0; before < i; before++) {
            assert_ptr_not_equal(seen[before], seen[i]);
        }
    }
    vh_arena_destroy(arena);
}

static void
no_entry_is_said(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct viv_str bytes = fault_bytes(arena, "no_entry");
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_map map;
    assert_int_equal(vh_map_bytes(bytes.data, (size_t)bytes.len, "no_entry", &map, &err), VIV_E_PLUGIN);
    assert_string_equal(err.text,
                        "plugin 'no_entry' does not export 'viv_plugin_entry', the one symbol it must export");
    assert_int_equal(vh_map_bytes("no ELF", 6, "text", &map, &err), VIV_E_PLUGIN);
    assert_non_null(strstr(err.text, "plugin 'text' cannot be mapped: "));
    vh_arena_destroy(arena);
}

/* Of the kernel's table of descriptors: it grows in steps, and only when it must. */
static long
table_size(void)
{
    char line[128];
    long size = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && size == 0 && fgets(line, sizeof line, file)) {
        (void)sscanf(line, "FDSize: %ld", &size);
    }
    assert_non_null(file);
    fclose(file);
    return size;
}

/* A table that grows under threads makes every start wait. This test comes first: what was mapped has made room. */
static void
room_is_made_once(void **state)
{
    (void)state;
    assert_in_range(table_size(), 1, 256);
    vh_map_reserve(-1); /* nothing to copy is no harm */
    assert_in_range(table_size(), 1, 256);
    vh_map_reserve(0);
    assert_int_equal(table_size(), 512);
    assert_int_equal(fcntl(511, F_GETFD), -1);
}

static void
numbers_run_out(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct viv_str bytes = fault_bytes(arena, "good");
    struct viv_error err = VIV_ERROR_INIT;
    struct rlimit old, low;
    struct vh_map map;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = 200;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(vh_map_bytes(bytes.data, (size_t)bytes.len, "good", &map, &err), VIV_E_LIMIT);
    assert_non_null(strstr(err.text, "no unused descriptor number is left to map 'good'"));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(vh_map_bytes(bytes.data, (size_t)bytes.len, "good", &map, &err), VIV_OK);
    vh_arena_destroy(arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(room_is_made_once),
        cmocka_unit_test(sealed_bytes_stay),
        cmocka_unit_test(unsealed_bytes_are_refused),
        cmocka_unit_test(each_plugin_gets_its_own_code),
        cmocka_unit_test(no_entry_is_said),
        cmocka_unit_test(numbers_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

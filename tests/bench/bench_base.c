/* SPDX-License-Identifier: Apache-2.0 */
/* Measures what every recorded event pays for: digest, canonical JSON read and printed, a call's arena. */
#include "bench.h"

#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/str.h"

static const char event[] =
    "{\"actor\":{\"kind\":\"person\",\"name\":\"a\",\"uid\":1000},\"attempt\":1,\"data\":{\"paths\":[\"src/a.c\","
    "\"src/b.c\"],\"reason\":\"line one\\nline two\",\"tree\":\"0123456789abcdef0123456789abcdef01234567\"},"
    "\"kind\":\"effect.finished\",\"lease\":3,\"seq\":123456,\"task\":\"T-1\",\"time_us\":1700000000000000}";

static bool
digest(void *data)
{
    struct vh_hash hash;
    return vh_hash_bytes(data, 4096, &hash);
}

static bool
read_and_print(void *data)
{
    (void)data;
    struct vh_arena *arena = vh_arena_create(NULL, 1 << 20);
    struct vh_json *value = NULL;
    bool good = arena && vh_json_read(arena, VH_STR(event), &value, NULL) == VIV_OK &&
                vh_str_equal(vh_json_print(arena, value), VH_STR(event));
    vh_arena_destroy(arena);
    return good;
}

static bool
one_arena(void *data)
{
    (void)data;
    struct vh_arena *arena = vh_arena_create(NULL, 1 << 20);
    bool good = arena != NULL;
    for (size_t i = 0; i < 10 && good; i++) {
        good = vh_arena_alloc(arena, 100) != NULL;
    }
    vh_arena_destroy(arena);
    return good;
}

int
main(int argc, char **argv)
{
    static char block[4096];
    struct bench bench;
    bench_begin(&bench, "base", "", argc, argv);
    bench_run(&bench, "sha256 of 4 KiB", digest, block);
    bench_run(&bench, "read and print one event", read_and_print, NULL);
    bench_run(&bench, "arena with ten pieces", one_arena, NULL);
    return bench_end(&bench);
}

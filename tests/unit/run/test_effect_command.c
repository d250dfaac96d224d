/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a skill or a client's task brings the host down by an exec document, or runs what no rule has seen:
 * the door reads known members of the right type and nothing else. */
#include "cm.h"

#include <string.h>

#include "run/effect_inside.h"

static viv_status
read_document(struct vh_arena *arena, const char *json, struct vh_effect *ret_effect, struct viv_error *err)
{
    static struct viv_effect_request request;
    request = (struct viv_effect_request){ .size = (uint32_t)sizeof request,
                                           .rev = 1,
                                           .kind = VIV_EFFECT_EXEC,
                                           .spec_json = vh_str(json) };
    *ret_effect = (struct vh_effect){ .arena = arena, .request = &request };
    return vh_effect_read_request(ret_effect, err);
}

static void
documents_are_checked(void **state)
{
    static const struct {
        const char *json;
        const char *why; /* NULL: fine */
    } rows[] = {
        { "{\"stages\":[{\"argv\":[\"true\"]}]}", NULL },
        { "{\"stages\":[{\"argv\":[\"a\"],\"env\":{\"A_1\":\"x\"},\"input_path\":\"f\",\"output_path\":\"/dev/null\","
          "\"error_to_output\":true}],\"cwd\":\"a/./b/\",\"env\":{\"B\":\"\"},\"timeout_ns\":1}", NULL },
        /* What ran before was the inner list, which nobody had checked: a host that died. */
        { "{\"stages\":[{\"argv\":[\"true\"]}],\"pipelines\":[{\"stages\":[{\"argc\":1}]}]}", "'pipelines'" },
        { "{\"stages\":[{\"argv\":[\"true\"]}],\"pipelines\":[{\"stages\":7}]}", "'pipelines'" },
        { "{\"stages\":[{\"argv\":[\"true\"]}],\"shell\":\"x\"}", "'shell'" },
        { "{\"stages\":[{\"argv\":[\"true\"]}],\"op\":\"or\"}", "'op'" },
        { "{\"stages\":[{\"argv\":[\"true\"],\"stdout\":\"x\"}]}", "'stdout'" },
        { "{\"stages\":[{\"argv\":[\"true\"],\"output_path\":1}]}", "'output_path'" },
        { "{\"stages\":[{\"argv\":[\"true\"],\"output_path\":\"\"}]}", "'output_path' has 0 bytes" },
        { "{\"stages\":[{\"argv\":[\"true\"],\"output_path\":\"a\\u0000b\"}]}", "output_path" },
        { "{\"stages\":[{\"argv\":[\"a\\u0000b\"]}]}", "argv" },
        { "{\"stages\":[{\"argv\":[1]}]}", "a word of 'argv'" },
        { "{\"stages\":[{\"argv\":[]}]}", "'argv' must be a list" },
        { "{\"stages\":[{\"argv\":{}}]}", "'argv'" },
        { "{\"stages\":[{}]}", "'argv' must be a list" },
        { "{\"stages\":[[]]}", "a stage is not an object" },
        { "{\"stages\":{}}", "'stages'" },
        { "{\"stages\":[]}", "'stages' must be a list" },
        { "{}", "'stages' must be a list" },
        { "[]", "is not an object" },
        { "7", "exec document" },
        { "", "exec document" },
        { "{\"stages\":[{\"argv\":[\"true\"]}],\"cwd\":\"../a\"}", "holds '..'" },
        { "{\"stages\":[{\"argv\":[\"true\"]}],\"cwd\":\"/a\"}", "is absolute" },
        { "{\"stages\":[{\"argv\":[\"true\"]}],\"timeout_ns\":0}", "'timeout_ns' is 0" },
        { "{\"stages\":[{\"argv\":[\"true\"]}],\"env\":[\"A=1\"]}", "'env'" },
        { "{\"stages\":[{\"argv\":[\"true\"]}],\"env\":{\"A=B\":\"1\"}}", "variable 'A=B'" },
        { "{\"stages\":[{\"argv\":[\"true\"],\"env\":{\"1A\":\"1\"}}]}", "variable '1A'" },
        { "{\"stages\":[{\"argv\":[\"true\"],\"env\":{\"A\":1}}]}", "variable 'A'" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct viv_error err = VIV_ERROR_INIT;
        struct vh_effect effect;
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        viv_status status = read_document(arena, rows[i].json, &effect, &err);
        if (!rows[i].why != (status == VIV_OK) || (rows[i].why && !strstr(err.text, rows[i].why))) {
            fail_msg("'%s': %d '%s', expected '%s'", rows[i].json, status, err.text,
                     rows[i].why ? rows[i].why : "nothing");
        }
        vh_arena_destroy(arena);
    }
}

/* Only `sh -c TEXT` by itself is opened: what stands beside it would be lost. */
static void
shells_are_opened(void **state)
{
    static const struct {
        const char *json;
        const char *opened; /* member that is there then */
    } rows[] = {
        { "{\"stages\":[{\"argv\":[\"sh\",\"-c\",\"a | b\"]}]}", "pipelines" },
        { "{\"stages\":[{\"argv\":[\"/bin/sh\",\"-c\",\"a $b\"]}]}", "shell" },
        { "{\"stages\":[{\"argv\":[\"sh\",\"-c\",\"a\"],\"env\":{\"A\":\"1\"}}]}", NULL },
        { "{\"stages\":[{\"argv\":[\"sh\",\"-c\",\"a\"],\"output_path\":\"f\"}]}", NULL },
        { "{\"stages\":[{\"argv\":[\"sh\",\"-c\",\"a\",\"b\"]}]}", NULL },
        { "{\"stages\":[{\"argv\":[\"sh\",\"-ec\",\"a\"]}]}", NULL },
        { "{\"stages\":[{\"argv\":[\"a\"]},{\"argv\":[\"sh\",\"-c\",\"a\"]}]}", NULL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct viv_error err = VIV_ERROR_INIT;
        struct vh_effect effect;
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        assert_int_equal(read_document(arena, rows[i].json, &effect, &err), VIV_OK);
        bool opened = vh_json_get(effect.spec, "pipelines") || vh_json_get(effect.spec, "shell");
        if (opened != (rows[i].opened != NULL) || (rows[i].opened && !vh_json_get(effect.spec, rows[i].opened))) {
            fail_msg("'%s' gives %.*s", rows[i].json, VH_STR_ARGS(vh_json_print(arena, effect.spec)));
        }
        vh_arena_destroy(arena);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_are_checked),
        cmocka_unit_test(shells_are_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

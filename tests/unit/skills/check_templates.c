/* SPDX-License-Identifier: Apache-2.0 */
/* `check_templates manifest.json`: every template compiles, takes what it must, refuses what it must, and no accepted
 * sentence has two different readings among the skill's own templates. If this fails, a request reaches the wrong skill
 * or the right one with the wrong input. */
#include <stdio.h>
#include <string.h>

#include "kit.h"
#include "template.h"

#define TEMPLATES_MAX 256

static struct viv_template templates[TEMPLATES_MAX];
static struct viv_str elements[TEMPLATES_MAX];
static struct viv_template_request request;

/* Enough for any manifest; what is used up is zero already. */
static void *
alloc(void *data, uint64_t size)
{
    static _Alignas(16) char pool[64u << 20];
    static uint64_t used;
    (void)data;
    size = (size + 15) & ~UINT64_C(15);
    if (size > sizeof pool - used)
        return NULL;
    used += size;
    return pool + used - size;
}

static const struct viv_kit_memory memory = { alloc, NULL };

/* Where the elements of "templates" stand. */
static uint32_t
find_elements(struct viv_str manifest)
{
    struct viv_kit_read in;
    struct viv_str key;
    uint32_t count = 0;
    viv_kit_read_init(&in, memory, manifest);
    viv_kit_read_object(&in);
    while (viv_kit_read_key(&in, &key)) {
        if (!viv_kit_is(key, "templates")) {
            viv_kit_read_skip(&in);
            continue;
        }
        viv_kit_read_list(&in);
        while (viv_kit_read_item(&in) && count < TEMPLATES_MAX) {
            (void)viv_kit_read_peek(&in);
            const char *start = in.at;
            viv_kit_read_skip(&in);
            elements[count++] = (struct viv_str){ start, (uint64_t)(in.at - start) };
        }
    }
    return viv_kit_read_done(&in) ? count : 0;
}

/* Every sentence one template accepts, against all the others. */
static int
check_others(uint32_t own, uint32_t count)
{
    struct viv_kit_read in;
    struct viv_str key;
    viv_kit_read_init(&in, memory, elements[own]);
    viv_kit_read_object(&in);
    while (viv_kit_read_key(&in, &key)) {
        if (!viv_kit_is(key, "accept")) {
            viv_kit_read_skip(&in);
            continue;
        }
        viv_kit_read_list(&in);
        while (viv_kit_read_item(&in)) {
            struct viv_str sentence = viv_kit_read_text(&in);
            struct viv_str first = { NULL, 0 };
            viv_template_request(sentence, &request);
            for (uint32_t i = 0; i < count; i++) {
                struct viv_template_reading reading;
                struct viv_str input;
                if (viv_template_match(&templates[i], &request, &reading, 1) == 0 ||
                    viv_template_input(&templates[i], &reading, memory, &input, NULL) != VIV_OK)
                    continue;
                if (first.len > 0 && viv_kit_compare(first, input) != 0) {
                    fprintf(stderr, "'%.*s' is %.*s and %.*s\n", (int)sentence.len, sentence.data, (int)first.len,
                            first.data, (int)input.len, input.data);
                    return 1;
                }
                first = input;
            }
        }
    }
    return 0;
}

int
main(int argc, char **argv)
{
    static char text[VIV_MANIFEST_MAX];
    FILE *file = argc == 2 ? fopen(argv[1], "re") : NULL;
    if (!file) {
        fprintf(stderr, "usage: %s manifest.json\n", argv[0]);
        return 2;
    }
    struct viv_str manifest = { text, fread(text, 1, sizeof text, file) };
    fclose(file);
    uint32_t count = find_elements(manifest);
    struct viv_error err = VIV_ERROR_INIT;
    for (uint32_t i = 0; i < count; i++) {
        if (viv_template_open(elements[i], memory, &templates[i], &err) != VIV_OK ||
            viv_template_check(elements[i], memory, &templates[i], &request, &err) != VIV_OK) {
            fprintf(stderr, "%s: %s\n", argv[1], err.text);
            return 1;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (check_others(i, count) != 0)
            return 1;
    }
    printf("%u templates\n", count);
    return count == 0;
}

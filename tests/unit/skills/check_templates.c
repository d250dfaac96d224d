/* SPDX-License-Identifier: Apache-2.0 */
/* `check_templates manifest.json...`: every template compiles, takes what it must, refuses what it must; no accepted
 * sentence has two different readings in one skill, or a reading in two skills. If this fails, a request reaches the
 * wrong skill, or the right one with the wrong input, or the router must abstain. */
#include <stdio.h>
#include <string.h>

#include "kit.h"
#include "template.h"

#define TEMPLATES_MAX 512
#define MANIFESTS_MAX 16

static struct viv_template templates[TEMPLATES_MAX];
static struct viv_str elements[TEMPLATES_MAX];
static int owners[TEMPLATES_MAX]; /* number of the manifest */
static uint32_t count;
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

/* Where the elements of "templates" stand. 0: the manifest is broken or has none. */
static uint32_t
find_elements(struct viv_str manifest, int owner)
{
    struct viv_kit_read in;
    struct viv_str key;
    uint32_t before = count;
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
            owners[count] = owner;
            elements[count++] = (struct viv_str){ start, (uint64_t)(in.at - start) };
        }
    }
    return viv_kit_read_done(&in) ? count - before : 0;
}

/* One sentence that template `own` accepts, against all templates. */
static int
check_sentence(uint32_t own, struct viv_str sentence)
{
    struct viv_str first = { NULL, 0 };
    viv_template_request(sentence, &request);
    for (uint32_t i = 0; i < count; i++) {
        struct viv_template_reading reading;
        struct viv_str input;
        if (viv_template_match(&templates[i], &request, &reading, 1) == 0 ||
            viv_template_input(&templates[i], &reading, memory, &input, NULL) != VIV_OK)
            continue;
        if (owners[i] != owners[own] || (first.len > 0 && viv_kit_compare(first, input) != 0)) {
            fprintf(stderr, "'%.*s' of '%.*s' is also taken by '%.*s' as %.*s\n", (int)sentence.len, sentence.data,
                    (int)templates[own].text.len, templates[own].text.data, (int)templates[i].text.len,
                    templates[i].text.data, (int)input.len, input.data);
            return 1;
        }
        first = input;
    }
    return 0;
}

static int
check_others(uint32_t own)
{
    struct viv_kit_read in;
    struct viv_str key;
    int failed = 0;
    viv_kit_read_init(&in, memory, elements[own]);
    viv_kit_read_object(&in);
    while (viv_kit_read_key(&in, &key)) {
        if (!viv_kit_is(key, "accept")) {
            viv_kit_read_skip(&in);
            continue;
        }
        viv_kit_read_list(&in);
        while (viv_kit_read_item(&in)) {
            failed |= check_sentence(own, viv_kit_read_text(&in));
        }
    }
    return failed;
}

static int
read_manifest(const char *path, int number)
{
    static char texts[MANIFESTS_MAX][VIV_MANIFEST_MAX];
    FILE *file = number < MANIFESTS_MAX ? fopen(path, "re") : NULL;
    if (!file) {
        fprintf(stderr, "%s: cannot be opened, or one manifest too many\n", path);
        return 1;
    }
    struct viv_str manifest = { texts[number], fread(texts[number], 1, sizeof texts[number], file) };
    fclose(file);
    uint32_t first = count;
    struct viv_error err = VIV_ERROR_INIT;
    if (find_elements(manifest, number) == 0) {
        fprintf(stderr, "%s: no templates, or no JSON\n", path);
        return 1;
    }
    for (uint32_t i = first; i < count; i++) {
        if (viv_template_open(elements[i], memory, &templates[i], &err) != VIV_OK ||
            viv_template_check(elements[i], memory, &templates[i], &request, &err) != VIV_OK) {
            fprintf(stderr, "%s: %s\n", path, err.text);
            return 1;
        }
    }
    return 0;
}

int
main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (read_manifest(argv[i], i - 1) != 0)
            return 1;
    }
    int failed = 0;
    for (uint32_t i = 0; i < count; i++) {
        failed |= check_others(i);
    }
    printf("%u templates\n", count);
    return failed || count == 0;
}

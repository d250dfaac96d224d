/* SPDX-License-Identifier: Apache-2.0 */
/* Plays one skill's cases.json, linked with the skill's sources; PLAY_FOLDER is the skill's folder. Each case runs by
 * grant and by effects and must give the same bytes; then the first case runs with every allocation failing in turn,
 * cancelled, and refused; then a hostile tree is walked both ways. docs/write-a-skill.md describes cases.json. */
#include "../../support/cm.h"

#include "../kit/kit_fake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <viv/iface/skill.h>

#include "base/json.h"
#include "base/seam.h"
#include "base/str.h"
#include "load/plugin.h"
#include "load/schema.h"

struct played {
    struct kit_fake fake;
    const struct viv_plugin *plugin;
    const struct viv_skill *skill;
    struct vh_arena *arena;
    const struct vh_json *cases;
    const struct vh_json *sweep;
    struct vh_plugin_file module;
    struct viv_error err;
    struct viv_skill_run_answer answer;
    int64_t fail_at; /* allocation of the call that fails; 0: none */
};

/* The table a host would make: checked against inputSchema, defaults filled in. Cases of what the skill itself must
 * refuse may break the schema; they come as they are. */
static void
lay_out(struct played *played, const struct vh_json *input, struct viv_skill_run_request *request)
{
    static struct viv_value rows[VIV_VALUES_MAX];
    struct vh_schema_values values = { rows, 0, vh_json_print(played->arena, input) };
    struct viv_str empty = VH_STR("{}");
    struct viv_str json = input ? values.json : empty;
    if (vh_schema_values(played->arena, played->module.manifest->input, json, &values, NULL) != VIV_OK) {
        for (const struct vh_json *member = input->child; member; member = member->next) {
            rows[values.count++] = (struct viv_value){
                .name = member->key,
                .type = member->type == VH_JSON_INTEGER ? VIV_VALUE_INTEGER : VIV_VALUE_TEXT,
                .integer = member->integer,
                .text = member->text,
            };
        }
    }
    request->values = values.rows;
    request->values_count = values.count;
    request->values_stride = sizeof(struct viv_value);
    request->input_json = values.json;
}

/* One run of the skill from entry to destroy. The answer is left empty on failure. */
static viv_status
run_once(struct played *played, const struct vh_json *input, bool grant)
{
    struct viv_skill_run_request request = { .size = sizeof request, .rev = 1 };
    lay_out(played, input, &request);
    played->answer = (struct viv_skill_run_answer){ .size = sizeof played->answer, .rev = 1 };
    played->err = (struct viv_error)VIV_ERROR_INIT;
    struct viv_call *call = kit_fake_call(&played->fake, grant);
    void *self = NULL;
    int files = kit_fake_open_files();
    vh_arena_fail_at(played->fail_at);
    viv_status status = played->plugin->create(&played->fake.host, played->plugin->defaults, &self, &played->err);
    if (status != VIV_OK)
        return status;
    status = played->skill->run(self, call, &request, &played->answer, &played->err);
    vh_arena_fail_at(0);
    played->plugin->destroy(self);
    assert_int_equal(kit_fake_open_files(), files);
    if (status != VIV_OK) {
        assert_int_equal(played->err.status, status);
        assert_true(played->err.text[0] != '\0' && played->answer.output_json.len == 0 &&
                    played->answer.text.len == 0);
    }
    return status;
}

static char *
raw_name(struct played *played, struct viv_str escaped)
{
    struct viv_kit_memory memory = viv_kit_memory_of(kit_fake_call(&played->fake, false));
    return vh_arena_text_of(played->arena, viv_kit_path_unescape(memory, escaped));
}

static void
build_tree(struct played *played, const struct vh_json *one)
{
    kit_fake_empty(&played->fake);
    const struct vh_json *files = vh_json_get(one, "files");
    for (const struct vh_json *file = files ? files->child : NULL; file; file = file->next) {
        kit_fake_file(&played->fake, raw_name(played, file->key), file->text.data, file->text.len);
    }
    const struct vh_json *zeros = vh_json_get(one, "zeros");
    for (const struct vh_json *file = zeros ? zeros->child : NULL; file; file = file->next) {
        kit_fake_file(&played->fake, raw_name(played, file->key),
                      vh_arena_alloc(played->arena, (size_t)file->integer), (size_t)file->integer);
    }
    const struct vh_json *times = vh_json_get(one, "modified_us");
    for (const struct vh_json *time = times ? times->child : NULL; time; time = time->next) {
        kit_fake_modified(&played->fake, raw_name(played, time->key), time->integer);
    }
    const struct vh_json *links = vh_json_get(one, "links");
    int root = open(played->fake.folder, O_RDONLY | O_DIRECTORY);
    for (const struct vh_json *link = links ? links->child : NULL; link; link = link->next) {
        assert_int_equal(symlinkat(vh_arena_text_of(played->arena, link->text), root, raw_name(played, link->key)),
                         0);
    }
    close(root);
}

static void
same_text(struct viv_str found, struct viv_str wanted, const char *what)
{
    if (!vh_str_equal(found, wanted)) {
        fail_msg("%s is\n%.*s\nwanted\n%.*s", what, VH_STR_ARGS(found), VH_STR_ARGS(wanted));
    }
}

static viv_status
status_named(struct viv_str name)
{
#define NAMED(constant, value, text)                                                                               \
    if (vh_str_is(name, #constant))                                                                                \
        return (value);
    VIV_STATUS_TABLE(NAMED)
#undef NAMED
    fail_msg("cases.json: no status '%.*s'", VH_STR_ARGS(name));
    return VIV_OK;
}

static void
check_files_after(struct played *played, const struct vh_json *after)
{
    for (const struct vh_json *file = after ? after->child : NULL; file; file = file->next) {
        size_t len;
        char *bytes = kit_fake_read(&played->fake, played->arena, raw_name(played, file->key), &len);
        same_text((struct viv_str){ bytes, len }, file->text, "a file afterwards");
    }
}

static void
play_one(struct played *played, const struct vh_json *one, bool grant)
{
    struct viv_str refused = vh_json_str(one, "refused");
    build_tree(played, one);
    viv_status status = run_once(played, vh_json_get(one, "input"), grant);
    if (refused.len > 0) {
        struct viv_str message = vh_json_str(one, "message");
        assert_int_equal(status, status_named(refused));
        assert_true(message.len > 0);
        assert_non_null(strstr(played->err.text, vh_arena_text_of(played->arena, message)));
        assert_int_equal(played->fake.writes, 0);
        return;
    }
    if (status != VIV_OK) {
        fail_msg("%s", played->err.text);
    }
    struct vh_json *canonical = NULL;
    assert_int_equal(vh_json_read(played->arena, played->answer.output_json, &canonical, &played->err), VIV_OK);
    if (vh_schema_check(played->arena, played->module.manifest->output, played->answer.output_json, &played->err)) {
        fail_msg("outputSchema: %s", played->err.text);
    }
    assert_int_equal(played->fake.used & ~played->module.manifest->effects, 0);
    same_text(played->answer.output_json, vh_json_print(played->arena, vh_json_get(one, "output")), "the output");
    if (vh_json_get(one, "text")) {
        same_text(played->answer.text, vh_json_str(one, "text"), "the text");
    }
    check_files_after(played, vh_json_get(one, "after"));
}

/* If this fails, a host refuses the skill as it was built. */
static void
host_accepts_the_module(void **state)
{
    struct played *played = *state;
    assert_true(played->module.manifest->kind == VH_MANIFEST_SKILL && played->module.manifest->folder_read);
    assert_string_equal(played->module.manifest->id, played->plugin->id);
    assert_string_equal(played->module.manifest->version, played->plugin->version);
    assert_int_equal(played->module.audit.failed, 0);
}

/* If this fails, the skill answers something else than its author promised, or depends on how it was lent the files. */
static void
cases_hold(void **state)
{
    struct played *played = *state;
    uint32_t count = 0;
    uint32_t refused = 0;
    for (const struct vh_json *one = played->cases->child; one; one = one->next, count++) {
        print_message("  case '%.*s'\n", VH_STR_ARGS(vh_json_str(one, "name")));
        play_one(played, one, true);
        if (!vh_json_int(one, "skip_effects", 0)) { /* for files larger than an effect reads */
            play_one(played, one, false);
        }
        refused += vh_json_str(one, "refused").len > 0;
    }
    assert_true(count >= 5 && refused >= 2);
}

/* If this fails, a skill short of memory crashes, leaks, or gives half an answer as a whole one. */
static void
memory_runs_out(void **state)
{
    struct played *played = *state;
    for (int mode = 0; mode < 2; mode++) {
        build_tree(played, played->cases->child);
        for (int64_t n = 1;; n++) {
            assert_true(n < 2000);
            played->fail_at = n;
            viv_status status = run_once(played, vh_json_get(played->cases->child, "input"), mode == 0);
            played->fail_at = 0;
            if (status == VIV_OK) {
                assert_true(n > 3);
                break;
            }
            assert_int_equal(status, VIV_E_MEMORY);
        }
    }
}

/* If this fails, a skill without its grants does something anyway. */
static void
nothing_without_grants(void **state)
{
    struct played *played = *state;
    const struct vh_json *input = vh_json_get(played->cases->child, "input");
    build_tree(played, played->cases->child);
    played->fake.deny_services = true;
    assert_int_equal(run_once(played, input, true), VIV_E_DENIED);
    played->fake.deny_services = false;
    played->fake.deny_kind = UINT32_MAX;
    assert_int_equal(run_once(played, input, false), VIV_E_DENIED);
    assert_string_equal(played->err.text, "rule 'test' forbids it");
    played->fake.deny_status = VIV_E_ASK;
    assert_int_equal(run_once(played, input, false), VIV_E_ASK);
    played->fake.deny_status = VIV_E_DENIED;
    played->fake.deny_kind = 0;
    assert_int_equal(played->fake.writes, 0);
}

/* If this fails, a cancelled skill goes on working. */
static void
stops_when_cancelled(void **state)
{
    struct played *played = *state;
    build_tree(played, played->cases->child);
    for (int mode = 0; mode < 2; mode++) {
        played->fake.cancel_after = 1;
        assert_int_equal(run_once(played, vh_json_get(played->cases->child, "input"), mode == 0), VIV_E_CANCELLED);
        played->fake.cancel_after = 0;
    }
}

static void
make_hostile_tree(struct played *played)
{
    struct kit_fake *fake = &played->fake;
    char name[256];
    char path[VIV_PATH_MAX + 1];
    kit_fake_empty(fake);
    kit_fake_file(fake, "new\nline.c", "int a;\n", 7);
    kit_fake_file(fake, "\xff\xfe\x80.c", "int b;", 6);
    kit_fake_file(fake, "100%.c", "\n", 1);
    kit_fake_file(fake, "quote\"back\\slash.c", "// c\n", 5);
    kit_fake_file(fake, "a.c", "", 0);
    kit_fake_file(fake, "a/b.c", "x\0y\n", 4);
    kit_fake_file(fake, "a.b/c.c", "int a;\n", 7);
    kit_fake_file(fake, ".git/config.c", "no\n", 3);
    memset(name, 'n', 255);
    name[255] = '\0';
    memcpy(name + 253, ".c", 2);
    kit_fake_file(fake, name, "long\n", 5);
    size_t len = 0;
    for (int depth = 0; depth < 140; depth++) {
        len += (size_t)snprintf(path + len, sizeof path - len, "d/");
    }
    snprintf(path + len, sizeof path - len, "deep.c");
    kit_fake_file(fake, path, "deep\n", 5);
    memset(name, 'p', 250);
    name[250] = '\0';
    len = 0;
    for (int depth = 0; depth < 15; depth++) {
        len += (size_t)snprintf(path + len, sizeof path - len, "%s/", name);
    }
    snprintf(path + len, sizeof path - len, "far.c");
    kit_fake_file(fake, path, "far\n", 4);
    int root = open(fake->folder, O_RDONLY | O_DIRECTORY);
    assert_int_equal(symlinkat(".", root, "loop"), 0);
    assert_int_equal(symlinkat("/etc/passwd", root, "out.c"), 0);
    assert_int_equal(mkfifoat(root, "pipe.c", 0644), 0);
    close(root);
}

/* If this fails, a hostile repository makes the skill hang, crash, leave its workspace or answer differently. */
static void
hostile_tree(void **state)
{
    struct played *played = *state;
    if (!played->sweep) {
        fail_msg("cases.json has no 'sweep'");
    }
    make_hostile_tree(played);
    assert_int_equal(run_once(played, played->sweep, true), VIV_OK);
    struct viv_str output = { vh_arena_copy(played->arena, played->answer.output_json.data,
                                            played->answer.output_json.len),
                              played->answer.output_json.len };
    struct vh_json *canonical = NULL;
    assert_int_equal(vh_json_read(played->arena, output, &canonical, &played->err), VIV_OK);
    char *text = vh_arena_text_of(played->arena, output);
    assert_null(strstr(text, "passwd"));
    assert_null(strstr(text, "out.c"));
    assert_null(strstr(text, ".git"));
    if (strstr(text, "\"skipped\"")) {
        assert_non_null(strstr(text, "nested too deeply"));
    }
    make_hostile_tree(played);
    assert_int_equal(run_once(played, played->sweep, false), VIV_OK);
    same_text(played->answer.output_json, output, "the output by effects");
    kit_fake_empty(&played->fake);
    assert_int_equal(run_once(played, played->sweep, true), VIV_OK);
    output = (struct viv_str){ vh_arena_copy(played->arena, played->answer.output_json.data,
                                             played->answer.output_json.len),
                               played->answer.output_json.len };
    assert_int_equal(run_once(played, played->sweep, false), VIV_OK);
    same_text(played->answer.output_json, output, "the output of an empty tree");
}

static int
set_up(void **state)
{
    static struct played played;
    char path[4096];
    kit_fake_init(&played.fake);
    played.arena = vh_arena_create(NULL, 0);
    snprintf(path, sizeof path, "%s/cases.json", PLAY_FOLDER);
    FILE *file = fopen(path, "re");
    if (!file) {
        fail_msg("%s cannot be opened", path);
    }
    char *text = vh_arena_alloc(played.arena, 1u << 20);
    size_t len = fread(text, 1, 1u << 20, file);
    fclose(file);
    struct vh_json *document = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    if (vh_json_import(played.arena, (struct viv_str){ text, len }, &document, &err) != VIV_OK) {
        fail_msg("%s: %s", path, err.text);
    }
    const struct vh_plugin_rules rules = { 0 };
    if (vh_plugin_inspect(vh_seam_real(), played.arena, &rules, AT_FDCWD, PLAY_MODULE, &played.module, &err)) {
        fail_msg("%s: %s", PLAY_MODULE, err.text);
    }
    played.cases = vh_json_get(document, "cases");
    played.sweep = vh_json_get(document, "sweep");
    assert_non_null(played.cases);
    const struct viv_host_offer offer = { sizeof offer, 1, VIV_ABI_MAJOR, VIV_ABI_MINOR };
    const struct viv_host_offer newer = { sizeof offer, 1, VIV_ABI_MAJOR + 1, 0 };
    struct viv_refusal refusal = { .size = sizeof refusal, .rev = 1 };
    assert_null(viv_plugin_entry(&newer, &refusal));
    assert_int_equal(refusal.status, VIV_E_VERSION);
    played.plugin = viv_plugin_entry(&offer, &refusal);
    assert_non_null(played.plugin);
    assert_string_equal(played.plugin->offers[0].interface_id, VIV_IFACE_SKILL);
    played.skill = played.plugin->offers[0].table;
    *state = &played;
    return 0;
}

static int
tear_down(void **state)
{
    struct played *played = *state;
    kit_fake_finish(&played->fake);
    vh_arena_destroy(played->arena);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_accepts_the_module), cmocka_unit_test(cases_hold),
        cmocka_unit_test(memory_runs_out),         cmocka_unit_test(nothing_without_grants),
        cmocka_unit_test(stops_when_cancelled),    cmocka_unit_test(hostile_tree),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

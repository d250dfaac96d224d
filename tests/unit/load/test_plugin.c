/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a plugin that is broken, lies or is not trusted runs in the host's process, or a good one is refused
 * without a word that helps. */
#include "load_test.h"

#include <viv_interfaces.h>

#include "fault_probe.h"

struct refusal {
    const char *name;
    viv_status status;
    const char *check; /* err.where */
    const char *words; /* part of err.text */
};

static viv_status
inspect_and_load(struct vh_arena *arena, const char *name, struct fault_probe *probe, struct vh_plugin **ret_plugin,
                 struct viv_error *err)
{
    struct vh_plugin_rules rules = trusting(arena, fault_bytes(arena, name));
    struct vh_plugin_file *file = vh_arena_alloc(arena, sizeof *file);
    struct viv_host *host = vh_arena_alloc(arena, sizeof *host);
    *host = (struct viv_host){ .size = sizeof *host, .rev = 1, .abi_major = VIV_ABI_MAJOR, .host_data = probe };
    viv_status status =
        vh_plugin_inspect(vh_seam_real(), arena, &rules, AT_FDCWD, fault_path(arena, name), file, err);
    return status ? status : vh_plugin_load(arena, file, host, (struct viv_str){ NULL, 0 }, NULL, ret_plugin, err);
}

static void
a_good_one_lives_and_ends(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct fault_probe probe = { 0 };
    struct vh_plugin *plugin = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    viv_status status = inspect_and_load(arena, "good", &probe, &plugin, &err);
    if (status) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(plugin->id, "fault.good");
    assert_string_equal(plugin->version, "1.2.3");
    assert_int_equal(plugin->trust, VH_TRUST_BUNDLED);
    assert_int_equal(probe.created, 1);
    assert_non_null(probe.config);
    const struct viv_critic *critic = vh_plugin_table(plugin, VIV_INDEX_CRITIC);
    struct viv_critic_review_request request = { .size = sizeof request, .rev = 1 };
    struct viv_critic_review_answer answer = { .size = sizeof answer, .rev = 1 };
    assert_int_equal(critic->review(plugin->self, NULL, &request, &answer, &err), VIV_OK);
    assert_int_equal(answer.score_permille, 700);
    assert_null(vh_plugin_table(plugin, VIV_INDEX_GATE));
    vh_arena_destroy(arena);
    assert_int_equal(probe.destroyed, 1);
}

/* Found by reading bytes: no code of these ever runs. */
static const struct refusal inspected[] = {
    { "no_note", VIV_E_DENIED, "audit", "rule 'note': found 0 notes; allowed: exactly one" },
    { "two_notes", VIV_E_DENIED, "audit", "rule 'note': found 2 notes" },
    { "execstack", VIV_E_DENIED, "audit", "rule 'stack': found an executable stack" },
    { "ifunc", VIV_E_DENIED, "audit", "rule 'ifunc'" },
    { "no_entry", VIV_E_DENIED, "audit", "rule 'exports': found also 'viv_other_entry'" },
    { "extra_export", VIV_E_DENIED, "audit", "rule 'exports': found also 'fault_second'" },
    { "search_path", VIV_E_DENIED, "audit", "rule 'search_path': found dynamic entry 0x1d '/nowhere'" },
    { "lazy", VIV_E_DENIED, "audit", "rule 'bind_now': found lazy binding" },
    { "no_relro", VIV_E_DENIED, "audit", "rule 'relro': found no PT_GNU_RELRO" },
    { "write_execute", VIV_E_DENIED, "audit", "rule 'write_execute'" },
    { "text_relocation", VIV_E_DENIED, "audit", "rule 'textrel': found DF_TEXTREL" },
    { "init_first", VIV_E_DENIED, "audit", "rule 'flags': found DT_FLAGS_1 is 0x21" },
    { "experimental", VIV_E_UNSUPPORTED, "manifest", "marked experimental; the policy must allow" },
    { "machine_made", VIV_E_DENIED, "manifest", "made by a machine and offers 'viv.critic/1'" },
    { "older_abi", VIV_E_UNSUPPORTED, "manifest", "wants ABI 0 to 0, this host offers 1; rebuild the plugin" },
    { "newer_abi", VIV_E_UNSUPPORTED, "manifest", "wants ABI 2 to 3, this host offers 1; use a newer host" },
    { "newer_revision", VIV_E_UNSUPPORTED, "manifest", "wants revision 9 of 'viv.critic/1', this host has 1" },
    { "unknown_interface", VIV_E_UNSUPPORTED, "manifest", "'viv.oracle/1', which this host does not know" },
#ifndef VH_SANITIZED
    { "extra_needed", VIV_E_DENIED, "audit", "rule 'needed': found 'libm.so.6'" },
#endif
};

/* Found after mapping, each by the check named. */
static const struct refusal loaded[] = {
#ifndef VH_SANITIZED
    { "constructor", VIV_E_DENIED, "tier", "rule 'constructors' of the host's process: found DT_INIT_ARRAY" },
    { "destructor", VIV_E_DENIED, "tier", "rule 'constructors' of the host's process: found DT_FINI_ARRAY" },
#endif
    { "thread_local", VIV_E_DENIED, "tier", "rule 'tls' of the host's process: found PT_TLS" },
    { "unique", VIV_E_DENIED, "tier", "rule 'unique' of the host's process: found 'fault_unique'" },
    { "skill", VIV_E_DENIED, "tier", "a skill, which only ever runs in a runner" },
    { "silent", VIV_E_PLUGIN, "entry", "neither a descriptor nor a refusal" },
    { "refuses", VIV_E_VERSION, "entry", "the plugin refuses: this host offers ABI 1, needed 7" },
    { "wrong_magic", VIV_E_PLUGIN, "magic", "the descriptor's magic is 0x2a, allowed 0x3149424156495656" },
    { "tiny", VIV_E_PLUGIN, "size", "the descriptor has 40 bytes, allowed 56 to 4096" },
    { "older_major", VIV_E_VERSION, "major", "built for ABI 0.0, this host offers 1.0; rebuild" },
    { "newer_major", VIV_E_VERSION, "major", "built for ABI 2.0, this host offers 1.0; rebuild" },
    { "lying_id", VIV_E_PLUGIN, "manifest", "says id 'viv.safety_policy', its manifest 'fault.lying_id'" },
    { "lying_version", VIV_E_PLUGIN, "manifest", "says version '9.9.9', its manifest '1.2.3'" },
    { "lying_offer", VIV_E_PLUGIN, "manifest", "no table for 'viv.critic/1'" },
    { "lying_option", VIV_E_PLUGIN, "manifest", "row of option 'strict' is not the manifest's; rebuild it" },
    { "missing_option", VIV_E_PLUGIN, "manifest", "has 1 options in 72 bytes, its manifest 7 in 72; rebuild it" },
    { "create_fails", VIV_E_UNAVAILABLE, "create", "it could not begin: the moon is not full" },
    { "short_table", VIV_E_PLUGIN, "offers", "the table of 'viv.critic/1' has 8 bytes, allowed 16 to 4096" },
};

static void
each_fault_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof inspected / sizeof *inspected + sizeof loaded / sizeof *loaded; i++) {
        size_t first = sizeof inspected / sizeof *inspected;
        const struct refusal *want = i < first ? &inspected[i] : &loaded[i - first];
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        struct fault_probe probe = { 0 };
        struct vh_plugin *plugin = NULL;
        struct viv_error err = VIV_ERROR_INIT;
        viv_status status = inspect_and_load(arena, want->name, &probe, &plugin, &err);
        if (status != want->status || strcmp(err.where, want->check) != 0 || !strstr(err.text, want->words)) {
            fail_msg("%s: status %d, allowed %d; where '%s', allowed '%s'; '%s', allowed '%s'", want->name, status,
                     want->status, err.where, want->check, err.text, want->words);
        }
        assert_null(plugin);
        assert_non_null(strstr(err.text, want->name));
        vh_arena_destroy(arena);
        assert_int_equal(probe.created, probe.destroyed);
    }
}

static void
other_sizes_are_completed(void **state)
{
    (void)state;
    static const char *const names[] = { "smaller", "larger", "null_slot" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        struct fault_probe probe = { 0 };
        struct vh_plugin *plugin = NULL;
        struct viv_error err = VIV_ERROR_INIT;
        assert_int_equal(inspect_and_load(arena, names[i], &probe, &plugin, &err), VIV_OK);
        assert_int_equal(plugin->descriptor.size, sizeof(struct viv_plugin));
        const struct viv_critic *critic = vh_plugin_table(plugin, VIV_INDEX_CRITIC);
        struct viv_critic_review_request request = { .size = sizeof request, .rev = 1 };
        struct viv_critic_review_answer answer = { .size = sizeof answer, .rev = 1 };
        viv_status status = critic->review(plugin->self, NULL, &request, &answer, &err);
        assert_int_equal(status, strcmp(names[i], "null_slot") == 0 ? VIV_E_UNSUPPORTED : VIV_OK);
        vh_arena_destroy(arena);
        assert_int_equal(probe.created, strcmp(names[i], "smaller") == 0 ? 0 : 1);
        assert_int_equal(probe.destroyed, probe.created);
    }
}

static void
nobody_answers_for_unsigned_bytes(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_plugin_rules rules = { 0 };
    struct vh_plugin_file file;
    struct vh_plugin *plugin = NULL;
    struct viv_host host = { .size = sizeof host, .rev = 1 };
    struct viv_error err = VIV_ERROR_INIT;
    assert_int_equal(
        vh_plugin_inspect(vh_seam_real(), arena, &rules, AT_FDCWD, fault_path(arena, "good"), &file, &err), VIV_OK);
    assert_int_equal(file.trust, VH_TRUST_UNSIGNED);
    assert_int_equal(vh_plugin_load(arena, &file, &host, (struct viv_str){ NULL, 0 }, NULL, &plugin, &err),
                     VIV_E_DENIED);
    assert_string_equal(err.where, "signature");
    assert_non_null(
        strstr(err.text, "it is unsigned, allowed in the host's process: bundled, or signed by your key"));
    vh_arena_destroy(arena);
}

static void
what_is_not_trusted_may_still_run_apart(void **state)
{
    (void)state;
    static const char *const names[] = { "thread_local", "unique", "constructor" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        struct vh_plugin_rules rules = { 0 };
        struct vh_plugin_file file;
        struct viv_error err = VIV_ERROR_INIT;
        const char *path = fault_path(arena, names[i]);
        assert_int_equal(vh_plugin_inspect(vh_seam_real(), arena, &rules, AT_FDCWD, path, &file, &err), VIV_OK);
        assert_int_equal(file.audit.failed, 0);
        assert_int_equal(file.audit.reported, 1);
        vh_arena_destroy(arena);
    }
}

/* What came with this very host speaks the draft that this host knows; of anything else nobody can say that. */
static void
a_draft_is_for_bundled_plugins(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_plugin_rules rules = { 0 };
    struct vh_plugin_file file;
    struct viv_error err = VIV_ERROR_INIT;
    const char *path = fault_path(arena, "draft");
    assert_int_equal(vh_plugin_inspect(vh_seam_real(), arena, &rules, AT_FDCWD, path, &file, &err), VIV_E_UNSUPPORTED);
    assert_string_equal(err.where, "manifest");
    assert_non_null(strstr(err.text, "offers 'viv.surface/1', which is a draft; the policy must allow drafts"));
    rules.allow_drafts = true;
    assert_int_equal(vh_plugin_inspect(vh_seam_real(), arena, &rules, AT_FDCWD, path, &file, &err), VIV_OK);
    rules = trusting(arena, fault_bytes(arena, "draft"));
    assert_int_equal(vh_plugin_inspect(vh_seam_real(), arena, &rules, AT_FDCWD, path, &file, &err), VIV_OK);
    assert_int_equal(file.trust, VH_TRUST_BUNDLED);
    vh_arena_destroy(arena);
}

static void
an_id_is_taken_once(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_plugin_rules rules = trusting(arena, fault_bytes(arena, "good"));
    struct vh_plugin_file file;
    struct vh_plugin_set set = { 0 };
    struct vh_plugin *plugin = NULL, *second = NULL;
    struct viv_host host = { .size = sizeof host, .rev = 1 };
    struct viv_error err = VIV_ERROR_INIT;
    struct viv_str none = { NULL, 0 };
    assert_int_equal(
        vh_plugin_inspect(vh_seam_real(), arena, &rules, AT_FDCWD, fault_path(arena, "good"), &file, &err), VIV_OK);
    assert_int_equal(vh_plugin_load(arena, &file, &host, none, &set, &plugin, &err), VIV_OK);
    assert_int_equal(vh_plugin_load(arena, &file, &host, none, &set, &second, &err), VIV_E_EXISTS);
    assert_non_null(strstr(err.text, "'fault.good' 1.2.3 is loaded already, from bytes"));
    assert_int_equal(set.count, 1);
    vh_arena_destroy(arena);
}

static void
settings_reach_the_plugin(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_plugin_rules rules = trusting(arena, fault_bytes(arena, "good"));
    struct vh_plugin_file file;
    struct vh_plugin *plugin = NULL;
    struct fault_probe probe = { 0 };
    struct viv_host host = { .size = sizeof host, .rev = 1, .host_data = &probe };
    struct viv_error err = VIV_ERROR_INIT;
    assert_int_equal(
        vh_plugin_inspect(vh_seam_real(), arena, &rules, AT_FDCWD, fault_path(arena, "good"), &file, &err), VIV_OK);
    assert_int_equal(vh_plugin_load(arena, &file, &host, VH_STR("{\"level\":10}"), NULL, &plugin, &err),
                     VIV_E_INVALID);
    assert_non_null(strstr(err.text, "option 'level' is 10, allowed -5 to 9"));
    assert_int_equal(probe.created, 0);
    assert_int_equal(vh_plugin_load(arena, &file, &host, VH_STR("{\"level\":-2}"), NULL, &plugin, &err), VIV_OK);
    int64_t level;
    memcpy(&level, (const char *)probe.config + file.manifest->options[5].offset, sizeof level);
    assert_int_equal(level, -2);
    vh_arena_destroy(arena);
}

static void
memory_runs_out(void **state)
{
    (void)state;
    for (int64_t n = 1; n < 2000; n++) {
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        struct vh_plugin_rules rules = trusting(arena, fault_bytes(arena, "good"));
        const char *path = fault_path(arena, "good");
        struct vh_plugin_file file;
        struct fault_probe probe = { 0 };
        struct vh_plugin *plugin = NULL;
        struct viv_host host = { .size = sizeof host, .rev = 1, .host_data = &probe };
        vh_arena_fail_at(n);
        viv_status status = vh_plugin_inspect(vh_seam_real(), arena, &rules, AT_FDCWD, path, &file, NULL);
        status =
            status ? status : vh_plugin_load(arena, &file, &host, (struct viv_str){ NULL, 0 }, NULL, &plugin, NULL);
        vh_arena_fail_at(0);
        vh_arena_destroy(arena);
        assert_int_equal(probe.created, probe.destroyed);
        if (status == VIV_OK) {
            assert_true(n > 10);
            return;
        }
        assert_int_equal(status, VIV_E_MEMORY);
    }
    fail_msg("loading never succeeded");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_one_lives_and_ends),
        cmocka_unit_test(each_fault_is_named),
        cmocka_unit_test(other_sizes_are_completed),
        cmocka_unit_test(nobody_answers_for_unsigned_bytes),
        cmocka_unit_test(what_is_not_trusted_may_still_run_apart),
        cmocka_unit_test(a_draft_is_for_bundled_plugins),
        cmocka_unit_test(an_id_is_taken_once),
        cmocka_unit_test(settings_reach_the_plugin),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Measures a skill's own work by a folder grant over 5,000 files beside the commands people would use instead.
 * The skill runs in this process: what runner, door and record add is measured elsewhere. Options: --files N, --lines N
 * of each file. */
#include "bench.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <viv/iface/skill.h>
#include <viv/viv.h>

#include "base/arena.h"

struct lent {
    struct vh_arena *arena;
    struct viv_call call;
    const struct viv_skill *skill;
    struct viv_value values[2];
    void *self;
    char folder[64];
    char command[256];
};

static void *
lend_memory(struct viv_call *call, uint64_t size)
{
    return vh_arena_alloc(((struct lent *)call->host_data)->arena, size);
}

static uint32_t
never(struct viv_call *call)
{
    (void)call;
    return 0;
}

static int64_t
no_time(const struct viv_clock *clock, struct viv_call *call)
{
    (void)clock;
    (void)call;
    return 0;
}

static viv_status
no_effect(const struct viv_effects *effects, struct viv_call *call, const struct viv_effect_request *request,
          struct viv_effect_outcome *ret_outcome, struct viv_error *err)
{
    (void)effects;
    (void)call;
    (void)request;
    (void)ret_outcome;
    (void)err;
    return VIV_E_DENIED;
}

static viv_status
acquire(const struct viv_host *host, const char *id, const void **ret_table, struct viv_error *err)
{
    static const struct viv_effects effects = { sizeof effects, 1, NULL, no_effect };
    static const struct viv_clock clock = { sizeof clock, 1, NULL, no_time };
    (void)host;
    (void)err;
    *ret_table = strcmp(id, VIV_SERVICE_CLOCK) == 0 ? (const void *)&clock : (const void *)&effects;
    return VIV_OK;
}

static bool
load(struct lent *lent, const char *name)
{
    static const struct viv_host host = { sizeof host, 1, VIV_ABI_MAJOR, VIV_ABI_MINOR, NULL, acquire };
    static const struct viv_host_offer offer = { sizeof offer, 1, VIV_ABI_MAJOR, VIV_ABI_MINOR };
    char path[4096];
    snprintf(path, sizeof path, "%s/plugins/%s.so", VIV_BUILD_DIR, name);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    viv_plugin_entry_fn entry = NULL;
    if (library) {
        *(void **)&entry = dlsym(library, "viv_plugin_entry");
    }
    struct viv_refusal refusal = { .size = sizeof refusal, .rev = 1 };
    const struct viv_plugin *plugin = entry ? entry(&offer, &refusal) : NULL;
    if (!plugin || plugin->create(&host, plugin->defaults, &lent->self, NULL) != VIV_OK) {
        fprintf(stderr, "bench skills: %s cannot be loaded\n", path);
        return false;
    }
    lent->skill = plugin->offers[0].table;
    return true;
}

static bool
call(void *data)
{
    struct lent *lent = data;
    struct viv_error err = VIV_ERROR_INIT;
    struct viv_skill_run_answer answer = { .size = sizeof answer, .rev = 1 };
    struct viv_skill_run_request request = { .size = sizeof request, .rev = 1, .values = lent->values };
    request.values_count = 2;
    request.values_stride = sizeof *lent->values;
    lent->arena = vh_arena_create(NULL, VIV_CALL_ARENA_MAX);
    bool good = lent->skill->run(lent->self, &lent->call, &request, &answer, &err) == VIV_OK && answer.text.len > 0;
    if (!good) {
        fprintf(stderr, "bench skills: %s\n", err.text);
    }
    vh_arena_destroy(lent->arena);
    return good;
}

static bool
run_command(void *data)
{
    return system(((struct lent *)data)->command) == 0;
}

static bool
make_files(const struct lent *lent, int64_t files, int64_t lines)
{
    for (int64_t i = 0; i < files; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%lld", lent->folder, (long long)(i % 100));
        (void)mkdir(path, 0755); /* there after the first */
        snprintf(path, sizeof path, "%s/%lld/%lld.c", lent->folder, (long long)(i % 100), (long long)i);
        FILE *file = fopen(path, "we");
        if (!file) {
            return false;
        }
        for (int64_t line = 0; line < lines; line++) {
            fprintf(file, line % 5 == 0 ? "\n" : "    status = function_%lld(argument, %lld);\n", (long long)i,
                    (long long)line);
        }
        fclose(file);
    }
    return true;
}

static void
compare(struct bench *bench, struct lent *lent, const char *skill, const char *command)
{
    char what[320];
    if (!load(lent, skill)) {
        bench->failed = true;
        return;
    }
    snprintf(what, sizeof what, "%s", skill);
    bench_run(bench, what, call, lent);
    snprintf(lent->command, sizeof lent->command, "cd %s && %s >/dev/null", lent->folder, command);
    snprintf(what, sizeof what, "sh: %s", command);
    bench_run(bench, what, run_command, lent);
}

int
main(int argc, char **argv)
{
    struct bench bench;
    struct lent lent = { .folder = "/tmp/viv-bench-XXXXXX" };
    bench_begin(&bench, "skills", "files lines", argc, argv);
    if (!mkdtemp(lent.folder) ||
        !make_files(&lent, bench_option(&bench, "files", 5000), bench_option(&bench, "lines", 200))) {
        perror("bench skills");
        return 1;
    }
    lent.call = (struct viv_call){ .size = sizeof lent.call,
                                   .rev = 1,
                                   .host_data = &lent,
                                   .alloc = lend_memory,
                                   .cancelled = never,
                                   .deadline_ns = INT64_MAX };
    lent.call.root_fd = open(lent.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    lent.values[0] = (struct viv_value){ .name = { "name", 4 }, .type = VIV_VALUE_TEXT, .text = { "*.c", 3 } };
    lent.values[1] =
        (struct viv_value){ .name = { "text", 4 }, .type = VIV_VALUE_TEXT, .text = { "function_7(", 11 } };
    compare(&bench, &lent, "count_lines", "find . -name '*.c' -print0 | xargs -0 wc -l");
    compare(&bench, &lent, "find_files", "find . -name '*.c' -printf '%s %T@ %p\\n'");
    compare(&bench, &lent, "search_text", "grep -rnF --include='*.c' 'function_7(' .");
    compare(&bench, &lent, "file_digests", "find . -name '*.c' -print0 | xargs -0 sha256sum");
    snprintf(lent.command, sizeof lent.command, "rm -rf %s", lent.folder);
    (void)run_command(&lent); /* what stays behind is in the folder for temporary files */
    return bench_end(&bench);
}

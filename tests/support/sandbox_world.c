/* SPDX-License-Identifier: Apache-2.0 */
/* Worlds for the tests of the sandbox. Contracts are in sandbox_world.h. */
#include "sandbox_world.h"

enum vh_sandbox_variant world_variants[3];
size_t world_variant_count;

void
world_put(const char *folder, const char *name, const char *text)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

void
world_launcher_path(char *ret_path, size_t size)
{
    char self[512];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(len > 0);
    self[len] = '\0';
    *strrchr(self, '/') = '\0';
    assert_true(snprintf(ret_path, size, "%s/../../host/launcher/viv-launcher", self) < (int)size);
}

void
world_make(struct world *world, const char *fail_step)
{
    char path[600];
    memset(world, 0, sizeof *world);
    world->arena = vh_arena_create(NULL, 0);
    world->seam = vh_seam_real();
    const char *tmp = getenv("TMPDIR");
    snprintf(world->folder, sizeof world->folder, "%.100s/viv-sandbox-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(world->folder));
    char *const folders[] = {world->lower, world->upper, world->work, world->scratch, world->copy};
    static const char *const names[] = {"lower", "upper", "work", "scratch", "copy"};
    for (size_t i = 0; i < 5; i++) {
        snprintf(folders[i], 300, "%s/%s", world->folder, names[i]);
        assert_int_equal(mkdir(folders[i], 0755), 0);
    }
    world_put(world->folder, "secret", "the key\n");
    for (size_t i = 0; i < 2; i++) {
        const char *folder = i ? world->copy : world->lower;
        world_put(folder, "one", "1\n");
        snprintf(path, sizeof path, "%s/sub", folder);
        assert_int_equal(mkdir(path, 0755), 0);
        world_put(folder, "sub/two", "2\n");
    }
    world->lowers[0] = world->lower;
    ssize_t len = readlink("/proc/self/exe", world->self, sizeof world->self - 1);
    assert_true(len > 0);
    world->binds[0] = (struct vh_sandbox_bind){world->self, "/opt/self", false};
    world_launcher_path(path, sizeof path);
    struct vh_launcher_options options = {fail_step};
    world->launcher = vh_launcher_create(world->arena, world->seam, path, &options);
    assert_non_null(world->launcher);
    struct viv_error err = VIV_ERROR_INIT;
    if (vh_launcher_start(world->launcher, &err)) {
        fail_msg("%s", err.text);
    }
}

void
world_end(struct world *world)
{
    vh_arena_destroy(world->arena);
    struct viv_error err = VIV_ERROR_INIT;
    if (vh_fs_remove_tree(world->seam, AT_FDCWD, world->folder, &err)) {
        fail_msg("%s", err.text);
    }
}

struct vh_sandbox_plan
world_plan(const struct world *world, enum vh_sandbox_variant variant)
{
    return (struct vh_sandbox_plan){.variant = variant,
                                    .lowers = world->lowers,
                                    .lower_count = 1,
                                    .upper = world->upper,
                                    .work = world->work,
                                    .scratch = world->scratch,
                                    .copy = world->copy,
                                    .binds = world->binds,
                                    .bind_count = 1,
                                    .limits.memory_bytes = WORLD_MEMORY};
}

struct vh_keeper *
world_open(struct world *world, enum vh_sandbox_variant variant)
{
    struct vh_keeper *keeper = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_sandbox_plan plan = world_plan(world, variant);
    if (vh_sandbox_open(world->launcher, world->arena, &plan, &keeper, &err)) {
        fail_msg("%s", err.text);
    }
    return keeper;
}

/* The program by which this one can be started again inside. */
const char *
world_self(const struct world *world, const struct vh_keeper *keeper)
{
    return vh_keeper_profile(keeper)->variant == VH_SANDBOX_REDUCED_COPY ? world->self
                                                                         : "/opt/self";
}

struct vh_exec_result
world_run(struct world *world, struct vh_keeper *keeper, const char *const *argv, size_t argc)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_exec_result result;
    struct vh_exec_stage stage = {.argv = argv, .argc = argc};
    struct vh_exec exec = {.stages = &stage,
                           .stage_count = 1,
                           .wall_ns = 30 * SECOND_NS,
                           .output_max = 65536,
                           .error_max = 65536};
    if (vh_sandbox_exec(keeper, world->arena, &exec, NULL, &result, &err)) {
        fail_msg("%s", err.text);
    }
    return result;
}

struct vh_exec_result
world_shell(struct world *world, struct vh_keeper *keeper, const char *script)
{
    const char *const argv[] = {"sh", "-c", script};
    return world_run(world, keeper, argv, 3);
}

const char *
world_text(struct world *world, struct viv_str text)
{
    return vh_arena_text_of(world->arena, text);
}

/* The script ends well and prints exactly this. */
void
world_expect(struct world *world, struct vh_keeper *keeper, const char *script, const char *output)
{
    struct vh_exec_result result = world_shell(world, keeper, script);
    const char *errors = world_text(world, result.errors.kept);
    if (result.stages[0].exit_code != 0 ||
        strcmp(world_text(world, result.output.kept), output) != 0) {
        fail_msg("[%s] '%s': code %d signal %d start %d %s, output '%s', errors '%s'",
                 vh_sandbox_variant_name(vh_keeper_profile(keeper)->variant), script,
                 result.stages[0].exit_code, result.stages[0].signal, result.stages[0].start_errno,
                 result.stages[0].start_step, world_text(world, result.output.kept), errors);
    }
}

/* The script fails, whatever it says. */
void
world_refuse(struct world *world, struct vh_keeper *keeper, const char *script)
{
    struct vh_exec_result result = world_shell(world, keeper, script);
    if (result.stages[0].exit_code == 0) {
        fail_msg("[%s] '%s' worked: '%s'",
                 vh_sandbox_variant_name(vh_keeper_profile(keeper)->variant), script,
                 world_text(world, result.output.kept));
    }
}

bool
world_probe(void)
{
    struct world world;
    world_make(&world, NULL);
    for (int variant = VH_SANDBOX_FULL; variant <= VH_SANDBOX_REDUCED_COPY; variant++) {
        struct vh_sandbox_profile profile;
        struct viv_error err = VIV_ERROR_INIT;
        if (vh_sandbox_probe(world.launcher, world.folder, (enum vh_sandbox_variant)variant,
                             &profile, &err) == VIV_OK) {
            fprintf(stderr, "can do %s\n", vh_sandbox_profile_text(world.arena, &profile));
            world_variants[world_variant_count++] = (enum vh_sandbox_variant)variant;
        } else {
            fprintf(stderr, "cannot do %s\n", err.text);
        }
    }
    world_end(&world);
    if (world_variant_count == 0) {
        fprintf(stderr, "skipped: no variant of the sandbox can be set up here\n");
    }
    return world_variant_count > 0;
}

/* Run `body` in a fresh world for each variant. */
void
world_each(void (*body)(struct world *world, struct vh_keeper *keeper))
{
    for (size_t i = 0; i < world_variant_count; i++) {
        struct world world;
        world_make(&world, NULL);
        struct vh_keeper *keeper = world_open(&world, world_variants[i]);
        body(&world, keeper);
        vh_sandbox_close(keeper);
        world_end(&world);
    }
}

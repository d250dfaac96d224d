/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a request makes the launcher read past its body, or set up what was not asked for. The first byte
 * chooses OPEN or EXEC, the rest is the body; seeds are written by the host's own encoder. */
#include "fuzz.h"

#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "launcher/run.h"
#include "run/sandbox_inside.h"

static struct run run;
static struct plan plan;

static bool
inside(const struct body *body, const char *text)
{
    return text && text >= body->bytes && text + strlen(text) < body->bytes + body->len;
}

static int
open_request(const struct message *message)
{
    if (plan_read(message, &plan)) {
        return -1;
    }
    FUZZ_MUST(plan.variant > VW_AUTO && plan.variant <= VW_REDUCED_COPY, "variant %d", (int)plan.variant);
    FUZZ_MUST(inside(&plan.body, plan.upper) && inside(&plan.body, plan.scratch), "a path leaves the body");
    FUZZ_MUST(plan.lower_count <= VW_LOWERS_MAX && plan.bind_count <= VW_BINDS_MAX, "a list is too long");
    for (size_t i = 0; i < plan.lower_count; i++) {
        FUZZ_MUST(inside(&plan.body, plan.lowers[i]) && plan.lowers[i][0] == '/', "lower %zu", i);
    }
    for (size_t i = 0; i < plan.bind_count; i++) {
        const char *target = plan.binds[i].target;
        FUZZ_MUST(inside(&plan.body, target) && !strstr(target, "//"), "target '%s'", target);
        for (const char *part = target; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL) {
            size_t len = strcspn(part, "/");
            FUZZ_MUST(!(len == 1 && part[0] == '.') && !(len == 2 && part[0] == '.' && part[1] == '.'), "target '%s'",
                      target);
        }
    }
    body_unmap(&plan.body);
    return 0;
}

static int
exec_request(struct message *message)
{
    static struct keeper keeper = { .home = "/home/task", .tmp = "/tmp" };
    for (int i = 1; i < 3; i++) {
        message->fds[i] = dup(message->fds[0]);
    }
    message->fd_count = 3;
    int code = run_read(&keeper, message, &run);
    channel_drop(message);
    if (code) {
        return -1;
    }
    FUZZ_MUST(run.stage_count > 0 && run.stage_count <= VW_STAGES_MAX && run.wall_ns > 0, "%zu stages",
              run.stage_count);
    FUZZ_MUST(run.word_count <= RUN_WORDS_MAX && inside(&run.body, run.cwd), "%zu words", run.word_count);
    for (size_t i = 0; i < run.stage_count; i++) {
        const struct run_stage *stage = &run.stages[i];
        size_t env = 0;
        FUZZ_MUST(stage->argc > 0 && !stage->argv[stage->argc], "argv of stage %zu does not end", i);
        for (size_t w = 0; w < stage->argc; w++) {
            FUZZ_MUST(inside(&run.body, stage->argv[w]), "a word leaves the body");
        }
        for (; stage->env[env]; env++) {
            FUZZ_MUST(strchr(stage->env[env], '=') > stage->env[env], "'%s' in the environment", stage->env[env]);
        }
        FUZZ_MUST(env >= KEEPER_ENV_BASE && env <= RUN_ENV_MAX, "%zu names in the environment", env);
    }
    close(run.out);
    close(run.err);
    body_unmap(&run.body);
    return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    struct message message = { .head = { .magic = VW_MAGIC, .body_len = size - 1 }, .fd_count = 1 };
    message.fds[0] = vh_sandbox_memory_file((struct viv_str){ (const char *)data + 1, size - 1 });
    FUZZ_MUST(message.fds[0] >= 0, "no memory file");
    int body = dup(message.fds[0]);
    int code = data[0] % 2 ? exec_request(&message) : open_request(&message);
    fuzz_count.accepted += code == 0;
    fuzz_count.refused += code != 0;
    channel_drop(&message);
    close(body);
    return 0;
}

/* ---- seeds ---- */

static void
put_open(struct vh_buf *body, bool copy, uint64_t binds)
{
    static const char *const lowers[] = { "/trees/b", "/trees/a" };
    vh_sandbox_put_number(body, copy ? VW_REDUCED_COPY : VW_FULL);
    for (uint64_t i = 0; i < 7; i++) {
        vh_sandbox_put_number(body, i << 20);
    }
    vh_sandbox_put_text(body, copy ? "" : "/layers/upper");
    vh_sandbox_put_text(body, copy ? "" : "/layers/work");
    vh_sandbox_put_text(body, "/layers/scratch");
    vh_sandbox_put_text(body, copy ? "/layers/copy" : "");
    vh_sandbox_put_list(body, lowers, copy ? 0 : 2);
    static const char *const targets[] = { "/usr/lib/x", "y", "/a/../b", "/a/./b", "/a//b", "/a/", "" };
    vh_sandbox_put_number(body, binds ? 1 : 0);
    for (uint64_t i = binds; i < binds + (binds ? 1 : 0); i++) {
        vh_sandbox_put_text(body, "/usr/lib");
        vh_sandbox_put_text(body, targets[i - 1]);
        vh_sandbox_put_number(body, i);
    }
}

static void
put_exec(struct vh_buf *body, uint64_t stages)
{
    static const char *const argv[] = { "make", "check" };
    static const char *const env[] = { "HOME=/x", "CC=gcc" };
    vh_sandbox_put_number(body, 1000000000);
    vh_sandbox_put_text(body, "sub/folder");
    vh_sandbox_put_list(body, env, 1);
    vh_sandbox_put_number(body, stages);
    for (uint64_t i = 0; i < stages; i++) {
        vh_sandbox_put_number(body, VW_STAGE_INPUT | VW_STAGE_OUTPUT_APPEND);
        vh_sandbox_put_text(body, "in");
        vh_sandbox_put_text(body, "");
        vh_sandbox_put_text(body, "");
        vh_sandbox_put_list(body, argv, 2);
        vh_sandbox_put_list(body, env, i % 3);
    }
}

size_t
fuzz_seed(size_t which, uint8_t *bytes, size_t room)
{
    struct vh_arena *arena = fuzz_arena();
    struct vh_buf body;
    if (which >= 12) {
        vh_arena_destroy(arena);
        return 0;
    }
    vh_buf_init(&body, arena, room - 1);
    bytes[0] = which >= 8;
    if (which < 8) {
        put_open(&body, which == 2, which);
    } else {
        put_exec(&body, which - 8);
    }
    size_t len = body.len;
    FUZZ_MUST(!body.failed && len < room, "seed %zu does not fit", which);
    memcpy(bytes + 1, body.data, len);
    vh_arena_destroy(arena);
    return len + 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding of an EXEC request, and the environment: rebuilt from six names, then what exec and
 * stage add. Nothing of the launcher's own environment (it has none) or the host's ever gets in. */
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char **
take_words(struct run *run, size_t count)
{
    if (run->word_count + count > RUN_WORDS_MAX) {
        return NULL;
    }
    const char **words = &run->words[run->word_count];
    run->word_count += count;
    return words;
}

/* "NAME=value" with a name; anything else could not be overridden by name. */
static bool
is_assignment(const char *text)
{
    const char *equals = strchr(text, '=');
    return equals && equals != text;
}

static void
put_env(const char **env, size_t *count, const char *text)
{
    size_t name = (size_t)(strchr(text, '=') - text) + 1;
    for (size_t i = 0; i < *count; i++) {
        if (strncmp(env[i], text, name) == 0) {
            env[i] = text;
            return;
        }
    }
    env[(*count)++] = text;
}

static void
read_env(struct body *body, const char **env, size_t *count)
{
    size_t more = body_count(body, RUN_ENV_MAX);
    for (size_t i = 0; i < more && !body->failed; i++) {
        const char *text = body_text(body);
        if (!is_assignment(text) || *count >= RUN_ENV_MAX) {
            body->failed = true;
            return;
        }
        put_env(env, count, text);
    }
}

static size_t
base_env(const struct keeper *keeper, const char **env)
{
    static char home[sizeof keeper->home + 8];
    static char tmp[sizeof keeper->tmp + 8];
    size_t count = 0;
    snprintf(home, sizeof home, "HOME=%s", keeper->home);
    snprintf(tmp, sizeof tmp, "TMPDIR=%s", keeper->tmp);
    env[count++] = "PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";
    env[count++] = home;
    env[count++] = "LANG=C.UTF-8";
    env[count++] = "TZ=UTC";
    env[count++] = tmp;
    env[count++] = "USER=task";
    return count;
}

static void
read_stage(struct run *run, struct run_stage *stage, const char *const *env, size_t env_count)
{
    static const char *mine[RUN_ENV_MAX];
    struct body *body = &run->body;
    memset(stage, 0, sizeof *stage);
    stage->status = -1;
    stage->flags = body_number(body);
    stage->input = body_text(body);
    stage->output = body_text(body);
    stage->error = body_text(body);
    stage->argc = body_count(body, RUN_WORDS_MAX);
    stage->argv = take_words(run, stage->argc + 1);
    for (size_t i = 0; stage->argv && i < stage->argc; i++) {
        stage->argv[i] = body_text(body);
    }
    size_t count = env_count;
    memcpy(mine, env, env_count * sizeof *mine);
    read_env(body, mine, &count);
    stage->env = take_words(run, count + 1);
    if (!stage->argv || !stage->env || stage->argc == 0) {
        body->failed = true;
        return;
    }
    stage->argv[stage->argc] = NULL;
    memcpy(stage->env, mine, count * sizeof *mine);
    stage->env[count] = NULL;
}

static void
take_descriptors(struct message *message, struct run *run)
{
    run->out = message->fds[1];
    run->err = message->fds[2];
    run->input = message->fd_count == 4 ? message->fds[3] : -1;
    message->fds[1] = message->fds[2] = message->fds[3] = -1;
}

int
run_read(struct keeper *keeper, struct message *message, struct run *run)
{
    static const char *env[RUN_ENV_MAX];
    if (message->fd_count < 3 || message->fd_count > 4 || body_map(message, &run->body)) {
        errno = EINVAL;
        return -1;
    }
    struct body *body = &run->body;
    run->word_count = 0;
    run->wall_ns = (int64_t)body_number(body);
    run->cwd = body_text(body);
    size_t count = base_env(keeper, env);
    read_env(body, env, &count);
    run->stage_count = body_count(body, VW_STAGES_MAX);
    for (size_t i = 0; i < run->stage_count && !body->failed; i++) {
        read_stage(run, &run->stages[i], env, count);
    }
    if (body->failed || run->stage_count == 0 || run->wall_ns <= 0) {
        body_unmap(body);
        errno = EINVAL;
        return -1;
    }
    take_descriptors(message, run);
    return 0;
}

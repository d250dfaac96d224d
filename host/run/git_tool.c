/* SPDX-License-Identifier: Apache-2.0 */
#include "git_tool.h"

#include <unistd.h>

#include "base/error.h"
#include "run/sandbox.h"

#define ERRORS_MAX 4096

static int64_t
now_ns(void)
{
    const struct vh_seam *seam = vh_seam_real();
    return seam->monotonic_ns(seam->data);
}

static viv_status
run(void *data, struct vh_arena *arena, const struct vh_git_call *call, struct vh_git_result *ret_result,
    struct viv_error *err)
{
    struct vh_launcher *launcher = data;
    struct vh_tool tool = {
        .argv = call->argv,
        .env = call->env,
        .output_max = call->output_max,
        .error_max = ERRORS_MAX,
        .input_fd = call->input_fd,
        .output_fd = call->output_fd,
    };
    while (call->argv[tool.argc]) {
        tool.argc++;
    }
    while (call->env[tool.env_count]) {
        tool.env_count++;
    }
    if (call->input_fd > 0 && lseek(call->input_fd, 0, SEEK_SET) < 0) {
        return vh_error_errno(err, VIV_E_IO, "git", "cannot rewind the input of git");
    }
    struct vh_exec_watch watch = { .deadline_ns = now_ns() + call->timeout_ns };
    struct vh_tool_result result;
    viv_status status = vh_sandbox_tool(launcher, arena, &tool, &watch, &result, err);
    if (status == VIV_E_UNSUPPORTED) { /* a step of its start failed: the machine's fault, not the request's */
        return vh_error_extend(err, VIV_E_UNAVAILABLE, "git");
    }
    if (status) {
        return status;
    }
    *ret_result = (struct vh_git_result){
        .exit_code = result.signal ? 128 + result.signal : result.exit_code,
        .output = result.output,
        .errors = result.errors,
    };
    return VIV_OK;
}

void
vh_git_tool_init(struct vh_git *git, struct vh_launcher *launcher)
{
    git->data = launcher;
    git->run = run;
}

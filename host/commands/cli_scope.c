/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_scope.h"

#include "base/error.h"
#include "base/str.h"
#include "core/scope.h"

bool
vh_cli_scope(struct vh_cli *cli, const char *said, struct viv_str *ret_scope)
{
    struct viv_error err = VIV_ERROR_INIT;
    if (!*said) {
        vh_cli_usage(cli, "option '--scope' is empty, allowed: a folder beneath the project");
        return false;
    }
    if (vh_scope_read(cli->arena, vh_str(said), ret_scope, &err)) {
        vh_cli_usage(cli, "option '--scope': %s", err.text);
        return false;
    }
    return true;
}

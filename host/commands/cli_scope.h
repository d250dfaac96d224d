/* SPDX-License-Identifier: Apache-2.0 */
/* The option --scope of several commands. */
#ifndef VH_CLI_SCOPE_H
#define VH_CLI_SCOPE_H

#include "cli.h"

/* What the option says, in its one spelling; complains and is false otherwise. Whether there is
 * such a folder only the host knows. */
bool vh_cli_scope(struct vh_cli *cli, const char *said, struct viv_str *ret_scope);

#endif

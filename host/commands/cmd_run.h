/* SPDX-License-Identifier: Apache-2.0 */
/* Commands on the command line. */
#ifndef VH_CMD_RUN_H
#define VH_CMD_RUN_H

#include "cli.h"

/* The words after "--" as an exec document; NULL when there are none. */
struct vh_json *vh_cli_command_words(struct vh_cli *cli);

#endif

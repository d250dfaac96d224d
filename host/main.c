/* SPDX-License-Identifier: Apache-2.0 */
/* vivhost: command line in, exit code out. commands/cli.c finds the subcommand, app.c builds the host. */
#include "commands/cli.h"

int
main(int argc, char **argv)
{
    return vh_cli_main(argc, argv);
}

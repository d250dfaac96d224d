/* SPDX-License-Identifier: Apache-2.0 */
/* Code that runs before anybody asked. */
#include "fault.h"

__attribute__((constructor)) static void
run_early(void)
{
    __asm__ volatile("");
}

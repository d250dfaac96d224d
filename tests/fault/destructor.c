/* SPDX-License-Identifier: Apache-2.0 */
/* Code that runs when nobody listens any more. */
#include "fault.h"

__attribute__((destructor)) static void
run_late(void)
{
    __asm__ volatile("");
}

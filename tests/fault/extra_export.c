/* SPDX-License-Identifier: Apache-2.0 */
/* A second exported function. */
#include "fault.h"

VIV_EXPORT int fault_second(void);
int
fault_second(void)
{
    return 2;
}

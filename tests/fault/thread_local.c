/* SPDX-License-Identifier: Apache-2.0 */
/* Static thread storage, of which a process has little. */
#define FAULT_ENTRY \
    counter++; \
    return counter ? &plugin.descriptor : NULL
#include <stdint.h>
static __thread volatile uint32_t counter;
#include "fault.h"

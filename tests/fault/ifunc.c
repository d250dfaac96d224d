/* SPDX-License-Identifier: Apache-2.0 */
/* An indirect function: a resolver runs while the file is loaded. */
static int chosen(void);
#define FAULT_ENTRY return chosen() ? &plugin.descriptor : NULL
#include "fault.h"

static int
one(void)
{
    return 1;
}

static int (*resolve(void))(void)
{
    return one;
}

static int chosen(void) __attribute__((ifunc("resolve")));

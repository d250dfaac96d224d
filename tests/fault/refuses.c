/* SPDX-License-Identifier: Apache-2.0 */
/* The entry refuses in its own words. */
#define FAULT_ENTRY \
    ret_refusal->status = VIV_E_VERSION; \
    memcpy(ret_refusal->text, "this host offers ABI 1, needed 7; use a newer host", 51); \
    return NULL
#include "fault.h"

/* SPDX-License-Identifier: Apache-2.0 */
/* The entry gives neither a descriptor nor a reason. */
#define FAULT_ENTRY return NULL
#include "fault.h"

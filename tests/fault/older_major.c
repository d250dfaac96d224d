/* SPDX-License-Identifier: Apache-2.0 */
/* Built for an ABI that is there no more. */
#define FAULT_MAJOR 0
#include "fault.h"

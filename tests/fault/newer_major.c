/* SPDX-License-Identifier: Apache-2.0 */
/* Built for an ABI that is not there yet. */
#define FAULT_MAJOR 2
#include "fault.h"

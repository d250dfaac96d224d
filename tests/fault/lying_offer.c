/* SPDX-License-Identifier: Apache-2.0 */
/* The code offers another interface than the manifest. */
#define FAULT_INTERFACE "viv.safety/1"
#include "fault.h"

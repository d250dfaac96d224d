/* SPDX-License-Identifier: Apache-2.0 */
/* The code claims another id than the manifest. */
#define FAULT_ID "viv.safety_policy"
#include "fault.h"

/* SPDX-License-Identifier: Apache-2.0 */
/* The code claims another version than the manifest. */
#define FAULT_VERSION "9.9.9"
#include "fault.h"

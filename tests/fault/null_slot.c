/* SPDX-License-Identifier: Apache-2.0 */
/* A table with a hole where a method should be. */
#define FAULT_REVIEW NULL
#include "fault.h"

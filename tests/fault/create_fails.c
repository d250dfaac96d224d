/* SPDX-License-Identifier: Apache-2.0 */
/* create() fails. */
#define FAULT_CREATE create_fails
#include "fault.h"

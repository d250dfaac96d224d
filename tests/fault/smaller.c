/* SPDX-License-Identifier: Apache-2.0 */
/* An older descriptor, without create() and destroy(). */
#define FAULT_SIZE 88
#include "fault.h"

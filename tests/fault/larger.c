/* SPDX-License-Identifier: Apache-2.0 */
/* A newer descriptor, with members this host does not know. */
#define FAULT_SIZE sizeof(struct descriptor)
#include "fault.h"

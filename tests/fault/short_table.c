/* SPDX-License-Identifier: Apache-2.0 */
/* A table that ends inside its head. */
#define FAULT_TABLE_SIZE 8
#include "fault.h"

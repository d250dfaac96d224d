/* SPDX-License-Identifier: Apache-2.0 */
/* A descriptor that ends before its offers. */
#define FAULT_SIZE 40
#include "fault.h"

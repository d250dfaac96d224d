/* SPDX-License-Identifier: Apache-2.0 */
/* A unique symbol: the loader keeps one for the whole process. */
#include "fault.h"

__asm__(".data\n.globl fault_unique\n.type fault_unique, @gnu_unique_object\n.size fault_unique, 8\n"
        "fault_unique:\n.quad 0\n.text\n");

/* SPDX-License-Identifier: Apache-2.0 */
/* A segment both writable and executable. */
#include "fault.h"

__asm__(".section .fault, \"awx\", @progbits\n.quad 0\n.text\n");

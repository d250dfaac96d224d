/* SPDX-License-Identifier: Apache-2.0 */
/* The loader must write into its code. */
#include "fault.h"

__asm__(".text\n.balign 8\n.quad viv_plugin_entry\n");

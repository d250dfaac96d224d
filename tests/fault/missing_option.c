/* SPDX-License-Identifier: Apache-2.0 */
/* The code has fewer option rows than the manifest. */
#include FAULT_MANIFEST

static const struct viv_option one_row[] = { { "strict", VIV_OPTION_BOOL, 0, 0, 1, "a flag" },
                                             { NULL, 0, 0, 0, 0, NULL } };
#undef FAULT_OPTIONS
#define FAULT_OPTIONS one_row
#include "fault.h"

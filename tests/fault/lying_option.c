/* SPDX-License-Identifier: Apache-2.0 */
/* The code has other option rows than the manifest: as many, but the same one again and again. */
#include FAULT_MANIFEST

#define ROW { "strict", VIV_OPTION_BOOL, 0, 0, 1, "a flag" }
static const struct viv_option lying_rows[] = { ROW, ROW, ROW, ROW, ROW, ROW, ROW, { NULL, 0, 0, 0, 0, NULL } };
#undef FAULT_OPTIONS
#define FAULT_OPTIONS lying_rows
#include "fault.h"

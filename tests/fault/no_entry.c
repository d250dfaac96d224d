/* SPDX-License-Identifier: Apache-2.0 */
/* Exports something else. */
#define FAULT_ENTRY_NAME viv_other_entry
#include "fault.h"

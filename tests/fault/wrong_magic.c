/* SPDX-License-Identifier: Apache-2.0 */
/* A descriptor of something that is no Vivarium plugin. */
#define FAULT_MAGIC 42
#include "fault.h"

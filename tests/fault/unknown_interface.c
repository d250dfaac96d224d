/* SPDX-License-Identifier: Apache-2.0 */
/* Offers an interface this host does not know (see CMakeLists.txt). */
#define FAULT_INTERFACE "viv.oracle/1"
#include "fault.h"

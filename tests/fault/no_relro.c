/* SPDX-License-Identifier: Apache-2.0 */
/* Leaves its function pointers writable (see CMakeLists.txt). */
#include "fault.h"

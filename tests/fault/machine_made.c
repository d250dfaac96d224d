/* SPDX-License-Identifier: Apache-2.0 */
/* A machine made it, and it wants to be a critic (see CMakeLists.txt). */
#include "fault.h"

/* SPDX-License-Identifier: Apache-2.0 */
/* Its manifest wants an ABI that is there no more (see CMakeLists.txt). */
#include "fault.h"

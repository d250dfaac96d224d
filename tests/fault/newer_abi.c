/* SPDX-License-Identifier: Apache-2.0 */
/* Its manifest wants an ABI that is not there yet (see CMakeLists.txt). */
#include "fault.h"

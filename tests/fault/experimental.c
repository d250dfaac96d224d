/* SPDX-License-Identifier: Apache-2.0 */
/* Marked experimental (see CMakeLists.txt). */
#include "fault.h"

/* SPDX-License-Identifier: Apache-2.0 */
/* Brings its own library search path (see CMakeLists.txt). */
#include "fault.h"

/* SPDX-License-Identifier: Apache-2.0 */
/* Binds lazily (see CMakeLists.txt). */
#include "fault.h"

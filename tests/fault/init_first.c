/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the loader to run it before all others (see CMakeLists.txt). */
#include "fault.h"

/* SPDX-License-Identifier: Apache-2.0 */
#include "cm.h"

#include "sequence.h"

#include <stdio.h>

#include "base/str.h"

void
sequence_broken(void *data, const char *text)
{
    const struct sequence *run = data;
    for (size_t i = run->count > 50 ? run->count - 50 : 0; i < run->count; i++) {
        fprintf(stderr, "%.*s\n", VH_STR_ARGS(run->lines[i]));
    }
    fail_msg("seed %llu, command %d: %s", (unsigned long long)run->seed, run->command, text);
}

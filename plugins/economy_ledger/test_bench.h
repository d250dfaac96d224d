/* SPDX-License-Identifier: Apache-2.0 */
/* The plugin through its entry, as a host sees it, for its tests. */
#ifndef ECONOMY_LEDGER_TEST_BENCH_H
#define ECONOMY_LEDGER_TEST_BENCH_H

#include <viv/iface/economy.h>

#include "fake_host.h"

struct bench {
    struct fake_host host;
    struct fake_call call;
    const struct viv_economy *table;
    const struct viv_plugin *plugin;
    void *self;
};

void bench_begin(struct bench *bench);
void bench_end(struct bench *bench);

/* Fails the test when `text` does not hold `part`. */
void bench_holds(const char *text, const char *part);
/* Whether an answer's text is `text`. */
void bench_equal(struct viv_str answer, const char *text);

#endif

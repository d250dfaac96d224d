/* SPDX-License-Identifier: Apache-2.0 */
/* A stand-in for run/egress.h without a process and without the network: each door is served by a thread, which answers
 * "200" to a request whose target stands word for word in the rules and "403" to every other. */
#ifndef UNIT_FAKE_EGRESS_H
#define UNIT_FAKE_EGRESS_H

#include "run/egress.h"

struct vh_egress *fake_egress(void);

/* The rules that the last door was opened with, and how many doors are open. */
const char *fake_egress_rules(void);
int fake_egress_open_doors(void);
/* From now on opening, or closing, fails; both 0: neither. */
void fake_egress_fail(viv_status at_open, viv_status at_close);

#endif

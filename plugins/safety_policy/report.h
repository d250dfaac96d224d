/* SPDX-License-Identifier: Apache-2.0 */
/* What was looked at and what came of it. The strictest verdict counts; nothing ends the looking
 * early. */
#ifndef SAFETY_POLICY_REPORT_H
#define SAFETY_POLICY_REPORT_H

#include <viv/viv.h>

struct json_t;

/* Entries kept; more are counted, judged and named in one last entry. */
#define REPORT_MAX 200

struct report {
    struct json_t *list;
    viv_verdict verdict; /* strictest so far; allow at first */
    viv_verdict section; /* the same since somebody set it to allow */
    uint32_t failed;     /* memory ran out: no verdict may be given */
    uint32_t count;
    uint32_t left_out;
    uint32_t reserved;
};

void report_begin(struct report *report);
void report_drop(struct report *report);

/* Add an entry, once for the same id and reason. `cure` is the one line that would allow it, or "".
 */
void report_add(struct report *report, const char *id, viv_verdict verdict, const char *cure,
                const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Close: {"id","verdict","reason","cure"} of all entries, verdict as VIV_VERDICT_*. Gives the list,
 * still the report's. */
struct json_t *report_list(struct report *report);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Where the parts of a JSON text stand, byte for byte. A parsed tree knows values; a queue file is given back with the
 * bytes it came with, and money is read from its decimal text. The text must have been accepted by jansson before, but
 * for the two functions that say so. */
#ifndef VH_QUEUE_SCAN_H
#define VH_QUEUE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <viv/core.h>
#include <viv/status.h>

struct vh_scan {
    const char *at;
    const char *end;
};

/* Walk an object or array: begin with its text, then take members or elements until false. `ret_key` is raw, between
 * its quotes. */
struct vh_scan vh_scan_begin(struct viv_str container);
bool vh_scan_member(struct vh_scan *scan, struct viv_str *ret_key, struct viv_str *ret_value);
bool vh_scan_element(struct vh_scan *scan, struct viv_str *ret_value);

/* Raw value of a member by its plain name; false when there is none. */
bool vh_scan_find(struct viv_str object, const char *name, struct viv_str *ret_value);

/* Any text: the deepest nesting of brackets outside strings. */
size_t vh_scan_depth(struct viv_str text);
/* Any text: which element of the top level's "tasks" the byte `at` is in; -1 when in none. */
long vh_scan_entry_at(struct viv_str text, size_t at);

/* A JSON number as whole millionths: "0.05" is 50000. VIV_E_INVALID when it is no number or finer than a millionth,
 * VIV_E_LIMIT when it is out of plus or minus 9007199254740991. Never through a double. */
viv_status vh_scan_micro(struct viv_str number, int64_t *ret_micro);

#endif

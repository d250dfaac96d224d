/* SPDX-License-Identifier: Apache-2.0 */
/* Filling and extending struct viv_error. Text: one line, problem first, subject in single quotes, small first
 * letter, no full stop, value found and value allowed. */
#ifndef VH_ERROR_H
#define VH_ERROR_H

#include <viv/status.h>

/* Fill `err` (may be NULL) and return `status`. `where` names the part at fault. */
viv_status vh_error_set(struct viv_error *err, viv_status status, const char *where, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* As set, followed by what errno says. */
viv_status vh_error_errno(struct viv_error *err, viv_status status, const char *where, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Put "subject: " before the text that is there. Returns `status`. */
viv_status vh_error_extend(struct viv_error *err, viv_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "VIV_E_DENIED" and "policy, grant or intent forbids it"; an unknown status gives "VIV_E_INTERNAL". */
const char *vh_status_name(viv_status status);
const char *vh_status_text(viv_status status);

#endif

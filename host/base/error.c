/* SPDX-License-Identifier: Apache-2.0 */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "str.h"

static void
fill(struct viv_error *err, viv_status status, const char *where, const char *format, va_list list)
{
    err->size = (uint32_t)sizeof *err;
    err->rev = 1;
    err->status = status;
    snprintf(err->where, sizeof err->where, "%s", where);
    vsnprintf(err->text, sizeof err->text, format, list);
    vh_str_clean(err->text);
}

viv_status
vh_error_set(struct viv_error *err, viv_status status, const char *where, const char *format, ...)
{
    if (err) {
        va_list list;
        va_start(list, format);
        fill(err, status, where, format, list);
        va_end(list);
    }
    return status;
}

viv_status
vh_error_errno(struct viv_error *err, viv_status status, const char *where, const char *format, ...)
{
    int code = errno;
    if (err) {
        va_list list;
        va_start(list, format);
        fill(err, status, where, format, list);
        va_end(list);
        size_t len = strlen(err->text);
        char reason[128];
        snprintf(err->text + len, sizeof err->text - len, ": %s", strerror_r(code, reason, sizeof reason));
    }
    return status;
}

viv_status
vh_error_extend(struct viv_error *err, viv_status status, const char *format, ...)
{
    if (err) {
        char old[sizeof err->text];
        memcpy(old, err->text, sizeof old);
        old[sizeof old - 1] = '\0';
        va_list list;
        va_start(list, format);
        vsnprintf(err->text, sizeof err->text, format, list);
        va_end(list);
        size_t len = strlen(err->text);
        snprintf(err->text + len, sizeof err->text - len, ": %s", old);
        vh_str_clean(err->text); /* last: the cut may fall into the middle of a character */
        err->status = status;
    }
    return status;
}

#define CASE_NAME(name, value, text)                                                               \
    case (value):                                                                                  \
        return #name;
#define CASE_TEXT(name, value, text)                                                               \
    case (value):                                                                                  \
        return text;

const char *
vh_status_name(viv_status status)
{
    switch (status) {
        VIV_STATUS_TABLE(CASE_NAME)
    }
    return "VIV_E_INTERNAL";
}

const char *
vh_status_text(viv_status status)
{
    switch (status) {
        VIV_STATUS_TABLE(CASE_TEXT)
    }
    return "a status outside the table";
}

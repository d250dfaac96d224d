/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a call worked: zero, or a negative code from the one table below. What was *decided* is never a
 * status; see viv_verdict in core.h. */
#ifndef VIV_STATUS_H
#define VIV_STATUS_H

#include <viv/core.h>

VIV_BEGIN

typedef int32_t viv_status;

/* name, value, sentence for people */
#define VIV_STATUS_TABLE(X)                                                                        \
    X(VIV_OK, 0, "the call worked")                                                                \
    X(VIV_E_INVALID, -1, "an argument or a document breaks its rules")                             \
    X(VIV_E_UNSUPPORTED, -2, "the other side does not offer this")                                 \
    X(VIV_E_MEMORY, -3, "memory or the arena's bound is used up")                                  \
    X(VIV_E_DENIED, -4, "policy, grant or intent forbids it")                                      \
    X(VIV_E_NOT_FOUND, -5, "the thing named does not exist")                                       \
    X(VIV_E_EXISTS, -6, "the thing named exists already")                                          \
    X(VIV_E_CONFLICT, -7, "the target changed meanwhile")                                          \
    X(VIV_E_LIMIT, -8, "a bound was reached")                                                      \
    X(VIV_E_TIMEOUT, -9, "the deadline passed")                                                    \
    X(VIV_E_CANCELLED, -10, "the work was cancelled")                                              \
    X(VIV_E_STORE, -11, "the event log could not be written or read")                              \
    X(VIV_E_IO, -12, "the operating system refused an operation")                                  \
    X(VIV_E_CORRUPT, -13, "stored data is torn, altered or foreign")                               \
    X(VIV_E_VERSION, -14, "the version is not one this program can use")                           \
    X(VIV_E_BUSY, -15, "somebody else holds it; trying later can help")                            \
    X(VIV_E_PLUGIN, -16, "a plugin crashed, lied or answered out of range")                        \
    X(VIV_E_UNAVAILABLE, -17, "something needed is not installed or not reachable")                \
    X(VIV_E_INTERNAL, -18, "a defect in the program itself")                                       \
    X(VIV_E_STATE, -19, "the move is not in the table for the present state")                      \
    X(VIV_E_FENCED, -20, "the lease or the host epoch is no longer the caller's")                  \
    X(VIV_E_ASK, -21, "a person must decide first")

#define VIV_STATUS_CONSTANT(name, value, text) name = (value),
enum viv_status_code { VIV_STATUS_TABLE(VIV_STATUS_CONSTANT) VIV_STATUS_LAST = -21 };
#undef VIV_STATUS_CONSTANT

/* Where and why a call failed. Lives on the caller's stack; touched only on failure.
 * `where` names the part ("elf", "manifest"); `text` is one line: problem first, subject in single quotes,
 * the value found and the value allowed. Both end in NUL. */
struct viv_error {
    uint32_t size;
    uint32_t rev;
    viv_status status;
    uint32_t line; /* line in the document at fault, 0 when there is none */
    char where[32];
    char text[464];
};

#define VIV_ERROR_INIT { (uint32_t)sizeof(struct viv_error), 1, 0, 0, { 0 }, { 0 } }

VIV_STATIC_ASSERT(sizeof(struct viv_error) == 512, "viv_error is 512 bytes in revision 1");

VIV_END

#endif

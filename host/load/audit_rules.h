/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the audit: audit.c looks at headers and the dynamic table, audit_symbols.c at symbols and
 * relocations. Not for others. */
#ifndef VH_AUDIT_RULES_H
#define VH_AUDIT_RULES_H

#include "audit.h"

/* Mark a rule as broken; the first finding is kept. */
void vh_audit_fail(struct vh_audit *audit, enum vh_audit_rule rule, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Rules TABLES (in part), IFUNC, UNIQUE, TLS (in part), EXPORTS. */
void vh_audit_symbols(const struct vh_elf *elf, struct vh_audit *audit);

/* Rules RELOCATIONS, TEXTREL, RELRO, IFUNC, TLS, each in part. */
void vh_audit_relocations(const struct vh_elf *elf, struct vh_audit *audit);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The audit of a plugin's bytes before any of them is mapped: one row per rule, with what was found, what is allowed
 * and the cure, so that a refusal can name all three. Rules that bind depend on the mode. libc and plugin-api only. */
#ifndef VH_AUDIT_H
#define VH_AUDIT_H

#include "elf.h"

/* id, what is allowed, the cure */
#define VH_AUDIT_RULES(X)                                                                                              \
    X(SIZE, "size", "at most 64 MiB", "link less into the plugin")                                                     \
    X(FORMAT, "format", "a 64-bit little-endian shared object for this machine, whole and with sane headers",          \
      "build it for this machine and copy it whole")                                                                   \
    X(SEGMENTS, "segments", "loaded segments in order, inside the file, sharing no page",                              \
      "link it with the GNU linker and viv_add_plugin")                                                                \
    X(NOTE, "note", "exactly one .note.vivarium holding the manifest",                                                 \
      "build it with viv_add_plugin, which embeds manifest.json")                                                      \
    X(INTERPRETER, "interpreter", "none", "link with -shared, not as a program")                                       \
    X(STACK, "stack", "PT_GNU_STACK without execute", "link with -z noexecstack")                                      \
    X(WRITE_EXECUTE, "write_execute", "no segment both writable and executable", "drop -N and linker scripts")         \
    X(RELRO, "relro", "PT_GNU_RELRO over dynamic table and function pointers", "link with -z relro -z now")            \
    X(BIND_NOW, "bind_now", "immediate binding", "link with -z now")                                                   \
    X(TEXTREL, "textrel", "no relocation of read-only memory", "compile with -fPIC, link with -z text")                \
    X(TABLES, "tables", "symbol, string and hash tables in memory nothing writes",                                     \
      "link it with the GNU linker and viv_add_plugin")                                                                \
    X(RELOCATIONS, "relocations", "plain addresses, written only to relocatable data",                                 \
      "link it with the GNU linker and viv_add_plugin")                                                                \
    X(FLAGS, "flags", "known dynamic entries, no loader flags but NOW and NODELETE",                                   \
      "drop -z initfirst, -z interpose, -pie and the like")                                                            \
    X(SEARCH, "search_path", "no RPATH, RUNPATH, AUDIT, FILTER, and no SONAME another could be taken for",             \
      "link without -rpath, -soname, --audit, --filter")                                                               \
    X(CONSTRUCTORS, "constructors", "no initialisers and finalisers",                                                  \
      "drop __attribute__((constructor)) and link with -nostartfiles; work starts in create()")                        \
    X(NEEDED, "needed", "libc and the libraries the manifest lists", "list the library in the manifest, or drop it")   \
    X(IFUNC, "ifunc", "no indirect functions", "drop __attribute__((ifunc)) and target_clones")                        \
    X(UNIQUE, "unique", "no unique symbols", "compile with -fno-gnu-unique")                                           \
    X(TLS, "tls", "no thread-local storage", "keep state in `self`, which create() makes")                             \
    X(EXPORTS, "exports", "viv_plugin_entry and nothing else", "compile with -fvisibility=hidden")

enum vh_audit_rule {
#define VH_AUDIT_CONSTANT(name, id, allowed, cure) VH_AUDIT_##name,
    VH_AUDIT_RULES(VH_AUDIT_CONSTANT)
#undef VH_AUDIT_CONSTANT
        VH_AUDIT_RULE_COUNT
};

struct vh_audit_row {
    const char *rule;
    const char *allowed;
    const char *cure;
    bool passed;
    bool binds; /* a failure refuses the plugin; otherwise it is only reported */
    char found[160];
};

/* STRICT: skills and tier 0. REPORTED: tier-1 plugins that would not pass so; constructors, unique symbols and
 * thread-local storage of a C++ or Rust runtime are reported. A host built with a sanitizer reports constructors and
 * needed libraries. */
enum vh_audit_mode { VH_AUDIT_STRICT, VH_AUDIT_REPORTED };

struct vh_audit {
    enum vh_audit_mode mode;
    uint32_t failed;   /* rows that bind and failed */
    uint32_t reported; /* rows that failed and do not bind */
    struct vh_audit_row row[VH_AUDIT_RULE_COUNT];
};

/* Judge `elf`, also a broken one: the rows that could not be looked at then fail. `libraries` are the names the
 * manifest lists; libc.so.6 and the dynamic loader are always allowed. */
void vh_audit_run(const struct vh_elf *elf, enum vh_audit_mode mode, const char *const *libraries, uint32_t count,
                  struct vh_audit *ret_audit);

/* The first row that refuses, or NULL. */
const struct vh_audit_row *vh_audit_refusal(const struct vh_audit *audit);

#endif

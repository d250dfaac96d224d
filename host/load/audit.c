/* SPDX-License-Identifier: Apache-2.0 */
/* Headers, segments and the dynamic table against the rules. Read audit.h first, audit_symbols.c next. */
#include "audit_rules.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <viv/limits.h>
#include <viv/plugin.h>

#define PAGE UINT64_C(4096)

#ifndef DT_RELR
#define DT_RELRSZ 35
#define DT_RELR 36
#define DT_RELRENT 37
#endif

static const struct vh_audit_row rows[VH_AUDIT_RULE_COUNT] = {
#define ROW(name, id, what, how) { .rule = (id), .allowed = (what), .cure = (how), .passed = true, .binds = true },
    VH_AUDIT_RULES(ROW)
#undef ROW
};

void
vh_audit_fail(struct vh_audit *audit, enum vh_audit_rule rule, const char *format, ...)
{
    struct vh_audit_row *row = &audit->row[rule];
    if (!row->passed) {
        return;
    }
    row->passed = false;
    va_list list;
    va_start(list, format);
    vsnprintf(row->found, sizeof row->found, format, list);
    va_end(list);
    for (char *c = row->found; *c; c++) {
        if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e) {
            *c = '?';
        }
    }
}

/* A runtime of another language brings these; they are told to the operator instead of refusing the plugin. */
static bool
only_reported(enum vh_audit_mode mode, enum vh_audit_rule rule)
{
#ifdef VH_SANITIZED
    if (rule == VH_AUDIT_CONSTRUCTORS || rule == VH_AUDIT_NEEDED) {
        return true;
    }
#endif
    return mode == VH_AUDIT_REPORTED &&
           (rule == VH_AUDIT_CONSTRUCTORS || rule == VH_AUDIT_UNIQUE || rule == VH_AUDIT_TLS);
}

/* Segments sharing a page would let one of them overwrite what was judged in the other. */
static void
check_segments(const struct vh_elf *elf, struct vh_audit *audit)
{
    uint64_t end = 0;
    uint32_t loads = 0, dynamics = 0;
    for (uint32_t i = 0; i < elf->segment_count; i++) {
        const Elf64_Phdr *segment = &elf->segment[i];
        dynamics += segment->p_type == PT_DYNAMIC;
        if (segment->p_type == PT_INTERP) {
            vh_audit_fail(audit, VH_AUDIT_INTERPRETER, "PT_INTERP");
        }
        if (segment->p_type == PT_TLS) {
            vh_audit_fail(audit, VH_AUDIT_TLS, "PT_TLS of %" PRIu64 " bytes", segment->p_memsz);
        }
        if (segment->p_type != PT_LOAD) {
            continue;
        }
        if ((segment->p_flags & (PF_W | PF_X)) == (PF_W | PF_X)) {
            vh_audit_fail(audit, VH_AUDIT_WRITE_EXECUTE, "segment at 0x%" PRIx64 " is both", segment->p_vaddr);
        }
        if (loads++ > 0 && segment->p_vaddr / PAGE * PAGE < end) {
            vh_audit_fail(audit, VH_AUDIT_SEGMENTS, "segment at 0x%" PRIx64 " begins before the last one ends",
                          segment->p_vaddr);
        }
        end = (segment->p_vaddr + segment->p_memsz + PAGE - 1) / PAGE * PAGE;
    }
    if (loads == 0 || dynamics != 1) {
        vh_audit_fail(audit, VH_AUDIT_SEGMENTS, "%u loaded, %u dynamic", loads, dynamics);
    }
}

static void
check_protection(const struct vh_elf *elf, struct vh_audit *audit)
{
    const Elf64_Phdr *stack = vh_elf_segment_by_type(elf, PT_GNU_STACK);
    if (!stack || (stack->p_flags & PF_X) != 0) {
        vh_audit_fail(audit, VH_AUDIT_STACK, "%s", stack ? "an executable stack" : "no PT_GNU_STACK");
    }
    const Elf64_Phdr *relro = vh_elf_segment_by_type(elf, PT_GNU_RELRO);
    const Elf64_Phdr *dynamic = elf->dynamic_segment;
    if (!relro) {
        vh_audit_fail(audit, VH_AUDIT_RELRO, "no PT_GNU_RELRO");
    } else if (dynamic->p_vaddr < relro->p_vaddr || dynamic->p_memsz > relro->p_memsz ||
               dynamic->p_vaddr - relro->p_vaddr > relro->p_memsz - dynamic->p_memsz) {
        vh_audit_fail(audit, VH_AUDIT_RELRO, "the dynamic table is outside PT_GNU_RELRO");
    }
    uint64_t flags = 0, flags_1 = 0, now = 0;
    bool has_now = vh_elf_dynamic(elf, DT_BIND_NOW, &now);
    (void)vh_elf_dynamic(elf, DT_FLAGS, &flags); /* absent means 0 */
    (void)vh_elf_dynamic(elf, DT_FLAGS_1, &flags_1);
    if (!has_now && (flags & DF_BIND_NOW) == 0 && (flags_1 & DF_1_NOW) == 0) {
        vh_audit_fail(audit, VH_AUDIT_BIND_NOW, "lazy binding");
    }
    if ((flags & DF_TEXTREL) != 0) {
        vh_audit_fail(audit, VH_AUDIT_TEXTREL, "DF_TEXTREL");
    }
    if ((flags & DF_STATIC_TLS) != 0) {
        vh_audit_fail(audit, VH_AUDIT_TLS, "DF_STATIC_TLS");
    }
    if ((flags & (uint64_t)DF_ORIGIN) != 0) {
        vh_audit_fail(audit, VH_AUDIT_SEARCH, "DF_ORIGIN");
    }
    if ((flags_1 & ~(uint64_t)(DF_1_NOW | DF_1_NODELETE)) != 0) {
        vh_audit_fail(audit, VH_AUDIT_FLAGS, "DT_FLAGS_1 is 0x%" PRIx64, flags_1);
    }
}

static bool
is_listed(const char *name, const char *const *libraries, uint32_t count)
{
    static const char *const always[] = { "libc.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1" };
    for (size_t i = 0; i < sizeof always / sizeof *always; i++) {
        if (strcmp(name, always[i]) == 0) {
            return true;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(name, libraries[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* The entries a plain link makes. Anything else is something the loader may act on and this audit does not know. */
static bool
is_plain_tag(int64_t tag)
{
    static const int64_t plain[] = {
        DT_PLTRELSZ, DT_PLTGOT, DT_HASH,   DT_STRTAB,   DT_SYMTAB,   DT_RELA,   DT_RELASZ,  DT_RELAENT, DT_STRSZ,
        DT_SYMENT,   DT_PLTREL, DT_JMPREL, DT_BIND_NOW, DT_SYMBOLIC, DT_FLAGS,  DT_FLAGS_1, DT_RELR,    DT_RELRSZ,
        DT_RELRENT,  DT_VERSYM, DT_VERDEF, DT_VERDEFNUM, DT_VERNEED, DT_VERNEEDNUM, DT_GNU_HASH, DT_RELACOUNT,
#ifdef __aarch64__
        DT_AARCH64_BTI_PLT, DT_AARCH64_PAC_PLT, DT_AARCH64_VARIANT_PCS,
#endif
    };
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        if (tag == plain[i]) {
            return true;
        }
    }
    return false;
}

static void
check_entry(const struct vh_elf *elf, const Elf64_Dyn *entry, const char *const *libraries, uint32_t count,
            struct vh_audit *audit)
{
    const char *text = NULL;
    switch (entry->d_tag) {
    case DT_NEEDED:
        text = vh_elf_text(elf, entry->d_un.d_val);
        if (!text || !is_listed(text, libraries, count)) {
            vh_audit_fail(audit, VH_AUDIT_NEEDED, "'%s'", text ? text : "(a name outside the string table)");
        }
        break;
    case DT_INIT:
    case DT_FINI:
    case DT_INIT_ARRAY:
    case DT_INIT_ARRAYSZ:
    case DT_FINI_ARRAY:
    case DT_FINI_ARRAYSZ:
    case DT_PREINIT_ARRAY:
    case DT_PREINIT_ARRAYSZ:
        vh_audit_fail(audit, VH_AUDIT_CONSTRUCTORS, "%s",
                      entry->d_tag == DT_INIT         ? "DT_INIT"
                      : entry->d_tag == DT_FINI       ? "DT_FINI"
                      : entry->d_tag == DT_INIT_ARRAY ? "DT_INIT_ARRAY"
                      : entry->d_tag == DT_FINI_ARRAY ? "DT_FINI_ARRAY"
                                                      : "an initialiser or finaliser array");
        break;
    case DT_SONAME: /* the loader would serve this file to whoever needs a library of that name */
    case DT_RPATH:
    case DT_RUNPATH:
    case DT_AUDIT:
    case DT_DEPAUDIT:
    case DT_FILTER:
    case DT_AUXILIARY:
    case DT_CONFIG:
        text = vh_elf_text(elf, entry->d_un.d_val);
        vh_audit_fail(audit, VH_AUDIT_SEARCH, "dynamic entry 0x%" PRIx64 " '%s'", (uint64_t)entry->d_tag,
                      text ? text : "");
        break;
    case DT_TEXTREL:
        vh_audit_fail(audit, VH_AUDIT_TEXTREL, "DT_TEXTREL");
        break;
    default: /* the file's number, not an enumeration of ours */
        if (!is_plain_tag(entry->d_tag)) {
            vh_audit_fail(audit, VH_AUDIT_FLAGS, "dynamic entry 0x%" PRIx64, (uint64_t)entry->d_tag);
        }
        break;
    }
}

static void
check_note(const struct vh_elf *elf, struct vh_audit *audit)
{
    if (elf->note_count != 1) {
        vh_audit_fail(audit, VH_AUDIT_NOTE, "%u notes", elf->note_count);
    } else if (elf->note.len > VIV_MANIFEST_MAX) {
        vh_audit_fail(audit, VH_AUDIT_NOTE, "%" PRIu64 " bytes, allowed %u", elf->note.len, VIV_MANIFEST_MAX);
    } else if (elf->section_differs) {
        vh_audit_fail(audit, VH_AUDIT_NOTE, "the section .note.vivarium and the note segment differ");
    }
}

static void
check_whole(const struct vh_elf *elf, const char *const *libraries, uint32_t count, struct vh_audit *audit)
{
    check_segments(elf, audit);
    check_note(elf, audit);
    check_protection(elf, audit);
    for (uint32_t i = 0; i < elf->dynamic_count; i++) {
        check_entry(elf, &elf->dynamic[i], libraries, count, audit);
    }
    vh_audit_symbols(elf, audit);
    vh_audit_relocations(elf, audit);
}

void
vh_audit_run(const struct vh_elf *elf, enum vh_audit_mode mode, const char *const *libraries, uint32_t count,
             struct vh_audit *ret_audit)
{
    memset(ret_audit, 0, sizeof *ret_audit);
    memcpy(ret_audit->row, rows, sizeof rows);
    ret_audit->mode = mode;
    if (elf->len > VIV_PLUGIN_FILE_MAX) {
        vh_audit_fail(ret_audit, VH_AUDIT_SIZE, "%zu bytes", elf->len);
    }
    if (elf->broken[0]) {
        vh_audit_fail(ret_audit, VH_AUDIT_FORMAT, "%s", elf->broken);
        for (int rule = VH_AUDIT_FORMAT + 1; rule < VH_AUDIT_RULE_COUNT; rule++) {
            vh_audit_fail(ret_audit, (enum vh_audit_rule)rule, "not looked at, the headers are broken");
        }
    } else {
        check_whole(elf, libraries, count, ret_audit);
    }
    for (int rule = 0; rule < VH_AUDIT_RULE_COUNT; rule++) {
        struct vh_audit_row *row = &ret_audit->row[rule];
        row->binds = !only_reported(mode, (enum vh_audit_rule)rule);
        ret_audit->failed += !row->passed && row->binds;
        ret_audit->reported += !row->passed && !row->binds;
    }
}

const struct vh_audit_row *
vh_audit_refusal(const struct vh_audit *audit)
{
    for (int rule = 0; rule < VH_AUDIT_RULE_COUNT; rule++) {
        if (!audit->row[rule].passed && audit->row[rule].binds) {
            return &audit->row[rule];
        }
    }
    return NULL;
}

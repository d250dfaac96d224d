/* SPDX-License-Identifier: Apache-2.0 */
/* Symbols and relocations against the rules. A relocation is a write the loader makes on the file's behalf, so each
 * target is looked at: only relocatable data, never the dynamic table, function pointers only under RELRO. */
#include "audit_rules.h"

#include <inttypes.h>
#include <string.h>

#ifndef DT_RELR
#define DT_RELRSZ 35
#define DT_RELR 36
#endif

#define ENTRY_NAME "viv_plugin_entry"

#if defined(__x86_64__)
static const uint32_t plain_types[] = { R_X86_64_64, R_X86_64_GLOB_DAT, R_X86_64_JUMP_SLOT, R_X86_64_RELATIVE };
static const uint32_t function_types[] = { R_X86_64_GLOB_DAT, R_X86_64_JUMP_SLOT };
static const uint32_t tls_types[] = { R_X86_64_DTPMOD64, R_X86_64_DTPOFF64, R_X86_64_TPOFF64, R_X86_64_TLSDESC,
                                      R_X86_64_DTPOFF32, R_X86_64_TPOFF32 };
#define TYPE_INDIRECT R_X86_64_IRELATIVE
#else
static const uint32_t plain_types[] = { R_AARCH64_ABS64, R_AARCH64_GLOB_DAT, R_AARCH64_JUMP_SLOT, R_AARCH64_RELATIVE };
static const uint32_t function_types[] = { R_AARCH64_GLOB_DAT, R_AARCH64_JUMP_SLOT };
static const uint32_t tls_types[] = { R_AARCH64_TLS_DTPMOD, R_AARCH64_TLS_DTPREL, R_AARCH64_TLS_TPREL,
                                      R_AARCH64_TLSDESC };
#define TYPE_INDIRECT R_AARCH64_IRELATIVE
#endif

#define IS_IN(type, table) is_in((type), (table), sizeof(table) / sizeof *(table))

static bool
is_in(uint32_t type, const uint32_t *table, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (table[i] == type) {
            return true;
        }
    }
    return false;
}

static void
check_entry_symbol(const struct vh_elf *elf, const Elf64_Sym *symbol, struct vh_audit *audit)
{
    const Elf64_Phdr *segment = vh_elf_segment_of(elf, symbol->st_value, 1);
    bool runs = segment && (segment->p_flags & PF_X) != 0 && vh_elf_at(elf, symbol->st_value, 1);
    if (ELF64_ST_TYPE(symbol->st_info) != STT_FUNC || !runs) {
        vh_audit_fail(audit, VH_AUDIT_EXPORTS, ENTRY_NAME " is no function in this file");
    }
}

static void
check_symbol(const struct vh_elf *elf, const Elf64_Sym *symbol, uint32_t *entries, struct vh_audit *audit)
{
    const char *name = vh_elf_text(elf, symbol->st_name);
    uint32_t type = ELF64_ST_TYPE(symbol->st_info), bind = ELF64_ST_BIND(symbol->st_info);
    if (!name) {
        vh_audit_fail(audit, VH_AUDIT_TABLES, "a symbol's name lies outside the string table");
        return;
    }
    if (type == STT_GNU_IFUNC) {
        vh_audit_fail(audit, VH_AUDIT_IFUNC, "'%s'", name);
    }
    if (bind == STB_GNU_UNIQUE) {
        vh_audit_fail(audit, VH_AUDIT_UNIQUE, "'%s'", name);
    }
    if (type == STT_TLS) {
        vh_audit_fail(audit, VH_AUDIT_TLS, "'%s'", name);
    }
    if (symbol->st_shndx == SHN_UNDEF || bind == STB_LOCAL) {
        return;
    }
    if (strcmp(name, ENTRY_NAME) == 0) {
        *entries += 1;
        check_entry_symbol(elf, symbol, audit);
    } else if (bind == STB_GNU_UNIQUE) {
        return; /* has a rule of its own */
    } else {
        vh_audit_fail(audit, VH_AUDIT_EXPORTS, "also '%s'", name);
    }
}

void
vh_audit_symbols(const struct vh_elf *elf, struct vh_audit *audit)
{
    uint64_t entry_size = sizeof(Elf64_Sym);
    if (vh_elf_dynamic(elf, DT_SYMENT, &entry_size) && entry_size != sizeof(Elf64_Sym)) {
        vh_audit_fail(audit, VH_AUDIT_TABLES, "symbols of %" PRIu64 " bytes", entry_size);
    }
    uint32_t entries = 0;
    for (uint32_t i = 1; i < elf->symbol_count; i++) {
        Elf64_Sym symbol;
        if (!vh_elf_symbol(elf, i, &symbol)) {
            vh_audit_fail(audit, VH_AUDIT_TABLES, "symbol %u of %u lies outside", i, elf->symbol_count);
            break;
        }
        check_symbol(elf, &symbol, &entries, audit);
    }
    if (entries != 1) {
        vh_audit_fail(audit, VH_AUDIT_EXPORTS, ENTRY_NAME " %u times", entries);
    }
}

static bool
is_inside(const Elf64_Phdr *segment, uint64_t address, uint64_t len)
{
    return address >= segment->p_vaddr && len <= segment->p_memsz &&
           address - segment->p_vaddr <= segment->p_memsz - len;
}

static bool
touches(const Elf64_Phdr *segment, uint64_t address, uint64_t len)
{
    return address < segment->p_vaddr + segment->p_memsz && segment->p_vaddr < address + len;
}

static void
check_target(const struct vh_elf *elf, uint64_t address, struct vh_audit *audit)
{
    const Elf64_Phdr *segment = vh_elf_segment_of(elf, address, 8);
    if (!segment) {
        vh_audit_fail(audit, VH_AUDIT_RELOCATIONS, "one writes outside the plugin, at 0x%" PRIx64, address);
    } else if ((segment->p_flags & PF_W) == 0) {
        vh_audit_fail(audit, VH_AUDIT_TEXTREL, "a relocation at 0x%" PRIx64, address);
    } else if (touches(elf->dynamic_segment, address, 8)) {
        vh_audit_fail(audit, VH_AUDIT_RELOCATIONS, "one writes the dynamic table, at 0x%" PRIx64, address);
    }
}

static void
check_relocation(const struct vh_elf *elf, const Elf64_Rela *rela, struct vh_audit *audit)
{
    uint32_t type = (uint32_t)ELF64_R_TYPE(rela->r_info);
    if (type == TYPE_INDIRECT) {
        vh_audit_fail(audit, VH_AUDIT_IFUNC, "an indirect relocation at 0x%" PRIx64, rela->r_offset);
    } else if (IS_IN(type, tls_types)) {
        vh_audit_fail(audit, VH_AUDIT_TLS, "a thread-local relocation at 0x%" PRIx64, rela->r_offset);
    } else if (!IS_IN(type, plain_types)) {
        vh_audit_fail(audit, VH_AUDIT_RELOCATIONS, "type %u at 0x%" PRIx64, type, rela->r_offset);
    }
    if (ELF64_R_SYM(rela->r_info) != 0 && ELF64_R_SYM(rela->r_info) >= elf->symbol_count) {
        vh_audit_fail(audit, VH_AUDIT_RELOCATIONS, "one for symbol %" PRIu64 " of %u",
                      (uint64_t)ELF64_R_SYM(rela->r_info), elf->symbol_count);
    }
    check_target(elf, rela->r_offset, audit);
    const Elf64_Phdr *relro = vh_elf_segment_by_type(elf, PT_GNU_RELRO);
    if (relro && IS_IN(type, function_types) && !is_inside(relro, rela->r_offset, 8)) {
        vh_audit_fail(audit, VH_AUDIT_RELRO, "a function pointer outside PT_GNU_RELRO at 0x%" PRIx64, rela->r_offset);
    }
}

static void
check_table(const struct vh_elf *elf, int64_t table_tag, int64_t size_tag, struct vh_audit *audit)
{
    uint64_t address = 0, size = 0;
    bool has_table = vh_elf_dynamic(elf, table_tag, &address);
    bool has_size = vh_elf_dynamic(elf, size_tag, &size);
    if (!has_table && !has_size) {
        return;
    }
    const uint8_t *from = vh_elf_at(elf, address, size);
    if (has_table != has_size || !from || size % sizeof(Elf64_Rela) != 0) {
        vh_audit_fail(audit, VH_AUDIT_TABLES, "a relocation table of %" PRIu64 " bytes at 0x%" PRIx64, size, address);
        return;
    }
    for (uint64_t at = 0; at < size; at += sizeof(Elf64_Rela)) {
        Elf64_Rela rela;
        memcpy(&rela, from + at, sizeof rela);
        check_relocation(elf, &rela, audit);
    }
}

/* DT_RELR: an even word is an address, an odd one a bitmap of the 63 words after the last. */
static void
check_packed(const struct vh_elf *elf, struct vh_audit *audit)
{
    uint64_t address = 0, size = 0;
    if (!vh_elf_dynamic(elf, DT_RELR, &address)) {
        return;
    }
    bool has_size = vh_elf_dynamic(elf, DT_RELRSZ, &size);
    const uint8_t *from = vh_elf_at(elf, address, size);
    if (!has_size || !from || size % 8 != 0) {
        vh_audit_fail(audit, VH_AUDIT_TABLES, "a packed relocation table of %" PRIu64 " bytes", size);
        return;
    }
    uint64_t next = 0;
    for (uint64_t at = 0; at < size; at += 8) {
        uint64_t word;
        memcpy(&word, from + at, sizeof word);
        if ((word & 1u) == 0) {
            check_target(elf, word, audit);
            next = word + 8;
            continue;
        }
        for (uint32_t bit = 0; bit < 63; bit++) {
            if ((word >> (bit + 1) & 1u) != 0) {
                check_target(elf, next + 8u * bit, audit);
            }
        }
        next += UINT64_C(8) * 63;
    }
}

void
vh_audit_relocations(const struct vh_elf *elf, struct vh_audit *audit)
{
    uint64_t value = 0;
    if (vh_elf_dynamic(elf, DT_RELAENT, &value) && value != sizeof(Elf64_Rela)) {
        vh_audit_fail(audit, VH_AUDIT_TABLES, "relocations of %" PRIu64 " bytes", value);
    }
    if (vh_elf_dynamic(elf, DT_PLTREL, &value) && value != DT_RELA) {
        vh_audit_fail(audit, VH_AUDIT_TABLES, "relocations of kind %" PRIu64, value);
    }
    check_table(elf, DT_RELA, DT_RELASZ, audit);
    check_table(elf, DT_JMPREL, DT_PLTRELSZ, audit);
    check_packed(elf, audit);
}

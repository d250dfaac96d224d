/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at ELF bytes in memory, for the audit: headers, segments, dynamic table, note, symbols, relocations. Nothing
 * is run, nothing is mapped, no offset is trusted. Program headers are what counts, since they are what the loader of
 * the C library goes by; section headers are only compared with them. libc and plugin-api only. Read next: audit.h. */
#ifndef VH_ELF_H
#define VH_ELF_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <viv/core.h>

#define VH_ELF_SEGMENTS_MAX 32 /* a plugin has nine or so */
#define VH_ELF_DYNAMIC_MAX 256
#define VH_ELF_MEMORY_MAX (UINT64_C(1) << 30) /* what the segments may take when mapped */

/* A view over bytes the caller keeps. `broken` is NULL, or says in a few words what is wrong with the headers; the
 * other members may then not be used. */
struct vh_elf {
    const uint8_t *bytes;
    size_t len;
    char broken[120];
    Elf64_Ehdr head;
    uint32_t segment_count;
    uint32_t dynamic_count;
    Elf64_Phdr segment[VH_ELF_SEGMENTS_MAX];
    Elf64_Dyn dynamic[VH_ELF_DYNAMIC_MAX];
    const Elf64_Phdr *dynamic_segment;
    uint32_t symbol_count; /* from the hash tables, as the loader sees it */
    uint32_t note_count;   /* Vivarium notes found through PT_NOTE */
    struct viv_str note;   /* descriptor of the first one */
    bool section_differs;  /* a section .note.vivarium exists and is somewhere else */
};

/* Fill `ret_elf`. False when the headers are broken. */
bool vh_elf_read(const void *bytes, size_t len, struct vh_elf *ret_elf);

/* Bytes behind a virtual address: NULL unless all `len` lie in the file's part of one segment that nothing writes. */
const uint8_t *vh_elf_at(const struct vh_elf *elf, uint64_t address, uint64_t len);

/* The segment that maps all of an address range, or NULL. */
const Elf64_Phdr *vh_elf_segment_of(const struct vh_elf *elf, uint64_t address, uint64_t len);
const Elf64_Phdr *vh_elf_segment_by_type(const struct vh_elf *elf, uint32_t type);

/* Value of the first dynamic entry with this tag. */
bool vh_elf_dynamic(const struct vh_elf *elf, int64_t tag, uint64_t *ret_value);

/* Text of the dynamic string table, NULL when it does not end inside the file. */
const char *vh_elf_text(const struct vh_elf *elf, uint64_t offset);

bool vh_elf_symbol(const struct vh_elf *elf, uint32_t index, Elf64_Sym *ret_symbol);

/* The manifest in the note, by program headers: { NULL, 0 } when there is none or more than one. */
struct viv_str vh_elf_manifest(const struct vh_elf *elf);

#endif

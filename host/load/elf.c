/* SPDX-License-Identifier: Apache-2.0 */
/* Every number read here comes from the file and is compared with the file's length before it is used. Sums are
 * written as differences, so that nothing can wrap. */
#include "elf.h"

#include <stdio.h>
#include <string.h>
#include <viv/manifest.h>

#define SYMBOLS_MAX (1u << 20)
#define NOTE_NAME_BYTES 12u /* "Vivarium" and its NUL, padded */

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#else
#error "the plugin ABI is for x86-64 and aarch64"
#endif

/* `len` bytes at `offset` of the file, or NULL. */
static const uint8_t *
file_at(const struct vh_elf *elf, uint64_t offset, uint64_t len)
{
    if (offset > elf->len || len > elf->len - offset) {
        return NULL;
    }
    return elf->bytes + offset;
}

static bool
broken(struct vh_elf *elf, const char *text, uint64_t found)
{
    snprintf(elf->broken, sizeof elf->broken, "%s %llu", text, (unsigned long long)found);
    return false;
}

static bool
read_head(struct vh_elf *elf)
{
    Elf64_Ehdr *head = &elf->head;
    if (elf->len < sizeof *head) {
        return broken(elf, "the file ends inside the header, its length is", elf->len);
    }
    memcpy(head, elf->bytes, sizeof *head);
    if (memcmp(head->e_ident, ELFMAG, SELFMAG) != 0) {
        return broken(elf, "not an ELF file, its first byte is", head->e_ident[0]);
    }
    if (head->e_ident[EI_CLASS] != ELFCLASS64) {
        return broken(elf, "not 64-bit, the class is", head->e_ident[EI_CLASS]);
    }
    if (head->e_ident[EI_DATA] != ELFDATA2LSB) {
        return broken(elf, "not little-endian, the data encoding is", head->e_ident[EI_DATA]);
    }
    if (head->e_ident[EI_VERSION] != EV_CURRENT || head->e_version != EV_CURRENT) {
        return broken(elf, "the ELF version is", head->e_version);
    }
    if (head->e_ident[EI_OSABI] != ELFOSABI_SYSV && head->e_ident[EI_OSABI] != ELFOSABI_GNU) {
        return broken(elf, "for another system, the OS ABI is", head->e_ident[EI_OSABI]);
    }
    if (head->e_machine != MACHINE) {
        return broken(elf, "for another machine, its number is", head->e_machine);
    }
    if (head->e_type != ET_DYN) {
        return broken(elf, "not a shared object, the type is", head->e_type);
    }
    return true;
}

static bool
check_load(struct vh_elf *elf, const Elf64_Phdr *segment, uint64_t *memory)
{
    if (segment->p_memsz < segment->p_filesz) {
        return broken(elf, "a segment is larger in the file than in memory, bytes", segment->p_filesz);
    }
    if (segment->p_vaddr > VH_ELF_MEMORY_MAX || segment->p_memsz > VH_ELF_MEMORY_MAX - *memory) {
        return broken(elf, "a segment is too far away or too large, bytes", segment->p_memsz);
    }
    uint64_t align = segment->p_align;
    if (align < 4096 || (align & (align - 1)) != 0 || (segment->p_vaddr - segment->p_offset) % align != 0) {
        return broken(elf, "a segment is not aligned, its alignment is", align);
    }
    *memory += segment->p_memsz;
    return true;
}

static bool
read_segments(struct vh_elf *elf)
{
    const Elf64_Ehdr *head = &elf->head;
    if (head->e_phentsize != sizeof(Elf64_Phdr)) {
        return broken(elf, "program headers have the wrong size", head->e_phentsize);
    }
    if (head->e_phnum == 0 || head->e_phnum > VH_ELF_SEGMENTS_MAX) {
        return broken(elf, "the number of program headers is", head->e_phnum);
    }
    const uint8_t *from = file_at(elf, head->e_phoff, (uint64_t)head->e_phnum * sizeof(Elf64_Phdr));
    if (!from || head->e_phoff % 8 != 0) {
        return broken(elf, "program headers lie outside the file, at", head->e_phoff);
    }
    elf->segment_count = head->e_phnum;
    memcpy(elf->segment, from, elf->segment_count * sizeof(Elf64_Phdr));
    uint64_t memory = 0;
    for (uint32_t i = 0; i < elf->segment_count; i++) {
        const Elf64_Phdr *segment = &elf->segment[i];
        if (!file_at(elf, segment->p_offset, segment->p_filesz)) {
            return broken(elf, "the file ends inside a segment, which starts at", segment->p_offset);
        }
        if (segment->p_type == PT_LOAD && !check_load(elf, segment, &memory)) {
            return false;
        }
    }
    return true;
}

const Elf64_Phdr *
vh_elf_segment_by_type(const struct vh_elf *elf, uint32_t type)
{
    for (uint32_t i = 0; i < elf->segment_count; i++) {
        if (elf->segment[i].p_type == type) {
            return &elf->segment[i];
        }
    }
    return NULL;
}

const Elf64_Phdr *
vh_elf_segment_of(const struct vh_elf *elf, uint64_t address, uint64_t len)
{
    for (uint32_t i = 0; i < elf->segment_count; i++) {
        const Elf64_Phdr *segment = &elf->segment[i];
        if (segment->p_type == PT_LOAD && address >= segment->p_vaddr &&
            address - segment->p_vaddr <= segment->p_memsz &&
            len <= segment->p_memsz - (address - segment->p_vaddr)) {
            return segment;
        }
    }
    return NULL;
}

/* As the loader will find it: by address, not by the offset some header gives. */
static const uint8_t *
memory_at(const struct vh_elf *elf, uint64_t address, uint64_t len, uint32_t forbidden_flags)
{
    const Elf64_Phdr *segment = vh_elf_segment_of(elf, address, len);
    if (!segment || (segment->p_flags & forbidden_flags) != 0) {
        return NULL;
    }
    uint64_t at = address - segment->p_vaddr;
    if (at > segment->p_filesz || len > segment->p_filesz - at) {
        return NULL;
    }
    return file_at(elf, segment->p_offset + at, len);
}

const uint8_t *
vh_elf_at(const struct vh_elf *elf, uint64_t address, uint64_t len)
{
    return memory_at(elf, address, len, PF_W);
}

static bool
seen_before(const struct vh_elf *elf, int64_t tag)
{
    uint64_t value;
    return tag != DT_NEEDED && vh_elf_dynamic(elf, tag, &value);
}

static bool
read_dynamic(struct vh_elf *elf)
{
    const Elf64_Phdr *segment = vh_elf_segment_by_type(elf, PT_DYNAMIC);
    if (!segment) {
        return broken(elf, "there is no dynamic table, program headers", elf->segment_count);
    }
    const uint8_t *from = memory_at(elf, segment->p_vaddr, segment->p_filesz, 0);
    if (!from || from != elf->bytes + segment->p_offset || segment->p_vaddr % 8 != 0 ||
        segment->p_memsz != segment->p_filesz) {
        return broken(elf, "the dynamic table is not where its segment says, at", segment->p_vaddr);
    }
    elf->dynamic_segment = segment;
    uint64_t count = segment->p_filesz / sizeof(Elf64_Dyn);
    for (uint64_t i = 0; i < count; i++) {
        Elf64_Dyn entry;
        memcpy(&entry, from + i * sizeof entry, sizeof entry);
        if (entry.d_tag == DT_NULL) {
            return true;
        }
        if (elf->dynamic_count == VH_ELF_DYNAMIC_MAX) {
            return broken(elf, "the number of dynamic entries is over", VH_ELF_DYNAMIC_MAX);
        }
        if (seen_before(elf, entry.d_tag)) {
            return broken(elf, "twice in the dynamic table, tag", (uint64_t)entry.d_tag);
        }
        elf->dynamic[elf->dynamic_count++] = entry;
    }
    return broken(elf, "the dynamic table has no end, entries", count);
}

bool
vh_elf_dynamic(const struct vh_elf *elf, int64_t tag, uint64_t *ret_value)
{
    for (uint32_t i = 0; i < elf->dynamic_count; i++) {
        if (elf->dynamic[i].d_tag == tag) {
            *ret_value = elf->dynamic[i].d_un.d_val;
            return true;
        }
    }
    return false;
}

static uint64_t
padded(uint64_t size, uint64_t align)
{
    return (size + align - 1) & ~(align - 1);
}

static bool
is_ours(const Elf64_Nhdr *note, const uint8_t *name)
{
    return note->n_namesz == sizeof VIV_NOTE_NAME && note->n_type == VIV_NOTE_MANIFEST &&
           memcmp(name, VIV_NOTE_NAME, sizeof VIV_NOTE_NAME) == 0;
}

static bool
read_notes(struct vh_elf *elf, const Elf64_Phdr *segment)
{
    uint64_t align = segment->p_align == 8 ? 8 : 4;
    uint64_t at = 0;
    while (segment->p_filesz - at >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr note;
        const uint8_t *from = elf->bytes + segment->p_offset + at;
        memcpy(&note, from, sizeof note);
        uint64_t text_at = padded(sizeof note + (uint64_t)note.n_namesz, align);
        uint64_t size = padded(text_at + note.n_descsz, align);
        uint64_t left = segment->p_filesz - at;
        if (text_at + note.n_descsz > left) {
            return broken(elf, "a note is longer than its segment, bytes", note.n_descsz);
        }
        if (is_ours(&note, from + sizeof note) && elf->note_count++ == 0) {
            elf->note = (struct viv_str){ (const char *)from + text_at, note.n_descsz };
        }
        if (size >= left) {
            break;
        }
        at += size;
    }
    return true;
}

static uint32_t
word_at(const uint8_t *from)
{
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/* DT_GNU_HASH: the highest symbol any bucket reaches, plus one. */
static bool
count_by_gnu_hash(struct vh_elf *elf, uint64_t address)
{
    const uint8_t *head = vh_elf_at(elf, address, 16);
    if (!head) {
        return broken(elf, "the GNU hash table lies outside, at", address);
    }
    uint64_t buckets = word_at(head), first = word_at(head + 4), bloom = word_at(head + 8);
    uint64_t buckets_at = address + 16 + bloom * 8, chain_at = buckets_at + buckets * 4;
    const uint8_t *bucket = vh_elf_at(elf, buckets_at, buckets * 4);
    if (!bucket || buckets == 0 || bloom == 0) {
        return broken(elf, "the GNU hash table is broken, buckets", buckets);
    }
    uint64_t last = 0;
    for (uint64_t i = 0; i < buckets; i++) {
        uint64_t symbol = word_at(bucket + 4 * i);
        if (symbol != 0 && symbol < first) {
            return broken(elf, "the GNU hash table points before its first symbol, at", symbol);
        }
        last = symbol > last ? symbol : last;
    }
    if (last == 0) {
        elf->symbol_count = first < SYMBOLS_MAX ? (uint32_t)first : SYMBOLS_MAX;
        return true;
    }
    for (; last < SYMBOLS_MAX; last++) {
        const uint8_t *link = vh_elf_at(elf, chain_at + (last - first) * 4, 4);
        if (!link) {
            return broken(elf, "the GNU hash table has a chain without end, at symbol", last);
        }
        if ((word_at(link) & 1u) != 0) {
            elf->symbol_count = (uint32_t)last + 1;
            return true;
        }
    }
    return broken(elf, "too many symbols, at least", last);
}

static bool
count_symbols(struct vh_elf *elf)
{
    uint64_t address;
    if (vh_elf_dynamic(elf, DT_GNU_HASH, &address) && !count_by_gnu_hash(elf, address)) {
        return false;
    }
    if (vh_elf_dynamic(elf, DT_HASH, &address)) {
        const uint8_t *head = vh_elf_at(elf, address, 8);
        uint32_t count = head ? word_at(head + 4) : SYMBOLS_MAX;
        if (count >= SYMBOLS_MAX) {
            return broken(elf, "the hash table lies outside or is too large, at", address);
        }
        elf->symbol_count = count > elf->symbol_count ? count : elf->symbol_count;
    }
    return true;
}

/* Whether a section of the note's name exists and holds other bytes than the segment does. Sections that make no
 * sense are passed over: nothing relies on them. */
static bool
section_differs(const struct vh_elf *elf)
{
    const Elf64_Ehdr *head = &elf->head;
    const uint8_t *from = file_at(elf, head->e_shoff, (uint64_t)head->e_shnum * sizeof(Elf64_Shdr));
    if (!from || head->e_shentsize != sizeof(Elf64_Shdr) || head->e_shstrndx >= head->e_shnum) {
        return false;
    }
    Elf64_Shdr names;
    memcpy(&names, from + (size_t)head->e_shstrndx * sizeof names, sizeof names);
    for (uint32_t i = 0; i < head->e_shnum; i++) {
        Elf64_Shdr section;
        memcpy(&section, from + (size_t)i * sizeof section, sizeof section);
        const uint8_t *name = NULL;
        if (section.sh_name < names.sh_size && names.sh_offset <= elf->len) {
            name = file_at(elf, names.sh_offset + section.sh_name, sizeof VIV_NOTE_SECTION);
        }
        if (!name || memcmp(name, VIV_NOTE_SECTION, sizeof VIV_NOTE_SECTION) != 0) {
            continue;
        }
        uint64_t text_at = section.sh_offset + sizeof(Elf64_Nhdr) + NOTE_NAME_BYTES;
        return !elf->note.data || text_at != (uint64_t)((const uint8_t *)elf->note.data - elf->bytes);
    }
    return false;
}

bool
vh_elf_read(const void *bytes, size_t len, struct vh_elf *ret_elf)
{
    memset(ret_elf, 0, sizeof *ret_elf);
    ret_elf->bytes = bytes;
    ret_elf->len = len;
    if (!read_head(ret_elf) || !read_segments(ret_elf)) {
        return false;
    }
    for (uint32_t i = 0; i < ret_elf->segment_count; i++) {
        if (ret_elf->segment[i].p_type == PT_NOTE && !read_notes(ret_elf, &ret_elf->segment[i])) {
            return false;
        }
    }
    if (!read_dynamic(ret_elf) || !count_symbols(ret_elf)) {
        return false;
    }
    ret_elf->section_differs = section_differs(ret_elf);
    return true;
}

const char *
vh_elf_text(const struct vh_elf *elf, uint64_t offset)
{
    uint64_t table, size;
    if (!vh_elf_dynamic(elf, DT_STRTAB, &table) || !vh_elf_dynamic(elf, DT_STRSZ, &size) || offset >= size) {
        return NULL;
    }
    const uint8_t *from = vh_elf_at(elf, table, size);
    if (!from || !memchr(from + offset, 0, (size_t)(size - offset))) {
        return NULL;
    }
    return (const char *)from + offset;
}

bool
vh_elf_symbol(const struct vh_elf *elf, uint32_t index, Elf64_Sym *ret_symbol)
{
    uint64_t table;
    if (index >= elf->symbol_count || !vh_elf_dynamic(elf, DT_SYMTAB, &table) || table > VH_ELF_MEMORY_MAX) {
        return false;
    }
    const uint8_t *from = vh_elf_at(elf, table + (uint64_t)index * sizeof *ret_symbol, sizeof *ret_symbol);
    if (!from) {
        return false;
    }
    memcpy(ret_symbol, from, sizeof *ret_symbol);
    return true;
}

struct viv_str
vh_elf_manifest(const struct vh_elf *elf)
{
    return elf->note_count == 1 ? elf->note : (struct viv_str){ NULL, 0 };
}

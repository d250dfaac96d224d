/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a hostile or torn file makes the host read outside it, or other bytes pass for the ones that were
 * judged. The bytes lie in blocks of exactly their size, so that a sanitizer sees every step too far. */
#include "load_test.h"

#include <stdlib.h>

#include "load/audit.h"

#define FLIPS 30000

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t
draw(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static uint32_t
failed_rules(const void *bytes, size_t len)
{
    struct vh_elf *elf = malloc(sizeof *elf);
    struct vh_audit audit;
    assert_non_null(elf);
    (void)vh_elf_read(bytes, len, elf);
    vh_audit_run(elf, VH_AUDIT_STRICT, NULL, 0, &audit);
    struct viv_str note = elf->broken[0] ? (struct viv_str){ NULL, 0 } : vh_elf_manifest(elf);
    uint64_t sum = 0;
    for (uint64_t i = 0; i < note.len; i++) {
        sum += (unsigned char)note.data[i];
    }
    assert_true(sum < UINT64_MAX); /* the note was read to its end */
    free(elf);
    return audit.failed;
}

/* End of what the loader would map. */
static size_t
mapped_end(struct viv_str bytes)
{
    struct vh_elf elf;
    size_t end = 0;
    assert_true(vh_elf_read(bytes.data, (size_t)bytes.len, &elf));
    for (uint32_t i = 0; i < elf.segment_count; i++) {
        size_t segment_end = (size_t)(elf.segment[i].p_offset + elf.segment[i].p_filesz);
        end = elf.segment[i].p_type == PT_LOAD && segment_end > end ? segment_end : end;
    }
    return end;
}

static void
every_truncation(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct viv_str bytes = fault_bytes(arena, "good");
    size_t end = mapped_end(bytes);
    assert_int_equal(failed_rules(bytes.data, (size_t)bytes.len), 0);
    for (size_t len = 0; len < bytes.len; len++) {
        char *copy = malloc(len ? len : 1);
        assert_non_null(copy);
        memcpy(copy, bytes.data, len);
        uint32_t failed = failed_rules(copy, len);
        free(copy);
        if (len < end) {
            assert_true(failed > 0);
        }
    }
    vh_arena_destroy(arena);
}

static void
flip(unsigned char *copy, size_t len)
{
    uint64_t count = 1 + draw() % 4;
    for (uint64_t i = 0; i < count; i++) {
        /* half of them where the headers and tables are */
        size_t at = (size_t)(draw() % (draw() % 2 ? len : 4096 < len ? 4096 : len));
        static const unsigned char edges[] = { 0, 1, 0x7f, 0x80, 0xff };
        copy[at] = draw() % 2 ? (unsigned char)draw() : edges[draw() % sizeof edges];
    }
}

static void
flipped_bytes_are_other_bytes(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct viv_str bytes = fault_bytes(arena, "good");
    struct vh_plugin_rules rules = trusting(arena, bytes);
    uint32_t accepted = 0, refused = 0;
    for (int round = 0; round < FLIPS; round++) {
        struct vh_arena *inner = vh_arena_create(NULL, 0);
        unsigned char *copy = malloc((size_t)bytes.len);
        assert_non_null(copy);
        memcpy(copy, bytes.data, (size_t)bytes.len);
        flip(copy, (size_t)bytes.len);
        struct vh_plugin_file file = { .bytes = { (const char *)copy, bytes.len } };
        struct viv_error err = VIV_ERROR_INIT;
        viv_status status =
            vh_plugin_inspect_bytes(vh_seam_real(), inner, &rules, AT_FDCWD, "/nowhere/some.so", &file, &err);
        bool same = memcmp(copy, bytes.data, (size_t)bytes.len) == 0;
        if (!same && (file.trust != VH_TRUST_UNSIGNED || (status != VIV_OK && err.text[0] == '\0'))) {
            fail_msg("round %d: trust %d, status %d, '%s'", round, file.trust, status, err.text);
        }
        accepted += status == VIV_OK;
        refused += status != VIV_OK;
        free(copy);
        vh_arena_destroy(inner);
    }
    assert_true(refused > FLIPS / 20);
    assert_true(accepted > FLIPS / 20); /* flips in code and padding, trusted by nobody */
    vh_arena_destroy(arena);
}

struct edit {
    const char *what;
    size_t at;
    size_t len;
    uint64_t value;
    enum vh_audit_rule rule;
    const char *found;
};

/* One field of the file header at a time. */
static void
foreign_headers(void **state)
{
    (void)state;
    static const struct edit edits[] = {
        { "magic", 0, 1, 'M', VH_AUDIT_FORMAT, "not an ELF file, its first byte is 77" },
        { "32-bit", 4, 1, 1, VH_AUDIT_FORMAT, "not 64-bit, the class is 1" },
        { "big-endian", 5, 1, 2, VH_AUDIT_FORMAT, "not little-endian, the data encoding is 2" },
        { "system", 7, 1, 9, VH_AUDIT_FORMAT, "for another system, the OS ABI is 9" },
        { "program", 16, 2, ET_EXEC, VH_AUDIT_FORMAT, "not a shared object, the type is 2" },
        { "machine", 18, 2, EM_RISCV, VH_AUDIT_FORMAT, "for another machine, its number is 243" },
        { "no program headers", 56, 2, 0, VH_AUDIT_FORMAT, "the number of program headers is 0" },
        { "many program headers", 56, 2, 65535, VH_AUDIT_FORMAT, "the number of program headers is 65535" },
        { "program headers outside", 32, 8, UINT64_MAX - 63, VH_AUDIT_FORMAT,
          "program headers lie outside the file" },
    };
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        struct viv_str bytes = fault_bytes(arena, "good");
        char *copy = vh_arena_copy(arena, bytes.data, (size_t)bytes.len);
        struct vh_elf elf;
        struct vh_audit audit;
        memcpy(copy + edits[i].at, &edits[i].value, edits[i].len);
        assert_false(vh_elf_read(copy, (size_t)bytes.len, &elf));
        vh_audit_run(&elf, VH_AUDIT_REPORTED, NULL, 0, &audit);
        if (!strstr(audit.row[edits[i].rule].found, edits[i].found)) {
            fail_msg("%s: '%s', allowed '%s'", edits[i].what, audit.row[edits[i].rule].found, edits[i].found);
        }
        vh_arena_destroy(arena);
    }
}

/* The place of a program header of a type, or of a dynamic entry, in the file. */
static size_t
header_at(struct viv_str bytes, uint32_t type, uint32_t number)
{
    struct vh_elf elf;
    assert_true(vh_elf_read(bytes.data, (size_t)bytes.len, &elf));
    for (uint32_t i = 0; i < elf.segment_count; i++) {
        if (elf.segment[i].p_type == type && number-- == 0) {
            return (size_t)elf.head.e_phoff + i * sizeof(Elf64_Phdr);
        }
    }
    fail_msg("no such header");
    return 0;
}

static size_t
dynamic_at(struct viv_str bytes, int64_t tag)
{
    struct vh_elf elf;
    assert_true(vh_elf_read(bytes.data, (size_t)bytes.len, &elf));
    for (uint32_t i = 0; i < elf.dynamic_count; i++) {
        if (elf.dynamic[i].d_tag == tag) {
            return (size_t)elf.dynamic_segment->p_offset + i * sizeof(Elf64_Dyn);
        }
    }
    fail_msg("no such entry");
    return 0;
}

static void
expect(struct viv_str bytes, size_t at, uint64_t value, size_t len, enum vh_audit_rule rule, const char *found)
{
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    char *copy = vh_arena_copy(arena, bytes.data, (size_t)bytes.len);
    struct vh_elf elf;
    struct vh_audit audit;
    memcpy(copy + at, &value, len);
    (void)vh_elf_read(copy, (size_t)bytes.len, &elf);
    vh_audit_run(&elf, VH_AUDIT_STRICT, NULL, 0, &audit);
    if (audit.row[rule].passed || !strstr(audit.row[rule].found, found)) {
        fail_msg("rule %s: '%s', allowed '%s'", audit.row[rule].rule, audit.row[rule].found, found);
    }
    vh_arena_destroy(arena);
}

/* Rules that no compiler breaks by itself. */
static void
hand_made_faults(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct viv_str bytes = fault_bytes(arena, "good");
    struct vh_elf elf;
    assert_true(vh_elf_read(bytes.data, (size_t)bytes.len, &elf));
    size_t load = header_at(bytes, PT_LOAD, 1), dynamic = header_at(bytes, PT_DYNAMIC, 0);
    size_t stack = header_at(bytes, PT_GNU_STACK, 0), note = header_at(bytes, PT_NOTE, 0);
    const size_t offset = offsetof(Elf64_Phdr, p_offset), memory = offsetof(Elf64_Phdr, p_memsz);
    expect(bytes, stack, PT_INTERP, 4, VH_AUDIT_INTERPRETER, "PT_INTERP");
    expect(bytes, stack, PT_TLS, 4, VH_AUDIT_TLS, "PT_TLS");
    expect(bytes, stack, PT_NULL, 4, VH_AUDIT_STACK, "no PT_GNU_STACK");
    expect(bytes, load + offset, UINT64_MAX - 4095, 8, VH_AUDIT_FORMAT, "the file ends inside a segment");
    expect(bytes, load + memory, UINT64_C(1) << 40, 8, VH_AUDIT_FORMAT, "too far away or too large");
    expect(bytes, load + offsetof(Elf64_Phdr, p_vaddr), 0, 8, VH_AUDIT_SEGMENTS, "begins before the last one ends");
    expect(bytes, load + offsetof(Elf64_Phdr, p_align), 3, 8, VH_AUDIT_FORMAT, "a segment is not aligned");
    expect(bytes, dynamic + offset, 0, 8, VH_AUDIT_FORMAT, "the dynamic table is not where its segment says");
    expect(bytes, dynamic, PT_NULL, 4, VH_AUDIT_FORMAT, "there is no dynamic table");
    expect(bytes, note, PT_NULL, 4, VH_AUDIT_NOTE, "0 notes");
    expect(bytes, dynamic_at(bytes, DT_STRTAB) + 8, UINT64_MAX, 8, VH_AUDIT_TABLES, "a symbol's name lies outside");
    expect(bytes, dynamic_at(bytes, DT_SYMTAB) + 8, 8, 8, VH_AUDIT_EXPORTS, "viv_plugin_entry 0 times");
    expect(bytes, dynamic_at(bytes, DT_RELA) + 8, elf.dynamic_segment->p_vaddr, 8, VH_AUDIT_TABLES,
           "relocation table");
    expect(bytes, dynamic_at(bytes, DT_RELASZ) + 8, 7, 8, VH_AUDIT_TABLES, "a relocation table of 7 bytes");
    expect(bytes, dynamic_at(bytes, DT_RELAENT) + 8, 16, 8, VH_AUDIT_TABLES, "relocations of 16 bytes");
    expect(bytes, dynamic_at(bytes, DT_RELACOUNT), DT_INIT, 8, VH_AUDIT_CONSTRUCTORS, "DT_INIT");
    expect(bytes, dynamic_at(bytes, DT_RELACOUNT), DT_PREINIT_ARRAY, 8, VH_AUDIT_CONSTRUCTORS, "array");
    expect(bytes, dynamic_at(bytes, DT_RELACOUNT), DT_AUXILIARY, 8, VH_AUDIT_SEARCH, "dynamic entry 0x7ffffffd");
    expect(bytes, dynamic_at(bytes, DT_RELACOUNT), DT_AUDIT, 8, VH_AUDIT_SEARCH, "dynamic entry 0x6ffffefc");
    expect(bytes, dynamic_at(bytes, DT_RELACOUNT), DT_SONAME, 8, VH_AUDIT_SEARCH, "dynamic entry 0xe");
    expect(bytes, dynamic_at(bytes, DT_RELACOUNT), DT_TEXTREL, 8, VH_AUDIT_TEXTREL, "DT_TEXTREL");
    expect(bytes, dynamic_at(bytes, DT_RELACOUNT), DT_REL, 8, VH_AUDIT_FLAGS, "dynamic entry 0x11");
    expect(bytes, dynamic_at(bytes, DT_RELACOUNT), DT_RELA, 8, VH_AUDIT_FORMAT, "twice in the dynamic table");
    expect(bytes, dynamic_at(bytes, DT_FLAGS) + 8, DF_BIND_NOW | DF_STATIC_TLS, 8, VH_AUDIT_TLS, "DF_STATIC_TLS");
    expect(bytes, dynamic_at(bytes, DT_FLAGS_1) + 8, DF_1_NOW | DF_1_INTERPOSE, 8, VH_AUDIT_FLAGS,
           "DT_FLAGS_1 is 0x401");
    expect(bytes, header_at(bytes, PT_GNU_RELRO, 0) + memory, 8, 8, VH_AUDIT_RELRO, "the dynamic table is outside");
    vh_arena_destroy(arena);
}

/* What a relocation may write to. */
static void
hostile_relocations(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct viv_str bytes = fault_bytes(arena, "good");
    struct vh_elf elf;
    uint64_t table;
    assert_true(vh_elf_read(bytes.data, (size_t)bytes.len, &elf));
    assert_true(vh_elf_dynamic(&elf, DT_RELA, &table));
    size_t at = (size_t)((const char *)vh_elf_at(&elf, table, 24) - bytes.data);
    uint64_t inside = elf.dynamic_segment->p_vaddr;
    expect(bytes, at, 16, 8, VH_AUDIT_TEXTREL, "a relocation at 0x10");
    expect(bytes, at, UINT64_MAX - 3, 8, VH_AUDIT_RELOCATIONS, "one writes outside the plugin");
    expect(bytes, at, inside, 8, VH_AUDIT_RELOCATIONS, "one writes the dynamic table");
    expect(bytes, at + 8, R_X86_64_COPY, 8, VH_AUDIT_RELOCATIONS, "type 5");
    expect(bytes, at + 8, R_X86_64_IRELATIVE, 8, VH_AUDIT_IFUNC, "an indirect relocation");
    expect(bytes, at + 8, R_X86_64_TPOFF64, 8, VH_AUDIT_TLS, "a thread-local relocation");
    expect(bytes, at + 8, UINT64_C(99) << 32 | R_X86_64_64, 8, VH_AUDIT_RELOCATIONS, "one for symbol 99 of");
    vh_arena_destroy(arena);
}

/* A section of the note's name that points elsewhere: tools that go by sections would show another manifest. */
static void
sections_may_not_tell_another_story(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct viv_str bytes = fault_bytes(arena, "good");
    struct vh_elf elf;
    assert_true(vh_elf_read(bytes.data, (size_t)bytes.len, &elf));
    size_t note_at = (size_t)(elf.note.data - bytes.data) - 24;
    bool found = false;
    for (uint32_t i = 0; i < elf.head.e_shnum; i++) {
        size_t at = (size_t)elf.head.e_shoff + i * sizeof(Elf64_Shdr) + offsetof(Elf64_Shdr, sh_offset);
        uint64_t offset;
        memcpy(&offset, bytes.data + at, sizeof offset);
        if (offset == note_at) {
            expect(bytes, at, offset + 4, 8, VH_AUDIT_NOTE, "the section .note.vivarium and the note segment differ");
            found = true;
        }
    }
    assert_true(found);
    vh_arena_destroy(arena);
}

static void
only_listed_libraries(void **state)
{
    (void)state;
    static const char *const listed[] = { "libm.so.6" };
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct viv_str bytes = fault_bytes(arena, "extra_needed");
    struct vh_elf elf;
    struct vh_audit audit;
    assert_true(vh_elf_read(bytes.data, (size_t)bytes.len, &elf));
    vh_audit_run(&elf, VH_AUDIT_STRICT, NULL, 0, &audit);
    assert_false(audit.row[VH_AUDIT_NEEDED].passed);
    vh_audit_run(&elf, VH_AUDIT_STRICT, listed, 1, &audit);
    assert_true(audit.row[VH_AUDIT_NEEDED].passed);
    assert_null(vh_audit_refusal(&audit));
    vh_arena_destroy(arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_truncation),      cmocka_unit_test(flipped_bytes_are_other_bytes),
        cmocka_unit_test(foreign_headers),       cmocka_unit_test(hand_made_faults),
        cmocka_unit_test(hostile_relocations),   cmocka_unit_test(sections_may_not_tell_another_story),
        cmocka_unit_test(only_listed_libraries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

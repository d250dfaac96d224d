/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a hostile plugin's bytes can do harm before any of them is mapped, or are refused without a word. The
 * seeds are the plugins of tests/fault, as this build made them. */
#include "fuzz.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "load/audit.h"
#include "load/manifest.h"

static void
check_rows(const struct vh_audit *audit)
{
    uint32_t failed = 0;
    uint32_t reported = 0;
    for (int i = 0; i < VH_AUDIT_RULE_COUNT; i++) {
        const struct vh_audit_row *row = &audit->row[i];
        fuzz_line(row->rule, "a rule's name");
        fuzz_line(row->allowed, "what a rule allows");
        fuzz_line(row->cure, "a rule's cure");
        if (!row->passed) {
            fuzz_line(row->found, "what a rule found");
            failed += row->binds;
            reported += !row->binds;
        }
    }
    FUZZ_MUST(failed == audit->failed && reported == audit->reported, "%u and %u rows failed, counted %u and %u",
              failed, reported, audit->failed, audit->reported);
    const struct vh_audit_row *refusal = vh_audit_refusal(audit);
    FUZZ_MUST((refusal != NULL) == (failed > 0), "a refusal without a row, or a row without a refusal");
}

static void
probe(const struct vh_elf *elf)
{
    uint64_t value = 0;
    for (uint32_t i = 0; i < elf->dynamic_count; i++) {
        (void)vh_elf_dynamic(elf, elf->dynamic[i].d_tag, &value);
        const char *text = vh_elf_text(elf, elf->dynamic[i].d_un.d_val);
        FUZZ_MUST(!text || strlen(text) < elf->len, "a text leaves the file");
        const uint8_t *bytes = vh_elf_at(elf, elf->dynamic[i].d_un.d_ptr, 16);
        FUZZ_MUST(!bytes || (bytes >= elf->bytes && bytes + 16 <= elf->bytes + elf->len), "bytes leave the file");
    }
    for (uint32_t i = 0; i < elf->symbol_count && i < 4096; i++) {
        Elf64_Sym symbol;
        if (vh_elf_symbol(elf, i, &symbol)) {
            const char *name = vh_elf_text(elf, symbol.st_name);
            FUZZ_MUST(!name || strlen(name) < elf->len, "a name leaves the file");
        }
    }
}

/* What registry and loader do: the manifest by the note, then both audits with its libraries. */
static viv_status
judge(const struct vh_elf *elf, struct vh_arena *arena, struct viv_error *err)
{
    const struct vh_manifest *manifest = NULL;
    struct viv_str text = vh_elf_manifest(elf);
    const char *start = (const char *)elf->bytes;
    FUZZ_MUST(text.len == 0 || (text.data >= start && text.data + text.len <= start + elf->len),
              "the manifest leaves the file");
    viv_status status = vh_manifest_read(arena, text, &manifest, err);
    struct vh_audit strict;
    struct vh_audit audit;
    const char *const *libraries = status ? NULL : manifest->libraries;
    uint32_t count = status ? 0 : manifest->library_count;
    vh_audit_run(elf, VH_AUDIT_STRICT, libraries, count, &strict);
    vh_audit_run(elf, VH_AUDIT_REPORTED, libraries, count, &audit);
    check_rows(&strict);
    check_rows(&audit);
    FUZZ_MUST(strict.failed >= audit.failed, "the stricter mode lets more through");
    FUZZ_MUST(!elf->broken[0] || audit.failed, "a broken file passes: %s", elf->broken);
    if (status == VIV_OK && audit.failed) {
        status = VIV_E_DENIED;
        snprintf(err->text, sizeof err->text, "%s", vh_audit_refusal(&audit)->found);
    }
    FUZZ_MUST(status || text.len, "a file without a note passes");
    return status;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vh_elf elf;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_arena *arena = fuzz_arena();
    bool whole = vh_elf_read(data, size, &elf);
    FUZZ_MUST(whole == !elf.broken[0], "read says %d, broken says '%s'", whole, elf.broken);
    if (whole) {
        probe(&elf);
    }
    (void)fuzz_ended(judge(&elf, arena, &err), &err);
    vh_arena_destroy(arena);
    return 0;
}

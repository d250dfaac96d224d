/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets share. A target is one file target_NAME.c with LLVMFuzzerTestOneInput: it gives the bytes to
 * the host's own functions and asserts what must hold for any bytes. The same file is linked twice: with the driver of
 * drive.c (every compiler; the corpus and a bounded number of mutations, as a test) and with libFuzzer (tools/fuzz). */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Inputs that are no text are made, not kept in git: write number `which` into `bytes` and give its length; 0 ends the
 * list. Targets with text corpora do not define it. */
size_t fuzz_seed(size_t which, uint8_t *bytes, size_t room);

/* How an input ended, for the driver: a target that accepts nothing or refuses nothing tests nothing. */
struct fuzz_count {
    uint64_t accepted;
    uint64_t refused;
};
extern struct fuzz_count fuzz_count;

/* Counts, and looks at the message of a refusal: one line of UTF-8 that says something. Gives status == VIV_OK. */
bool fuzz_ended(viv_status status, const struct viv_error *err);
/* The message alone. */
void fuzz_message(viv_status status, const struct viv_error *err);
/* A text shown to people: one line of UTF-8, not empty. */
void fuzz_line(const char *text, const char *what);

/* Must hold for any input. Ends the process as an assertion does, so that both drivers keep the input. */
#define FUZZ_MUST(condition, ...)                                                                                      \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fuzz_fail(__FILE__, __LINE__, #condition, __VA_ARGS__);                                                    \
        }                                                                                                              \
    } while (0)
_Noreturn void fuzz_fail(const char *file, int line, const char *condition, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Memory for one input. */
struct vh_arena *fuzz_arena(void);

/* Cut `text` at the first `mark`: what is before it; `text` becomes what follows, empty when there is no mark. */
struct viv_str fuzz_part(struct viv_str *text, const char *mark);
struct viv_str fuzz_text(const uint8_t *data, size_t size);

/* A folder for the process below TMPDIR, /dev/shm or /tmp; gone when the process ends in order. */
const char *fuzz_folder(void);
int fuzz_folder_fd(void);

#endif

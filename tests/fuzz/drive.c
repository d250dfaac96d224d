/* SPDX-License-Identifier: Apache-2.0 */
/* The plain driver: runs a target on every file of a corpus and, for each, on mutations that follow from a seed, so
 * that a failure can be had again. Says how many inputs ran; fails when there were none, or when the target accepted
 * nothing or refused nothing. An input that ends the process is kept as a file, and its name is said.
 *
 *   fuzz_NAME [--rounds N] [--seed N] [--seeds FOLDER] FILE|FOLDER...
 *
 * --rounds: mutations in all, shared by the inputs. --seeds: write the inputs that are made and not kept, and end. */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUT_MAX (8u << 20)
#define INPUTS_MAX 4096
#define SEED_ROOM (256u << 10)
#define MUTATED_MAX (1u << 20)
#define HANG_S 60 /* for one input, under a sanitizer, on a busy machine */

struct input {
    char name[256];
    uint8_t *bytes;
    size_t size;
};

static struct input inputs[INPUTS_MAX];
static size_t input_count;
static uint64_t state;

/* What is under way, for keep(). */
static const char *program;
static const struct input *current;
static const uint8_t *current_bytes;
static size_t current_size;
static uint64_t first_seed;

/* Weak: linked with or without a target's own. */
__attribute__((weak)) size_t
fuzz_seed(size_t which, uint8_t *bytes, size_t room)
{
    (void)which;
    (void)bytes;
    (void)room;
    return 0;
}

/* So that a finding of a sanitizer comes by keep(). */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);
const char *
__asan_default_options(void)
{
    return "abort_on_error=1:handle_segv=1";
}
const char *
__ubsan_default_options(void)
{
    return "abort_on_error=1:print_stacktrace=1";
}

/* Only what a signal handler may do. */
static void
keep(int signal_number)
{
    static const char name[] = "fuzz-finding.input";
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd >= 0 && current_bytes) {
        ssize_t put = write(fd, current_bytes, current_size);
        (void)put; /* nobody is left to be told */
        close(fd);
    }
    char text[512];
    int len = snprintf(text, sizeof text, "%s: signal %d by an input made from '%s' (seed %llu); kept as %s\n", program,
                       signal_number, current ? current->name : "?", (unsigned long long)first_seed, name);
    ssize_t said = write(2, text, len > 0 ? (size_t)len : 0);
    (void)said;
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void __attribute__((format(printf, 1, 2)))
fail(const char *format, ...)
{
    va_list list;
    fprintf(stderr, "%s: ", program);
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fprintf(stderr, "\n");
    exit(1);
}

/* ---- inputs ---- */

static struct input *
add_input(const char *name, const uint8_t *bytes, size_t size)
{
    if (input_count == INPUTS_MAX) {
        fail("too many inputs at '%s', allowed 4096", name);
    }
    struct input *input = &inputs[input_count++];
    snprintf(input->name, sizeof input->name, "%s", name);
    input->bytes = malloc(size ? size : 1);
    if (!input->bytes) {
        fail("no memory for '%s'", name);
    }
    if (size) {
        memcpy(input->bytes, bytes, size);
    }
    input->size = size;
    return input;
}

static void
read_file(const char *path)
{
    static uint8_t bytes[INPUT_MAX];
    FILE *file = fopen(path, "rbe");
    if (!file) {
        fail("cannot open '%s'", path);
    }
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    (void)add_input(path, bytes, size);
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void
read_all(const char *path)
{
    struct stat info;
    struct dirent **names = NULL;
    if (stat(path, &info)) {
        fail("there is no '%s'", path);
    }
    if (!S_ISDIR(info.st_mode)) {
        read_file(path);
        return;
    }
    int count = scandir(path, &names, NULL, by_name);
    for (int i = 0; i < count; i++) {
        char below[4096];
        snprintf(below, sizeof below, "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.') {
            read_file(below);
        }
        free(names[i]);
    }
    free(names);
}

static void
make_seeds(const char *folder)
{
    static uint8_t bytes[SEED_ROOM];
    size_t size;
    for (size_t i = 0; (size = fuzz_seed(i, bytes, sizeof bytes)) != 0; i++) {
        char name[512];
        snprintf(name, sizeof name, "%s/seed-%03zu", folder ? folder : "made", i);
        (void)add_input(name, bytes, size);
        FILE *file = folder ? fopen(name, "wbe") : NULL;
        if (folder && (!file || fwrite(bytes, 1, size, file) != size || fclose(file))) {
            fail("cannot write '%s'", name);
        }
    }
}

/* ---- mutations ---- */

/* xorshift64*: the same on every machine. */
static uint64_t
draw(uint64_t below)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return ((state * UINT64_C(2685821657736338717)) >> 11) % below;
}

static const uint64_t odd_numbers[] = { 0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000,
                                        0xffffffff, UINT64_C(0x7fffffffffffffff), UINT64_C(0x8000000000000000),
                                        UINT64_C(0xffffffffffffffff), 4096, 65536 };

/* Put `piece` in place of `gone` bytes at `at`. */
static size_t
replace(uint8_t *bytes, size_t size, size_t at, size_t gone, const uint8_t *piece, size_t len)
{
    if (size - gone + len > MUTATED_MAX) {
        return size;
    }
    memmove(bytes + at + len, bytes + at + gone, size - at - gone);
    if (len) {
        memmove(bytes + at, piece, len);
    }
    return size - gone + len;
}

static size_t
mutate_once(uint8_t *bytes, size_t size)
{
    static const char marks[] = "\"\\{}[]():,'\n\t\0 $|&;<>./-_=#%*0x9aZ\x7f\x80\xc3\xff";
    uint8_t piece[64];
    size_t at = size ? draw(size) : 0;
    size_t left = size - at;
    size_t span = left ? 1 + draw(left < 64 ? left : 64) : 0;
    const struct input *other = &inputs[draw(input_count)];
    size_t from = other->size ? draw(other->size) : 0;
    size_t some = other->size - from < 64 ? other->size - from : 1 + draw(64);
    switch (size ? draw(9) : 6) {
    case 0:
        bytes[at] ^= (uint8_t)(1u << draw(8));
        return size;
    case 1:
        bytes[at] = (uint8_t)marks[draw(sizeof marks - 1)];
        return size;
    case 2: /* a number, as machines write it */
        memcpy(piece, &odd_numbers[draw(sizeof odd_numbers / sizeof *odd_numbers)], 8);
        some = (size_t)1 << draw(4);
        memcpy(bytes + at, piece, some < left ? some : left);
        return size;
    case 3:
        return replace(bytes, size, at, span, NULL, 0);
    case 4: /* again, somewhere else */
        memcpy(piece, bytes + at, span);
        return replace(bytes, size, draw(size + 1), 0, piece, span);
    case 5:
        piece[0] = (uint8_t)marks[draw(sizeof marks - 1)];
        return replace(bytes, size, at, 0, piece, 1);
    case 6: /* a piece of another input */
        return some ? replace(bytes, size, at, draw(2) ? span : 0, other->bytes + from, some) : size;
    case 7: /* a number, as people write it */
        some = (size_t)snprintf((char *)piece, sizeof piece, "%lld",
                                (long long)odd_numbers[draw(sizeof odd_numbers / sizeof *odd_numbers)]);
        return replace(bytes, size, at, draw(2) ? 1 : 0, piece, some);
    default:
        return draw(8) ? size : at;
    }
}

/* ---- running ---- */

/* Behind the input lies nothing: a sanitizer sees every byte that is read too far. */
static void
run_one(const struct input *input, const uint8_t *bytes, size_t size)
{
    uint8_t *exact = malloc(size ? size : 1);
    if (!exact) {
        fail("no memory to run '%s'", input->name);
    }
    if (size) {
        memcpy(exact, bytes, size);
    }
    current = input;
    current_bytes = exact;
    current_size = size;
    alarm(HANG_S);
    (void)LLVMFuzzerTestOneInput(exact, size);
    alarm(0);
    current_bytes = NULL;
    free(exact);
}

static uint64_t
run_mutations(uint64_t rounds)
{
    static uint8_t bytes[MUTATED_MAX + 64];
    uint64_t ran = 0;
    for (; ran < rounds; ran++) {
        const struct input *input = &inputs[ran % input_count];
        if (input->size > MUTATED_MAX) {
            continue;
        }
        size_t size = input->size;
        if (size) {
            memcpy(bytes, input->bytes, size);
        }
        for (uint64_t times = 1 + draw(4); times > 0; times--) {
            size = mutate_once(bytes, size);
        }
        run_one(input, bytes, size);
    }
    return ran;
}

static uint64_t
number_of(const char *text)
{
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text ? text : "", &end, 10);
    if (!text || !*text || *end || errno) {
        fail("'%s' is not a number, allowed: 0 and above", text ? text : "");
    }
    return number;
}

int
main(int argc, char **argv)
{
    uint64_t rounds = 0;
    const char *slash = strrchr(argv[0], '/');
    program = slash ? slash + 1 : argv[0];
    first_seed = 1;
    static const int signals[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM };
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        signal(signals[i], keep);
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--rounds") == 0) {
            rounds = number_of(argv[++i]);
        } else if (strcmp(argv[i], "--seed") == 0) {
            first_seed = number_of(argv[++i]);
        } else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) {
            make_seeds(argv[i + 1]);
            return 0;
        } else {
            read_all(argv[i]);
        }
    }
    size_t files = input_count;
    bool again = files == 1 && rounds == 0; /* one finding, tried again */
    if (!again) {
        make_seeds(NULL);
    }
    if (input_count == 0) {
        fail("the corpus is empty");
    }
    state = first_seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    for (size_t i = 0; i < input_count; i++) {
        run_one(&inputs[i], inputs[i].bytes, inputs[i].size);
    }
    uint64_t ran = run_mutations(rounds);
    printf("%s: %zu files, %zu made, %llu mutations, seed %llu: %llu accepted, %llu refused\n", program, files,
           input_count - files, (unsigned long long)ran, (unsigned long long)first_seed,
           (unsigned long long)fuzz_count.accepted, (unsigned long long)fuzz_count.refused);
    for (size_t i = 0; i < input_count; i++) {
        free(inputs[i].bytes);
    }
    if (!again && fuzz_count.accepted == 0) {
        fail("no input was accepted, so nothing behind the first check was tested");
    }
    if (!again && fuzz_count.refused == 0) {
        fail("no input was refused, so no refusal was tested");
    }
    return 0;
}

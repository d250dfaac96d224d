/* SPDX-License-Identifier: Apache-2.0 */
/* Which call fails, and the account of all. Read torture.h first. Nothing here takes memory or a lock: it runs inside
 * every malloc. */
#define _GNU_SOURCE
#include "torture.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEPTH TORTURE_DEPTH

static const char *const names[TORTURE_KINDS] = { "alloc", "full", "io", "sync", "readonly", "process" };
static const int codes[TORTURE_KINDS] = { ENOMEM, ENOSPC, EIO, EIO, EROFS, EMFILE };

static struct torture_report *report;
static uintptr_t program_from, program_to; /* where the program itself lies */
static struct {
    bool fails;
    unsigned kind;
    uint64_t place; /* 0: calls of a kind are numbered together */
    uint64_t number;
    bool ever;
} plan;
static struct range {
    uint64_t from, to; /* offsets in the program */
    uint64_t counts;   /* 0: whoever called it decides */
} within[4096];        /* sorted; none: every caller is meant */
static size_t within_count;
static _Atomic uint64_t at_place;
static _Thread_local bool inside __attribute__((tls_model("initial-exec")));

static const struct range *
range_of(uint64_t at)
{
    size_t low = 0, high = within_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (at < within[middle].from) {
            high = middle;
        } else if (at >= within[middle].to) {
            low = middle + 1;
        } else {
            return &within[middle];
        }
    }
    return NULL;
}

/* The innermost function of the program among the callers decides. */
static bool
is_within(void *const *frames, int count)
{
    for (int i = 0; i < count; i++) {
        uintptr_t frame = (uintptr_t)frames[i];
        if (frame >= program_from && frame < program_to) {
            const struct range *range = range_of(frame - 1 - program_from); /* a call's end may be its function's */
            if (!range || range->counts) {
                return range;
            }
        }
    }
    return false;
}

static bool
meant_caller(void)
{
    void *frames[DEPTH];
    return !within_count || is_within(frames, backtrace(frames, DEPTH));
}

static uint64_t
hash_of(unsigned kind, void *const *frames, int count)
{
    uint64_t hash = 14695981039346656037u + kind;
    for (int i = 2; i < count; i++) { /* not this library's own two */
        hash = (hash ^ (uint64_t)(uintptr_t)frames[i]) * 1099511628211u;
    }
    return hash ? hash : 1;
}

static void
note_callers(struct torture_place *place, void *const *frames, int count)
{
    for (int i = 2; i < count; i++) {
        uintptr_t at = (uintptr_t)frames[i];
        place->callers[i - 2] = at >= program_from && at < program_to ? at - program_from : 0;
    }
}

static void
note_place(unsigned kind, uint64_t hash, uint64_t number, void *const *frames, int count)
{
    for (uint32_t i = 0; i < TORTURE_PLACES; i++) {
        struct torture_place *place = &report->places[(hash + i) % TORTURE_PLACES];
        uint64_t there = 0;
        if (__atomic_compare_exchange_n(&place->hash, &there, hash, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
            place->kind = kind;
            place->first = number;
            note_callers(place, frames, count);
        }
        if (there == 0 || there == hash) {
            (void)__atomic_fetch_add(&place->count, 1, __ATOMIC_RELAXED);
            return;
        }
    }
}

/* One caller a line, after what stands there. */
static void
tell_callers(char *text, void *const *frames, int count)
{
    size_t len = strlen(text);
    for (int i = 2; i < count && len < TORTURE_TEXT; i++) {
        Dl_info info;
        int found = dladdr(frames[i], &info);
        len += (size_t)snprintf(text + len, TORTURE_TEXT - len, "%s +0x%lx %s\n",
                                found && info.dli_fname ? info.dli_fname : "?",
                                (unsigned long)((char *)frames[i] - (found ? (char *)info.dli_fbase : (char *)0)),
                                found && info.dli_sname ? info.dli_sname : "");
    }
}

/* Said of the first failure alone. */
static void
tell(const char *call, unsigned kind, uint64_t number, void *const *frames, int count)
{
    snprintf(report->text, TORTURE_TEXT, "%s %s:%llu:%s\n", call, names[kind], (unsigned long long)number,
             plan.ever ? "ever" : "once");
    tell_callers(report->text, frames, count);
}

/* A crash says where, then ends the program as it would have. */
static void
on_crash(int number)
{
    void *frames[DEPTH];
    inside = true;
    snprintf(report->crash, TORTURE_TEXT, "signal %d\n", number);
    tell_callers(report->crash, frames, backtrace(frames, DEPTH));
    signal(number, SIG_DFL);
    raise(number);
}

static const int crashes[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };

bool
torture_keeps(int number)
{
    bool is = false;
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++) {
        is = is || number == crashes[i];
    }
    return is && report && !inside;
}

/* A sanitizer tells of its crashes itself, but for an abort. */
static void
catch_crashes(void)
{
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++) {
        if (!torture_sanitized() || crashes[i] == SIGABRT) {
            signal(crashes[i], on_crash);
        }
    }
}

static bool
decide(unsigned kind, uint64_t number, const char *call)
{
    bool meant = plan.fails && kind == plan.kind;
    void *frames[DEPTH];
    int count = 0;
    if (!plan.fails || (meant && plan.place)) {
        count = backtrace(frames, DEPTH);
        uint64_t hash = hash_of(kind, frames, count);
        if (!plan.fails) {
            note_place(kind, hash, number, frames, count);
        } else if (plan.ever && atomic_load(&at_place) >= plan.number) {
            number = plan.number; /* for ever from there on: everywhere */
        } else {
            number = hash == plan.place ? atomic_fetch_add(&at_place, 1) + 1 : 0;
        }
    }
    if (!meant || number < plan.number || (number > plan.number && !plan.ever)) {
        return false;
    }
    if (__atomic_fetch_add(&report->failed, 1, __ATOMIC_RELAXED) == 0) {
        tell(call, kind, number, frames, count ? count : backtrace(frames, DEPTH));
    }
    return true;
}

bool
torture_fails(unsigned kinds, const char *call)
{
    if (!report || inside) {
        return false;
    }
    if (plan.fails && !plan.ever && __atomic_load_n(&report->failed, __ATOMIC_RELAXED)) {
        return false; /* it was said already */
    }
    int before = errno;
    int code = 0;
    inside = true;
    kinds = meant_caller() ? kinds : 0;
    for (unsigned kind = 0; kind < TORTURE_KINDS; kind++) {
        if (kinds & TORTURE_BIT(kind)) {
            uint64_t number = __atomic_fetch_add(&report->calls[kind], 1, __ATOMIC_RELAXED) + 1;
            code = decide(kind, number, call) ? codes[kind] : code;
        }
    }
    inside = false;
    errno = code ? code : before;
    return code != 0;
}

bool
torture_failed(void)
{
    return report && __atomic_load_n(&report->failed, __ATOMIC_RELAXED);
}

static void
read_within(const char *path)
{
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t got = fd < 0 ? 0 : read(fd, within, sizeof within);
    within_count = got > 0 ? (size_t)got / sizeof *within : 0;
    if (path && (!within_count || within_count == sizeof within / sizeof *within)) {
        dprintf(2, "torture: '%s' has no ranges, or too many\n", path);
        _exit(99);
    }
    close(fd);
}

static void
read_plan(const char *text)
{
    char kind[16] = "", when[8] = "";
    unsigned long long place = 0, number = 0;
    if (sscanf(text, "%15[a-z]@%llx:%llu:%7s", kind, &place, &number, when) != 4) {
        place = 0;
        if (sscanf(text, "%15[a-z]:%llu:%7s", kind, &number, when) != 3) {
            return;
        }
    }
    for (unsigned i = 0; i < TORTURE_KINDS; i++) {
        if (strcmp(kind, names[i]) == 0) {
            plan.kind = i;
            plan.place = place;
            plan.number = number;
            plan.ever = strcmp(when, "ever") == 0;
            plan.fails = number > 0;
        }
    }
}

/* The program is known by its own name, not by its arguments. */
static bool
is_meant(void)
{
    char path[4096];
    const char *program = getenv("VIV_TORTURE_PROGRAM");
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    path[len > 0 ? len : 0] = '\0';
    const char *slash = strrchr(path, '/');
    return slash && strcmp(slash + 1, program ? program : "vivhost") == 0;
}

/* The program comes first. */
static int
find_program(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    (void)data;
    program_from = program_to = (uintptr_t)info->dlpi_addr;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        uintptr_t end = program_from + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
        program_to = info->dlpi_phdr[i].p_type == PT_LOAD && end > program_to ? end : program_to;
    }
    return 1;
}

__attribute__((constructor)) static void
begin(void)
{
    const char *account = getenv("VIV_TORTURE_REPORT");
    const char *text = getenv("VIV_TORTURE");
    if (!account || !is_meant()) {
        return;
    }
    inside = true; /* what is asked for here is no part of the program */
    int fd = open(account, O_RDWR | O_CLOEXEC);
    void *memory = fd < 0 ? MAP_FAILED
                          : mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        dprintf(2, "torture: '%s' cannot take the account\n", account);
        _exit(99);
    }
    close(fd);
    void *frames[DEPTH];
    (void)backtrace(frames, DEPTH); /* the first one loads a library */
    (void)dl_iterate_phdr(find_program, NULL);
    read_plan(text ? text : "count");
    read_within(getenv("VIV_TORTURE_WITHIN"));
    torture_test(getenv("VIV_TORTURE_TEST"));
    catch_crashes();
    report = memory;
    report->begun = 1;
    inside = false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A library for LD_PRELOAD that counts what a program asks of the system and lets one such call fail, or it and all
 * that follow. torture.c decides and keeps the account; calls_memory.c and calls_files.c stand in for the functions of
 * libc; tests.c knows programs of cmocka and the sanitizers. tools/torture is what starts programs under it.
 *
 *   VIV_TORTURE_REPORT   a file of TORTURE_REPORT_BYTES zeros, which takes the account; without it nothing happens
 *   VIV_TORTURE_PROGRAM  the name of the one program that is meant, by default vivhost; all others run untouched
 *   VIV_TORTURE          "KIND:N:once" or "KIND:N:ever": the N-th call of a kind fails, or from the N-th on;
 *                        "KIND@PLACE:N:once" or "...:ever": calls are numbered for each chain of callers by itself;
 *                        PLACE is its hash as an account has it. With "count", or without this, none fails, and calls
 *                        are counted, by places too.
 *
 *   VIV_TORTURE_WITHIN   a file of triples of 64 bits, sorted: where a range of the program begins and ends, and
 *                        whether it counts. Only calls whose innermost function of the program lies in a range that
 *                        counts are counted and fail; ranges that do not count are looked through
 *   VIV_TORTURE_TEST     of a program of cmocka, this test alone is run
 *
 * Hashes of places stay the same from run to run only without randomised addresses (setarch -R). */
#ifndef TORTURE_H
#define TORTURE_H

#include <stdbool.h>
#include <stdint.h>

enum torture_kind {
    TORTURE_ALLOC,    /* memory: ENOMEM */
    TORTURE_FULL,     /* what needs room on a disk: ENOSPC */
    TORTURE_IO,       /* whatever touches a file: EIO */
    TORTURE_SYNC,     /* fsync and its like: EIO */
    TORTURE_READONLY, /* what changes a file system: EROFS */
    TORTURE_PROCESS,  /* descriptors, processes, threads: EMFILE, EAGAIN */
    TORTURE_KINDS
};
#define TORTURE_BIT(kind) (1u << (kind))

#define TORTURE_PLACES 32768u
#define TORTURE_TEXT 6144u
#define TORTURE_DEPTH 24

struct torture_place {
    uint64_t hash; /* 0: free */
    uint32_t kind;
    uint32_t count;
    uint64_t first; /* number of the first such call among its kind */
    uint64_t callers[TORTURE_DEPTH]; /* of the first such call, as offsets in the program; 0: outside of it, or none */
};

/* The account; tools/torture knows this layout. */
struct torture_report {
    uint64_t calls[TORTURE_KINDS]; /* of each kind */
    uint64_t failed;               /* calls that were made to fail */
    uint64_t begun;                /* 1: the program that is meant was there */
    char text[TORTURE_TEXT];       /* the first call that failed: its name, then one caller a line */
    char crash[TORTURE_TEXT];      /* the signal that ended it, and where */
    struct torture_place places[TORTURE_PLACES];
};

/* Count a call that belongs to each kind of the mask. True: it must fail, with errno set. */
bool torture_fails(unsigned kinds, const char *call);
/* Whether this library answers that signal itself: the program's own handler stays out, so that a crash is told. */
bool torture_keeps(int number);
/* Whether a call was made to fail. */
bool torture_failed(void);

/* Of a program of cmocka only this test is run; NULL: all. */
void torture_test(const char *name);
/* Whether the program has the sanitizer of addresses, which takes and gives memory and answers signals itself. */
bool torture_sanitized(void);

#endif

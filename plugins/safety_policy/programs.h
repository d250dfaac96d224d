/* SPDX-License-Identifier: Apache-2.0 */
/* Built-in rules for programs: what each is feared for. Tables, no policy, no I/O. A rule that asks
 * can be lifted by an allow rule of the user's policy; one that denies cannot. Read next:
 * programs.c, git.c. */
#ifndef SAFETY_POLICY_PROGRAMS_H
#define SAFETY_POLICY_PROGRAMS_H

#include "rules.h"

#define PROGRAMS_FINDINGS_MAX 8

struct finding {
    const char *id;
    viv_verdict verdict;
    uint32_t reserved;
    const char *reason; /* goes on after the program: "'curl' talks to the network" */
};

/* The rules this program meets; gives their number, at most PROGRAMS_FINDINGS_MAX. */
uint32_t programs_find(const struct argv *argv, struct finding *ret_findings);

/* The same for git, by its subcommand: git.c. */
uint32_t programs_find_git(const struct argv *argv, struct finding *ret_findings, uint32_t max);

/* Number of the word after `-o value` style options; `with_value` lists those whose value is a word
 * of its own. */
uint32_t programs_skip_options(const struct argv *argv, uint32_t from, const char *with_value);

/* Whether a program gets things from the network, or runs what it reads. */
uint32_t programs_is_download(struct viv_str program);
uint32_t programs_is_interpreter(struct viv_str program);
uint32_t programs_is_shell(struct viv_str program);

#endif

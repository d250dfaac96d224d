/* SPDX-License-Identifier: Apache-2.0 */
/* Shell text as far as a bounded grammar reads it: plain and quoted words, pipes, && || ; and
 * newlines, redirections, comments, NAME=value before a command. Everything else (substitution,
 * functions, loops, here-documents, a program whose name is made at run time) marks the text
 * `unread`; the words found are then a guess, good for a warning only. */
#ifndef SAFETY_POLICY_SHELL_H
#define SAFETY_POLICY_SHELL_H

#include "rules.h"

#define SHELL_STAGES_MAX 64
#define SHELL_FILES_MAX 8

struct shell_stage {
    struct argv argv;
    uint32_t piped; /* reads what the stage before wrote */
    uint32_t output_count;
    uint32_t input_count;
    uint32_t reserved;
    struct viv_str outputs[SHELL_FILES_MAX]; /* files it writes by redirection */
    struct viv_str inputs[SHELL_FILES_MAX];
};

struct shell {
    uint32_t count;
    uint32_t unread;
    struct shell_stage stages[SHELL_STAGES_MAX];
};

/* Read; everything lies in the call's memory. VIV_E_MEMORY alone can fail. */
viv_status shell_read(struct viv_call *call, struct viv_str text, struct shell **ret_shell);

#endif

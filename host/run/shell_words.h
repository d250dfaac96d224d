/* SPDX-License-Identifier: Apache-2.0 */
/* Which words make a text leave the grammar of shell.h: those a shell runs itself, or otherwise than the program of the
 * same name would. */
#ifndef VH_SHELL_WORDS_H
#define VH_SHELL_WORDS_H

#include "base/json.h"

/* Why `word`, the next one of the stage whose words so far are `argv`, is outside; NULL when it is not. */
const char *vh_shell_words_outside(const struct vh_json *argv, struct viv_str word);

/* Whether a redirection may name this file without a shell: relative and without "..", or /dev/null. */
bool vh_shell_words_inside(struct viv_str path);

#endif

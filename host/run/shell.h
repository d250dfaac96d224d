/* SPDX-License-Identifier: Apache-2.0 */
/* `sh -c TEXT` as structure. What lies inside the bounded grammar is run without a shell, so that policy, trace and
 * learner see the programs themselves:
 *
 *   list      pipeline (("&&" | "||" | ";" | newline) pipeline)*
 *   pipeline  stage ("|" stage)*
 *   stage     (word | redirection)+        first word: a program
 *   redirect  < > >> 2> 2>> word, 2>&1
 *   word      plain characters, 'single', "double" without $ ` \, \c outside quotes
 *
 * Redirections stand in the order < > 2>, each at most once. Everything else - variables, substitution, globs,
 * assignments, keywords, builtins that change the shell, background, groups, here documents, comments, an echo with a
 * backslash or an option - is outside, and the text goes to a real shell as one effect of its own kind, which the
 * policy may treat more strictly. Read next: shell_words.h. */
#ifndef VH_SHELL_H
#define VH_SHELL_H

#include "base/json.h"

/* {"pipelines":[{"op":"and|or|then","stages":[...]}]}, the first without "op", a stage as in the exec document. NULL
 * when the text is outside the grammar; `ret_why` then names the first thing outside it. */
struct vh_json *vh_shell_parse(struct vh_arena *arena, struct viv_str text, const char **ret_why);

#endif

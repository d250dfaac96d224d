/* SPDX-License-Identifier: Apache-2.0 */
/* What a test of the sandbox does when it is started inside as `PROGRAM --attack NAME [MORE]`: one
 * attack by name. */
#ifndef SUPPORT_SANDBOX_ATTACKS_H
#define SUPPORT_SANDBOX_ATTACKS_H

/* 0: stopped; 99: no such attack; else something got through. */
int attacks_run(int argc, char **argv);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a command on a machine that gives less, as containers do:
 *
 *   lesser userns COMMAND...       no user namespace can be made
 *   lesser namespaces COMMAND...   no namespace of any kind
 *   lesser walls COMMAND...        no namespace and no Landlock
 *
 * A filter of system calls does it, so that the host under test needs no switch. For root it is set
 * with root's own rights; anybody else gives up new privileges first, since no other filter is
 * allowed. */
#include <errno.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int
deny_flag(scmp_filter_ctx filter, int number, unsigned long flag)
{
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 1,
                            SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag));
}

static int
deny_namespaces(scmp_filter_ctx filter, int all)
{
    static const unsigned long flags[] = {CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWPID,   CLONE_NEWNET,
                                          CLONE_NEWIPC,  CLONE_NEWUTS, CLONE_NEWCGROUP};
    int failed = 0;
    for (size_t i = 0; i < (all ? sizeof flags / sizeof *flags : 1); i++) {
        failed |= deny_flag(filter, SCMP_SYS(clone), flags[i]) |
                  deny_flag(filter, SCMP_SYS(unshare), flags[i]);
    }
    /* Its flags are in memory, where no filter sees them; the C library falls back to clone. */
    return failed | seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

static int
deny_landlock(scmp_filter_ctx filter)
{
    int failed = 0;
    for (int number = 444; number <= 446; number++) {
        failed |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), number, 0);
    }
    return failed;
}

int
main(int argc, char **argv)
{
    int walls = argc > 2 && strcmp(argv[1], "walls") == 0;
    int all = walls || (argc > 2 && strcmp(argv[1], "namespaces") == 0);
    if (argc < 3 || (!all && strcmp(argv[1], "userns") != 0)) {
        fprintf(stderr, "usage: lesser userns|namespaces|walls COMMAND...\n");
        return 2;
    }
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (!filter || deny_namespaces(filter, all) || (walls && deny_landlock(filter)) ||
        (geteuid() == 0 && seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0)) ||
        seccomp_load(filter)) {
        fprintf(stderr, "lesser: the filter cannot be set\n");
        return 1;
    }
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return 1;
}

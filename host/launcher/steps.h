/* SPDX-License-Identifier: Apache-2.0 */
/* Every set-up step by name, in the order they are gone through. The one list: a step that is not
 * here can be neither guarded nor refused (step.h), `viv-launcher --steps` prints it, and the tests
 * that make each step fail in turn take their names from it. */
#ifndef VL_STEPS_H
#define VL_STEPS_H

#define STEPS(X)                                                                                   \
    X(TOOL, "tool")                                                                                \
    X(CONTROL, "control")                                                                          \
    X(USERNS, "userns")                                                                            \
    X(PIDNS, "pidns")                                                                              \
    X(FORK, "fork")                                                                                \
    X(SUBREAPER, "subreaper")                                                                      \
    X(MAPS, "maps")                                                                                \
    X(MOUNTNS, "mountns")                                                                          \
    X(PRIVATE, "private")                                                                          \
    X(NETNS, "netns")                                                                              \
    X(LOOPBACK, "loopback")                                                                        \
    X(IPCNS, "ipcns")                                                                              \
    X(UTSNS, "utsns")                                                                              \
    X(ROOT, "root")                                                                                \
    X(SYSTEM, "system")                                                                            \
    X(DEV, "dev")                                                                                  \
    X(PROC, "proc")                                                                                \
    X(REQUEST, "request")                                                                          \
    X(TMP, "tmp")                                                                                  \
    X(LAYERS, "layers")                                                                            \
    X(BINDS, "binds")                                                                              \
    X(POINTS, "points")                                                                            \
    X(OVERLAY, "overlay")                                                                          \
    X(COPY, "copy")                                                                                \
    X(PIVOT, "pivot")                                                                              \
    X(CHROOT, "chroot")                                                                            \
    X(READ_ONLY, "read-only")                                                                      \
    X(DOOR, "door")                                                                                \
    X(LANDLOCK, "landlock")                                                                        \
    X(CAPABILITIES, "capabilities")                                                                \
    X(NNP, "nnp")                                                                                  \
    X(DUMPABLE, "dumpable")                                                                        \
    X(MINIMUM, "minimum")                                                                          \
    X(DEATH, "death")                                                                              \
    X(START, "start")                                                                              \
    X(SESSION, "session")                                                                          \
    X(DESCRIPTORS, "descriptors")                                                                  \
    X(LANDLOCK_ENTER, "landlock-enter")                                                            \
    X(SECCOMP, "seccomp")                                                                          \
    X(RLIMITS, "rlimits")

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Behind `host_data` of the host that a test lends to a plugin of this folder: what it did. */
#ifndef FAULT_PROBE_H
#define FAULT_PROBE_H

struct fault_probe {
    int created;
    int destroyed;
    const void *config;
};

#endif

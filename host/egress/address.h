/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, and which of them nobody may dial unless an allow list names that very one. Pure. */
#ifndef EGRESS_ADDRESS_H
#define EGRESS_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <viv/core.h>

#define ADDRESS_TEXT_MAX 46

struct address {
    uint8_t v6; /* else v4, in the first four bytes */
    uint8_t bytes[16];
};

/* The dotted form of four decimal numbers, or what inet_pton reads as v6 without a zone. Nothing else is an address.
 */
bool address_read(struct viv_str text, struct address *ret_address);
void address_text(const struct address *address, char ret_text[ADDRESS_TEXT_MAX]);
bool address_equal(const struct address *a, const struct address *b);

bool address_from(const struct sockaddr *from, struct address *ret_address);
socklen_t address_to(const struct address *address, uint16_t port, struct sockaddr_storage *ret_to);

/* NULL for what may be dialled, else what is against it: "a private address". */
const char *address_refused(const struct address *address);
bool address_loopback(const struct address *address);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Places ("host:port") and allow lists of them. A host has one spelling here: lower case, no trailing dot, ASCII,
 * labels of letters, digits, '-' and '_'; what looks like a number is a v4 address in its canonical form or nothing.
 * Pure. */
#ifndef EGRESS_RULES_H
#define EGRESS_RULES_H

#include "address.h"
#include "base/json.h"

#define HOST_MAX 253
#define PLACE_TEXT_MAX (HOST_MAX + 9) /* with brackets, colon and port */
#define ADDRESSES_MAX 16              /* of one host that are looked at */

struct place {
    char host[HOST_MAX + 1];
    uint16_t port;
    bool literal; /* the host is an address */
    struct address address;
};

/* `port` is for texts without one; 0: they are refused. VIV_E_INVALID names text, fault and cure. */
viv_status place_read(struct viv_str text, uint16_t port, struct place *ret_place, struct viv_error *err);
void place_text(const struct place *place, char ret_text[PLACE_TEXT_MAX]);
bool place_equal(const struct place *a, const struct place *b);

struct rule {
    struct place place;
    bool below; /* "*.": all names below the host, not the host itself */
    bool plain; /* "http://": an exchange may go without TLS */
};

struct rules {
    const struct rule *rule;
    size_t count;
};

/* `list` is an array of texts; NULL is an empty one, which allows nothing. */
viv_status rules_read(struct vh_arena *arena, const struct vh_json *list, struct rules *ret_rules,
                      struct viv_error *err);

/* The rule that allows the place, or NULL. */
const struct rule *rules_find(const struct rules *rules, const struct place *place);

/* What is allowed, in words, for who was refused; cut with "...". */
void rules_text(const struct rules *rules, char *ret_text, size_t size);

/* Of the addresses that were found keep those that may be dialled for `place`: none that address_refused or `own` is
 * against, unless a rule names it with this port. `own` says whether it is one of this machine's; may be NULL. 0:
 * `err` says VIV_E_DENIED, with the address and the cure. */
size_t rules_choose(const struct rules *rules, const struct place *place, struct address *addresses, size_t count,
                    bool (*own)(const struct address *address), struct viv_error *err);

#endif

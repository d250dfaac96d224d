/* SPDX-License-Identifier: Apache-2.0 */
/* What trust.c and trust_rotate.c share. */
#ifndef VH_TRUST_PARTS_H
#define VH_TRUST_PARTS_H

#include "trust.h"

/* A new key; in place of the present one only if `replace`. */
viv_status vh_trust_write_key(const struct vh_seam *seam, int dir, const char *keys_folder,
                              const struct vh_trust_names *names, bool replace, struct viv_error *err);
const struct vh_trust_names *vh_trust_names_of(const struct vh_trust *trust);
viv_status vh_trust_write_old(const struct vh_seam *seam, int dir, const char *keys_folder,
                              const struct vh_trust *trust, struct viv_error *err);
const struct vh_trust_old *vh_trust_find_old(const struct vh_trust *trust, const uint8_t key[VH_TRUST_KEY_BYTES]);

#endif

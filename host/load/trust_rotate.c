/* SPDX-License-Identifier: Apache-2.0 */
/* The user's next key, and the end of an old one. The list of old keys is written before the new key takes the present
 * one's place, each in one step: a crash leaves the present key, listed as kept or not, or the new one and a whole
 * list. */
#include <sodium.h>
#include <string.h>

#include "base/error.h"
#include "trust_parts.h"

/* The present key joins the old ones; nothing to do when a crash had cut that short after it. */
static viv_status
keep_present(struct vh_trust *trust, struct viv_error *err)
{
    uint32_t gone = 0;
    if (vh_trust_find_old(trust, trust->key)) {
        return VIV_OK;
    }
    if (trust->old_count == VH_TRUST_OLD_MAX) {
        while (gone < trust->old_count && !trust->old[gone].retired) {
            gone++;
        }
        if (gone == trust->old_count) {
            return vh_error_set(err, VIV_E_LIMIT, "trust",
                                "there are %u old keys, allowed %d; 'vivhost %s key retire KEY' makes room",
                                (unsigned)trust->old_count, VH_TRUST_OLD_MAX, vh_trust_names_of(trust)->word);
        }
        trust->old_count--;
        memmove(&trust->old[gone], &trust->old[gone + 1], (trust->old_count - gone) * sizeof trust->old[0]);
    }
    memcpy(trust->old[trust->old_count].key, trust->key, sizeof trust->key);
    trust->old[trust->old_count++].retired = false;
    return VIV_OK;
}

viv_status
vh_trust_rotate(const struct vh_seam *seam, int dir, const char *keys_folder, struct vh_trust *trust,
                struct viv_error *err)
{
    viv_status status = vh_trust_read_key(seam, dir, keys_folder, trust, err);
    if (status == VIV_OK && !trust->has_key) {
        return vh_error_set(err, VIV_E_NOT_FOUND, "trust",
                            "there is no key in '%s'; 'vivhost %s %s' makes one at its first use", keys_folder,
                            vh_trust_names_of(trust)->word, vh_trust_names_of(trust)->maker);
    }
    status = status ? status : keep_present(trust, err);
    status = status ? status : vh_trust_write_old(seam, dir, keys_folder, trust, err);
    if (status == VIV_OK) {
        VH_PLACE(seam, "trust.rotate.before-key");
        status = vh_trust_write_key(seam, dir, keys_folder, vh_trust_names_of(trust), true, err);
    }
    return status ? status : vh_trust_read_key(seam, dir, keys_folder, trust, err);
}

viv_status
vh_trust_retire(const struct vh_seam *seam, int dir, const char *keys_folder, const char *hex, struct vh_trust *trust,
                struct viv_error *err)
{
    char own[2 * VH_TRUST_KEY_BYTES + 1] = "";
    struct vh_trust_old *found = NULL;
    size_t len = strlen(hex), count = 0;
    viv_status status = vh_trust_read_key(seam, dir, keys_folder, trust, err);
    for (uint32_t i = 0; status == VIV_OK && i < trust->old_count; i++) {
        sodium_bin2hex(own, sizeof own, trust->old[i].key, sizeof trust->old[i].key);
        bool fits = strncmp(own, hex, len) == 0;
        found = fits ? &trust->old[i] : found;
        count += fits;
    }
    if (status) {
        return status;
    }
    sodium_bin2hex(own, sizeof own, trust->key, sizeof trust->key);
    if (trust->has_key && strncmp(own, hex, len) == 0 && len >= 8) {
        return vh_error_set(err, VIV_E_DENIED, "trust",
                            "the key %.16s is the one that signs; 'vivhost %s key rotate' makes another first", own,
                            vh_trust_names_of(trust)->word);
    }
    if (count != 1 || len < 8) {
        return vh_error_set(err, count ? VIV_E_INVALID : VIV_E_NOT_FOUND, "trust",
                            "'%.64s' begins %zu old keys, allowed: at least 8 digits that begin one; 'vivhost %s "
                            "key list' shows them",
                            hex, count, vh_trust_names_of(trust)->word);
    }
    found->retired = true;
    return vh_trust_write_old(seam, dir, keys_folder, trust, err);
}

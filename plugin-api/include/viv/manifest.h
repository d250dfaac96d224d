/* SPDX-License-Identifier: Apache-2.0 */
/* The ELF note that carries manifest.json inside a plugin, readable without running anything.
 *
 * Section `.note.vivarium`, type SHT_NOTE, allocated, read-only, one note:
 *   namesz 9, name "Vivarium" with its NUL, padded to 12; type VIV_NOTE_MANIFEST; descriptor: UTF-8 JSON,
 *   docs/contract/manifest.schema.json, without a NUL. The first plugin-api name to know is viv_plugin_entry. */
#ifndef VIV_MANIFEST_H
#define VIV_MANIFEST_H

#define VIV_NOTE_SECTION ".note.vivarium"
#define VIV_NOTE_NAME "Vivarium"
#define VIV_NOTE_MANIFEST 1u

#endif

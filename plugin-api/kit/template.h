/* SPDX-License-Identifier: Apache-2.0 */
/* Templates: which requests in words a skill answers, and what they say. Host, learner and vivcheck share this one
 * matcher. It touches no file, keeps no state and allocates only through the caller.
 *
 *     {"text":"count the lines of {lang:word} under {root:path}",
 *      "bind":{"lang":"/language","root":"/root"}, "set":{"/mode":"count"},
 *      "accept":["Count the lines of C under host."], "refuse":["count the lines of C not under host"]}
 *
 * A request is cut into tokens at blanks; a token that starts with ' " or ` runs to the same character (a quoted
 * token). At the request's end ! ? and one full stop fall away. All words of the template must stand in the request
 * in the same order with nothing between, before or behind; case of ASCII letters is ignored; a word may carry a
 * comma, semicolon or colon. Nothing is skipped and nothing is nearly equal, so a request with one more word, such as
 * "not", is another request. Slots, each one token unless said otherwise:
 *
 *   word        starts with a letter, digit or _, then also + # - . ' as in C++ or objective-c; no negation or polarity
 *               word (see below)
 *   identifier  [A-Za-z_][A-Za-z0-9_]*, joined by . :: ->; no negation or polarity word
 *   path        relative path inside the workspace, "." too, not starting with - or ~; no character that means
 *               something to a shell, unless quoted; no negation word
 *   file        a path that does not end in / and is not "."
 *   glob        a name without / that may also hold * ? [ ] !
 *   number      -?[0-9]{1,15}
 *   size        number and B K KB KiB M MB MiB G GB GiB T TB TiB, byte(s); one or two tokens; K is 1024, KB 1000
 *   duration    number and ns us ms s sec second(s) m min minute(s) h hour(s) d day(s) w week(s); one or two tokens
 *   date        YYYY-MM-DD that exists
 *   quoted      a quoted token; may be empty
 *   text        one or more tokens; refuses negation, polarity and joining words (and, or, then, but) unless quoted;
 *               never next to another text slot
 *   choice(a|b) one of the words, case ignored
 *
 * Negation, refused in every slot unless quoted: not no never none without except excluding unless instead neither nor
 * only cannot but, and words in n't. Polarity, refused in word, identifier and text: first last more less before after
 * include exclude all any every each. Pointing words, refused in word, identifier, path, file and glob, since what they
 * point to is not in the request: the an it its this that these those them there here everything something.
 *
 * `bind` maps a slot to a member of the input, "/name", or {"to":"/name","as":TRANSFORM}. Transforms: identity (the
 * bytes as they were), unquote (without the quotes around), lower (ASCII), extension (".c", "c" or "*.c" to "*.c"),
 * integer (a number), bytes (a size), ns, us, seconds (a duration), choice (as the template spells it). Without "as":
 * number integer, size bytes, duration ns, choice choice, all others unquote. `set` gives constants. A slot that no
 * rule binds is refused.
 *
 * More than one reading means that the request is ambiguous: the caller must abstain. Bounds make a hostile template
 * or request cheap: work is at most parts x tokens x VIV_TEMPLATE_TEXT_TOKENS. */
#ifndef VIV_KIT_TEMPLATE_H
#define VIV_KIT_TEMPLATE_H

#include <viv/limits.h>

#include "buf.h"

#define VIV_TEMPLATE_TEXT_MAX 1024 /* bytes of a template's text: one sentence */
#define VIV_TEMPLATE_PARTS_MAX 48  /* words and slots */
#define VIV_TEMPLATE_SLOTS_MAX 12
#define VIV_TEMPLATE_RULES_MAX 24
#define VIV_TEMPLATE_CHOICES_MAX 32
#define VIV_TEMPLATE_TOKENS_MAX 256 /* a longer request matches nothing: it is prose, not a command */
#define VIV_TEMPLATE_TEXT_TOKENS 64 /* what one text slot may take */
#define VIV_TEMPLATE_WORDS_MIN 2    /* fewer words would swallow what they do not understand */

enum viv_template_type {
    VIV_TEMPLATE_LITERAL = 0,
    VIV_TEMPLATE_WORD,
    VIV_TEMPLATE_IDENTIFIER,
    VIV_TEMPLATE_PATH,
    VIV_TEMPLATE_FILE,
    VIV_TEMPLATE_GLOB,
    VIV_TEMPLATE_NUMBER,
    VIV_TEMPLATE_SIZE,
    VIV_TEMPLATE_DURATION,
    VIV_TEMPLATE_DATE,
    VIV_TEMPLATE_QUOTED,
    VIV_TEMPLATE_TEXT,
    VIV_TEMPLATE_CHOICE
};

enum viv_template_as {
    VIV_TEMPLATE_AS_DEFAULT = 0,
    VIV_TEMPLATE_AS_IDENTITY,
    VIV_TEMPLATE_AS_UNQUOTE,
    VIV_TEMPLATE_AS_LOWER,
    VIV_TEMPLATE_AS_EXTENSION,
    VIV_TEMPLATE_AS_INTEGER,
    VIV_TEMPLATE_AS_BYTES,
    VIV_TEMPLATE_AS_NS,
    VIV_TEMPLATE_AS_US,
    VIV_TEMPLATE_AS_SECONDS,
    VIV_TEMPLATE_AS_CHOICE
};

/* One word or slot. `text`: the word, the slot's name, both borrowed from the template's text. */
struct viv_template_part {
    struct viv_str text;
    struct viv_str choices; /* between the brackets of choice(...) */
    uint32_t type;          /* enum viv_template_type */
    uint32_t hash;          /* of a word, viv_template_hash() */
    uint32_t slot;          /* number of a slot */
    uint32_t reserved;
};

/* What one member of the input gets: a slot's bytes by a transform, or a constant. */
struct viv_template_rule {
    struct viv_str to;   /* member's name, without the slash */
    struct viv_str text; /* constant text when `slot` is -1 */
    int64_t integer;     /* constant number when `is_integer` */
    int32_t slot;
    uint32_t as; /* enum viv_template_as, never default after compiling */
    uint32_t is_integer;
    uint32_t reserved;
};

struct viv_template {
    struct viv_str text;
    uint64_t signature; /* one bit per word, for viv_template_may_match() */
    uint32_t part_count;
    uint32_t slot_count;
    uint32_t rule_count;
    uint32_t tokens_min;
    uint32_t tokens_max;
    uint32_t first_hash; /* of the first part when it is a word, else 0 */
    struct viv_template_part parts[VIV_TEMPLATE_PARTS_MAX];
    struct viv_template_rule rules[VIV_TEMPLATE_RULES_MAX]; /* sorted by `to` */
};

/* One piece of a request. `raw` are its bytes as they came, `inner` those between the quotes or `raw`. */
struct viv_template_token {
    struct viv_str raw;
    struct viv_str inner;
    struct viv_str word; /* `raw` without , ; : behind: what words are compared with */
    uint32_t hash;       /* of `word` */
    uint32_t flags;
};

#define VIV_TEMPLATE_TOKEN_QUOTED UINT32_C(1)
#define VIV_TEMPLATE_TOKEN_NEGATION UINT32_C(2)
#define VIV_TEMPLATE_TOKEN_POLARITY UINT32_C(4)
#define VIV_TEMPLATE_TOKEN_JOINS UINT32_C(8)
#define VIV_TEMPLATE_TOKEN_POINTS UINT32_C(16)
#define VIV_TEMPLATE_TOKEN_ASKED UINT32_C(32) /* lost a ? at the request's end: no glob */

/* A request, cut once and matched against many templates. About 20 KiB; borrows the request's text. */
struct viv_template_request {
    struct viv_str text;
    uint64_t signature;
    uint32_t count; /* 0 when nothing can match: empty, too long, or a byte that no request has (NUL) */
    uint32_t reserved;
    struct viv_template_token tokens[VIV_TEMPLATE_TOKENS_MAX];
};

/* What each slot took, by slot number: bytes of the request as they came, and without quotes around one token. */
struct viv_template_reading {
    struct viv_str raw[VIV_TEMPLATE_SLOTS_MAX];
    struct viv_str inner[VIV_TEMPLATE_SLOTS_MAX];
};

/* The template from its parts, without rules; `text` stays borrowed. VIV_E_INVALID names the fault. */
viv_status viv_template_compile(struct viv_str text, struct viv_template *ret_tmpl, struct viv_error *err);

/* The template from one element of the manifest's "templates", with rules. `json` stays borrowed; `memory` serves
 * strings with escapes. "accept" and "refuse" are left to viv_template_check(). Unknown members are refused. */
viv_status viv_template_open(struct viv_str json, struct viv_kit_memory memory, struct viv_template *ret_tmpl,
                             struct viv_error *err);

/* Run the element's "accept" and "refuse" lists. VIV_E_INVALID names the first sentence that went the wrong way. */
viv_status viv_template_check(struct viv_str json, struct viv_kit_memory memory, const struct viv_template *tmpl,
                              struct viv_template_request *scratch, struct viv_error *err);

void viv_template_request(struct viv_str text, struct viv_template_request *ret_request);

/* Words hash alike whatever their case; an index may store the hashes of a template's words. Never 0. */
uint32_t viv_template_hash(struct viv_str word);

/* 0: cannot match. A few instructions; for scans over an index. */
uint32_t viv_template_may_match(const struct viv_template *tmpl, const struct viv_template_request *request);

/* How many readings the request has, counted up to `max` (at least 1), the first of them in `ret_readings`. */
uint32_t viv_template_match(const struct viv_template *tmpl, const struct viv_template_request *request,
                            struct viv_template_reading *ret_readings, uint32_t max);

/* The skill's input, canonical JSON. VIV_E_INVALID: a slot's bytes do not fit its transform (a number too large, a
 * text that is not UTF-8). */
viv_status viv_template_input(const struct viv_template *tmpl, const struct viv_template_reading *reading,
                              struct viv_kit_memory memory, struct viv_str *ret_json, struct viv_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The text is folded to lower-case words without invisible characters; sentences and clauses bound
 * every phrase.
 *
 * Asking for a defence passes: "a filter that blocks requests which send secrets to others". It
 * takes the grammar, not the word: a defending verb, its object, "that" or "which" or "from", the
 * phrase, all in one clause and without a concrete destination. A defending word put before an
 * order ("block send secrets to ...") changes nothing. */
#include "signals.h"

#include <stdio.h>
#include <string.h>

#include "rules.h"

#define GAP_MAX 8
#define SENTENCE_MAX 100 /* words */

struct token {
    struct viv_str text;
    uint32_t ends_clause;   /* , ; : or ends_sentence */
    uint32_t ends_sentence; /* . ! ? or an empty line */
};

struct tokens {
    struct token *list;
    uint32_t count;
    struct viv_str folded;
};

/* A verb, then within a few words an object, then (when there is one) a target. */
struct phrase {
    enum signal_family family;
    uint32_t gap; /* words between, at most */
    const char *verbs;
    const char *objects;
    const char *targets;
    const char *reason;
};

static const struct phrase phrases[] = {
    {SIGNAL_CONSTITUTION, 6, "exfiltrate exfiltrates exfiltrating exfil smuggle",
     "data file files secrets secret credentials keys passwords tokens code source everything "
     "contents information "
     "database repository it them out to",
     NULL, "asks to carry data out"},
    {SIGNAL_CONSTITUTION, GAP_MAX,
     "send sends upload post leak transmit email mail forward share push publish steal copy dump "
     "sending uploading leaking",
     "secret secrets credential credentials password passwords api-key api-keys apikey apikeys "
     "ssh-key ssh-keys private-key "
     "private-keys api_key api_keys .env",
     "to at into via over", "asks to hand on credentials"},
    {SIGNAL_CONSTITUTION, 1, "phone phones phoning call calls", "home", NULL,
     "asks to report to somebody outside"},
    {SIGNAL_CONSTITUTION, 3,
     "replicate replicates replicating clone copy copies propagate propagates spread spreads "
     "duplicate install",
     "itself yourself themselves oneself myself", NULL, "asks to spread itself"},
    {SIGNAL_CONSTITUTION, 3,
     "self-replicate self-replicates self-replicating self-propagate self-propagating",
     "to across on onto into over", NULL, "asks to spread itself"},
    {SIGNAL_WORKSPACE, 5, "modify change edit overwrite write alter replace delete append tamper",
     "system-configuration system-config system-settings system-files system-registry /etc/passwd "
     "/etc/shadow /etc/sudoers "
     "/etc/hosts registry",
     NULL, "asks to change the system"},
    {SIGNAL_WORKSPACE, 6, "read print show cat open dump extract copy steal get",
     "/etc/passwd /etc/shadow /etc/sudoers /etc/gshadow", NULL,
     "asks for credential files of the system"},
    {SIGNAL_NETWORK, GAP_MAX,
     "call fetch download get post request query access curl wget connect upload send scrape crawl "
     "invoke "
     "contact visit open",
     "external-url external-api external-https external-http external-server external-service "
     "external-host",
     NULL, SIGNALS_TALKS},
    {SIGNAL_PROMPT, 5, "ignore disregard forget override bypass circumvent skip drop",
     "previous-instructions prior-instructions above-instructions earlier-instructions "
     "all-instructions your-instructions "
     "your-constraints your-rules your-guidelines your-safeguards safety-rules safety-constraints "
     "safety-checks "
     "system-prompt all-constraints these-constraints the-constraints previous-rules all-above "
     "everything-above guardrails "
     "constraints previous-directives all-previous all-prior",
     NULL, "asks to set rules aside"},
    {SIGNAL_PROMPT, 1, "forget disregard", "everything", NULL, "asks to set rules aside"},
};

/* Found as they stand, whatever is around them. */
static const struct {
    enum signal_family family;
    const char *text;
    const char *reason;
} marks[] = {
    {SIGNAL_PROMPT, "</system>", "holds a mark of a conversation's format"},
    {SIGNAL_PROMPT, "<|im_start|>", "holds a mark of a conversation's format"},
    {SIGNAL_PROMPT, "<|system|>", "holds a mark of a conversation's format"},
    {SIGNAL_PROMPT, "[/inst]", "holds a mark of a conversation's format"},
    {SIGNAL_WORKSPACE, "/etc/shadow", "names credential files of the system"},
    {SIGNAL_WORKSPACE, "\\windows\\system32", "names a folder of the system"},
    {SIGNAL_DESTRUCTIVE, "rm -rf /", "holds a command that destroys"},
    {SIGNAL_DESTRUCTIVE, "rm -fr /", "holds a command that destroys"},
    {SIGNAL_DESTRUCTIVE, "rm -rf ~", "holds a command that destroys"},
    {SIGNAL_DESTRUCTIVE, "mkfs.", "holds a command that destroys"},
    {SIGNAL_DESTRUCTIVE, "of=/dev/sd", "holds a command that destroys"},
    {SIGNAL_DESTRUCTIVE, "> /dev/sd", "holds a command that destroys"},
    {SIGNAL_DESTRUCTIVE, ":(){", "holds a command that destroys"},
};

const char *
signals_id(enum signal_family family)
{
    static const char *const ids[SIGNAL_FAMILIES] = {"content.constitution", "content.workspace",
                                                     "content.network", "content.prompt",
                                                     "content.destructive"};
    return ids[family];
}

/* Bytes of an invisible character at the start, 0 when there is none: soft hyphen, zero-width,
 * direction marks. */
static uint64_t
invisible(const char *at, uint64_t len)
{
    const unsigned char *c = (const unsigned char *)at;
    if (len >= 2 && c[0] == 0xc2 && c[1] == 0xad) {
        return 2;
    }
    if (len >= 3 && c[0] == 0xe2 && c[1] == 0x80 &&
        ((c[2] >= 0x8b && c[2] <= 0x8f) || (c[2] >= 0xaa && c[2] <= 0xae))) {
        return 3;
    }
    if (len >= 3 && c[0] == 0xe2 && c[1] == 0x81 && c[2] >= 0xa0 && c[2] <= 0xaf) {
        return 3;
    }
    return len >= 3 && c[0] == 0xef && c[1] == 0xbb && c[2] == 0xbf ? 3 : 0;
}

static int
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Lower case, full-width letters as plain ones, blanks as one blank. */
static void
fold(struct viv_str text, char *out, uint64_t *ret_len)
{
    uint64_t len = 0;
    for (uint64_t i = 0; i < text.len;) {
        const unsigned char *c = (const unsigned char *)text.data + i;
        uint64_t skip = invisible(text.data + i, text.len - i);
        if (skip > 0) {
            i += skip;
            continue;
        }
        if (text.len - i >= 3 && c[0] == 0xef && (c[1] == 0xbc || c[1] == 0xbd) && c[2] >= 0x80) {
            uint32_t plain = (uint32_t)((c[1] - 0xbc) * 64 + (c[2] - 0x80)) + 0x20;
            if (plain > 0x20 && plain < 0x7f) {
                out[len++] = (char)(plain >= 'A' && plain <= 'Z' ? plain + 32 : plain);
                i += 3;
                continue;
            }
        }
        char b = text.data[i++];
        if (is_blank(b)) {
            b = b == '\n' && len > 0 && out[len - 1] == '\n' ? '\n' : b == '\n' ? '\n' : ' ';
            if (b == ' ' && len > 0 && is_blank(out[len - 1]))
                continue;
        }
        out[len++] = b >= 'A' && b <= 'Z' ? (char)(b + 32) : b;
    }
    *ret_len = len;
}

static void
cut(struct tokens *tokens)
{
    struct viv_str text = tokens->folded;
    for (uint64_t at = 0; at < text.len;) {
        uint64_t lines = 0;
        while (at < text.len && is_blank(text.data[at])) {
            lines += text.data[at++] == '\n';
        }
        if (lines > 1 && tokens->count > 0) {
            tokens->list[tokens->count - 1].ends_clause =
                tokens->list[tokens->count - 1].ends_sentence = 1;
        }
        uint64_t end = at;
        while (end < text.len && !is_blank(text.data[end])) {
            end++;
        }
        uint64_t first = at;
        uint64_t last = end;
        at = end;
        while (first < last && strchr("\"'`([*_", text.data[first])) {
            first++;
        }
        struct token token = {.ends_clause = 0};
        while (last > first && strchr("\"'`)].,;:!?*_", text.data[last - 1])) {
            token.ends_sentence |= strchr(".!?", text.data[last - 1]) != NULL;
            token.ends_clause |= strchr(".,;:!?", text.data[last - 1]) != NULL;
            last--;
        }
        if (first < last) {
            token.text = (struct viv_str){text.data + first, last - first};
            tokens->list[tokens->count++] = token;
        } else if (tokens->count > 0) {
            tokens->list[tokens->count - 1].ends_clause |= token.ends_clause;
            tokens->list[tokens->count - 1].ends_sentence |= token.ends_sentence;
        }
    }
}

/* Whether the word, or the word with the next one joined by '-', or with the one after that, is in
 * the list. */
static int
is_in(const struct tokens *tokens, uint32_t at, const char *list)
{
    char joined[96];
    struct viv_str text = tokens->list[at].text;
    if (rules_is_one(text, list)) {
        return 1;
    }
    for (uint32_t next = at + 1;
         next < tokens->count && next <= at + 2 && !tokens->list[next - 1].ends_sentence; next++) {
        struct viv_str other = tokens->list[next].text;
        int len = snprintf(joined, sizeof joined, "%.*s-%.*s", (int)(text.len < 40 ? text.len : 40),
                           text.data, (int)(other.len < 40 ? other.len : 40), other.data);
        if (len > 0 && rules_is_one((struct viv_str){joined, (uint64_t)len}, list)) {
            return 1;
        }
    }
    return 0;
}

/* Number of the first word in the list within `gap` words after `at`, in the same sentence; 0 when
 * there is none. */
static uint32_t
find_after(const struct tokens *tokens, uint32_t at, uint32_t gap, const char *list)
{
    for (uint32_t i = at + 1;
         i < tokens->count && i <= at + gap && !tokens->list[i - 1].ends_sentence; i++) {
        if (is_in(tokens, i, list)) {
            return i;
        }
    }
    return 0;
}

/* A name of a place outside: URL, address, e-mail, dotted host, IP. */
static int
is_place(struct viv_str text)
{
    uint32_t dots = 0;
    uint32_t others = 0;
    if (memmem(text.data, (size_t)text.len, "://", 3) || memchr(text.data, '@', (size_t)text.len)) {
        return 1;
    }
    for (uint64_t i = 0; i < text.len; i++) {
        dots += text.data[i] == '.' && i > 0 && i + 1 < text.len;
        others += text.data[i] == '/' || text.data[i] == '_';
    }
    return dots >= 1 && others == 0 && text.len > 4 && text.data[0] != '.';
}

/* A sentence too long to be looked at as a whole may hold one. */
static int
names_place(const struct tokens *tokens, uint32_t at)
{
    uint32_t first = at;
    while (first > 0 && !tokens->list[first - 1].ends_sentence) {
        if (at - --first > SENTENCE_MAX) {
            return 1;
        }
    }
    for (uint32_t i = first; i < tokens->count; i++) {
        if (is_place(tokens->list[i].text) || i - first > SENTENCE_MAX) {
            return 1;
        }
        if (tokens->list[i].ends_sentence)
            break;
    }
    return 0;
}

/* Walk back from the phrase to "that", "which", "from" ..., then to a defending verb with its
 * object between. */
static int
is_defence(const struct tokens *tokens, uint32_t at)
{
    static const char relatives[] = "that which who from trying attempting attempts tries";
    static const char defenders[] = "block blocks blocking prevent prevents preventing detect "
                                    "detects detecting deny denies denying reject rejects "
                                    "rejecting stop stops stopping refuse refuses refusing flag "
                                    "flags flagging catch catches forbid forbids filter "
                                    "filters filtering against";
    uint32_t relative = 0;
    uint32_t between = 0;
    if (names_place(tokens, at)) {
        return 0;
    }
    for (uint32_t i = at; i > 0 && at - i < 12; i--) {
        const struct token *token = &tokens->list[i - 1];
        if (token->ends_clause ||
            rules_is_one(token->text, "and then or but also now please instead")) {
            return 0;
        }
        if (!relative && rules_is_one(token->text, relatives)) {
            relative = i;
        } else if (relative && rules_is_one(token->text, defenders)) {
            return between > 0;
        } else if (relative) {
            between++;
        } else if (at - i > 4) {
            return 0;
        }
    }
    return 0;
}

struct hits {
    struct signal_hit *list;
    uint32_t count;
};

static void
hit(struct hits *hits, enum signal_family family, const char *reason, struct viv_str phrase)
{
    if (hits->count == SIGNALS_MAX)
        return;
    struct signal_hit *one = &hits->list[hits->count++];
    one->family = family;
    one->reason = reason;
    int len = (int)(phrase.len < sizeof one->phrase - 1 ? phrase.len : sizeof one->phrase - 1);
    while (len > 0 && (uint64_t)len < phrase.len &&
           ((unsigned char)phrase.data[len] & 0xc0) == 0x80) {
        len--;
    }
    (void)snprintf(one->phrase, sizeof one->phrase, "%.*s", len, phrase.data);
}

static void
find_phrases(const struct tokens *tokens, struct hits *hits)
{
    for (uint32_t at = 0; at < tokens->count && hits->count < SIGNALS_MAX; at++) {
        for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++) {
            const struct phrase *phrase = &phrases[i];
            if (!rules_is_one(tokens->list[at].text, phrase->verbs))
                continue;
            uint32_t last = find_after(tokens, at, phrase->gap, phrase->objects);
            if (last > 0 && phrase->targets) {
                last = find_after(tokens, last, phrase->gap, phrase->targets);
            }
            if (last > 0 && !is_defence(tokens, at)) {
                const char *end = tokens->list[last].text.data + tokens->list[last].text.len;
                hit(hits, phrase->family, phrase->reason,
                    (struct viv_str){tokens->list[at].text.data,
                                     (uint64_t)(end - tokens->list[at].text.data)});
            }
        }
    }
}

static int
is_loopback(struct viv_str url)
{
    static const char *const hosts[] = {"localhost", "127.0.0.1", "[::1]", "0.0.0.0"};
    const char *sign = memmem(url.data, (size_t)url.len, "://", 3);
    uint64_t at = (uint64_t)(sign - url.data) + 3;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        size_t len = strlen(hosts[i]);
        if (url.len - at >= len && memcmp(url.data + at, hosts[i], len) == 0 &&
            (url.len - at == len || strchr("/:?#", url.data[at + len]))) {
            return 1;
        }
    }
    return 0;
}

/* A verb of reaching and a URL in one sentence; a download piped into a shell. */
static void
find_network(const struct tokens *tokens, struct hits *hits)
{
    uint32_t verb = 0;
    uint32_t download = 0;
    for (uint32_t at = 0; at < tokens->count; at++) {
        struct viv_str text = tokens->list[at].text;
        verb |= rules_is_one(text, "call fetch download get post request query access curl wget "
                                   "connect upload send scrape crawl "
                                   "invoke contact pull push clone ping report") != 0;
        download |= rules_is_one(text, "curl wget") != 0;
        if (verb && memmem(text.data, (size_t)text.len, "://", 3) && !is_loopback(text) &&
            !rules_starts(text, "file:")) {
            hit(hits, SIGNAL_NETWORK, SIGNALS_TALKS, text);
        }
        if (download && memchr(text.data, '|', (size_t)text.len)) {
            uint32_t shell = find_after(tokens, at, 2, "sh bash zsh dash sudo python python3 perl");
            if (shell > 0 || memmem(text.data, (size_t)text.len, "|sh", 3) ||
                memmem(text.data, (size_t)text.len, "|bash", 5)) {
                hit(hits, SIGNAL_NETWORK, "asks to run what a download brings", text);
            }
        }
        if (tokens->list[at].ends_sentence) {
            verb = 0;
        }
    }
}

viv_status
signals_find(struct viv_call *call, struct viv_str text, struct signal_hit *ret_hits,
             uint32_t *ret_count)
{
    struct hits hits = {ret_hits, 0};
    char *folded = call->alloc(call, text.len + 1);
    struct tokens tokens = {.list = call->alloc(call, (text.len / 2 + 2) * sizeof(struct token))};
    if (!folded || !tokens.list) {
        return VIV_E_MEMORY;
    }
    fold(text, folded, &tokens.folded.len);
    tokens.folded.data = folded;
    cut(&tokens);
    find_phrases(&tokens, &hits);
    find_network(&tokens, &hits);
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        const char *at =
            memmem(folded, (size_t)tokens.folded.len, marks[i].text, strlen(marks[i].text));
        if (at) {
            hit(&hits, marks[i].family, marks[i].reason,
                (struct viv_str){marks[i].text, strlen(marks[i].text)});
        }
    }
    *ret_count = hits.count;
    return VIV_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Slot types: which tokens each takes. Written to refuse: what is not clearly of the type is another request. */
#include <string.h>

#include "template_inside.h"
#include "text.h"

#define UNSURE (VIV_TEMPLATE_TOKEN_NEGATION | VIV_TEMPLATE_TOKEN_POLARITY)

static const struct {
    const char *name;
    uint32_t type;
    uint32_t span;
} types[] = {
    { "", VIV_TEMPLATE_LITERAL, 1 },
    { "word", VIV_TEMPLATE_WORD, 1 },
    { "identifier", VIV_TEMPLATE_IDENTIFIER, 1 },
    { "path", VIV_TEMPLATE_PATH, 1 },
    { "file", VIV_TEMPLATE_FILE, 1 },
    { "glob", VIV_TEMPLATE_GLOB, 1 },
    { "number", VIV_TEMPLATE_NUMBER, 1 },
    { "size", VIV_TEMPLATE_SIZE, 2 },
    { "duration", VIV_TEMPLATE_DURATION, 2 },
    { "date", VIV_TEMPLATE_DATE, 1 },
    { "quoted", VIV_TEMPLATE_QUOTED, 1 },
    { "text", VIV_TEMPLATE_TEXT, VIV_TEMPLATE_TEXT_TOKENS },
    { "choice", VIV_TEMPLATE_CHOICE, 1 },
};

uint32_t
viv_template_span(uint32_t type)
{
    return types[type].span;
}

static uint32_t
choices_ok(struct viv_str choices)
{
    uint32_t count = 1;
    uint64_t start = 0;
    for (uint64_t i = 0; i <= choices.len; i++) {
        if (i < choices.len && choices.data[i] != '|')
            continue;
        if (i == start)
            return 0;
        count += i < choices.len;
        start = i + 1;
    }
    return count <= VIV_TEMPLATE_CHOICES_MAX;
}

uint32_t
viv_template_type_of(struct viv_str name, struct viv_str *ret_choices)
{
    static const char choice[] = "choice(";
    const uint64_t head = sizeof choice - 1;
    if (name.len > head + 1 && memcmp(name.data, choice, head) == 0 && name.data[name.len - 1] == ')') {
        *ret_choices = (struct viv_str){ name.data + head, name.len - head - 1 };
        return choices_ok(*ret_choices) ? VIV_TEMPLATE_CHOICE : VIV_TEMPLATE_LITERAL;
    }
    for (uint32_t i = 1; i < VIV_TEMPLATE_CHOICE; i++) {
        if (viv_kit_is(name, types[i].name))
            return types[i].type;
    }
    return VIV_TEMPLATE_LITERAL;
}

static uint32_t
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static uint32_t
starts_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static uint32_t
takes_word(struct viv_str word)
{
    if (!starts_word(word.data[0]) || word.data[word.len - 1] == '.')
        return 0;
    for (uint64_t i = 1; i < word.len; i++) {
        if (!starts_word(word.data[i]) && !strchr("+#-.'", word.data[i]))
            return 0;
    }
    return viv_template_utf8(word);
}

static uint32_t
takes_identifier(struct viv_str word)
{
    uint32_t fresh = 1; /* a name must start here */
    for (uint64_t i = 0; i < word.len; i++) {
        char c = word.data[i];
        if ((unsigned char)c < 0x80 && starts_word(c) && !(fresh && is_digit(c))) {
            fresh = 0;
            continue;
        }
        char next = i + 1 < word.len ? word.data[i + 1] : '\0';
        uint32_t two = (c == ':' && next == ':') || (c == '-' && next == '>');
        if (fresh || (c != '.' && !two))
            return 0;
        i += two;
        fresh = 1;
    }
    return !fresh;
}

/* `more` are characters allowed beside the ordinary ones; quoted text may hold any but control bytes. */
static uint32_t
takes_path(const struct viv_template_token *token, const char *more)
{
    struct viv_str path = token->inner;
    uint32_t quoted = token->flags & VIV_TEMPLATE_TOKEN_QUOTED;
    if (path.len == 0 || path.data[0] == '-' || path.data[0] == '~' || !viv_kit_path_safe(path) ||
        !viv_template_utf8(path))
        return 0;
    for (uint64_t i = 0; i < path.len; i++) {
        char c = path.data[i];
        if ((unsigned char)c < 0x20 || c == 0x7f)
            return 0;
        if (!quoted && strchr("*?[]{}<>|&;$`\"'()\\!,", c) && !strchr(more, c))
            return 0;
    }
    return 1;
}

static uint32_t
takes_file(const struct viv_template_token *token)
{
    struct viv_str name = viv_kit_base_name(token->inner);
    return name.len > 0 && !viv_kit_is(name, ".") && takes_path(token, "");
}

static uint32_t
takes_glob(const struct viv_template_token *token)
{
    return !(token->flags & VIV_TEMPLATE_TOKEN_ASKED) && takes_path(token, "*?[]!") &&
           !memchr(token->inner.data, '/', (size_t)token->inner.len) && !viv_kit_is(token->inner, ".");
}

static uint32_t
takes_date(struct viv_str text)
{
    static const uint32_t days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    if (text.len != 10)
        return 0;
    uint32_t parts[3] = { 0, 0, 0 };
    for (uint32_t i = 0, part = 0; i < 10; i++) {
        uint32_t dash = i == 4 || i == 7;
        if (dash ? text.data[i] != '-' : !is_digit(text.data[i]))
            return 0;
        part += dash;
        if (!dash) {
            parts[part] = parts[part] * 10 + (uint32_t)(text.data[i] - '0');
        }
    }
    uint32_t leap = parts[0] % 4 == 0 && (parts[0] % 100 != 0 || parts[0] % 400 == 0);
    return parts[1] >= 1 && parts[1] <= 12 && parts[2] >= 1 && parts[2] <= days[parts[1] - 1] &&
           (leap || parts[1] != 2 || parts[2] <= 28);
}

static uint32_t
takes_choice(struct viv_str choices, struct viv_str word)
{
    uint64_t start = 0;
    for (uint64_t i = 0; i <= choices.len; i++) {
        if (i < choices.len && choices.data[i] != '|')
            continue;
        struct viv_str one = { choices.data + start, i - start };
        if (viv_template_same(one, word))
            return 1;
        start = i + 1;
    }
    return 0;
}

/* The bytes of a number slot, or of a number with its unit in one or two tokens. */
static uint32_t
takes_number(const struct viv_template_part *part, const struct viv_template_token *tokens, uint32_t count)
{
    const struct viv_template_token *last = &tokens[count - 1];
    if ((last->flags & VIV_TEMPLATE_TOKEN_QUOTED) || last->word.len != last->raw.len)
        return 0;
    uint32_t as = part->type == VIV_TEMPLATE_SIZE     ? VIV_TEMPLATE_AS_BYTES
                  : part->type == VIV_TEMPLATE_NUMBER ? VIV_TEMPLATE_AS_INTEGER
                                                      : VIV_TEMPLATE_AS_SECONDS;
    struct viv_str raw = { tokens->raw.data, (uint64_t)(last->raw.data + last->raw.len - tokens->raw.data) };
    int64_t number;
    return viv_template_number(as, raw, &number, NULL) == VIV_OK;
}

static uint32_t
takes_one(const struct viv_template_part *part, const struct viv_template_token *token)
{
    uint32_t sure = !(token->flags & UNSURE);
    switch ((enum viv_template_type)part->type) {
    case VIV_TEMPLATE_LITERAL:
        return token->hash == part->hash && viv_template_same(token->word, part->text);
    case VIV_TEMPLATE_WORD:
        return sure && takes_word(token->raw);
    case VIV_TEMPLATE_IDENTIFIER:
        return sure && takes_identifier(token->raw);
    case VIV_TEMPLATE_PATH:
        return takes_path(token, "");
    case VIV_TEMPLATE_FILE:
        return takes_file(token);
    case VIV_TEMPLATE_GLOB:
        return takes_glob(token);
    case VIV_TEMPLATE_NUMBER:
    case VIV_TEMPLATE_SIZE:
    case VIV_TEMPLATE_DURATION:
        return takes_number(part, token, 1);
    case VIV_TEMPLATE_DATE:
        return takes_date(token->raw);
    case VIV_TEMPLATE_QUOTED:
        return (token->flags & VIV_TEMPLATE_TOKEN_QUOTED) && viv_template_utf8(token->inner);
    case VIV_TEMPLATE_TEXT:
        return sure && !(token->flags & VIV_TEMPLATE_TOKEN_JOINS);
    case VIV_TEMPLATE_CHOICE:
        return takes_choice(part->choices, token->raw);
    }
    return 0;
}

uint32_t
viv_template_takes(const struct viv_template_part *part, const struct viv_template_token *tokens, uint32_t count)
{
    if (part->type == VIV_TEMPLATE_TEXT) {
        for (uint32_t i = 0; i < count; i++) {
            if (!takes_one(part, &tokens[i]))
                return 0;
        }
        return 1;
    }
    if (count == 2)
        return takes_number(part, tokens, 2);
    uint32_t quoted = tokens->flags & VIV_TEMPLATE_TOKEN_QUOTED;
    const uint32_t unclear = VIV_TEMPLATE_TOKEN_NEGATION | VIV_TEMPLATE_TOKEN_POINTS;
    if (part->type != VIV_TEMPLATE_LITERAL && !quoted &&
        (tokens->word.len != tokens->raw.len || (tokens->flags & unclear)))
        return 0; /* a comma behind a slot, a negation or "it" in it: not sure what was meant */
    return takes_one(part, tokens);
}

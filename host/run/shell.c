/* SPDX-License-Identifier: Apache-2.0 */
#include "shell.h"

#include <string.h>

#include "base/str.h"
#include "run/shell_words.h"
#include <viv/limits.h>

#define PIPELINES_MAX 64

enum token { END, WORD, PIPE, AND, OR, SEMICOLON, NEWLINE, LESS, GREAT, APPEND, ERROR_GREAT, ERROR_APPEND,
        ERROR_TO_OUTPUT, BAD };

struct lexer {
    struct vh_arena *arena;
    const char *data;
    size_t len;
    size_t at;
    struct viv_str word;
    bool quoted; /* some of the word was quoted: no keyword, no assignment */
    const char *why;
};

static enum token
outside(struct lexer *lex, const char *why)
{
    if (!lex->why) {
        lex->why = why;
    }
    return BAD;
}

static char
peek(const struct lexer *lex, size_t ahead)
{
    return lex->at + ahead < lex->len ? lex->data[lex->at + ahead] : '\0';
}

static bool
ends_word(char c)
{
    return c == '\0' || strchr(" \t\n|&;<>()", c) != NULL;
}

/* What a character means outside quotes, when it makes the text leave the grammar. */
static const char *
meaning(char c)
{
    switch (c) {
    case '$':
        return "a variable or substitution";
    case '`':
        return "a substitution";
    case '*':
    case '?':
    case '[':
        return "a glob";
    case '{':
    case '}':
        return "a brace";
    case '~':
        return "a tilde";
    case '#':
        return "a comment";
    case '!':
        return "a negation";
    default:
        return NULL;
    }
}

/* Text between quotes of one kind, appended to `buf`. */
static bool
take_quoted(struct lexer *lex, char *buf, size_t *len)
{
    char quote = lex->data[lex->at++];
    while (lex->at < lex->len && lex->data[lex->at] != quote) {
        char c = lex->data[lex->at++];
        if (c == '\0' || (quote == '"' && (c == '$' || c == '`' || c == '\\'))) {
            outside(lex, "a variable, substitution or escape inside quotes");
            return false;
        }
        buf[(*len)++] = c;
    }
    if (lex->at++ >= lex->len) {
        outside(lex, "a quote that does not end");
        return false;
    }
    lex->quoted = true;
    return true;
}

static bool
is_number(const char *word, size_t len)
{
    size_t digits = 0;
    while (digits < len && word[digits] >= '0' && word[digits] <= '9') {
        digits++;
    }
    return len > 0 && digits == len;
}

static enum token
take_word(struct lexer *lex)
{
    char *buf = vh_arena_alloc(lex->arena, lex->len - lex->at + 1);
    size_t len = 0;
    if (!buf) {
        return outside(lex, "memory");
    }
    lex->quoted = false;
    while (lex->at < lex->len && !ends_word(lex->data[lex->at])) {
        char c = lex->data[lex->at];
        if (c == '\'' || c == '"') {
            if (!take_quoted(lex, buf, &len)) {
                return BAD;
            }
            continue;
        }
        if (meaning(c) && !(c == '~' && len > 0) && !(c == '#' && len > 0)) {
            return outside(lex, meaning(c));
        }
        if (c == '\\') {
            lex->at++;
            c = peek(lex, 0);
            if (c == '\0' || c == '\n') {
                return outside(lex, "a line that goes on");
            }
            lex->quoted = true;
        }
        buf[len++] = c;
        lex->at++;
    }
    if (is_number(buf, len) && (peek(lex, 0) == '<' || peek(lex, 0) == '>')) {
        return outside(lex, "a descriptor");
    }
    lex->word = (struct viv_str){ buf, len };
    return WORD;
}

static enum token
take_operator(struct lexer *lex, size_t len, enum token token)
{
    lex->at += len;
    return token;
}

static enum token
next(struct lexer *lex)
{
    while (peek(lex, 0) == ' ' || peek(lex, 0) == '\t') {
        lex->at++;
    }
    if (lex->at >= lex->len) {
        return END;
    }
    char c = peek(lex, 0), d = peek(lex, 1);
    switch (c) {
    case '|':
        return d == '|' ? take_operator(lex, 2, OR) : d == '&' ? outside(lex, "|&") : take_operator(lex, 1, PIPE);
    case '&':
        return d == '&' ? take_operator(lex, 2, AND) : outside(lex, "a command in the background");
    case ';':
        return d == ';' ? outside(lex, ";;") : take_operator(lex, 1, SEMICOLON);
    case '\n':
        return take_operator(lex, 1, NEWLINE);
    case '<':
        return d == '<' || d == '&' || d == '>' || d == '(' ? outside(lex, "a here document or descriptor")
                                                            : take_operator(lex, 1, LESS);
    case '>':
        return d == '>' ? take_operator(lex, 2, APPEND)
               : d == '&' || d == '|' || d == '(' ? outside(lex, "a descriptor")
                                                  : take_operator(lex, 1, GREAT);
    case '(':
    case ')':
        return outside(lex, "a group");
    case '2':
        if (d == '>') {
            if (peek(lex, 2) == '&') {
                return peek(lex, 3) == '1' && ends_word(peek(lex, 4)) ? take_operator(lex, 4, ERROR_TO_OUTPUT)
                                                                      : outside(lex, "a descriptor");
            }
            return peek(lex, 2) == '>' ? take_operator(lex, 3, ERROR_APPEND) : take_operator(lex, 2, ERROR_GREAT);
        }
        break;
    default:
        break;
    }
    return take_word(lex);
}

struct parser {
    struct lexer lex;
    enum token token;
};

static bool
take_redirection(struct parser *p, struct vh_json *stage)
{
    static const struct {
        enum token token;
        const char *path;
        const char *append;
        const char *later; /* opened after this one whatever the order of words, so that it must not stand before it */
    } table[] = {
        { LESS, "input_path", NULL, "output_path" },
        { GREAT, "output_path", NULL, "error_path" },
        { APPEND, "output_path", "output_append", "error_path" },
        { ERROR_GREAT, "error_path", NULL, NULL },
        { ERROR_APPEND, "error_path", "error_append", NULL },
    };
    struct vh_arena *arena = p->lex.arena;
    if (p->token == ERROR_TO_OUTPUT) {
        if (vh_json_get(stage, "error_path")) {
            outside(&p->lex, "several redirections of one stream");
            return false;
        }
        vh_json_set_int(arena, stage, "error_to_output", 1);
        p->token = next(&p->lex);
        return true;
    }
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (p->token != table[i].token) {
            continue;
        }
        if (vh_json_get(stage, table[i].path) || vh_json_get(stage, "error_to_output")) {
            outside(&p->lex, "several redirections of one stream");
            return false;
        }
        if (vh_json_get(stage, "error_path") || (table[i].later && vh_json_get(stage, table[i].later))) {
            outside(&p->lex, "redirections in another order than < > 2>");
            return false;
        }
        if (next(&p->lex) != WORD || p->lex.word.len == 0) {
            outside(&p->lex, "a redirection without a file");
            return false;
        }
        if (!vh_shell_words_inside(p->lex.word)) {
            outside(&p->lex, "a redirection to a file outside of the workspace");
            return false;
        }
        vh_json_set_str(arena, stage, table[i].path, p->lex.word);
        if (table[i].append) {
            vh_json_set_int(arena, stage, table[i].append, 1);
        }
        p->token = next(&p->lex);
        return true;
    }
    return false;
}

static bool
check_word(struct parser *p, const struct vh_json *argv)
{
    const char *why = vh_shell_words_outside(argv, p->lex.word);
    if (why) {
        outside(&p->lex, why);
    }
    return !why;
}

static struct vh_json *
parse_stage(struct parser *p)
{
    struct vh_arena *arena = p->lex.arena;
    struct vh_json *stage = vh_json_object(arena);
    struct vh_json *argv = vh_json_array(arena);
    for (;;) {
        if (p->token == WORD) {
            if (!argv || argv->count >= VIV_ARGV_MAX || !check_word(p, argv)) {
                outside(&p->lex, "too many words");
                return NULL;
            }
            vh_json_push(argv, vh_json_string(arena, p->lex.word));
            p->token = next(&p->lex);
            continue;
        }
        if (!take_redirection(p, stage)) {
            break;
        }
    }
    if (p->token == BAD || !argv || argv->count == 0) {
        outside(&p->lex, "a stage without a program");
        return NULL;
    }
    vh_json_set(stage, "argv", argv);
    return stage;
}

static struct vh_json *
parse_pipeline(struct parser *p)
{
    struct vh_arena *arena = p->lex.arena;
    struct vh_json *pipeline = vh_json_object(arena);
    struct vh_json *stages = vh_json_array(arena);
    for (;;) {
        struct vh_json *stage = stages && stages->count < VIV_STAGES_MAX ? parse_stage(p) : NULL;
        if (!stage) {
            outside(&p->lex, "too many stages");
            return NULL;
        }
        vh_json_push(stages, stage);
        if (p->token != PIPE) {
            break;
        }
        p->token = next(&p->lex);
    }
    vh_json_set(pipeline, "stages", stages);
    return pipeline;
}

static struct vh_json *
parse_list(struct parser *p)
{
    static const char *const names[] = { [AND] = "and", [OR] = "or", [SEMICOLON] = "then", [NEWLINE] = "then" };
    struct vh_json *list = vh_json_array(p->lex.arena);
    const char *op = NULL;
    while (p->token == NEWLINE) {
        p->token = next(&p->lex);
    }
    while (p->token != END) {
        struct vh_json *pipeline = list && list->count < PIPELINES_MAX ? parse_pipeline(p) : NULL;
        if (!pipeline) {
            outside(&p->lex, "too many pipelines");
            return NULL;
        }
        if (op) {
            vh_json_set_text(p->lex.arena, pipeline, "op", op);
        }
        vh_json_push(list, pipeline);
        bool may_end = p->token == SEMICOLON || p->token == NEWLINE;
        if (p->token != AND && p->token != OR && !may_end) {
            break;
        }
        op = names[p->token];
        p->token = next(&p->lex);
        while (p->token == NEWLINE) { /* of a second ';' a shell says that it is wrong */
            p->token = next(&p->lex);
        }
        if (p->token == END && !may_end) {
            outside(&p->lex, "nothing after && or ||");
            return NULL;
        }
    }
    if (p->token != END || !list || list->count == 0) {
        outside(&p->lex, "no command");
        return NULL;
    }
    return list;
}

struct vh_json *
vh_shell_parse(struct vh_arena *arena, struct viv_str text, const char **ret_why)
{
    struct parser p = { .lex = { .arena = arena, .data = text.len ? text.data : "", .len = (size_t)text.len } };
    struct vh_json *document = vh_json_object(arena);
    p.token = next(&p.lex);
    struct vh_json *list = parse_list(&p);
    if (!list || !document || p.lex.why) {
        *ret_why = p.lex.why ? p.lex.why : "memory";
        return NULL;
    }
    vh_json_set(document, "pipelines", list);
    return document;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over the bytes. A word's bytes are gathered in a pool as long as the text, since no word
 * grows. */
#include "shell.h"

#include <string.h>

enum target { TARGET_NONE, TARGET_OUTPUT, TARGET_INPUT, TARGET_DROP };

struct reader {
    struct viv_str text;
    uint64_t at;
    struct shell *shell;
    struct viv_str *words; /* of all stages, one after the other */
    uint32_t word_count;
    uint32_t first; /* first word of the open stage */
    char *pool;
    uint64_t pool_len;
    uint64_t word_start; /* in the pool */
    uint32_t in_word;
    uint32_t odd_word;   /* the word's text is not what the program will get */
    uint32_t plain_word; /* nothing in it was quoted */
    uint32_t piped;      /* the open stage reads a pipe */
    enum target target;  /* what the next word is for */
};

static struct shell_stage *
stage_of(struct reader *reader)
{
    if (reader->shell->count == SHELL_STAGES_MAX) {
        reader->shell->unread = 1;
        return &reader->shell->stages[SHELL_STAGES_MAX - 1];
    }
    return &reader->shell->stages[reader->shell->count];
}

static void
keep_file(struct reader *reader, struct viv_str *files, uint32_t *count, struct viv_str word)
{
    if (*count == SHELL_FILES_MAX) {
        reader->shell->unread = 1;
        return;
    }
    files[(*count)++] = word;
}

static int
is_assignment(struct viv_str word)
{
    uint64_t i = 0;
    for (; i < word.len && word.data[i] != '='; i++) {
        char c = word.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
              (i > 0 && c >= '0' && c <= '9'))) {
            return 0;
        }
    }
    return i > 0 && i < word.len;
}

/* A word where a command begins: keywords and assignments are not the command. 1 when it was one of
 * those. */
static int
is_before_command(struct reader *reader, struct viv_str word)
{
    if (reader->plain_word && rules_is(word, "!")) {
        return 1;
    }
    if (reader->plain_word &&
        rules_is_one(word, "if then elif else fi for while until do done case esac select function "
                           "coproc { } [[ ]]")) {
        reader->shell->unread = 1;
        return 1;
    }
    if (is_assignment(word)) {
        reader->shell->unread |= rules_starts(word, "LD_") || rules_starts(word, "PATH=") ||
                                 rules_starts(word, "BASH_ENV=") || rules_starts(word, "IFS=");
        return 1;
    }
    return 0;
}

static void
end_word(struct reader *reader)
{
    if (!reader->in_word)
        return;
    struct viv_str word = {reader->pool + reader->word_start,
                           reader->pool_len - reader->word_start};
    struct shell_stage *stage = stage_of(reader);
    reader->in_word = 0;
    if (reader->target == TARGET_OUTPUT) {
        keep_file(reader, stage->outputs, &stage->output_count, word);
        reader->shell->unread |= reader->odd_word;
    } else if (reader->target == TARGET_INPUT) {
        keep_file(reader, stage->inputs, &stage->input_count, word);
    } else if (reader->target == TARGET_NONE) {
        if (reader->word_count == reader->first && is_before_command(reader, word))
            return;
        reader->shell->unread |= reader->word_count == reader->first && reader->odd_word;
        reader->words[reader->word_count++] = word;
    }
    reader->target = TARGET_NONE;
}

static void
end_stage(struct reader *reader, uint32_t next_piped)
{
    end_word(reader);
    struct shell_stage *stage = stage_of(reader);
    reader->shell->unread |= reader->target != TARGET_NONE;
    reader->target = TARGET_NONE;
    if (reader->word_count > reader->first || stage->output_count > 0 || stage->input_count > 0) {
        stage->argv =
            (struct argv){reader->words + reader->first, reader->word_count - reader->first, 0};
        stage->piped = reader->piped;
        if (reader->shell->count < SHELL_STAGES_MAX) {
            reader->shell->count++;
        }
    } else {
        reader->shell->unread |= next_piped | reader->piped;
    }
    reader->first = reader->word_count;
    reader->piped = next_piped;
}

static void
put(struct reader *reader, char c)
{
    if (!reader->in_word) {
        reader->in_word = 1;
        reader->odd_word = 0;
        reader->plain_word = 1;
        reader->word_start = reader->pool_len;
    }
    reader->pool[reader->pool_len++] = c;
}

/* An empty quoted word is a word. */
static void
open_word(struct reader *reader)
{
    put(reader, ' ');
    reader->pool_len--;
    reader->plain_word = 0;
}

static char
peek(const struct reader *reader, uint64_t ahead)
{
    return reader->at + ahead < reader->text.len ? reader->text.data[reader->at + ahead] : '\0';
}

static void
take_single(struct reader *reader)
{
    open_word(reader);
    for (reader->at++; reader->at < reader->text.len; reader->at++) {
        if (reader->text.data[reader->at] == '\'') {
            reader->at++;
            return;
        }
        put(reader, reader->text.data[reader->at]);
    }
    reader->shell->unread = 1;
}

/* "$NAME" stays as written: its value is not known. A substitution begins commands of its own. */
static void
take_dollar(struct reader *reader)
{
    char next = peek(reader, 1);
    if (next == '(' || next == '\'' || next == '"' || next == '[') {
        reader->shell->unread = 1;
        if (next == '(') {
            end_stage(reader, 0);
            reader->at++;
        }
        reader->at++;
        return;
    }
    if (next == '{') {
        uint64_t i = 2;
        while ((peek(reader, i) >= 'A' && peek(reader, i) <= 'Z') ||
               (peek(reader, i) >= 'a' && peek(reader, i) <= 'z') || peek(reader, i) == '_' ||
               (peek(reader, i) >= '0' && peek(reader, i) <= '9')) {
            i++;
        }
        reader->shell->unread |= peek(reader, i) != '}';
    }
    put(reader, '$');
    reader->odd_word = 1;
    reader->at++;
}

static void
take_double(struct reader *reader)
{
    open_word(reader);
    for (reader->at++; reader->at < reader->text.len;) {
        char c = reader->text.data[reader->at];
        if (c == '"') {
            reader->at++;
            return;
        }
        if (c == '`' || (c == '$' && peek(reader, 1) == '(')) {
            reader->shell->unread = 1;
            end_stage(reader, 0);
            reader->at += c == '`' ? 1 : 2;
            return;
        }
        if (c == '$') {
            put(reader, '$');
            reader->odd_word = 1;
            reader->at++;
            continue;
        }
        if (c == '\\' && strchr("$`\"\\\n", peek(reader, 1)) && peek(reader, 1) != '\0') {
            reader->at++;
            c = reader->text.data[reader->at];
        }
        put(reader, c);
        reader->at++;
    }
    reader->shell->unread = 1;
}

static void
take_backslash(struct reader *reader)
{
    char next = peek(reader, 1);
    reader->at += 2;
    if (next == '\n')
        return;
    if (next == '\0') {
        reader->shell->unread = 1;
        return;
    }
    put(reader, next);
    reader->plain_word = 0;
}

/* A number right before the sign names a descriptor and is no word. */
static void
drop_descriptor(struct reader *reader)
{
    int digits = reader->in_word && reader->plain_word;
    for (uint64_t i = reader->word_start; digits && i < reader->pool_len; i++) {
        digits = reader->pool[i] >= '0' && reader->pool[i] <= '9';
    }
    if (digits) {
        reader->in_word = 0;
    } else {
        end_word(reader);
    }
}

static void
take_redirection(struct reader *reader)
{
    char sign = reader->text.data[reader->at];
    drop_descriptor(reader);
    reader->shell->unread |= reader->target != TARGET_NONE;
    if (peek(reader, 1) == '(' || (sign == '<' && peek(reader, 1) == '<')) {
        reader->shell->unread = 1;
    }
    reader->at++;
    while (reader->at < reader->text.len && strchr("<>|", reader->text.data[reader->at])) {
        reader->at++;
    }
    reader->target = sign == '>' ? TARGET_OUTPUT : TARGET_INPUT;
    if (peek(reader, 0) == '&') {
        reader->at++;
        char next = peek(reader, 0);
        if ((next >= '0' && next <= '9') || next == '-') {
            reader->target = TARGET_DROP;
        }
    }
}

static void
take_operator(struct reader *reader)
{
    char c = reader->text.data[reader->at];
    char next = peek(reader, 1);
    if (c == '&' && next == '>') {
        end_word(reader);
        reader->at++;
        return;
    }
    if (c == '(' || c == ')' || c == '`') {
        reader->shell->unread = 1;
    }
    end_stage(reader, c == '|' && next != '|');
    reader->at +=
        (c == next && (c == '&' || c == '|' || c == ';')) || (c == '|' && next == '&') ? 2 : 1;
}

static void
take_plain(struct reader *reader)
{
    char c = reader->text.data[reader->at];
    if (c == '#' && !reader->in_word) {
        while (reader->at < reader->text.len && reader->text.data[reader->at] != '\n') {
            reader->at++;
        }
        return;
    }
    put(reader, c);
    reader->odd_word |= c == '*' || c == '?' ||
                        (c == '[' && reader->pool_len - reader->word_start > 1) || c == '{' ||
                        c == '~';
    reader->at++;
}

static void
take(struct reader *reader)
{
    char c = reader->text.data[reader->at];
    if (c == ' ' || c == '\t') { /* a carriage return is a part of a word to every shell */
        end_word(reader);
        reader->at++;
    } else if (c == '\'') {
        take_single(reader);
    } else if (c == '"') {
        take_double(reader);
    } else if (c == '\\') {
        take_backslash(reader);
    } else if (c == '$') {
        take_dollar(reader);
    } else if (c == '<' || c == '>') {
        take_redirection(reader);
    } else if (c == '\0' || !strchr("\n;&|()`", c)) {
        take_plain(reader);
    } else {
        take_operator(reader);
    }
}

viv_status
shell_read(struct viv_call *call, struct viv_str text, struct shell **ret_shell)
{
    struct reader reader = {.text = text};
    reader.shell = call->alloc(call, sizeof *reader.shell);
    reader.words = call->alloc(call, (text.len / 2 + 2) * sizeof *reader.words);
    reader.pool = call->alloc(call, text.len + 2);
    if (!reader.shell || !reader.words || !reader.pool) {
        return VIV_E_MEMORY;
    }
    while (reader.at < text.len) {
        take(&reader);
    }
    end_stage(&reader, 0);
    *ret_shell = reader.shell;
    return VIV_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The table of languages. To add one: a row at its place by name, and a case in cases.json. */
#include "languages.h"

#include <string.h>

#define SLASHES "//", "/*", "*/"

const struct language languages[] = {
    { "Assembly", ".s .S .asm", "#", NULL, NULL },
    { "C", ".c .h tcc", SLASHES },
    { "C#", ".cs", SLASHES },
    { "C++", ".cc .cpp .cxx .hh .hpp .hxx", SLASHES },
    { "CMake", ".cmake CMakeLists.txt", "#", NULL, NULL },
    { "CSS", ".css", NULL, "/*", "*/" },
    { "Dockerfile", "Dockerfile", "#", NULL, NULL },
    { "Go", ".go", SLASHES },
    { "HTML", ".html .htm", NULL, "<!--", "-->" },
    { "Java", ".java", SLASHES },
    { "JavaScript", ".js .mjs .cjs .jsx node", SLASHES },
    { "JSON", ".json", NULL, NULL, NULL },
    { "Kotlin", ".kt .kts", SLASHES },
    { "Lua", ".lua lua", "--", NULL, NULL },
    { "Make", ".mk Makefile makefile GNUmakefile make", "#", NULL, NULL },
    { "Markdown", ".md", NULL, NULL, NULL },
    { "Perl", ".pl .pm perl", "#", NULL, NULL },
    { "PHP", ".php php", "//", "/*", "*/" },
    { "Python", ".py .pyi python", "#", NULL, NULL },
    { "Ruby", ".rb Rakefile Gemfile ruby", "#", NULL, NULL },
    { "Rust", ".rs", SLASHES },
    { "Scala", ".scala", SLASHES },
    { "Shell", ".sh .bash sh bash dash ksh zsh", "#", NULL, NULL },
    { "SQL", ".sql", "--", "/*", "*/" },
    { "Swift", ".swift", SLASHES },
    { "TOML", ".toml", "#", NULL, NULL },
    { "TypeScript", ".ts .tsx", SLASHES },
    { "XML", ".xml", NULL, "<!--", "-->" },
    { "YAML", ".yaml .yml", "#", NULL, NULL },
    { "Zig", ".zig", "//", NULL, NULL },
};

const uint32_t language_count = sizeof languages / sizeof *languages;

uint32_t
language_named(struct viv_str name)
{
    uint32_t i = 0;
    while (i < language_count && !viv_kit_is_folded(name, languages[i].name)) {
        i++;
    }
    return i;
}

/* Whether `word`, with `dot` before it or not, is one of the names. */
static uint32_t
lists(const char *names, struct viv_str word, uint32_t dot)
{
    while (*names) {
        uint64_t len = strcspn(names, " ");
        if (len == word.len + dot && (*names == '.') == dot &&
            memcmp(names + dot, word.data, (size_t)word.len) == 0)
            return 1;
        names += len;
        names += *names == ' ';
    }
    return 0;
}

static uint32_t
listed(struct viv_str word, uint32_t dot)
{
    uint32_t i = 0;
    while (i < language_count && !lists(languages[i].names, word, dot)) {
        i++;
    }
    return i;
}

uint32_t
language_of_path(struct viv_str path)
{
    struct viv_str extension = viv_kit_extension(path);
    uint32_t found = listed(viv_kit_base_name(path), 0);
    return found < language_count || extension.len == 0 ? found : listed(extension, 1);
}

static struct viv_str
next_word(struct viv_str *rest)
{
    while (rest->len > 0 && (*rest->data == ' ' || *rest->data == '\t')) {
        *rest = (struct viv_str){ rest->data + 1, rest->len - 1 };
    }
    struct viv_str word = { rest->data, 0 };
    while (word.len < rest->len && !strchr(" \t\r\n", rest->data[word.len])) {
        word.len++;
    }
    *rest = (struct viv_str){ rest->data + word.len, rest->len - word.len };
    return word;
}

uint32_t
language_of_content(struct viv_str bytes)
{
    if (bytes.len < 3 || memcmp(bytes.data, "#!", 2) != 0)
        return language_count;
    struct viv_str rest = { bytes.data + 2, bytes.len - 2 < 200 ? bytes.len - 2 : 200 };
    const char *end = memchr(rest.data, '\n', (size_t)rest.len);
    if (end) {
        rest.len = (uint64_t)(end - rest.data);
    }
    struct viv_str program = viv_kit_base_name(next_word(&rest));
    while (viv_kit_is(program, "env") || (program.len > 0 && program.data[0] == '-')) {
        program = viv_kit_base_name(next_word(&rest));
    }
    while (program.len > 0 && strchr("0123456789.", program.data[program.len - 1])) {
        program.len--; /* python3.11 is python */
    }
    return program.len > 0 ? listed(program, 0) : language_count;
}

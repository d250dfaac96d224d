/* SPDX-License-Identifier: Apache-2.0 */
/* Names are compared without case: some file systems ignore it, and no honest work needs ".GIT". A
 * critical surface is protected whether or not it exists, since planting it is the attack. */
#include "paths.h"

#include <string.h>

#include "glob.h"

const char *
paths_fault(struct viv_str path)
{
    if (path.len > VIV_PATH_MAX) {
        return "is longer than 4095 bytes";
    }
    if (path.len > 0 && path.data[0] == '/') {
        return "is absolute; paths are relative to the workspace";
    }
    if (path.len > 0 && memchr(path.data, '\0', (size_t)path.len)) {
        return "holds a NUL";
    }
    for (uint64_t at = 0; at < path.len;) {
        const char *slash = memchr(path.data + at, '/', (size_t)(path.len - at));
        uint64_t end = slash ? (uint64_t)(slash - path.data) : path.len;
        if (end - at == 2 && path.data[at] == '.' && path.data[at + 1] == '.') {
            return "leaves the workspace by '..'";
        }
        at = end + 1;
    }
    return NULL;
}

struct viv_str
paths_normal(struct viv_call *call, struct viv_str path)
{
    char *copy = call->alloc(call, path.len + 1);
    uint64_t len = 0;
    if (!copy) {
        return (struct viv_str){NULL, 0};
    }
    for (uint64_t at = 0; at < path.len;) {
        const char *slash = memchr(path.data + at, '/', (size_t)(path.len - at));
        uint64_t end = slash ? (uint64_t)(slash - path.data) : path.len;
        uint64_t size = end - at;
        if (size > 0 && !(size == 1 && path.data[at] == '.')) {
            if (len > 0) {
                copy[len++] = '/';
            }
            memcpy(copy + len, path.data + at, (size_t)size);
            len += size;
        }
        at = end + 1;
    }
    return (struct viv_str){copy, len};
}

struct surface {
    const char *globs; /* blank-separated, lower case */
    uint32_t write_only;
    uint32_t with_gates; /* only when gates are configured */
    struct paths_rule rule;
};

#define DENY VIV_VERDICT_DENY
#define ASK VIV_VERDICT_ASK

static const struct surface surfaces[] = {
    {".git git~1 .git.* .git?",
     1,
     0,
     {"path.git-internals", DENY, 0, "belongs to git's own data, which no task writes"}},
    {".vivarium", 0, 0, {"path.home", DENY, 0, "belongs to the home, which no task sees"}},
    {"**/.local/share/vivarium **/.config/vivarium",
     0,
     0,
     {"path.user", DENY, 0, "belongs to the user's keys, plugins and policy, which no task sees"}},
    {".env .env.* .netrc _netrc .pgpass .pypirc .npmrc .git-credentials .ssh .gnupg .aws .azure "
     ".kube .docker/config.json "
     "credentials credentials.* secrets secrets.* id_rsa id_dsa id_ecdsa id_ed25519 *.pem *.p12 "
     "*.pfx *.keystore "
     "private_key private_key.* private.key",
     0,
     0,
     {"path.secret", DENY, 1, "looks like a secret by its name"}},
    {"vivarium.yaml vivarium.yml",
     1,
     0,
     {"critical.policy", ASK, 0, "is the policy that binds tasks"}},
    {".github .gitlab-ci.yml .gitlab .ci .circleci .travis.yml azure-pipelines.yml jenkinsfile "
     ".buildkite .woodpecker.yml "
     ".woodpecker .drone.yml appveyor.yml .appveyor.yml bitbucket-pipelines.yml .forgejo .gitea "
     ".cirrus.yml",
     1,
     0,
     {"critical.ci", ASK, 0, "runs on build machines"}},
    {".husky .githooks .pre-commit-config.yaml .pre-commit-hooks.yaml lefthook.yml .lefthook "
     ".gitmodules .gitattributes "
     ".lintstagedrc* .overcommit.yml",
     1,
     0,
     {"critical.hooks", ASK, 0, "runs by itself when git is used"}},
    {".claude .claude.json .codex .gemini .cursor .cursorrules .windsurf .windsurfrules .continue "
     ".aider* .mcp.json "
     ".vscode .idea .zed .fleet .devcontainer .envrc .direnv .tool-versions .mise.toml mise.toml "
     ".exrc .nvimrc .vimrc "
     "*.code-workspace claude.md agents.md gemini.md",
     1,
     0,
     {"critical.settings", ASK, 0, "steers editors, shells or assistants on the person's machine"}},
    {"makefile gnumakefile *.mk cmakelists.txt *.cmake cmakepresets.json meson.build justfile "
     "taskfile.yml package.json "
     "pyproject.toml setup.py setup.cfg tox.ini noxfile.py conftest.py cargo.toml build.rs "
     "build.gradle build.gradle.kts "
     "settings.gradle gradlew pom.xml build.bazel workspace configure configure.ac rakefile "
     "gemfile dockerfile",
     1,
     1,
     {"critical.build", ASK, 0, "is run by the gates that check this work"}},
};

/* Bytes of a character that some file systems leave out of names: joiners, marks of direction, the mark of byte
 * order. */
static uint64_t
ignored(const char *at, uint64_t len)
{
    const unsigned char *c = (const unsigned char *)at;
    if (len < 3) {
        return 0;
    }
    int marks = c[0] == 0xe2 && ((c[1] == 0x80 && ((c[2] >= 0x8c && c[2] <= 0x8f) || (c[2] >= 0xaa && c[2] <= 0xae))) ||
                                 (c[1] == 0x81 && c[2] >= 0xaa && c[2] <= 0xaf));
    return marks || (c[0] == 0xef && c[1] == 0xbb && c[2] == 0xbf) ? 3 : 0;
}

/* The lower-case form, and for each component without the trailing dots and blanks some file
 * systems drop. */
static struct viv_str
folded(struct viv_str path, char *buffer)
{
    uint64_t len = 0;
    for (uint64_t i = 0; i < path.len && i < VIV_PATH_MAX; i++) {
        char c = path.data[i];
        uint64_t skip = ignored(path.data + i, path.len - i);
        if (skip > 0) {
            i += skip - 1;
            continue;
        }
        if (c == '/') {
            while (len > 0 && (buffer[len - 1] == '.' || buffer[len - 1] == ' ')) {
                len--;
            }
        }
        buffer[len++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    while (len > 0 && (buffer[len - 1] == '.' || buffer[len - 1] == ' ')) {
        len--;
    }
    return (struct viv_str){buffer, len};
}

static int
matches_one(const char *globs, struct viv_str path)
{
    for (const char *glob = globs; *glob;) {
        size_t len = strcspn(glob, " ");
        if (len > 0 && glob_match((struct viv_str){glob, len}, path)) {
            return 1;
        }
        glob += len + (glob[len] == ' ');
    }
    return 0;
}

/* Samples of secrets are there to be read: ".env.example". */
static int
is_sample(struct viv_str path)
{
    return matches_one(
        ".env.example .env.sample .env.template .env.dist *.example *.sample *.template", path);
}

/* A component that is ".git" to a file system with streams (".git:x", ".git::$INDEX_ALLOCATION") or with other
 * separators. git itself refuses to check such a path out, so a result that held one would stop all work after it. */
static int
is_git_stream(struct viv_str path)
{
    for (uint64_t at = 0; at < path.len;) {
        const char *slash = memchr(path.data + at, '/', (size_t)(path.len - at));
        uint64_t end = slash ? (uint64_t)(slash - path.data) : path.len;
        struct viv_str rest = {path.data + at, end - at};
        uint64_t skip = rest.len >= 4 && memcmp(rest.data, ".git", 4) == 0    ? 4
                        : rest.len >= 5 && memcmp(rest.data, "git~1", 5) == 0 ? 5
                                                                              : 0;
        at = end + 1;
        if (skip == 0) {
            continue;
        }
        while (skip < rest.len && (rest.data[skip] == ' ' || rest.data[skip] == '.')) {
            skip++;
        }
        if (skip == rest.len || rest.data[skip] == ':' || rest.data[skip] == '\\') {
            return 1;
        }
    }
    return 0;
}

/* ".git.*" and ".git?" must not catch git's ordinary files. */
static int
is_git_file(struct viv_str path)
{
    return matches_one(".gitignore .gitattributes .gitmodules .gitkeep .github .gitlab "
                       ".gitlab-ci.yml .githooks .gitea",
                       path);
}

uint32_t
paths_rules(struct viv_str path, enum paths_access access, uint32_t with_gates,
            struct paths_rule *ret_rules, uint32_t max)
{
    char buffer[VIV_PATH_MAX + 1];
    struct viv_str name = folded(path, buffer);
    uint32_t count = 0;
    for (size_t i = 0; i < sizeof surfaces / sizeof *surfaces && count < max; i++) {
        const struct surface *surface = &surfaces[i];
        int stream = i == 0 && is_git_stream(name);
        if ((surface->write_only && access != PATHS_WRITE) ||
            (surface->with_gates && !with_gates) || (!stream && !matches_one(surface->globs, name))) {
            continue;
        }
        if (i == 0 && !stream && is_git_file(name) && !matches_one(".git", name)) {
            continue;
        }
        if (surface->rule.by_policy && is_sample(name)) {
            continue;
        }
        ret_rules[count++] = surface->rule;
    }
    return count;
}

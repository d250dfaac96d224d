# SPDX-License-Identifier: Apache-2.0
"""Breaches of the one door for test_lint.py: (file, C text, what onedoor must say or None where only the object shows it,
the symbol or instruction doorsymbols must name or None where there is nothing to link)."""

SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"


def body(text, before=""):
    return f"{SPDX}{before}int\nvh_zz(void)\n{{\n    {text}\n}}\n"


def called(name, arguments="0", path="host/run/zz.c", source=True):
    """A plain call of a function declared by its name."""
    return (path, body(f"return (int)(long){name}({arguments});", f"long {name}();\n"), f"'{source}'" if isinstance(source, str)
            else f"'{name}' is allowed in" if source else None, name)


DECLARED = "int execve();\nint execv();\nint execvp();\nint unlink();\nint connect();\nint rename();\nint each();\n"


def hidden(text, line, call, before="", path="host/run/zz.c", symbol=None):
    """A call written so that it does not look like one; `line` is None where the source lint is blind."""
    return (path, body(text, DECLARED + before), f"zz.c:{line + 10}: '{call}'" if line is not None else None, symbol or call)


PLANTED = [
    # A plain second caller, one of each family.
    *(called(name) for name in (
        "fork vfork clone execve execl execvpe fexecve execveat posix_spawn posix_spawnp system popen wordexp").split()),
    *(called(name) for name in "connect socket bind listen accept4 getaddrinfo socketpair sendto sendmsg recvmsg".split()),
    *(called(name) for name in "dlopen dlmopen dlsym dl_iterate_phdr sqlite3_load_extension sqlite3_enable_load_extension".split()),
    *(called(name) for name in "unlink unlinkat rmdir remove rename renameat2 mkostemp mkstemp mkdtemp tmpfile".split()),
    *(called(name) for name in "ptrace mount umount2 unshare setns pivot_root move_mount io_uring_setup io_uring_submit".split()),
    *(called(name) for name in "open read memfd_create kill prlimit clock_gettime getrandom nanosleep malloc getenv dprintf".split()),
    # What the C library calls them inside, and as they are for large files.
    *(called(name, source=plain) for name, plain in (
        ("__execve", "execve"), ("__libc_fork", "fork"), ("__libc_dlopen_mode", "dlopen_mode"), ("open64", "open"),
        ("mkostemp64", "mkostemp"), ("tmpfile64", "tmpfile"), ("__read_chk", "read"), ("__openat64_2", "openat"), ("_Fork", "fork"))),
    # In every folder, and in a file that only bears the name of a test.
    *(called("execve", path=path) for path in (
        "host/core/zz.c", "host/base/zz.c", "host/commands/zz.c", "host/launcher/zz.c", "host/runner/zz.c", "host/run/test_zz.c",
        "host/run/sandbox_zz.c", "host/run/runner_zz.c", "plugins/gate_a/zz.c", "skills/s/zz.c", "plugin-api/kit/test_zz.c", "tools/zz.c")),
    # Files that have a door, but not this one.
    called("connect", path="host/launcher/spawn.c"), called("sendmsg", path="host/run/sandbox_exec.c"),
    called("mount", path="host/launcher/child.c"), called("unlink", path="host/launcher/root.c"),
    # By number.
    ("host/run/sandbox_zz.c", body("return (int)syscall(59, 0);", "long syscall();\n"), "zz.c:6: 'syscall' is allowed in", "syscall"),
    ("plugins/gate_a/zz.c", body("return (int)syscall(59, 0);", "long syscall();\n"), "zz.c:6: 'syscall' is allowed in", "syscall"),
    ("host/run/sandbox.c", body("return (int)syscall(59, 0);", "long syscall();\n"), "sandbox.c:6: 'syscall' is allowed in", None),
    ("host/run/sandbox.c", body("return (int)syscall(SYS_execve, 0);", "#include <sys/syscall.h>\n#include <unistd.h>\n"),
     "sandbox.c:7: 'execve' by its number, allowed here: pidfd_send_signal", None),
    # Macros, pasting, parentheses, pointers, tables, splices.
    hidden('return GO("x", 0, 0);', -1, "execve", "#define GO execve\n"),
    hidden('return GO("x");', -1, "unlink", "#define GO unlink\n"),
    hidden('return J(un, link)("x");', None, "unlink", "#define J(a, b) a##b\n"),
    hidden('return (unlink)("x");', 2, "unlink"), hidden('return (*unlink)("x");', 2, "unlink"),
    hidden('return (connect)(1, 0, 0);', 2, "connect"), hidden('int (*f)() = unlink; return f("x");', 2, "unlink"),
    hidden("int (*f)() = connect; return f(1, 0, 0);", None, "connect"), hidden('int (*f)() = &rename; return f("x", "y");', None, "rename"),
    hidden('return zz[0]("x", 0);', -1, "execv", "static int (*const zz[])() = { execv };\n"),
    hidden('volatile int a = 1; return (a ? execv : execvp)("x", 0);', 2, "execvp"),
    hidden("return each(unlink);", 2, "unlink"), hidden("return each((void *)connect);", None, "connect"),
    hidden('return unl\\\nink("x");', 2, "unlink"), hidden('return unlink/* */("x");', 2, "unlink"), hidden('return unlink\n("x");', 2, "unlink"),
    hidden('return 2 *unlink("x");', None, "unlink"), hidden('return 0 >unlink("x");', 2, "unlink"),
    hidden('TRY unlink("x"); return 0;', None, "unlink", "#define TRY\n"),
    hidden('__extension__ unlink("x"); return 0;', 2, "unlink"),
    # A second name, and the machine itself.
    (*hidden('return go("x");', None, "unlink", 'int go(const char *) __asm__("unlink");\n')[:2], "assembler, allowed in nowhere", "unlink"),
    (*hidden('return go("x");', None, "unlink", "#pragma redefine_extname go unlink\nint go(const char *);\n")[:2],
     "a second name for a symbol", "unlink"),
    ("host/run/zz.c", body('__asm__ volatile(".byte 0x0f, 0x05"); return 0;'), "zz.c:5: assembler, allowed in nowhere", "machine"),
    ("host/run/zz.c", SPDX + "static int go(void) { return 0; }\nint other(void) __attribute__((alias(\"go\")));\nint (*f)(void) = go;\n",
     "zz.c:3: a second name for a symbol", None),
    ("host/run/zz.c", SPDX + "#define J(a, b) a##b\n", "zz.c:2: a pasted name, allowed in host/core/moves.c", None),
    ("host/run/zz.c", SPDX + "/* why */ int a?" + "?(1];\n", "zz.c:2: a trigraph", None),
    ("host/run/zz.c", SPDX + '#include "zz.inc"\n', "zz.c:2: an include of what is no header", None),
    ("host/run/zz.c", SPDX + "#include ZZ\n", "zz.c:2: an include of what is no header", None),
    ("host/run/zz.inc", "int a;\n", "host/run/zz.inc:1: no lint reads a file of this kind", None),
    ("host/run/zz.S", "syscall\n", "host/run/zz.S:1: no lint reads a file of this kind", None),
    ("plugins/gate_a/zz.s", "syscall\n", "plugins/gate_a/zz.s:1: no lint reads a file of this kind", None),
    ("plugin-api/kit/zz.h", SPDX + "#define viv_kit_go(p) execve(p, 0, 0)\n", "zz.h:2: 'execve'", None),
]

# Sound, and not to be taken for a breach.
SOUND = [
    called("openat2", path="host/launcher/zz.c"), called("memfd_create", path="host/load/map.c"), called("fork", path="host/runner/main.c"),
    called("renameat2", path="host/base/seam.c"), called("execve", path="tests/unit/test_zz.c"), called("malloc", path="plugins/gate_a/zz.c"),
    called("vh_unlink"), called("opening"), called("posix_spawnp", path="plugins/gate_a/test_zz.c"),
]

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""From one interface description: header part, asserts, stubs, marshalling, reference page.

usage: interface.py header|proxy|proxy-header|layout|page FILE.toml... -o OUT

header        <viv/iface/NAME.h>: structs, table, constants, offset asserts
proxy-header  declarations of the stub tables and of the generic encode/decode tables
proxy         stub table per interface (every member answers VIV_E_UNSUPPORTED) and, per method, the field
              table from which run/proxy.c and runner/ marshal requests and answers
layout        one line per struct member: name, offset, size, type
page          Markdown reference page of one interface
"""
import sys
import tomllib

SIZES = {"u32": 4, "verdict": 4, "i64": 8, "u64": 8, "str": 16, "values": 16}
CTYPES = {"u32": "uint32_t", "verdict": "viv_verdict", "i64": "int64_t", "u64": "uint64_t", "str": "struct viv_str"}


def load(path):
    with open(path, "rb") as file:
        iface = tomllib.load(file)
    for method in iface["method"]:
        for side in ("request", "answer"):
            check_fields(path, method["name"], side, method.setdefault(side, []))
    return iface


def check_fields(path, method, side, fields):
    """Refuse hidden padding: 4-byte members come in pairs."""
    offset = 8
    for field in fields:
        if field["type"] not in SIZES:
            sys.exit(f"{path}: {method}.{side}.{field['name']} has type '{field['type']}', allowed: {', '.join(SIZES)}")
        size = SIZES[field["type"]]
        if offset % min(size, 8):
            sys.exit(f"{path}: {method}.{side}.{field['name']} would leave a hole at offset {offset}; pair the 4-byte members")
        field["offset"] = offset
        offset += size
    if offset % 8:
        sys.exit(f"{path}: {method}.{side} ends at offset {offset}; add a 'reserved' u32")


def struct_name(iface, method, side):
    return f"viv_{iface['interface']}_{method['name']}_{side}"


def struct_size(fields):
    return 8 + sum(SIZES[field["type"]] for field in fields)


def comment(text, indent=""):
    lines = text.strip().split("\n")
    if len(lines) == 1:
        return f"{indent}/* {lines[0]} */\n"
    return f"{indent}/* " + f"\n{indent} * ".join(lines) + " */\n"


def member_lines(field):
    if field["type"] == "values":
        return (f"    const struct viv_value *{field['name']}; /* {field['doc']} */\n"
                f"    uint32_t {field['name']}_count;\n    uint32_t {field['name']}_stride; /* sizeof(struct viv_value) of the host */\n")
    return f"    {CTYPES[field['type']]} {field['name']}; /* {field['doc']} */\n"


def header(iface, out):
    name, upper = iface["interface"], iface["interface"].upper()
    guard = f"VIV_IFACE_{upper}_H"
    draft = "draft/" if iface.get("draft") else ""
    out.write("/* SPDX-License-Identifier: Apache-2.0 */\n")
    text = iface["summary"] + (" DRAFT: may change until it leaves draft/." if draft else "") + "\n\n" + iface.get("text", "").strip()
    text = text.strip() + f"\n\nOn a crash, a timeout, a refusal or an answer out of range: {iface['fail']}.\nMay machine-made code implement it: {iface['machine_made']}."
    out.write(comment(text))
    out.write(f"#ifndef {guard}\n#define {guard}\n\n#include <viv/call.h>\n#include <viv/value.h>\n\nVIV_BEGIN\n\n")
    out.write(f"#define VIV_IFACE_{upper} \"viv.{name}/{iface['revision']}\"\n\n")
    for constant in iface.get("constant", []):
        out.write(f"#define {constant['name']} UINT32_C({constant['value']}) /* {constant['doc']} */\n")
    if iface.get("constant"):
        out.write("\n")
    for method in iface["method"]:
        for side in ("request", "answer"):
            fields = method[side]
            out.write(f"struct {struct_name(iface, method, side)} {{\n    uint32_t size;\n    uint32_t rev;\n")
            out.writelines(member_lines(field) for field in fields)
            out.write("};\n\n")
    out.write(f"struct viv_{name} {{\n    uint32_t size;\n    uint32_t rev;\n")
    for method in iface["method"]:
        out.write(f"\n    /* {method['summary']}\n     *\n     * thread:  {method['thread']}\n")
        out.write("     * borrows: `request`, until the call returns\n")
        out.write("     * gives:   `ret_answer`, texts from the call's arena\n")
        out.write(f"     * fails:   {method['fails']}\n     * why:     {method['why']}\n     * since:   1.0\n     */\n")
        out.write(f"    viv_status(VIV_CALL *{method['name']})(void *self, struct viv_call *call,\n"
                  f"        const struct {struct_name(iface, method, 'request')} *request,\n"
                  f"        struct {struct_name(iface, method, 'answer')} *ret_answer, struct viv_error *err);\n")
    out.write("};\n\n")
    for line in asserts(iface):
        out.write(line + "\n")
    out.write("\nVIV_END\n\n#endif\n")


def asserts(iface):
    for method in iface["method"]:
        for side in ("request", "answer"):
            struct = struct_name(iface, method, side)
            for field in method[side]:
                yield (f"VIV_STATIC_ASSERT(__builtin_offsetof(struct {struct}, {field['name']}) == {field['offset']}, "
                       f"\"{struct}.{field['name']}\");")
            yield f"VIV_STATIC_ASSERT(sizeof(struct {struct}) == {struct_size(method[side])}, \"{struct}\");"
    table = f"viv_{iface['interface']}"
    for index, method in enumerate(iface["method"]):
        yield f"VIV_STATIC_ASSERT(__builtin_offsetof(struct {table}, {method['name']}) == {8 + 8 * index}, \"{table}.{method['name']}\");"
    yield f"VIV_STATIC_ASSERT(sizeof(struct {table}) == {8 + 8 * len(iface['method'])}, \"{table}\");"


def include_line(iface):
    return f"#include <viv/{'draft' if iface.get('draft') else 'iface'}/{iface['interface']}.h>\n"


FIELD_KINDS = {"u32": 1, "verdict": 1, "i64": 2, "u64": 2, "str": 3, "values": 4}


def proxy_header(ifaces, out):
    out.write("/* Generated from plugin-api/interfaces: what the host and the runner need to know of every method. */\n")
    out.write("#ifndef VIV_INTERFACES_H\n#define VIV_INTERFACES_H\n\n#include <stddef.h>\n#include <viv/viv.h>\n")
    out.writelines(include_line(iface) for iface in ifaces)
    out.write("""
enum viv_field_kind { VIV_FIELD_U32 = 1, VIV_FIELD_I64 = 2, VIV_FIELD_STR = 3, VIV_FIELD_VALUES = 4 };

/* One member of a request or an answer. `min` and `max` bound numbers of answers; both zero: unbounded. */
struct viv_field {
    const char *name;
    uint32_t kind;
    uint32_t offset;
    int64_t min;
    int64_t max;
};

struct viv_method {
    const char *name;
    uint32_t request_size;
    uint32_t answer_size;
    const struct viv_field *request;
    const struct viv_field *answer;
    uint32_t request_count;
    uint32_t answer_count;
    uint32_t slot; /* offset of the function in its table */
    uint32_t reserved;
};

struct viv_interface {
    const char *id;
    const char *name;
    const void *stubs; /* a full table whose members answer VIV_E_UNSUPPORTED */
    const struct viv_method *methods;
    uint32_t method_count;
    uint32_t table_size;
    uint32_t draft;
    uint32_t machine_made; /* 1: machine-made code may implement it, at tier 1 */
    const char *fail;      /* what follows from a crash, a timeout, a refusal or an answer out of range, in words */
};

/* All methods have this shape; request and answer are the structs of the method. */
typedef viv_status(VIV_CALL *viv_method_fn)(void *self, struct viv_call *call, const void *request,
                                            void *ret_answer, struct viv_error *err);

extern const struct viv_interface viv_interfaces[];
extern const uint32_t viv_interface_count;

""")
    for index, iface in enumerate(ifaces):
        out.write(f"#define VIV_INDEX_{iface['interface'].upper()} {index}u\n")
        for number, method in enumerate(iface["method"]):
            out.write(f"#define VIV_METHOD_{iface['interface'].upper()}_{method['name'].upper()} {number}u\n")
    out.write("\n#endif\n")


def proxy(ifaces, out):
    out.write("/* Generated from plugin-api/interfaces. */\n#include <viv_interfaces.h>\n\n")
    out.write("static viv_status\nunsupported(struct viv_error *err, const char *method)\n{\n"
              "    if (err) {\n        err->status = VIV_E_UNSUPPORTED;\n"
              "        const char text[] = \"the plugin does not offer this method: \";\n"
              "        uint32_t at = 0;\n"
              "        for (const char *c = text; *c; c++)\n            err->text[at++] = *c;\n"
              "        for (const char *c = method; *c && at + 1 < sizeof err->text; c++)\n            err->text[at++] = *c;\n"
              "        err->text[at] = '\\0';\n    }\n    return VIV_E_UNSUPPORTED;\n}\n\n")
    for iface in ifaces:
        name = iface["interface"]
        for method in iface["method"]:
            out.write(f"static viv_status\n{name}_{method['name']}(void *self, struct viv_call *call, const struct {struct_name(iface, method, 'request')} *request,\n"
                      f"    struct {struct_name(iface, method, 'answer')} *ret_answer, struct viv_error *err)\n{{\n"
                      f"    (void)self;\n    (void)call;\n    (void)request;\n    (void)ret_answer;\n    return unsupported(err, \"viv.{name}/{iface['revision']} {method['name']}\");\n}}\n\n")
        out.write(f"static const struct viv_{name} {name}_stubs = {{\n    (uint32_t)sizeof(struct viv_{name}), 1,\n")
        out.writelines(f"    {name}_{method['name']},\n" for method in iface["method"])
        out.write("};\n\n")
        for method in iface["method"]:
            for side in ("request", "answer"):
                if not method[side]:
                    continue
                out.write(f"static const struct viv_field {name}_{method['name']}_{side}[] = {{\n")
                for field in method[side]:
                    low, high = field.get("min", 0), field.get("max", 0)
                    if field["type"] == "verdict":
                        high = 2
                    out.write(f"    {{ \"{field['name']}\", {FIELD_KINDS[field['type']]}, {field['offset']}, {low}, {high} }},\n")
                out.write("};\n\n")
        out.write(f"static const struct viv_method {name}_methods[] = {{\n")
        for index, method in enumerate(iface["method"]):
            counts = {side: len(method[side]) for side in ("request", "answer")}
            pointers = {side: f"{name}_{method['name']}_{side}" if counts[side] else "NULL" for side in counts}
            out.write(f"    {{ \"{method['name']}\", {struct_size(method['request'])}, {struct_size(method['answer'])}, {pointers['request']}, "
                      f"{pointers['answer']}, {counts['request']}, {counts['answer']}, {8 + 8 * index}, 0 }},\n")
        out.write("};\n\n")
    out.write("const struct viv_interface viv_interfaces[] = {\n")
    for iface in ifaces:
        name = iface["interface"]
        out.write(f"    {{ \"viv.{name}/{iface['revision']}\", \"{name}\", &{name}_stubs, {name}_methods, {len(iface['method'])}, "
                  f"{8 + 8 * len(iface['method'])}, {int(bool(iface.get('draft')))}, {int(iface['machine_made'] == 'tier 1')},\n"
                  f"      \"{iface['fail']}\" }},\n")
    out.write("};\n\nconst uint32_t viv_interface_count = sizeof viv_interfaces / sizeof viv_interfaces[0];\n")


def layout(ifaces, out):
    for iface in ifaces:
        for method in iface["method"]:
            for side in ("request", "answer"):
                struct = struct_name(iface, method, side)
                out.write(f"struct {struct} size {struct_size(method[side])}\n")
                for field in method[side]:
                    out.write(f"  {field['name']} offset {field['offset']} size {SIZES[field['type']]} type {field['type']}\n")
        table = f"viv_{iface['interface']}"
        out.write(f"struct {table} size {8 + 8 * len(iface['method'])}\n")
        for index, method in enumerate(iface["method"]):
            out.write(f"  {method['name']} offset {8 + 8 * index} size 8 type function\n")


def page(ifaces, out):
    for iface in ifaces:
        out.write(f"# Interface viv.{iface['interface']}/{iface['revision']}\n\n{iface['summary']}\n")
        if iface.get("text"):
            out.write(f"\n{iface['text'].strip()}\n")
        out.write(f"\n- Fail value: {iface['fail']}.\n- Machine-made code may implement it: {iface['machine_made']}.\n")
        for method in iface["method"]:
            out.write(f"\n## {method['name']}\n\n{method['summary']}\n\n- Thread: {method['thread']}.\n- Fails: {method['fails']}.\n- Why: {method['why']}.\n")
            for side in ("request", "answer"):
                out.write(f"\n| {side} | type | meaning |\n| --- | --- | --- |\n")
                for field in method[side]:
                    out.write(f"| `{field['name']}` | {field['type']} | {field['doc']} |\n")
        if iface.get("constant"):
            out.write("\n## Constants\n\n| name | value | meaning |\n| --- | --- | --- |\n")
        for constant in iface.get("constant", []):
            out.write(f"| `{constant['name']}` | {constant['value']} | {constant['doc']} |\n")
        out.write("\n")


def main(argv):
    if len(argv) < 4 or argv[-2] != "-o" or argv[0] not in ("header", "proxy", "proxy-header", "layout", "page"):
        sys.exit(__doc__)
    ifaces = [load(path) for path in argv[1:-2]]
    with open(argv[-1], "w", encoding="utf-8") as out:
        if argv[0] == "header":
            header(ifaces[0], out)
        else:
            {"proxy": proxy, "proxy-header": proxy_header, "layout": layout, "page": page}[argv[0]](ifaces, out)


main(sys.argv[1:])

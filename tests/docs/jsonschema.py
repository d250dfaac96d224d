# SPDX-License-Identifier: Apache-2.0
"""As much of JSON Schema 2020-12 as docs/contract uses. A keyword it does not know is an error: a schema whose rule is
silently skipped would promise what nobody checks."""
import re

NOTES = {"$schema", "$id", "$defs", "$comment", "title", "description", "default", "examples", "format"}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def is_type(value, name):
    if name in ("integer", "number"):
        return isinstance(value, int if name == "integer" else (int, float)) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def same(a, b):
    return type(a) is type(b) and a == b


class Schema:
    def __init__(self, document):
        self.document = document

    def problems(self, value, schema=None, at=""):
        """Sentences that say what is wrong; none when the value satisfies the schema."""
        schema = self.document if schema is None else schema
        if schema is True or schema is False:
            return [] if schema else [f"{at or '/'}: nothing is allowed here"]
        found = []
        for key, rule in schema.items():
            if key in NOTES:
                continue
            check = getattr(self, "check_" + key.lstrip("$"), None)
            if check is None:
                raise ValueError(f"keyword '{key}' is not known to this validator")
            found += check(value, rule, schema, at)
        return found

    def check_ref(self, value, rule, schema, at):
        target = self.document
        for part in rule.removeprefix("#/").split("/"):
            target = target[part]
        return self.problems(value, target, at)

    def check_type(self, value, rule, schema, at):
        names = rule if isinstance(rule, list) else [rule]
        return [] if any(is_type(value, name) for name in names) else [f"{at or '/'}: not of type {', '.join(names)}"]

    def check_enum(self, value, rule, schema, at):
        return [] if any(same(value, one) for one in rule) else [f"{at or '/'}: not one of {rule}"]

    def check_const(self, value, rule, schema, at):
        return [] if same(value, rule) else [f"{at or '/'}: not {rule}"]

    def check_pattern(self, value, rule, schema, at):
        return [f"{at or '/'}: does not match {rule}"] if isinstance(value, str) and not re.search(rule, value) else []

    def bound(self, good, at, text):
        return [] if good else [f"{at or '/'}: {text}"]

    def check_minimum(self, value, rule, schema, at):
        return self.bound(not is_type(value, "number") or value >= rule, at, f"less than {rule}")

    def check_maximum(self, value, rule, schema, at):
        return self.bound(not is_type(value, "number") or value <= rule, at, f"more than {rule}")

    def check_minLength(self, value, rule, schema, at):
        return self.bound(not isinstance(value, str) or len(value) >= rule, at, f"shorter than {rule}")

    def check_maxLength(self, value, rule, schema, at):
        return self.bound(not isinstance(value, str) or len(value) <= rule, at, f"longer than {rule}")

    def check_minItems(self, value, rule, schema, at):
        return self.bound(not isinstance(value, list) or len(value) >= rule, at, f"fewer than {rule} items")

    def check_maxItems(self, value, rule, schema, at):
        return self.bound(not isinstance(value, list) or len(value) <= rule, at, f"more than {rule} items")

    def check_uniqueItems(self, value, rule, schema, at):
        return self.bound(not rule or not isinstance(value, list) or len({repr(i) for i in value}) == len(value), at, "items repeat")

    def check_maxProperties(self, value, rule, schema, at):
        return self.bound(not isinstance(value, dict) or len(value) <= rule, at, f"more than {rule} members")

    def check_minProperties(self, value, rule, schema, at):
        return self.bound(not isinstance(value, dict) or len(value) >= rule, at, f"fewer than {rule} members")

    def check_items(self, value, rule, schema, at):
        if not isinstance(value, list):
            return []
        return [text for index, item in enumerate(value) for text in self.problems(item, rule, f"{at}/{index}")]

    def check_required(self, value, rule, schema, at):
        return [f"{at}/{key}: missing" for key in rule if isinstance(value, dict) and key not in value]

    def check_properties(self, value, rule, schema, at):
        if not isinstance(value, dict):
            return []
        return [text for key, inner in rule.items() if key in value for text in self.problems(value[key], inner, f"{at}/{key}")]

    def check_propertyNames(self, value, rule, schema, at):
        return [text for key in (value if isinstance(value, dict) else ()) for text in self.problems(key, rule, f"{at}/{key}")]

    def check_patternProperties(self, value, rule, schema, at):
        if not isinstance(value, dict):
            return []
        return [text for pattern, inner in rule.items() for key in value if re.search(pattern, key)
                for text in self.problems(value[key], inner, f"{at}/{key}")]

    def check_additionalProperties(self, value, rule, schema, at):
        if not isinstance(value, dict):
            return []
        known = schema.get("properties", {})
        patterns = schema.get("patternProperties", {})
        rest = [key for key in value if key not in known and not any(re.search(p, key) for p in patterns)]
        return [text for key in rest for text in self.problems(value[key], rule, f"{at}/{key}")]

    def check_oneOf(self, value, rule, schema, at):
        good = sum(1 for inner in rule if not self.problems(value, inner, at))
        return [] if good == 1 else [f"{at or '/'}: satisfies {good} of the alternatives, allowed: one"]

    def check_anyOf(self, value, rule, schema, at):
        return [] if any(not self.problems(value, inner, at) for inner in rule) else [f"{at or '/'}: satisfies no alternative"]

    def check_allOf(self, value, rule, schema, at):
        return [text for inner in rule for text in self.problems(value, inner, at)]

    def check_not(self, value, rule, schema, at):
        return [] if self.problems(value, rule, at) else [f"{at or '/'}: is what it must not be"]

    def check_if(self, value, rule, schema, at):
        branch = schema.get("else" if self.problems(value, rule, at) else "then", True)
        return self.problems(value, branch, at)

    def check_then(self, value, rule, schema, at):
        return []

    check_else = check_then

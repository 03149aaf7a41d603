"""Words for a shell script: quoted, with variables in place of what differs in each run."""

import re
import shlex
from collections.abc import Mapping

DERIVED_KEYS = {
    "": "${{{}}}",
    ", other case": "$(printf %s \"${{{}}}\" | tr 'A-Za-z' 'a-zA-Z')",
    ", other last character": '${{{0}%?}}$(case "${{{0}}}" in *a) echo b;; *) echo a;; esac)',
    ", cut short": "${{{}%?}}",
    ", prefix only": "${{{}%%.*}}",
    ", secret only": "${{{}#*.}}",
    ", empty secret": "${{{}%%.*}}.",
    ", zeros": "${{{}%%.*}}.00000000000000000000000000000000",
}
"""What a script writes for a key, and for a wrong key that was made from one."""
KEY = re.compile(r"\[(\w+) key((?:, [a-z ]+)?)\]")
FOREIGN_KEY = re.compile(r"\[not a key of the run\]")


def word(text: str, variables: Mapping[str, str], keys: Mapping[str, str]) -> str:
    """The text as one word of a shell.

    `variables` are expansions such as `$RUN` by the text that they replace, `keys` the names of
    the environment variables that hold keys, by role. Everything else is quoted.
    """
    found = [re.escape(value) for value in sorted(variables, key=len, reverse=True)]
    pattern = re.compile("|".join(["(" + KEY.pattern + ")", *found]))
    parts, end = [], 0
    text = FOREIGN_KEY.sub("kc_test_none.no-key-of-the-run", text)
    for match in pattern.finditer(text):
        role, derived = match[2], match[3] or ""
        if match[1] and (role not in keys or derived not in DERIVED_KEYS):
            continue
        parts.append(_quoted(text[end : match.start()]))
        expansion = DERIVED_KEYS[derived].format(keys[role]) if match[1] else variables[match[0]]
        parts.append(f'"{expansion}"')
        end = match.end()
    parts.append(_quoted(text[end:]))
    return "".join(parts) or "''"


def _quoted(text: str) -> str:
    return shlex.quote(text) if text else ""


def roles_in(text: str) -> set[str]:
    """The roles of the keys that a text is made from."""
    return {match[1] for match in KEY.finditer(text)}


def comment(text: str) -> str:
    """The text as comment lines; a reader sees every character of it."""
    lines = "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text
    )
    return "\n".join(f"# {line}".rstrip() for line in lines.split("\n"))

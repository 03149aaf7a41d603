"""Pairs of strings that a sloppy store takes for one, although they are two.

Both ends of a pair follow the same beginning. None is empty, and none has a control character, a
lone surrogate or more than 200 characters: what such strings get is FREE.
"""

ENDINGS: dict[str, tuple[str, str]] = {
    # comparison without case, accents or width
    "case": ("ab", "aB"),
    "case of another script": ("д", "Д"),
    "accent": ("e", "é"),
    "composed and decomposed": ("é", "e\u0301"),
    "full width": ("1", "\uff11"),
    "ligature": ("fi", "\ufb01"),
    "superscript": ("2", "²"),
    "sharp s": ("ss", "ß"),
    "dotless i": ("i", "\u0131"),
    "kelvin sign": ("k", "\u212a"),
    "final sigma": ("\u03c3", "\u03c2"),
    "letters that look alike": ("a", "\u0430"),
    # white space and characters that are not seen
    "trailing blank": ("a", "a "),
    "two blanks": ("a b", "a  b"),
    "no-break blank": ("a b", "a\u00a0b"),
    "zero-width space": ("ab", "a\u200bb"),
    "soft hyphen": ("ab", "a\u00adb"),
    "byte order mark": ("ab", "a\ufeffb"),
    # encodings, and columns for fewer bytes a character
    "two emoji": ("\U0001f600", "\U0001f601"),
    "an emoji and a question mark": ("\U0001f600", "?"),
    "an emoji left out": ("a", "a\U0001f600"),
    "a letter beyond Latin and a question mark": ("ł", "?"),
    # numbers, and words of other types
    "leading zero": ("-7", "-07"),
    "decimal": ("-1", "-1.0"),
    "exponent": ("-1e3", "-1000"),
    "two long numbers": ("-90071992547409921", "-90071992547409922"),
    "a sign": ("-5", "--5"),
    "null": ("-", "-null"),
    "true and 1": ("-true", "-1"),
    # what URLs, forms and paths mean by characters
    "plus and blank": ("a+b", "a b"),
    "percent-encoded twice": ("a b", "a%20b"),
    "slash and its encoding": ("a/b", "a%2Fb"),
    "two slashes": ("a/b", "a//b"),
    "trailing slash": ("a", "a/"),
    "trailing dot": ("a", "a."),
    "file name": ("a", "a.json"),
    "query": ("a", "a?limit=1"),
    "fragment": ("a", "a#b"),
    "matrix parameter": ("a", "a;b"),
    "the next segment": ("a", "a/grants"),
    # wildcards, quotes and separators of stores
    "one-character wildcard": ("a_b", "axb"),
    "many-character wildcard": ("a%b", "axxb"),
    "glob": ("a*", "axx"),
    "quote": ("a'b", "a''b"),
    "backslash": ("a\\b", "a\\\\b"),
    "colon": ("a:b", "a::b"),
    "pipe": ("a|b", "a||b"),
    "semicolon": ("a;b", "a; b"),
    "hyphen and underscore": ("a-b", "a_b"),
    "comma": ("a,b", "a, b"),
    "markup": ("a<b", "a&lt;b"),
    # order and repetition
    "order": ("ab", "ba"),
    "prefix": ("a", "aa"),
}

LENGTHS = (32, 36, 40, 48, 50, 60, 64, 72, 80, 100, 120, 128, 150, 160, 180, 191, 199)
"""Columns and hashes may be so long: what differs only after them must still differ."""


def confusable(beginning: str) -> list[tuple[str, str]]:
    """All pairs; the two strings of a pair begin alike, those of different pairs differ clearly."""
    pairs = []
    for number, (one, other) in enumerate(ENDINGS.values()):
        same = f"{beginning}-{number}-"
        pairs.append((f"{same}{one}", f"{same}{other}"))
    for length in LENGTHS:
        same = f"{beginning}-{length}-x".ljust(length, "x")
        if len(same) == length:
            pairs.append((f"{same}1", f"{same}2"))
    return pairs

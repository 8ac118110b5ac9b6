"""Names of places, made comparable."""

import re
import unicodedata
from functools import lru_cache

_ACCENTS = re.compile("[\u0300-\u036f]+")
_NO_WORD = re.compile(r"[\W_]+")
_PARTS = re.compile(r"\s*[,\u060c\u3001\uff0c]\s*")
_APOSTROPHES = re.compile("['\u2019\u02bc.]")


@lru_cache(maxsize=1 << 14)
def comparable(name: str) -> str:
    """As `plain`, and remembered."""
    return plain(name)


def plain(name: str) -> str:
    """A name without case, accents, and punctuation: `Montréal` is `montreal`, `St. John's` is `st johns`.

    Marks that make another letter in scripts other than Latin, Greek and Cyrillic stay.
    """
    bare = _ACCENTS.sub("", unicodedata.normalize("NFKD", name))
    return _NO_WORD.sub(" ", _APOSTROPHES.sub("", unicodedata.normalize("NFKC", bare).casefold())).strip()


def within(full_name: str) -> str:
    """What a full name says that the place lies in: `Toronto` of `Scarborough, Toronto`; empty where it says
    nothing.
    """
    parts = _PARTS.split(full_name.strip())
    return parts[1] if len(parts) > 1 else ""

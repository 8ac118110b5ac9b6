"""What everything that makes archives works with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from citypulse.control.archives.cache import Cache
from citypulse.control.archives.processes import Children


@dataclass(frozen=True)
class Workshop:
    """One build: of this checkout, into this cache, by these children."""

    checkout: Path
    cache: Cache
    children: Children
    java_home: str | None
    """A Java for Maven; None leaves the choice to Maven."""

    @property
    def poms(self) -> list[Path]:
        """A pom for each server."""
        return sorted((self.checkout / "archives").glob("*/pom.xml"))

    @property
    def lock_file(self) -> Path:
        """The sha256 of every jar."""
        return self.checkout / "archives" / "archives.lock"

    @property
    def debian_file(self) -> Path:
        """The archives that hold files of Debian packages."""
        return self.checkout / "archives" / "debian.txt"

    def service(self, name: str) -> Path:
        """The directory of a service's distribution."""
        return self.checkout / "services" / name

"""What the ledger finds."""

import msgspec


class Account(msgspec.Struct):
    """One side of the ledger against the topics."""

    name: str
    messages: int = 0
    ids: int = 0
    expired: int = 0
    """Ids that are older than the topic reaches back, and so are not judged."""
    foreign: int = 0
    """Messages that no rule of ours matched."""
    no_posts: int = 0
    """Messages that hold no post, such as an error that X reports in its stream."""
    forgotten: int = 0
    """Records whose post was removed on demand."""
    unusable: int = 0
    """Posts that no event could be made of: they are set aside, and not counted."""
    missing: int = 0
    in_gaps: int = 0
    """Of the missing: sent by X in a stretch that is recorded as not received, and not filled since."""
    extra: int = 0
    examples: list[int] = []
    """Some of the ids that are missing, those outside gaps first."""
    lost: set[int] = set()
    """All ids that are missing,"""
    unknown: set[int] = set()
    """and those of them that no gap explains."""

    @property
    def unexplained(self) -> int:
        """Ids that are missing although we should have them."""
        return self.missing - self.in_gaps


class Report(msgspec.Struct):
    """What the ledger found."""

    accounts: list[Account]
    topics: dict[str, int]
    """Records in each topic."""
    duplicates: int
    """Records beyond the first of their id in their topic; harmless."""
    unsent: int
    """Records that were journaled before the ledger began, and are not acknowledged yet."""
    corrupt: int
    """Stretches of the journal that hold no sound record."""
    gaps: int
    """Recorded stretches in which posts may not have been received,"""
    open_gaps: int
    """and those of them that were not filled."""
    kept_from: int | None
    """When the oldest record that the journal keeps was read: ms since the epoch."""
    kept_to: int | None
    judged: bool
    """Whether the topics still reach back to any of the messages that are ours."""
    well: bool
    """Something could be judged, nothing is missing outside of gaps, and nothing is corrupt or unusable."""

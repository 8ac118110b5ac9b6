"""A limit on how fast the journal drains: a bucket that fills with so many records a second."""


class Pace:
    """How many records may leave now. Nothing here reads a clock."""

    def __init__(self, per_second: float) -> None:
        """Allow so many records a second, and a second's worth at once; 0: no limit."""
        self._per_second = per_second
        self._level = 0.0
        self._at: float | None = None

    def allowed(self, now: float, wanted: int) -> int:
        """How many of the wanted records may leave at this moment (monotonic seconds)."""
        if not self._per_second:
            return wanted
        if self._at is not None:
            self._level += (now - self._at) * self._per_second
        # At a rate below one a second a single record must still get through.
        self._level = min(self._level, max(self._per_second, 1.0))
        self._at = now
        return min(wanted, int(self._level))

    def took(self, records: int) -> None:
        """So many records have left."""
        self._level -= records

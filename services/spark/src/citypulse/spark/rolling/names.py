"""What cities are called: as their windows say, else as the table of cities does. A name that was read once
is kept."""

from collections.abc import Iterable

from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent_with_args

from citypulse.spark.rolling.ranks import UNNAMED, CityKey, Named

_NAME = "SELECT name, lat, lon FROM {keyspace}.cities WHERE country = ? AND city_id = ?"


class Names:
    """The names that are known."""

    def __init__(self, session: Session, keyspace: str, concurrency: int) -> None:
        self.known: dict[CityKey, Named] = {}
        self.missed: set[CityKey] = set()
        """Those that had no name when they were looked up."""
        self.late: set[CityKey] = set()
        """Those of them that have one now, until whoever wants to know takes them out."""
        self._session, self._concurrency = session, concurrency
        self._name = session.prepare(_NAME.format(keyspace=keyspace))
        self._name.is_idempotent = True

    def learn(self, cities: Iterable[CityKey]) -> None:
        """Look up those that are not known."""
        asked = [city for city in cities if city not in self.known]
        answers = execute_concurrent_with_args(
            self._session, self._name, asked, concurrency=self._concurrency
        )
        for city, answer in zip(asked, answers, strict=True):
            row = answer.result_or_exc.one()
            if row is None or not row.name:
                self.missed.add(city)
                continue
            self.note(city, (row.name, row.lat, row.lon))

    def note(self, city: CityKey, named: Named) -> None:
        """Take over what was read elsewhere, if the city is not known yet."""
        if city in self.known:
            return
        self.known[city] = named
        if city in self.missed:
            self.missed.discard(city)
            self.late.add(city)

    def of(self, city: CityKey) -> Named:
        """Name, latitude and longitude, as far as they are known."""
        return self.known.get(city, UNNAMED)

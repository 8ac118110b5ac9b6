"""The common design's core: tweepy's own read loop, one json.loads, one send. See `producer_path`."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import requests
import tweepy
from kafka import KafkaProducer

from citypulse.producer.stream.client import FIELDS

TWEEPY_HOST = "https://api.twitter.com"


class _Session(requests.Session):
    """Sends what tweepy means for its built-in host to replay."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self._base_url = base_url

    def request(self, method: str, url: str, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        return super().request(method, url.replace(TWEEPY_HOST, self._base_url), **kwargs)


class Loop(tweepy.StreamingClient):  # type: ignore[misc]
    """Every tweet becomes a record."""

    def __init__(self, base_url: str, token: str, brokers: list[str], topic: str) -> None:
        super().__init__(token)
        self.session = _Session(base_url)
        self.topic = topic
        self.acknowledged = 0
        self.kafka = KafkaProducer(bootstrap_servers=brokers, acks="all", linger_ms=10, batch_size=256 << 10)

    def on_data(self, raw_data: bytes) -> None:
        tweet = json.loads(raw_data)
        data = tweet["data"]
        event = {
            "id": int(data["id"]),
            "author": int(data["author_id"]),
            "at": data["created_at"],
            "place_id": (data.get("geo") or {}).get("place_id"),
            "tags": [rule["tag"] for rule in tweet["matching_rules"]],
        }
        future = self.kafka.send(self.topic, json.dumps(event).encode(), data["id"].encode())
        future.add_callback(self._count)

    def _count(self, _metadata: object) -> None:
        self.acknowledged += 1


def main(base_url: str, token_file: str, brokers: str, topic: str, told: str) -> None:
    """Stream until killed; `told` has how many records are acknowledged, a few times a second."""
    loop = Loop(base_url, Path(token_file).read_text().strip(), brokers.split(","), topic)
    rules = loop.get_rules().data or []
    if rules:
        loop.delete_rules([rule.id for rule in rules])
    loop.add_rules(
        tweepy.StreamRule(value="place_country:" + " OR place_country:".join(COUNTRIES), tag="bare")
    )

    def tell() -> None:
        draft = Path(told + ".new")
        while True:
            draft.write_text(str(loop.acknowledged))
            draft.replace(told)
            time.sleep(0.2)

    threading.Thread(target=tell, daemon=True).start()
    loop.filter(**FIELDS)


COUNTRIES = ("BR", "CA", "CN", "GB", "IN", "JP", "US", "NG", "EG", "MX", "ID", "PK", "TR", "RU", "FR", "DE")
"""Where the largest cities are; the producer's feed names the same."""

if __name__ == "__main__":
    main(*sys.argv[1:])

"""How many tweets a second citypulse-replay streams, generator, rule evaluation and truth file included.

Starts the service and one client on this machine, prints one line a case:

    .citypulse/dev/bin/python benchmarks/replay_stream.py [--tweets 150000] [--port 40900]

After a `make demo`, which installs citypulse-replay; another one is named by CITYPULSE_REPLAY.

Cases: plain and gzip, read by curl (to a file) and by aiohttp; a stream with one place rule and one with
1,000 rules of 40 terms each; one whose posts are kept for search and backfill, and one with a fault armed
that never comes; and a paced stream at 10,000 a second, where what counts is how late it runs.
"""

import argparse
import asyncio
import json
import os
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import aiohttp
import psutil

PATH = "/2/tweets/search/stream"
FIELDS = (
    "?tweet.fields=author_id,created_at,edit_history_tweet_ids,geo,referenced_tweets,text"
    "&expansions=geo.place_id&place.fields=contained_within,country,country_code,full_name,geo,id,name,place_type"
)
REPLAY = Path(os.environ.get("CITYPULSE_REPLAY", ".citypulse/bin/citypulse-replay"))
COUNTRIES = ("BR", "CA", "CN", "GB", "IN", "JP", "US")
ONE_RULE = [{"value": " OR ".join(f"place_country:{code}" for code in COUNTRIES)}]

FAULT = {"fault": "cut", "after_messages": 1_000_000_000}


def many_rules() -> list[dict[str, str]]:
    originals = (f"retweets_of_tweet_id:{2_000_000_000_000_000_000 + n}" for n in range(23_000))
    rules = [{"value": " OR ".join(next(originals) for _ in range(23))} for _ in range(999)]
    return [*ONE_RULE, *rules]


class Replay:
    def __init__(self, directory: Path, port: int, *arguments: str) -> None:
        self.base = f"http://127.0.0.1:{port}"
        token = directory / "token"
        token.write_text("benchmark\n")
        command = [
            REPLAY,
            "serve",
            "--port",
            str(port),
            "--token-file",
            token,
        ]
        self.log = (directory / "log").open("wb")
        self.process = psutil.Popen(
            [*map(str, command), "--generate", "--hold", "--truth", str(directory / "truth"), *arguments],
            stdout=self.log,
        )
        deadline = time.monotonic() + 60
        while not self.up():
            assert time.monotonic() < deadline, "replay did not come up within 60 s"
            time.sleep(0.1)

    def up(self) -> bool:
        try:
            return self.get("/healthz") == b"ok\n"
        except OSError:
            return False

    def get(self, path: str, body: Any = None) -> bytes:
        data = json.dumps(body).encode() if body else None
        headers = {"Authorization": "Bearer benchmark", "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(self.base + path, data, headers)) as answer:  # noqa: S310
            return answer.read()

    def status(self) -> dict[str, Any]:
        return json.loads(self.get("/status"))

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


async def aiohttp_client(url: str, seen: list[int]) -> None:
    headers = {"Authorization": "Bearer benchmark"}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers, timeout=None) as answer:
        async for chunk in answer.content.iter_any():
            seen[0] += chunk.count(b"\r\n")


def curl_client(url: str, compressed: bool) -> subprocess.Popen[bytes]:
    options = ["--compressed"] if compressed else []
    return subprocess.Popen(
        ["curl", "-sN", *options, "-H", "Authorization: Bearer benchmark", "-o", "/dev/null", url]
    )


def measure(
    case: str,
    arguments: list[str],
    port: int,
    rules: list[dict[str, str]],
    client: str,
    gzip: bool,
    fault: dict[str, Any] | None = None,
) -> None:
    with tempfile.TemporaryDirectory() as name:
        replay = Replay(Path(name), port, *arguments)
        try:
            for start in range(0, len(rules), 100):
                replay.get(PATH + "/rules", {"add": rules[start : start + 100]})
            if fault:
                replay.get("/control/faults", fault)
            asyncio.run(_measure(case, replay, client, gzip))
        finally:
            replay.stop()


async def _measure(case: str, replay: Replay, client: str, gzip: bool) -> None:
    url, seen = replay.base + PATH + FIELDS, [0]
    before = replay.process.cpu_times()
    curl = client == "curl"
    reader = curl_client(url, gzip) if curl else asyncio.create_task(aiohttp_client(url, seen))
    late = 0.0
    while (status := await asyncio.to_thread(replay.status))["state"] != "done":
        late = max(late, status["late_seconds"])
        await asyncio.sleep(0.2)
    after, memory = replay.process.cpu_times(), replay.process.memory_info().rss
    seconds = (status["last_at"] - status["first_at"]) / 1000
    (reader.terminate if curl else reader.cancel)()
    cpu = after.user + after.system - before.user - before.system
    print(
        f"{case:<34} {client:<8} {status['sent'] / seconds:>8,.0f}/s of {status['played'] / seconds:>8,.0f}"
        f"  {status['sent'] / cpu:>7,.0f} a CPU second  late {late:5.2f} s  {memory >> 20} MB",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tweets", type=int, default=150_000)
    parser.add_argument("--port", type=int, default=40900)
    given = parser.parse_args()
    always = ["--count", str(given.tweets), "--retweets", "0", "--countries", ",".join(COUNTRIES)]
    fast, paced = ["--speed", "0", *always], ["--rate", "10000", *always]
    measure("unlimited, one rule, plain", fast, given.port, ONE_RULE, "curl", gzip=False)
    measure("unlimited, one rule, gzip", fast, given.port, ONE_RULE, "curl", gzip=True)
    measure("unlimited, one rule, gzip", fast, given.port, ONE_RULE, "aiohttp", gzip=True)
    measure("unlimited, 1,000 rules, gzip", fast, given.port, many_rules(), "curl", gzip=True)
    kept = [*fast, "--search", "--backfill"]
    measure("unlimited, one rule, posts kept", kept, given.port, ONE_RULE, "curl", gzip=True)
    measure(
        "unlimited, one rule, fault armed",
        [*fast, "--control"],
        given.port,
        ONE_RULE,
        "curl",
        gzip=True,
        fault=FAULT,
    )
    measure("10,000 a second, one rule, gzip", paced, given.port, ONE_RULE, "curl", gzip=True)


if __name__ == "__main__":
    main()

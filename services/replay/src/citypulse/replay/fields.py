"""Which of a message's fields a client asked for: tweet.fields, expansions and the fields of their objects.

Without parameters a tweet has id, text and edit_history_tweet_ids, and there are no includes. An expansion
brings its objects into includes, with their default fields and those asked for, and the tweet's own field
that refers to them.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

__all__ = ["FIELD_PARAMETERS", "BadParameterError", "Selection", "selection"]

Json = dict[str, Any]

_TWEET_FIELDS = (
    "article attachments author_id card_uri community_id context_annotations conversation_id created_at",
    "display_text_range edit_controls edit_history_tweet_ids entities geo id in_reply_to_user_id lang",
    "media_metadata non_public_metrics note_tweet organic_metrics possibly_sensitive promoted_metrics",
    "public_metrics referenced_tweets reply_settings scopes source suggested_source_links text withheld",
)
_USER_FIELDS = (
    "affiliation confirmed_email connection_status created_at description entities id",
    "is_identity_verified location most_recent_tweet_id name parody pinned_tweet_id profile_banner_url",
    "profile_image_url protected public_metrics receives_your_dm subscription subscription_type url username",
    "verified verified_followers_count verified_type withheld",
)
_PLACE_FIELDS = ("contained_within country country_code full_name geo id name place_type",)
_MEDIA_FIELDS = (
    "alt_text duration_ms height media_key non_public_metrics organic_metrics preview_image_url",
    "promoted_metrics public_metrics type url variants width",
)
_POLL_FIELDS = ("duration_minutes end_datetime id options voting_status",)
# An expansion and the tweet's field that it follows.
_EXPANSIONS = {
    "article.cover_media": "article",
    "article.media_entities": "article",
    "attachments.media_keys": "attachments",
    "attachments.media_source_tweet": "attachments",
    "attachments.poll_ids": "attachments",
    "author_id": "author_id",
    "edit_history_tweet_ids": "edit_history_tweet_ids",
    "entities.mentions.username": "entities",
    "entities.note.mentions.username": "note_tweet",
    "geo.place_id": "geo",
    "in_reply_to_user_id": "in_reply_to_user_id",
    "referenced_tweets.id": "referenced_tweets",
    "referenced_tweets.id.attachments.media_keys": "referenced_tweets",
    "referenced_tweets.id.author_id": "referenced_tweets",
}
_PARAMETERS = {
    "tweet.fields": (_TWEET_FIELDS, ("id", "text", "edit_history_tweet_ids")),
    "user.fields": (_USER_FIELDS, ("id", "name", "username")),
    "place.fields": (_PLACE_FIELDS, ("id", "full_name")),
    "media.fields": (_MEDIA_FIELDS, ("media_key", "type")),
    "poll.fields": (_POLL_FIELDS, ("id", "options")),
    "expansions": (tuple(_EXPANSIONS), ()),
}
FIELD_PARAMETERS = frozenset(_PARAMETERS)
"""The query parameters that `selection` reads."""


class BadParameterError(ValueError):
    """A value that X does not know for a query parameter; `allowed` lists those it does."""

    def __init__(self, name: str, value: str, allowed: list[str]) -> None:
        super().__init__(name)
        self.name, self.value, self.allowed = name, value, allowed


class Selection(msgspec.Struct, frozen=True):
    """What one stream's client asked for: field names per kind of object, in X's alphabetical order."""

    tweet: tuple[str, ...]
    user: tuple[str, ...]
    place: tuple[str, ...]
    media: tuple[str, ...]
    poll: tuple[str, ...]
    expansions: frozenset[str]

    def message(self, data: Json, includes: Json, matching_rules: list[Json]) -> Json:
        """The message that X would send of this tweet."""
        chosen: Json = {"data": _chosen(data, self.tweet)}
        if self.expansions and includes:
            expanded = self._expanded(data, includes)
            if expanded:
                chosen["includes"] = expanded
        chosen["matching_rules"] = matching_rules
        return chosen

    def _expanded(self, data: Json, includes: Json) -> Json:
        wanted, found = self.expansions, {}
        tweets = self._tweets(data, includes)
        if users := self._users(data, includes, tweets):
            found["users"] = [_chosen(user, self.user) for user in users]
        if tweets:
            found["tweets"] = [_chosen(tweet, self.tweet) for tweet in tweets]
        place_id = (data.get("geo") or {}).get("place_id")
        if place_id and "geo.place_id" in wanted:
            places = [_chosen(p, self.place) for p in includes.get("places") or () if p.get("id") == place_id]
            if places:
                found["places"] = places
        attachments = data.get("attachments")
        if attachments:
            for kind, key, refers, expansion, fields in _ATTACHED:
                objects = includes.get(kind)
                if objects and expansion in wanted:
                    keys = attachments.get(refers) or ()
                    chosen = [
                        _chosen(item, getattr(self, fields)) for item in objects if item.get(key) in keys
                    ]
                    if chosen:
                        found[kind] = chosen
        return found

    def _tweets(self, data: Json, includes: Json) -> list[Json]:
        tweets = includes.get("tweets")
        if not tweets:
            return []
        ids: set[str] = set()
        if not _OF_REFERENCED.isdisjoint(self.expansions):
            ids.update(item["id"] for item in data.get("referenced_tweets") or ())
        if "edit_history_tweet_ids" in self.expansions:
            ids.update(data.get("edit_history_tweet_ids") or ())
            ids.discard(data["id"])
        return [tweet for tweet in tweets if tweet.get("id") in ids]

    def _users(self, data: Json, includes: Json, tweets: list[Json]) -> list[Json]:
        users, wanted = includes.get("users"), self.expansions
        if not users:
            return []
        ids: set[str | None] = set()
        names: set[str | None] = set()
        if "author_id" in wanted:
            ids.add(data.get("author_id"))
        if "in_reply_to_user_id" in wanted:
            ids.add(data.get("in_reply_to_user_id"))
        if "referenced_tweets.id.author_id" in wanted:
            ids.update(tweet.get("author_id") for tweet in tweets)
        if "entities.mentions.username" in wanted:
            names.update(m.get("username") for m in (data.get("entities") or {}).get("mentions") or ())
        return [user for user in users if user.get("id") in ids or user.get("username") in names]


_OF_REFERENCED = frozenset(name for name in _EXPANSIONS if name.startswith("referenced_tweets.id"))
# Kind in includes, its key, the tweet's list of keys, the expansion that asks for it, the selection's fields.
_ATTACHED = (
    ("media", "media_key", "media_keys", "attachments.media_keys", "media"),
    ("polls", "id", "poll_ids", "attachments.poll_ids", "poll"),
)


def _chosen(item: Json, fields: tuple[str, ...]) -> Json:
    return {name: item[name] for name in fields if name in item}


def selection(query: Mapping[str, str]) -> Selection:
    """Read a stream request's query parameters; raises BadParameterError for what X would answer 400 to."""
    chosen: dict[str, set[str]] = {}
    for name, (allowed, defaults) in _PARAMETERS.items():
        known = " ".join(allowed).split()
        values = {value.strip() for value in query.get(name, "").split(",")} - {""}
        for value in sorted(values):
            if value not in known:
                raise BadParameterError(name, value, known)
        chosen[name] = values | set(defaults)
    tweet = chosen["tweet.fields"] | {_EXPANSIONS[name] for name in chosen["expansions"]}
    return Selection(
        tweet=tuple(sorted(tweet)),
        user=tuple(sorted(chosen["user.fields"])),
        place=tuple(sorted(chosen["place.fields"])),
        media=tuple(sorted(chosen["media.fields"])),
        poll=tuple(sorted(chosen["poll.fields"])),
        expansions=frozenset(chosen["expansions"]),
    )

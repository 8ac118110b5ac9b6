"""Whose words a message holds: its author's, those of the posts and profiles that come with it, and those
that it repeats.
"""

import re

import msgspec


class _Mention(msgspec.Struct):
    id: int | None = None


class _Entities(msgspec.Struct, frozen=True):
    mentions: tuple[_Mention, ...] = ()


class _Reference(msgspec.Struct):
    id: int
    type: str = ""


class _Post(msgspec.Struct):
    id: int
    author_id: int | None = None
    edit_history_tweet_ids: list[int] = []
    referenced_tweets: list[_Reference] = []
    entities: _Entities = _Entities()

    def versions(self) -> set[int]:
        """The ids of all versions of the post."""
        return {self.id, *self.edit_history_tweet_ids}

    def retweeted(self) -> set[int]:
        """The ids of the posts whose text is this one's."""
        return {reference.id for reference in self.referenced_tweets if reference.type == "retweeted"}


class _User(msgspec.Struct):
    id: int


class _Includes(msgspec.Struct, frozen=True):
    users: tuple[_User, ...] = ()
    tweets: tuple[_Post, ...] = ()


class _Message(msgspec.Struct):
    data: _Post
    includes: _Includes = _Includes()

    def posts(self) -> list[_Post]:
        """The post, and those that come with it."""
        return [self.data, *self.includes.tweets]


_decoder = msgspec.json.Decoder(_Message, strict=False)


class Wanted:
    """The posts of a user, or a single post with all its versions, wherever a message repeats them."""

    def __init__(self, user: int | None, tweet: int | None) -> None:
        self._user = user
        self._tweets = {tweet} if tweet is not None else set[int]()
        self._token = re.compile(rb"(?<!\d)%d(?!\d)" % (user if user is not None else tweet or 0))

    def learn(self, payload: bytes) -> None:
        """Take note of the user's posts: a retweet names only their ids, and has their text."""
        if self._user is not None and self._token.search(payload) and (message := _decoded(payload)):
            for post in message.posts():
                if post.author_id == self._user:
                    self._tweets |= post.versions()

    def matches(self, payload: bytes) -> bool:
        """Whether the payload, or the bytes of one, hold something that is wanted."""
        named = bool(self._token.search(payload))
        if not named and (not self._tweets or b'"retweeted"' not in payload):
            return False
        message = _decoded(payload)
        if message is None:
            # Nothing can be told of it but that the id is in it.
            return named
        return self._is_in(message)

    def _is_in(self, message: _Message) -> bool:
        if self._user is not None and any(user.id == self._user for user in message.includes.users):
            return True
        for post in message.posts():
            if self._user is not None and post.author_id == self._user:
                return True
            if self._tweets & (post.versions() | post.retweeted()):
                return True
            # The first mention of a retweet is the one whose words it repeats.
            mentions = post.entities.mentions
            if post.retweeted() and mentions and self._user is not None and mentions[0].id == self._user:
                return True
        return False


def _decoded(payload: bytes) -> _Message | None:
    try:
        return _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None

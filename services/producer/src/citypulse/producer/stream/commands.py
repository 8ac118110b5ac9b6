"""`citypulse-producer rules`: looks at X's rules for the token, and changes them."""

import click
import msgspec

from citypulse.producer.config import Config
from citypulse.producer.errors import BadInputError, StopError
from citypulse.producer.stream import rules, subscription
from citypulse.producer.stream import token as tokens
from citypulse.producer.stream.client import BrokenError, HttpError, XClient


def list_rules(config: Config, token: str, as_json: bool) -> None:
    """Print every rule that X has for the token.

    Raises:
        StopError: X refuses, or gives no answer.
    """
    existing = _existing(XClient(config.x, token))
    prefix = rules.tag_prefix(config.name)
    if as_json:
        rows = [rule._asdict() | {"ours": rule.tag.startswith(prefix)} for rule in existing]
        click.echo(msgspec.json.encode(rows).decode())
        return
    for rule in sorted(existing, key=lambda rule: (not rule.tag.startswith(prefix), rule.tag)):
        whose = "ours  " if rule.tag.startswith(prefix) else "other "
        click.echo(f"{whose} {rule.id:>20}  {rule.tag or '(no tag)'}  {rule.value}")
    ours = sum(rule.tag.startswith(prefix) for rule in existing)
    click.echo(f"{len(existing)} rules: {ours} of {config.name}, {len(existing) - ours} of others")


def plan_rules(config: Config, token: str, *, apply: bool, clear: bool = False) -> None:
    """Print what a run would change, and change it where that is asked for.

    Args:
        config: whose feeds become rules.
        token: for X.
        apply: whether to change it.
        clear: whether this producer is to have no rule at all.

    Raises:
        StopError: X refuses, or gives no answer; or a producer that runs with the token would not know.
    """
    client = XClient(config.x, token)
    wanted = [] if clear else rules.configured(config)
    existing = _existing(client)
    plan = rules.plan(existing, wanted, config.name, retweets=config.retweets.enabled)
    room = rules.in_the_way(existing, plan, config.name)
    for gone in (*room, *plan.delete):
        click.echo(f"delete  {gone.tag}  {gone.value}")
    for added in plan.add:
        click.echo(f"add     {added.tag}  {added.value}")
    gone_count = len(room) + len(plan.delete)
    left = len(existing) - gone_count
    click.echo(f"{gone_count} to delete, {len(plan.add)} to add, {left} left as they are")
    if not apply or not (plan.delete or plan.add):
        return
    try:
        with tokens.claim(token):
            if room:
                client.delete(room)
            subscription.carry_out(client, plan, len(existing) - len(room))
    except BadInputError as error:
        raise BadInputError(f"{error}; or change its configuration and send it SIGHUP") from error
    except (HttpError, BrokenError) as error:
        raise StopError(f"X did not do all of it ({error}): look with rules plan, and apply again") from error
    click.echo("done")


def _existing(client: XClient) -> list[rules.Existing]:
    try:
        return client.rules()
    except (HttpError, BrokenError) as error:
        raise StopError(f"X gives no answer ({error}): try again later") from error

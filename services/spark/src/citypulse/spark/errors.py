"""The ways in which a command ends other than well, each with its exit code."""


class StopError(Exception):
    """The command failed; the message is one sentence for the person who runs it."""

    exit_code = 1


class BadInputError(StopError):
    """Something that was given is wrong: configuration, a file, an argument, or tables of another source."""

    exit_code = 2

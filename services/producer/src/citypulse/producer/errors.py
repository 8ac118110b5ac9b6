"""The ways in which the producer ends other than well, each with its exit code."""


class StopError(Exception):
    """The process must end; the message is one sentence for the person who runs it."""

    exit_code = 1


class BadInputError(StopError):
    """Something that was given to the producer is wrong: configuration, a file, an argument."""

    exit_code = 2


class RefusedError(StopError):
    """X refuses what the producer asks for; trying again would not help."""

    exit_code = 3


class ShortError(StopError):
    """Disk or memory is short."""

    exit_code = 4

"""Logs: one JSON object per line on stdout. No text of a post and no token ever goes into one."""

import logging
import sys

import structlog


def configure(level: str) -> None:
    """Have structlog and the libraries' loggers write JSON lines from a level on."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(_worth_a_line)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for library in ("urllib3", "requests", "tweepy", "kafka"):
        logging.getLogger(library).setLevel(logging.WARNING)


def _worth_a_line(record: logging.LogRecord) -> bool:
    """Whether a log record is written. kafka-python has four errors for each failed attempt to connect."""
    unforeseen = record.exc_info is not None and not isinstance(record.exc_info[1], OSError)
    return not record.name.startswith("kafka.") or unforeseen or record.levelno >= logging.CRITICAL

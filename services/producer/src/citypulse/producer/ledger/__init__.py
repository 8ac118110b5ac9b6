"""The proof that nothing is lost: *journaled - topic* is empty, *sent by X - topic* lies in recorded gaps.

In the order of the proof: `sources` reads what was journaled and what replay wrote down, `topics` reads what
Kafka has, `compare` subtracts, `report` is what comes out, `table` is how it is shown.
"""

from citypulse.producer.ledger.compare import compare
from citypulse.producer.ledger.report import Account, Report
from citypulse.producer.ledger.table import run

__all__ = ["Account", "Report", "compare", "run"]

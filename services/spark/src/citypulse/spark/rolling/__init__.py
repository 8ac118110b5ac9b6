"""What rolls: hours merged from windows, and cities in order of what they do, brought up to date by a
ticker.

`spans` (which windows), `cells` (counts and their union), `windows` (read from Cassandra), `names`, `hours`
(merged and written), `kept` (what is held in memory), `ranks` (order), `lists` (the order written), `ticker`
(the thread), `rebuilding` (hours after a recount).
"""

from citypulse.spark.rolling.rebuilding import rebuild, unsettle, unsettled
from citypulse.spark.rolling.ticker import start

__all__ = ["rebuild", "start", "unsettle", "unsettled"]

"""`python -m citypulse.producer` is `citypulse-producer`."""

from citypulse.producer.cli import main

main()

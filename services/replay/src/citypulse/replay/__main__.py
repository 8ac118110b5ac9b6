"""`python -m citypulse.replay` is citypulse-replay."""

from citypulse.replay.main import main

main(prog_name="citypulse-replay")

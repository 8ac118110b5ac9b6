"""`python -m citypulse.board` is `citypulse-board`."""

from citypulse.board.main import main

main()

"""Who starts when a batch has ended."""

import threading

from citypulse.spark.turns import Turns


def test_the_end_of_the_next_batch_is_waited_for() -> None:
    turns = Turns()
    turns.end()
    waiting = threading.Thread(target=turns.wait_for_end, args=(3600,), daemon=True)
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive(), "the end of a batch before is none"
    while waiting.is_alive():
        turns.end()
        waiting.join(0.01)


def test_where_no_batch_ends_it_goes_on_in_time() -> None:
    Turns().wait_for_end(0.001)

"""From the journal to Kafka: `sender` reads, sends and moves the cursor, `in_flight` knows what is not
acknowledged yet, `brokers` makes Kafka's clients.
"""

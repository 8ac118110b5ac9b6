"""The job: records of Kafka become cells, and cells become rows, until it is told to stop."""

"""Whether this broker serves, with all others registered and every replica in sync."""

from kafka_metadata import metadata


def unready(request):
    """None when all brokers are there and nothing is under-replicated, else what is missing."""
    seen = metadata(request["address"], request["port"])
    missing = sorted(set(request["brokers"]) - set(seen["brokers"]))
    if missing:
        return f"broker {', '.join(map(str, missing))} is not registered"
    behind = [
        f"{topic}-{number}"
        for topic, partitions in seen["topics"].items()
        for number, partition in enumerate(partitions)
        if partition["leader"] < 0 or len(partition["isr"]) < len(partition["replicas"])
    ]
    return f"{len(behind)} partitions are under-replicated ({', '.join(behind[:3])}, …)" if behind else None

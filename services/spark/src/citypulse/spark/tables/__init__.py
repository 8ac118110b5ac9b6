"""Cassandra: connecting, making the tables, and running many statements until all of them are done."""

from citypulse.spark.tables.connection import connect, connected, session, wait
from citypulse.spark.tables.execute import execute_all
from citypulse.spark.tables.requests import requests
from citypulse.spark.tables.schema import create, statements, steps

__all__ = [
    "connect",
    "connected",
    "create",
    "execute_all",
    "requests",
    "session",
    "statements",
    "steps",
    "wait",
]

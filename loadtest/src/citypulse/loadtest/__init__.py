"""Puts load on the whole pipeline, open loop: posts leave when they are due, whatever became of earlier ones.

`plan` says when each request leaves, `posts` what it holds, `record` keeps what became of it, and `sender` is
locust's file, which does it.
"""

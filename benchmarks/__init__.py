"""Benchmarks of mailstore against floors (C programs, bare apsw) and peers (tar, mb2md, Python's mailbox, ...)."""

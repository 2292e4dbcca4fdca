"""Frozen values that every layer speaks: flags, names, message facts, changes, capabilities. No I/O."""

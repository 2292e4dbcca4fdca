"""Pure codecs between bytes and values: no I/O, all fuzzed."""

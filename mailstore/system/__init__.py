"""The only code that touches the operating system for writing: files, locks, spools, the clock."""

"""mailstore: one storage abstraction over mail stores, and a conversion toolkit that loses nothing."""

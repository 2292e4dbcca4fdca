"""One module or package a format; each implements mailstore.spi and knows nothing of the others."""

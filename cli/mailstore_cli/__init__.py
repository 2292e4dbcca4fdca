"""The command line ``mstore``: a thin layer over the public names of mailstore."""

"""What survives a conversion of hard mail: mstore and its peers, held against a truth written by hand."""

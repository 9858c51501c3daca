"""The shipped model, without torch: prior, network, stages. Pure: its files come as arrays."""

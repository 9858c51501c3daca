"""Bundles that another institution can trust, verify offline and load.

A bundle is a BagIt bag (RFC 8493) whose tag manifest is signed (in-toto statement, DSSE, Ed25519).
Touches files in `bag`, `sources`, `gates`, `writing`, `run`, `checks`, `verify` and `withdrawal`,
and the network in `delivery`; the clock is the shell's.
"""

"""Bundles that another institution can trust, verify offline and load.

A bundle is a BagIt bag (RFC 8493) whose tag manifest is signed (in-toto statement, DSSE, Ed25519).
Touches files, clock and network in `bag`, `choosing`, `contents`, `delivery`, `gates`,
`integrity`, `request`, `run`, `sources`, `verify`, `withdrawal` and `writing` alone.
"""

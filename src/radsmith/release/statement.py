"""What is signed: an in-toto Statement v1 in a DSSE envelope, Ed25519.

The envelope's bytes are canonical: any other spelling of the same JSON is refused, so that no
byte of it can be changed unseen. Knows no files.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from radsmith.errors import InvalidInput, Unavailable
from radsmith.marks.keys import PublicKey, SigningKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
RELEASE, WITHDRAWAL = "urn:radsmith:release:v1", "urn:radsmith:withdrawal:v1"
"""Kinds of predicate."""


def statement(kind: str, subject: Mapping[str, str], predicate: Mapping[str, Any]) -> bytes:
    """The statement's JSON. kind: RELEASE or WITHDRAWAL.  subject: name to SHA-256."""
    said = {
        "_type": STATEMENT,
        "subject": [{"name": n, "digest": {"sha256": d}} for n, d in sorted(subject.items())],
        "predicateType": kind,
        "predicate": dict(predicate),
    }
    return json.dumps(said, sort_keys=True, ensure_ascii=False, indent=1).encode()


def sealed(payload: bytes, key: SigningKey) -> bytes:
    """The payload in an envelope that this key signed. Raises Unavailable without the extra."""
    try:
        from securesystemslib.dsse import Envelope
        from securesystemslib.signer import CryptoSigner, SSlibKey  # type: ignore[attr-defined]
    except ImportError as error:
        raise Unavailable("signing needs the extra: pip install 'radsmith[release]'") from error
    public = SSlibKey.from_crypto(key.public.key, key.public.fingerprint)
    envelope = Envelope(payload, PAYLOAD_TYPE, {})
    envelope.sign(CryptoSigner(key.private, public))
    return canonical(envelope.to_dict())


def opened(data: bytes, key: PublicKey, kind: str) -> dict[str, Any]:
    """The statement in an envelope, once signature and form hold.

    Raises InvalidInput that says what does not: not canonical, another key, a signature that does
    not fit, not a statement of this kind.
    """
    envelope = _envelope(data)
    if canonical(envelope) != data:
        raise InvalidInput("the envelope is not spelled as it was signed: some byte was changed")
    signatures = envelope["signatures"]
    if [s.get("keyid") for s in signatures] != [key.fingerprint]:
        raise InvalidInput(f"it is not signed by the key {key.fingerprint}")
    payload, signature = _decoded(envelope["payload"]), _decoded(signatures[0]["sig"])
    if not key.holds(signature, encoded(envelope["payloadType"], payload)):
        raise InvalidInput("the signature does not fit what it signs")
    said = json.loads(payload)
    if said.get("_type") != STATEMENT or said.get("predicateType") != kind:
        raise InvalidInput(f"it states {said.get('predicateType')!r}, expected {kind}")
    return dict(said)


def encoded(kind: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: what the signature is over."""
    name = kind.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)


def canonical(envelope: Mapping[str, Any]) -> bytes:
    """The one spelling of an envelope that is accepted."""
    return json.dumps(envelope, sort_keys=True, indent=1).encode() + b"\n"


def signer_of(data: bytes) -> str:
    """The fingerprint that an envelope names, unchecked; "" where it names none."""
    try:
        return str(_envelope(data)["signatures"][0]["keyid"])
    except (InvalidInput, KeyError, IndexError, TypeError):
        return ""


def _envelope(data: bytes) -> dict[str, Any]:
    try:
        envelope = json.loads(data)
        expected = {"payload", "payloadType", "signatures"}
        if set(envelope) != expected or not isinstance(envelope["signatures"], list):
            raise ValueError(f"expected {', '.join(sorted(expected))}")
        if not all(set(s) == {"keyid", "sig"} for s in envelope["signatures"]):
            raise ValueError("expected keyid and sig")
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidInput(f"it is not a DSSE envelope: {error}") from error
    return dict(envelope)


def _decoded(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise InvalidInput(f"the envelope's base64 is broken: {error}") from error
    if base64.b64encode(data).decode() != text:
        raise InvalidInput("the envelope's base64 is not spelled as it was signed")
    return data

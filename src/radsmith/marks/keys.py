"""Signing keys: Ed25519, with an X.509 certificate of the signer for content credentials.

NAME.key holds the private key, the signer's certificate and the anchor that issued it; NAME.pub
holds all but the private key, and is for giving away. The anchor's own key signs that one
certificate and is thrown away, so nobody can issue a second. Who trusts a fingerprint trusts the
key; the certificate only carries the name.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radsmith.errors import InvalidInput, NotFound, Unavailable
from radsmith.files import prepare_folder, read_bytes, write_atomically

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )
    from cryptography.x509 import Certificate

YEARS = 10
LONGEST_NAME = 64
"""Of an X.509 common name (RFC 5280, ub-common-name)."""
_MAKE = "make one with radsmith key release"


@dataclass(frozen=True, kw_only=True)
class PublicKey:
    """Who signs. certificates: PEM of the signer's certificate and of its anchor."""

    key: Ed25519PublicKey
    signer: str
    certificates: tuple[bytes, bytes]

    @property
    def fingerprint(self) -> str:
        """sha256: and 64 hexadecimal digits over the key's 32 bytes."""
        return f"sha256:{hashlib.sha256(self.key.public_bytes_raw()).hexdigest()}"

    def holds(self, signature: bytes, message: bytes) -> bool:
        """Whether the signature is this key's over the message."""
        from cryptography.exceptions import InvalidSignature

        try:
            self.key.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def to_bytes(self) -> bytes:
        """The public file: key, certificate and anchor as PEM."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        head = self.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return head + b"".join(self.certificates)


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """A private key and what is public of it."""

    private: Ed25519PrivateKey
    public: PublicKey

    def sign(self, message: bytes) -> bytes:
        """64 bytes, the same for the same message (RFC 8032)."""
        return self.private.sign(message)


def default_key() -> Path:
    """$XDG_CONFIG_HOME/radsmith/release.key or ~/.config/radsmith/release.key."""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return home / "radsmith" / "release.key"


def public_path(path: Path) -> Path:
    """Where the public half of a key file lies."""
    return path.with_suffix(".pub")


def make_key(path: Path, signer: str) -> SigningKey:
    """Make a key and write `path` (readable by its owner alone) and the public file beside it.

    Raises InvalidInput where a file is there already, or the name is empty or too long.
    """
    _require()
    name = " ".join(signer.split())
    if not 0 < len(name) <= LONGEST_NAME:
        raise InvalidInput(f"a key needs the signer's name, 1-{LONGEST_NAME} characters (--signer)")
    if public_path(path) == path:
        raise InvalidInput(f"{path} is where the public half would lie: name the key NAME.key")
    for present in (path, public_path(path)):
        if present.exists():
            raise InvalidInput(
                f"{present} is there: a key that signed is not replaced; name another with -o"
            )
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    private = Ed25519PrivateKey.generate()
    certificates = _certificates(private.public_key(), name, datetime.now(UTC))
    public = PublicKey(key=private.public_key(), signer=name, certificates=certificates)
    prepare_folder(path.parent)
    secret = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_atomically(path, secret + b"".join(certificates), mode=0o600)
    write_atomically(public_path(path), public.to_bytes())
    return SigningKey(private=private, public=public)


def load_key(path: Path | None) -> SigningKey:
    """The private key of a file that `make_key` wrote; None: `default_key`.

    Raises NotFound without it and InvalidInput for anything else than an Ed25519 key file.
    """
    _require()
    path = path or default_key()
    if not path.exists():
        raise NotFound(f"no signing key {path}; {_MAKE}, or name yours with --key")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = read_bytes(path)
    try:
        private = load_pem_private_key(data, None)
    except (ValueError, TypeError) as error:
        raise InvalidInput(f"{path} is not a signing key ({error}); {_MAKE}") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise InvalidInput(f"{path} is not an Ed25519 key; {_MAKE}")
    public = _public(private.public_key(), data, str(path))
    return SigningKey(private=private, public=public)


def load_public(path: Path) -> PublicKey:
    """The public key of NAME.pub. Raises NotFound or InvalidInput."""
    return parse_public(read_bytes(path), str(path))


def parse_public(data: bytes, name: str) -> PublicKey:
    """As `load_public`, of the file's bytes; name: for errors."""
    _require()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(data)
    except ValueError as error:
        raise InvalidInput(
            f"{name} is not a public key ({error}); ask the signer for the .pub file"
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise InvalidInput(f"{name} is not an Ed25519 key; ask the signer for the .pub file")
    return _public(key, data, name)


def checked_fingerprint(text: str) -> str:
    """A fingerprint as typed or read out, in the form `PublicKey.fingerprint` has."""
    digits = re.sub(r"[\s:]", "", text.lower().removeprefix("sha256:"))
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise InvalidInput(
            f"{text!r} is not a fingerprint: expected sha256: and 64 hexadecimal digits, as"
            " radsmith key release prints them"
        )
    return f"sha256:{digits}"


def _public(key: Ed25519PublicKey, data: bytes, name: str) -> PublicKey:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        leaf, anchor = x509.load_pem_x509_certificates(data)
    except ValueError as error:
        raise InvalidInput(
            f"{name} lacks the signer's certificate and its anchor; {_MAKE}"
        ) from error
    same = leaf.public_key() == key
    try:
        leaf.verify_directly_issued_by(anchor)
    except Exception as error:  # cryptography raises four kinds
        raise InvalidInput(f"{name}: its certificate is not the anchor's; {_MAKE}") from error
    if not same:
        raise InvalidInput(f"{name}: its certificate is of another key; {_MAKE}")
    names = leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    pem = leaf.public_bytes(Encoding.PEM), anchor.public_bytes(Encoding.PEM)
    return PublicKey(key=key, signer=str(names[0].value) if names else "", certificates=pem)


def _certificates(key: Ed25519PublicKey, signer: str, now: datetime) -> tuple[bytes, bytes]:
    """The signer's certificate, as C2PA's certificate profile asks, and its anchor."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding

    issuer = Ed25519PrivateKey.generate()
    names = [
        x509.Name(
            [
                x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "radsmith release key"),
                x509.NameAttribute(x509.NameOID.COMMON_NAME, name),
            ]
        )
        for name in (signer, f"{signer[: LONGEST_NAME - 9]} (anchor)")
    ]
    anchor = _signed(names[1], names[1], issuer.public_key(), issuer, now, anchor=True)
    leaf = _signed(names[0], names[1], key, issuer, now, anchor=False)
    return leaf.public_bytes(Encoding.PEM), anchor.public_bytes(Encoding.PEM)


def _signed(
    subject: Any, issuer: Any, key: Any, issuing: Any, now: datetime, *, anchor: bool
) -> Certificate:
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    usage = dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
         "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
        False,
    )  # fmt: skip
    usage |= {"key_cert_sign": True} if anchor else {"digital_signature": True}
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=anchor, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuing.public_key()),
            critical=False,
        )
    )
    if not anchor:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purpose, critical=False)
    return builder.sign(issuing, None)


def _require() -> None:
    """Raises Unavailable where cryptography is not installed."""
    from importlib.util import find_spec

    if find_spec("cryptography") is None:
        raise Unavailable(
            "signatures need the extra: pip install 'radsmith[release]', or cryptography alone"
            " to verify"
        )

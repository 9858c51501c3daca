"""Content credentials (C2PA): a signed manifest in a PNG or TIFF, or beside any other file.

Signed with our own key under its own anchor, without thumbnails (a thumbnail would be a second,
smaller copy of the image) and without the network: no time stamp, no remote manifest. A manifest
alone does not find every change to its own padding; a bundle's hashes do.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from radsmith.errors import InvalidInput, Unavailable
from radsmith.images.provenance import NOTICE, Generation
from radsmith.marks.keys import PublicKey, SigningKey

State = Literal["trusted", "valid", "invalid"]
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
MADE, EDITED = "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"
SIDECAR = ".c2pa"
"""After the whole name of the file beside which it lies."""
_SETTINGS = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False},
}
_SIGNATURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"II*\0": "image/tiff", b"MM\0*": "image/tiff"}
_OTHER = "application/octet-stream"
_INPUT = "input"
_UNTRUSTED = "signingCredential.untrusted"


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """What a file's content credentials say.

    state: "trusted" (whole, and signed by the key that was asked for), "valid" (whole, by a signer
    nobody vouched for) or "invalid" (the file or the manifest was changed).  source_type: the
    last part of the IPTC digital source type.
    """

    state: State
    signer: str
    source_type: str
    problems: tuple[str, ...] = ()


def require() -> None:
    """Raise Unavailable where the extra is not installed."""
    _library()


def sidecar(path: Path) -> Path:
    """Where the credentials of a file that cannot hold them lie."""
    return path.with_name(path.name + SIDECAR)


def embeds(data: bytes) -> bool:
    """Whether credentials can lie in this file itself."""
    return _kind(data) != _OTHER


def signed(
    data: bytes, record: Generation, key: SigningKey, source: bytes = b""
) -> tuple[bytes, bytes]:
    """The file with its credentials, and the manifest by itself for what cannot embed it.

    PNG and TIFF: pixels and metadata stay as they are.  Other files come back unchanged, and the
    manifest belongs beside them (`SIDECAR`).  source: the file that was edited; credentials that
    it had are kept, as its own, inside the new ones.  Raises Unavailable without the extra.
    """
    c2pa = _library()
    kind, kept = _kind(data), embeds(source) and present(source)
    signer = c2pa.Signer.from_callback(
        key.sign, c2pa.C2paSigningAlg.ED25519, b"".join(key.public.certificates).decode()
    )
    builder = c2pa.Builder(_manifest(record, kept), context=c2pa.Context.from_dict(_SETTINGS))
    out = io.BytesIO()
    try:
        if kind == _OTHER:
            builder.set_no_embed()
        if kept:
            ingredient = {"title": _INPUT, "relationship": "parentOf", "label": _INPUT}
            builder.add_ingredient_from_stream(
                json.dumps(ingredient), _kind(source), io.BytesIO(source)
            )
        manifest = builder.sign(signer, kind, io.BytesIO(data), out)
    except c2pa.C2paError as error:
        raise InvalidInput(f"content credentials could not be made: {error}") from error
    return (data if kind == _OTHER else out.getvalue()), bytes(manifest)


def present(data: bytes) -> bool:
    """Whether the file looks as if it held credentials; no check of them."""
    return b"caBX" in data if data.startswith(b"\x89PNG") else b"jumb" in data and b"c2pa" in data


def read(data: bytes, manifest: bytes | None, key: PublicKey | None) -> Credentials | None:
    """The credentials in a file, or those that lie beside it; None where there are none.

    manifest: the sidecar's bytes.  key: the only signer that makes them "trusted".
    """
    if manifest is None and not (embeds(data) and present(data)):
        return None
    c2pa = _library()
    settings: dict[str, Any] = {**_SETTINGS}
    if key is not None:
        settings["trust"] = {"user_anchors": key.certificates[1].decode()}
    context = c2pa.Context.from_dict(settings)
    try:
        with c2pa.Reader(_kind(data), io.BytesIO(data), manifest, context=context) as reader:
            said = json.loads(reader.json())
            state = str(reader.get_validation_state()).rpartition(".")[2].lower()
    except (c2pa.C2paError, ValueError) as error:
        text = str(error)
        if "ManifestNotFound" in text:
            return None
        return Credentials(state="invalid", signer="", source_type="", problems=(text,))
    active = said["manifests"][said["active_manifest"]]
    status = said.get("validation_status", [])
    problems = tuple(str(s.get("code")) for s in status if s.get("code") != _UNTRUSTED)
    return Credentials(
        state=state if state in ("trusted", "valid") else "invalid",  # type: ignore[arg-type]
        signer=str((active.get("signature_info") or {}).get("common_name", "")),
        source_type=_source_type(active),
        problems=problems,
    )


def _manifest(record: Generation, kept: bool) -> dict[str, Any]:
    action = {
        "action": "c2pa.edited" if kept else "c2pa.created",
        "digitalSourceType": SOURCE_TYPES + (EDITED if record.parents else MADE),
        "softwareAgent": {"name": "radsmith", "version": record.radsmith_version},
        "description": NOTICE,
    }
    opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": [_INPUT]}}
    return {
        "claim_generator_info": [{"name": "radsmith", "version": record.radsmith_version}],
        "title": "synthetic image",
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [opened, action][not kept :]}}
        ],
    }


def _source_type(manifest: dict[str, Any]) -> str:
    for assertion in manifest.get("assertions", []):
        if str(assertion.get("label", "")).startswith("c2pa.actions"):
            for action in assertion["data"].get("actions", []):
                if "digitalSourceType" in action:
                    return str(action["digitalSourceType"]).rpartition("/")[2]
    return ""


def _kind(data: bytes) -> str:
    return next((kind for magic, kind in _SIGNATURES.items() if data.startswith(magic)), _OTHER)


def _library() -> Any:
    try:
        import c2pa
    except ImportError as error:
        raise Unavailable(
            "content credentials need the extra: pip install 'radsmith[release]'"
        ) from error
    return c2pa

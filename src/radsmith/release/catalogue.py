"""Machine-readable descriptions: Croissant 1.1 with RAI, and RO-Crate 1.2. JSON, made by hand.

Both are small, fixed documents; the libraries that write them are larger than radsmith.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from radsmith.images.provenance import NOTICE
from radsmith.release.facts import Facts

IMAGES, TABLE = "images.csv", "images-table"
_FIELDS = {
    "file": "sc:Text",
    "split": "sc:Text",
    "prompt": "sc:Text",
    "modality": "sc:Text",
    "body_part": "sc:Text",
    "findings": "sc:Text",
    "width": "sc:Integer",
    "height": "sc:Integer",
    "seed": "sc:Integer",
    "sha256": "sc:Text",
}
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_KINDS = {
    "c2pa": "application/c2pa",
    "cff": "application/yaml",
    "csv": "text/csv",
    "dcm": "application/dicom",
    "gz": "application/gzip",
    "html": "text/html",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "md": "text/markdown",
    "png": "image/png",
    "tar": "application/x-tar",
}


def croissant(facts: Facts, images_sha256: str, limits: Mapping[str, str]) -> dict[str, Any]:
    """The Croissant document. images_sha256: of images.csv.  limits: RAI properties in words."""
    request = facts.request
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"{TABLE}/{name}",
            "name": name,
            "dataType": kind,
            "source": {"fileObject": {"@id": IMAGES}, "extract": {"column": name}},
        }
        for name, kind in _FIELDS.items()
    ]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [
            "http://mlcommons.org/croissant/1.1",
            "http://mlcommons.org/croissant/RAI/1.0",
        ],
        "name": request.title,
        "description": f"{len(facts.items)} synthetic radiology images. {NOTICE}",
        "license": facts.licence_url,
        "version": _version(request.version),
        "datePublished": facts.made[:10],
        "creator": [{"@type": "sc:Person", "name": c} for c in _creators(facts)],
        "citeAs": cite(facts),
        "rai:hasSyntheticData": True,
        **{f"rai:{name}": text for name, text in limits.items()},
        "prov:wasGeneratedBy": [
            {"@type": "prov:Activity", "prov:label": f"radsmith, model {name}, digest {digest}"}
            for name, digest in sorted(facts.models)
        ],
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": IMAGES,
                "name": IMAGES,
                "contentUrl": IMAGES,
                "encodingFormat": "text/csv",
                "sha256": images_sha256,
            },
            {
                "@type": "cr:FileSet",
                "@id": "pictures",
                "name": "pictures",
                "encodingFormat": "image/png",
                "includes": "images/*/*.png",
            },
        ],
        "recordSet": [
            {"@type": "cr:RecordSet", "@id": TABLE, "name": TABLE, "field": fields},
        ],
    }


def crate(facts: Facts, files: Mapping[str, int]) -> dict[str, Any]:
    """RO-Crate metadata of the payload. files: path below `data/` to size in bytes."""
    request = facts.request
    people = [
        {"@id": f"#creator-{i}", "@type": "Person", "name": name}
        for i, name in enumerate(_creators(facts), start=1)
    ]
    models = [
        {"@id": f"#model-{digest[:12]}", "@type": "SoftwareApplication", "name": name,
         "softwareVersion": digest}
        for name, digest in sorted(facts.models)
    ]  # fmt: skip
    parts = [
        {"@id": path, "@type": "File", "contentSize": str(size), "encodingFormat": _kind(path)}
        for path, size in sorted(files.items())
    ]
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": request.title,
        "description": f"{len(facts.items)} synthetic radiology images. {NOTICE}",
        "datePublished": facts.made[:10],
        "version": request.version,
        "license": {"@id": facts.licence_url},
        "creator": [{"@id": person["@id"]} for person in people],
        "mentions": [{"@id": model["@id"]} for model in models],
        "hasPart": [{"@id": part["@id"]} for part in parts],
    }
    about = {
        "@id": "ro-crate-metadata.json",
        "@type": "CreativeWork",
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.2"},
        "about": {"@id": "./"},
    }
    terms = {"@id": facts.licence_url, "@type": "CreativeWork", "name": request.licence}
    graph = [about, root, *people, *models, *parts]
    if facts.licence_url not in files:
        graph.append(terms)
    return {"@context": "https://w3id.org/ro/crate/1.2/context", "@graph": graph}


def cite(facts: Facts) -> str:
    """One line to cite the bundle by."""
    request = facts.request
    names = ", ".join(_creators(facts))
    what = f"{request.title}, version {request.version}"
    return f"{names} ({facts.made[:4]}): {what}. Made with radsmith."


def _creators(facts: Facts) -> tuple[str, ...]:
    return facts.request.creators or (facts.signer,)


def _version(text: str) -> str:
    """Croissant asks for MAJOR.MINOR.PATCH."""
    parts = text.split(".")
    return ".".join([*parts, "0", "0"][:3]) if all(p.isdigit() for p in parts) else "1.0.0"


def _kind(path: str) -> str:
    return _KINDS.get(path.rpartition(".")[2], "text/plain")

"""Verify a certificate: every figure in it is worked out again from the files that it names."""

import json
from pathlib import Path
from typing import Any

from deploy.checking.certificate.certify import VERSION, as_bytes, certify, file_digest
from deploy.errors import DeployError, shown

LARGEST_FILE = 1 << 22
"""Bytes: no certificate comes near it, and a stranger's file of gigabytes is not read."""


def verify_certificate(path: Path | str) -> tuple[str, ...]:
    """What of a certificate does not hold, in lines; empty where all of it does.

    First its own bytes, then the digests of the model and the trace that lie beside it under the names that it says,
    then a new check, whose every figure must be the one in the certificate. It is no signature: who changes a file and
    the certificate alike can make a certificate of the changed file, which then holds for that one.

    Raises:
        DeployError: there is no such file, it is of a later version, or what it names is missing or cannot be run.
    """
    path = Path(path)
    said = _read(path)
    if isinstance(said, str):
        return (said,)
    if said["ckd_certificate"] != VERSION:
        raise DeployError(f"{path}: version {shown(said['ckd_certificate'])}, this is version {VERSION}; certify again")
    model, trace = (said["files"][kind]["name"] for kind in ("model", "trace"))
    if any(name != Path(name).name for name in (model, trace)) or Path(model).with_suffix(".trace").name != trace:
        return (f"it names {shown(model)} and {shown(trace)}, and not a model with the trace beside it",)
    lines = []
    for kind, name in (("model", model), ("trace", trace)):
        lines += _file_differs(kind, path.with_name(name), said["files"][kind])
    if lines:
        return tuple(lines)
    compared = said["compared"]
    limit = None if compared["recordings"] == compared["of"] else compared["recordings"]
    again = certify(path.with_name(model), on=compared["on"], recordings=limit)
    again["made_with"] = said["made_with"]
    return tuple(_differing(said, again, ""))


def _read(path: Path) -> dict[str, Any] | str:
    """What a certificate says, or why its bytes are not those that were written."""
    if not path.is_file():
        raise DeployError(f"{path}: no such certificate; ckd-deploy certify student.nir writes one")
    if path.stat().st_size > LARGEST_FILE:
        raise DeployError(
            f"{path}: has {path.stat().st_size:,} bytes, and no certificate has; give a .certificate file"
        )
    data = path.read_bytes()
    damaged = "the certificate itself is damaged: it is not the bytes that were written"
    try:
        said = json.loads(data)
        digest = said.pop("sha256")
        whole = as_bytes(said) == data and isinstance(digest, str)
        # What is read below has to be there, of its type; as the digest holds, a stranger wrote what is not.
        compared, names = said["compared"], [said["files"][kind]["name"] for kind in ("model", "trace")]
        whole &= "ckd_certificate" in said and "made_with" in said and isinstance(compared["on"], str)
        whole &= all(type(compared[name]) is int and compared[name] > 0 for name in ("recordings", "of"))
        whole &= all(isinstance(name, str) and name.isprintable() and Path(name).stem for name in names)
        return said if whole else damaged
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return damaged


def _file_differs(kind: str, path: Path, said: Any) -> list[str]:
    found = file_digest(path)
    if found == said:
        return []
    return [f"the {kind} {path.name} is not the file that was certified: SHA-256 {found['sha256']}"]


def _differing(said: Any, again: Any, where: str) -> list[str]:
    """Where two trees of plain values differ."""
    if isinstance(said, dict) and isinstance(again, dict) and said.keys() == again.keys():
        return [line for key in said for line in _differing(said[key], again[key], f"{where} {key}".strip())]
    if isinstance(said, list) and isinstance(again, list) and len(said) == len(again):
        return [
            line
            for number, pair in enumerate(zip(said, again, strict=True))
            for line in _differing(*pair, f"{where} {number}")
        ]
    if type(said) is type(again) and said == again:
        return []
    return [f"{where}: {shown(said)} in the certificate, {shown(again)} now"]

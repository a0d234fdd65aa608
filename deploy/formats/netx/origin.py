"""`NetxNetwork`: a network and the netx file that it was read from, so that netx runs the file and not a copy."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from deploy.network import Network


@dataclass(frozen=True, kw_only=True)
class NetxNetwork(Network):
    """A network as it stands in `path`. Whatever changes it (`replace`) gives a plain network, which no file holds."""

    path: Path

    @classmethod
    def of(cls, network: Network, path: Path) -> "NetxNetwork":
        """`network`, which was read from `path`."""
        return cls(**_fields(network), path=path)

    def replace(self, **changes: Any) -> Network:
        """A copy with other fields, which does not stand in the file."""
        return Network(**(_fields(self) | changes))


def _fields(network: Network) -> dict[str, Any]:
    return {field.name: getattr(network, field.name) for field in fields(Network)}

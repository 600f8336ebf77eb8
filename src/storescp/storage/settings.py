"""Settings of storing."""

from dataclasses import dataclass

from storescp.dataset.encoding import Encoding
from storescp.storage.naming.rules import Rules


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Settings of storing."""

    rules: Rules
    encoding: Encoding
    bit_preserving: bool = False
    """True if bytes are written as they come."""
    with_meta: bool = True
    """True if preamble and File Meta Information precede the data set, PS3.10 7.1."""
    ignore: bool = False
    """True if objects are received and forgotten."""
    durable: bool = False
    """True if success means that file and directory are on disk."""
    maximum_size: int | None = None
    """Maximum file size in bytes; larger objects are refused."""
    reserve: int = 0
    """Minimum free space of the file system in bytes; with less, objects are refused before anything is written."""
    exec_on_reception: str | None = None
    exec_on_eostudy: str | None = None
    rename_on_eostudy: bool = False
    eostudy_timeout: float | None = None
    """Seconds after its last object in which a study ends; None: never."""

"""How to tell the PROXY protocol of load balancers, which is not spoken here, from other bytes.

HAProxy, "The PROXY protocol, versions 1 & 2", section 2.
"""

_VERSION_1 = b"PROXY "
_VERSION_2 = b"\r\n\r\n\0\r\nQUIT\n"
_LEAST_BYTES = 6
"""Fewer than that may be something else."""


def begins_proxy_protocol(data: bytes) -> bool:
    """Tell whether the first bytes of a connection, of which more may follow, are those of this protocol."""
    return data.startswith(_VERSION_1) or (
        len(data) >= _LEAST_BYTES and _VERSION_2.startswith(data[: len(_VERSION_2)])
    )

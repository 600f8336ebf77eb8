"""The other side of an association, in memory: a shell that stores nothing, and a peer that says anything."""

from collections.abc import Iterator

from storescp.uids import APPLICATION_CONTEXT, VERIFICATION
from storescp.upper_layer import pdata
from storescp.upper_layer.association import Association
from storescp.upper_layer.negotiation import Policy
from storescp.upper_layer.pdu import (
    PDU,
    AAssociateRQ,
    ProposedContext,
    UserInformation,
    decode,
    unpack_header,
)

CT = "1.2.840.10008.5.1.4.1.1.2"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
POLICY = Policy({VERIFICATION: (EXPLICIT, IMPLICIT), CT: (EXPLICIT, IMPLICIT)})
REQUEST = AAssociateRQ(
    called_ae_title="STORESCP",
    calling_ae_title="SCU",
    application_context=APPLICATION_CONTEXT,
    contexts=(
        ProposedContext(1, VERIFICATION, (IMPLICIT,)),
        ProposedContext(3, CT, (IMPLICIT, EXPLICIT)),
    ),
    user_information=UserInformation(16384, "1.2.3", implementation_version_name="TEST"),
)

Seen = PDU | tuple[int, int, bytes]
"""An event whose fragment, if it is one, was copied when a shell would have written it."""


class Requestor:
    """Sends to an association as a peer does, in pieces, and reads its answers."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.association = Association(policy)
        self.seen: list[Seen] = []
        self._pending: list[pdata.Fragment | PDU] = []

    def associate(self, request: AAssociateRQ = REQUEST) -> "Requestor":
        """Open the association, and forget the events and answers of it."""
        self.send(request.encode())
        self.answers()
        self.seen.clear()
        return self

    def send(self, data: bytes, piece: int = 1 << 20) -> list[Seen]:
        """Send data in pieces, as far as there is room; return all events seen so far."""
        try:
            while data:
                if self.association.views_expire:
                    self._write_out()
                room = self.association.buffer()
                length = min(piece, len(room), len(data))
                room[:length], data = data[:length], data[length:]
                self._pending.extend(self.association.receive(length))
        finally:
            self._write_out()
            self.association.release_views()
        return self.seen

    def answers(self) -> list[PDU | tuple[int, int, bytes]]:
        """Return what was sent back."""
        return list(parse(self.association.data_to_send()))

    def _write_out(self) -> None:
        for event in self._pending:
            self.seen.append(
                (event[0], event[1], bytes(event[2])) if isinstance(event, tuple) else event
            )
        self._pending.clear()


def parse(stream: bytes) -> Iterator[Seen]:
    """Yield the PDUs and PDVs of a stream."""
    while stream:
        pdu_type, length = unpack_header(stream)
        field, stream = stream[6 : 6 + length], stream[6 + length :]
        if pdu_type == 4:
            for context_id, control_header, value in pdata.split(memoryview(field)):
                yield context_id, control_header, bytes(value)
        else:
            yield decode(pdu_type, field)


def pdu(pdu_type: int, variable_field: bytes = bytes(4)) -> bytes:
    """Return a PDU of any type."""
    return bytes((pdu_type, 0)) + len(variable_field).to_bytes(4, "big") + variable_field


def p_data(*pdvs: tuple[int, int, bytes]) -> bytes:
    """Return a P-DATA-TF of several PDVs."""
    items = (
        (len(value) + 2).to_bytes(4, "big") + bytes((context_id, control_header)) + value
        for context_id, control_header, value in pdvs
    )
    return pdu(4, b"".join(items))

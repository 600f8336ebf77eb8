"""Serving one peer after the other: names, host access rules, transports, and what is told of those who are not served."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from storescp.dataset.encoding import Encoding
from storescp.errors import HandshakeFailed
from storescp.events import AssociationRejected, ConnectionRefused, Event, Fact
from storescp.serve.accept.acceptor import Disposition, PendingPeer
from storescp.serve.accept.request_reader import PlainRequestReader
from storescp.serve.access.allow_lists import AllowLists, AllowListSettings, AllowListSource
from storescp.serve.access.host_access import AccessControl
from storescp.serve.access.peer_admission import PeerAdmission, PeerLimits
from storescp.serve.association.connection import Disturbances
from storescp.serve.association.deadlines import Timeouts
from storescp.serve.association.server import AssociationServer
from storescp.serve.process.signals import Signals
from storescp.serve.reporting.event_hub import EventHub
from storescp.serve.settings import ReceiverSettings
from storescp.serve.transport import Transport
from storescp.storage.naming.rules import Rules
from storescp.storage.settings import StorageSettings
from storescp.storage.store_scp import StoreSCP
from storescp.upper_layer.admission import Admission
from storescp.upper_layer.negotiation import storage_policy
from storescp.upper_layer.pdu import AAssociateRJ
from tests.end_to_end.conversation import CONTEXTS, data_set
from tests.peers.requestor import (
    ABORT_REQUEST,
    CT_IMAGE_STORAGE,
    RELEASE_REQUEST,
    associate_request,
    message,
    store_command,
)
from tests.serve.association.memory_transport import MemoryTransport

POLICY = storage_policy(("1.2.840.10008.1.2.1",))
REQUEST = associate_request(CONTEXTS)
STORE = message(1, store_command(CT_IMAGE_STORAGE, "1.1"), data_set("1.1"))


class Reader(PlainRequestReader):
    """Gives a transport in memory, or fails as a TLS handshake does."""

    def __init__(self, transport: Transport | None) -> None:
        self._transport = transport
        self.closed = False

    def transport(self) -> Transport:
        if self._transport is None:
            raise HandshakeFailed("000b:090b TLS error: x")
        return self._transport

    def close(self) -> None:
        self.closed = True


class Served:
    """A server, what it stores, and the events."""

    def __init__(self, directory: Path, **changes: Any) -> None:
        self.facts: list[Fact] = []
        hub = EventHub()
        hub.observe(self._observe)
        storage = StorageSettings(Rules(str(directory)), Encoding())
        settings = ReceiverSettings(
            POLICY, storage, Timeouts(), Disturbances(), 104, **{"host_lookup": False, **changes}
        )
        self.server = AssociationServer(settings, Signals(), hub=hub)
        self.store = StoreSCP(storage, lambda _: None)

    def _observe(self, event: Event) -> None:
        self.facts.append(event.fact)

    def serve(self, reader: Reader) -> Disposition:
        peer = PendingPeer(None, "10.1.2.3", reader)  # type: ignore[arg-type]
        return self.server.serve(peer, self.server.policy_for("10.1.2.3"), self.store)


@pytest.mark.parametrize(
    ("last", "disposition", "parted"),
    [
        (RELEASE_REQUEST, Disposition.LINGER, True),
        (ABORT_REQUEST, Disposition.DONE, False),
        (b"", Disposition.DONE, False),
    ],
)
def test_a_peer_is_served_to_the_end(
    last: bytes, disposition: Disposition, parted: bool, tmp_path: Path
) -> None:
    """Its object is stored; the transport parts where the peer is to close, and is closed where it is not."""
    transport = MemoryTransport([REQUEST, STORE, last] if last else [REQUEST, STORE])

    assert Served(tmp_path).serve(Reader(transport)) is disposition
    assert (transport.parted, transport.closed) == (parted, not parted)
    assert [path.name for path in tmp_path.iterdir()] == ["CT.1.1"]


def test_a_handshake_that_fails_costs_one_connection(tmp_path: Path) -> None:
    """It is told as one, the connection is closed, and the next peer is served."""
    served, reader = Served(tmp_path), Reader(None)

    assert served.serve(reader) is Disposition.DONE
    assert reader.closed
    assert [type(fact) for fact in served.facts] == [ConnectionRefused]
    assert served.serve(Reader(MemoryTransport([REQUEST, RELEASE_REQUEST]))) is Disposition.LINGER


def test_host_access_rules_come_first(tmp_path: Path) -> None:
    """A host that they refuse gets no transport."""
    for name, rules in (("allow", ""), ("deny", "ALL: ALL\n")):
        (tmp_path / name).write_text(rules)
    control = AccessControl(str(tmp_path / "allow"), str(tmp_path / "deny"))
    transport = MemoryTransport([REQUEST, RELEASE_REQUEST])
    served, reader = Served(tmp_path, access_control=control), Reader(transport)

    assert served.serve(reader) is Disposition.DONE
    assert reader.closed
    assert transport.sent == []
    [fact] = served.facts
    assert isinstance(fact, ConnectionRefused)
    assert fact.cause == "host-rules"


@pytest.mark.parametrize(
    ("tell", "level", "fact"),
    [
        (lambda server: server.was_silent("10.1.2.3"), logging.ERROR, ConnectionRefused),
        (
            lambda server: server.has_closed("10.1.2.3", header_received=True),
            logging.ERROR,
            None,
        ),
        (lambda server: server.has_closed("10.1.2.3", header_received=False), logging.INFO, None),
        (
            lambda server: server.handshake_failed("10.1.2.3", HandshakeFailed("000b:090b x")),
            logging.ERROR,
            ConnectionRefused,
        ),
        (
            lambda server: server.rejects("10.1.2.3", AAssociateRJ(2, 3, 1)),
            logging.INFO,
            AssociationRejected,
        ),
    ],
)
def test_what_is_told_of_peers_that_are_not_served(
    tell: Callable[[AssociationServer], None],
    level: int,
    fact: type[Fact] | None,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A line of the log of the right level, and an event if it is one."""
    caplog.set_level(logging.INFO)
    served = Served(tmp_path)

    tell(served.server)

    assert max(record.levelno for record in caplog.records) == level
    assert [type(each) for each in served.facts] == ([fact] if fact else [])


def test_limits_for_an_address(tmp_path: Path) -> None:
    """Who has as many connections as one address may is not let in, and that is told."""
    admission = PeerAdmission(AllowLists(AllowListSettings()), PeerLimits(connections=2))
    served = Served(tmp_path, peer_admission=admission)

    assert served.server.lets_in("10.1.2.3", 1)
    assert not served.server.lets_in("10.1.2.3", 2)
    [fact] = served.facts
    assert isinstance(fact, ConnectionRefused)
    assert fact.cause == "address-limit"


def test_a_policy_has_what_is_asked_of_the_requester(tmp_path: Path) -> None:
    """In the process that serves it, or in another one that was told."""
    admission = PeerAdmission(AllowLists(AllowListSettings()), PeerLimits(associations=1))
    server = Served(tmp_path, peer_admission=admission).server
    asked = Admission(address="10.1.2.3")

    assert server.policy_for("10.1.2.3").admission is not None
    assert server.policy_with(asked).admission is asked
    assert server.policy_with(None) is POLICY
    assert Served(tmp_path).server.policy_for("10.1.2.3") is POLICY


def test_a_rejection_is_explained_by_what_was_asked_of_this_requester(tmp_path: Path) -> None:
    """The lists of the moment are those of the sentence."""
    lists = AllowListSettings(calling_ae_titles=AllowListSource(("CT1",)))
    served = Served(tmp_path, peer_admission=PeerAdmission(AllowLists(lists), PeerLimits()))

    served.serve(Reader(MemoryTransport([REQUEST])))

    [fact] = served.facts
    assert isinstance(fact, AssociationRejected)
    assert 'not on the list of allowed calling AE titles ("CT1")' in (fact.why or "")


def test_names_are_looked_up_only_if_asked_for(tmp_path: Path) -> None:
    """What another process has learned is known."""
    with_names = Served(tmp_path, host_lookup=True).server
    without = Served(tmp_path).server
    for server in (with_names, without):
        server.learn_name("10.1.2.3", "scanner.example.org")

    assert with_names.name_of("10.1.2.3") == "scanner.example.org"
    assert without.name_of("10.1.2.3") == ""

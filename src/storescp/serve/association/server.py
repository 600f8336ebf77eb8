"""Serves one peer after the other: names it, asks the host access rules, and has its association served.

Whoever accepts connections, in this process or in a worker, hands them to `AssociationServer.serve`; it does not know in
which kind of process it is.
"""

import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from storescp.errors import HandshakeFailed
from storescp.log.context import CURRENT
from storescp.printable import printable
from storescp.serve.accept.acceptor import Disposition, PendingPeer
from storescp.serve.accept.request_reader import PlainRequestReader, RequestReader
from storescp.serve.access import host_names
from storescp.serve.association.connection import Connection, Disturbances, End
from storescp.serve.association.deadlines import Timeouts
from storescp.serve.process.signals import Signals, Stopped
from storescp.serve.reporting import explanations
from storescp.serve.reporting.association_reporter import AssociationReporter
from storescp.serve.reporting.time_limit import TimeLimit
from storescp.serve.transport import Transport
from storescp.storage.storage_scp import StorageSCP
from storescp.upper_layer.association import AssociationCaches
from storescp.upper_layer.negotiation import Policy
from storescp.upper_layer.pdu import AAssociateRJ

if TYPE_CHECKING:
    from storescp.serve.access.host_access import AccessControl
    from storescp.serve.access.peer_admission import PeerAdmission
    from storescp.serve.reporting.event_hub import EventHub
    from storescp.serve.tls.context import ServerContext
    from storescp.upper_layer.admission import Admission

_network_logger = logging.getLogger("dcmtk.dcmnet")


class ServerSettings(Protocol):
    """Settings for serving peers."""

    @property
    def policy(self) -> Policy:
        """Policy of the negotiation."""
        ...

    @property
    def timeouts(self) -> Timeouts:
        """Time limits."""
        ...

    @property
    def disturbances(self) -> Disturbances:
        """Disturbances of peers under test."""
        ...

    @property
    def maximum_command_length(self) -> int:
        """Maximum length of a command set in bytes."""
        ...

    @property
    def host_lookup(self) -> bool:
        """True if names of peers are looked up."""
        ...

    @property
    def access_control(self) -> "AccessControl | None":
        """The rules about hosts; None: everybody is let in."""
        ...

    @property
    def peer_admission(self) -> "PeerAdmission | None":
        """The lists of those that are allowed, and limits for each address; None: everybody is let in."""
        ...

    @property
    def verbose_contexts(self) -> bool:
        """True if presentation contexts are logged at level INFO."""
        ...


class AssociationServer:
    """Serves peers, one at a time, and tells why others are not served."""

    def __init__(
        self,
        settings: ServerSettings,
        signals: Signals,
        *,
        hub: "EventHub | None" = None,
        tls: "Callable[[], ServerContext | None]" = lambda: None,
    ) -> None:
        """Prepare to serve.

        Args:
            settings: what steers it.
            signals: the signals of the process.
            hub: takes the events; None: there are no observers.
            tls: returns what decides about TLS handshakes at the moment; None: plain TCP.
        """
        self._settings = settings
        self._signals = signals
        self._hub = hub
        self._tls = tls
        self._names = host_names.HostNames()
        self._caches = AssociationCaches()

    # -- connections that nobody serves yet --------------------------------------------------------------------------

    def make_reader(self, connected: socket.socket) -> RequestReader:
        """Return what waits for the request of a connection, beside others.

        Raises:
            HandshakeFailed: OpenSSL is out of memory.
        """
        context = self._tls()
        if context is None:
            return self.reader_of(connected)
        from storescp.serve.accept.tls_request_reader import TLSRequestReader

        longest = self._settings.policy.maximum_request_length
        return TLSRequestReader(connected, context, longest)

    def reader_of(self, connected: socket.socket) -> PlainRequestReader:
        """Return what waits for the request of a plain TCP connection."""
        return PlainRequestReader(connected, self._settings.policy.maximum_request_length)

    def inherited_reader(self, connected: socket.socket) -> RequestReader:
        """Return the reader of the only connection of this process: nobody else waits meanwhile."""
        context = self._tls()
        if context is None:
            return self.reader_of(connected)
        from storescp.serve.accept.tls_request_reader import BlockingTLSReader

        timeout = self._settings.timeouts.socket
        return BlockingTLSReader(connected, context, timeout, self._signals.waiting)

    @contextmanager
    def reporter(self, address: str) -> Iterator[AssociationReporter]:
        """Within this block, tell what becomes of a connection from an address that is not served."""
        reporter = self._reporter(address, self._settings.policy)
        try:
            yield reporter
        finally:
            reporter.close()

    def was_silent(self, address: str) -> None:
        """A connection is closed because its peer said nothing, or too little."""
        with self.reporter(address) as reporter:
            reporter.timed_out(TimeLimit.ARTIM, self._settings.timeouts.acse)

    def has_closed(self, address: str, *, header_received: bool) -> None:
        """A peer has closed its connection before its request was complete."""
        with self.reporter(address) as reporter:
            reporter.lost("closed by the peer", header_received=header_received)

    def handshake_failed(self, address: str, error: HandshakeFailed) -> None:
        """A connection is closed because it did not become a TLS connection."""
        with self.reporter(address) as reporter:
            reporter.handshake_failed(error)

    def rejects(self, address: str, rejection: AAssociateRJ) -> None:
        """A peer is sent a rejection because there are too many of them."""
        with self.reporter(address) as reporter:
            reporter.rejected(rejection)

    def lets_in(self, address: str, waiting: int) -> bool:
        """Tell whether a connection is let in at all, while so many from its address wait for their peers."""
        admission = self._settings.peer_admission
        refusal = None if admission is None else admission.refusal(address, waiting)
        if refusal is None:
            return True
        with self.reporter(address) as reporter:
            reporter.not_admitted(*refusal)
        return False

    # -- names -------------------------------------------------------------------------------------------------------

    def name_of(self, address: str) -> str:
        """Return the name of an address that has been served."""
        return self._names.name(address) if self._settings.host_lookup else ""

    def learn_name(self, address: str, name: str) -> None:
        """Take over the name of an address that another process has looked up."""
        if self._settings.host_lookup:
            self._names.learn(address, name)

    # -- one peer ----------------------------------------------------------------------------------------------------

    def policy_for(self, address: str) -> Policy:
        """Return what is accepted of a requester that is served in this process."""
        admission = self._settings.peer_admission
        return self.policy_with(None if admission is None else admission.admission(address))

    def policy_with(self, admission: "Admission | None") -> Policy:
        """Return the policy for a requester on these terms; None: the general one."""
        policy = self._settings.policy
        return policy if admission is None else replace(policy, admission=admission)

    def serve(
        self, peer: PendingPeer, policy: Policy, store: StorageSCP, child_pid: int | None = None
    ) -> Disposition:
        """Serve a peer to the end of its association.

        Args:
            peer: asks for an association.
            policy: what is accepted.
            store: where objects go.
            child_pid: the process id if this is a child made for this association.

        Raises:
            Stopped: the program was asked to end; the association was aborted.
        """
        address, lookup = peer.address, self._settings.host_lookup
        name = self._names.name(address) if lookup else host_names.UNKNOWN
        presentation_address = host_names.presentation_address(name, address)
        _network_logger.debug("Association Received: %s", printable(presentation_address))
        reporter = self._reporter(presentation_address, policy, child_pid)
        CURRENT.aliases = (address, name)
        try:
            transport = self._transport(peer, name, reporter)
            if transport is None:
                peer.reader.close()
                return Disposition.DONE
            return self._serve(
                transport, presentation_address, policy, store=store, reporter=reporter
            )
        finally:
            CURRENT.clear()

    def _serve(
        self,
        transport: Transport,
        address: str,
        policy: Policy,
        *,
        store: StorageSCP,
        reporter: AssociationReporter,
    ) -> Disposition:
        connection = Connection(
            transport,
            address,
            policy,
            store,
            self._signals,
            reporter,
            timeouts=self._settings.timeouts,
            disturbances=self._settings.disturbances,
            maximum_command_length=self._settings.maximum_command_length,
            caches=self._caches,
        )
        try:
            end = connection.serve()
        except Stopped:
            transport.close()
            raise
        finally:
            CURRENT.clear()
            store.end_association()
            if (context := self._tls()) is not None:
                context.write_seed()
        if end is End.LINGER:
            transport.part()
            return Disposition.LINGER
        transport.close()
        return Disposition.DONE

    def _transport(
        self, peer: PendingPeer, name: str, reporter: AssociationReporter
    ) -> Transport | None:
        """Return the transport of a peer; None: it is not let in, or there is no TLS connection."""
        if not self._is_welcome(name, peer.address, reporter):
            return None
        try:
            return peer.reader.transport()
        except HandshakeFailed as error:
            reporter.handshake_failed(error)
            return None

    def _is_welcome(self, name: str, address: str, reporter: AssociationReporter) -> bool:
        """Tell whether the host access rules let the peer in."""
        control = self._settings.access_control
        if control is None:
            return True
        from storescp.serve.access import host_access
        from storescp.serve.access.rules import Client

        client = Client(name, address)
        decision = host_access.check(control, client)
        if decision.granted:
            return True
        explanation = explanations.host(address, name, control.allow, decision.decided_by)
        reporter.host_denied(host_access.refusal(client), explanation)
        return False

    def see_off(self, connected: socket.socket) -> None:
        """Give the peer its turn to close, PS3.8 9.2.3 Sta13; what else it sends is forgotten.

        Raises:
            Stopped: the program was asked to end.
        """
        end = time.monotonic() + self._settings.timeouts.acse
        with suppress(OSError), self._signals.waiting():
            while (left := end - time.monotonic()) > 0:
                connected.settimeout(left)
                if not connected.recv(1 << 16):
                    return

    def _reporter(
        self, address: str, policy: Policy, child_pid: int | None = None
    ) -> AssociationReporter:
        return AssociationReporter(
            address,
            policy,
            hub=self._hub,
            tls=self._tls() is not None,
            verbose_contexts=self._settings.verbose_contexts,
            child_pid=child_pid,
        )

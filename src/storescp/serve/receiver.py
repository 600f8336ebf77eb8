"""The program's working part: listens, lets connections in, serves them here or in children, and ends well."""

import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING

from storescp import conditions
from storescp.dataset.dictionary import Dictionary
from storescp.errors import StateLost
from storescp.printable import printable
from storescp.serve.accept.acceptor import Acceptor, Disposition, PendingPeer
from storescp.serve.accept.capacity import capacity, raise_descriptor_limit
from storescp.serve.accept.listening_socket import bind, listen, prepare
from storescp.serve.accept.pending_connections import PendingConnections
from storescp.serve.accept.request_reader import PlainRequestReader
from storescp.serve.accept.sequential_server import SequentialServer
from storescp.serve.accept.settings import ListenAddress
from storescp.serve.association.server import AssociationServer
from storescp.serve.observers import Observers
from storescp.serve.process.children import Children, watch_children
from storescp.serve.process.init import run_as_init
from storescp.serve.process.signals import Signals, Stopped, die_by
from storescp.serve.settings import ReceiverSettings
from storescp.serve.studies.user_command import CommandRunner
from storescp.signal_names import signal_name
from storescp.storage.naming.rules import ByPatientName
from storescp.storage.storage_scp import StorageSCP
from storescp.storage.store_scp import StoreSCP
from storescp.storage.studies.user_commands import Command
from storescp.upper_layer.pdu import AAssociateRJ

if TYPE_CHECKING:
    from storescp.serve.accept.supervisor import Supervisor
    from storescp.serve.studies.parallel_studies import ParallelStudies
    from storescp.serve.tls.context import Reloadable
    from storescp.upper_layer.admission import Admission

_logger = logging.getLogger("dcmtk.apps.storescp")


_BURST_SECONDS = 0.25
"""Time within which an association follows another one: the hidden directory stays meanwhile."""


class Receiver:
    """Receives until it is asked to stop, or serves the one connection that inetd gave."""

    def __init__(
        self,
        receiver_settings: ReceiverSettings,
        *,
        dictionary: Callable[[], Dictionary],
        transport_security: "Callable[[], Reloadable | None]",
        listening: socket.socket | None = None,
        notify: Callable[[str], None] | None = None,
    ) -> None:
        """Prepare to receive.

        Args:
            receiver_settings: the settings.
            dictionary: gives the data dictionary.
            transport_security: loads what TLS needs, once the port is open; returns None for plain TCP.
            listening: a socket that listens already, in place of one on the port of the settings.
            notify: tells a service manager how we are, sd_notify(3).

        Raises:
            ConfigurationError: the file for events cannot be opened, or the status page's port cannot be had.
        """
        self._settings = receiver_settings
        self._transport_security = transport_security
        self._listening = listening
        self._notify = notify or (lambda _: None)
        self._is_managed = notify is not None
        self._dictionary = dictionary
        self._signals = Signals()
        self._children = Children()
        self._tls: Reloadable | None = None
        self._observers = Observers(receiver_settings)
        hub = self._observers.hub
        self._commands = CommandRunner(
            self._children,
            synchronous=receiver_settings.exec_sync,
            hub=hub,
            stop_deadline=lambda: self._signals.stop_deadline,
        )
        self._store: StorageSCP = StoreSCP(
            receiver_settings.storage,
            self._run,
            dictionary,
            # A child sees a part of a study only.
            announce=None
            if hub is None or receiver_settings.forks
            else self._observers.study_complete,
        )
        self._studies: ParallelStudies | None = None
        self._supervisor: Supervisor | None = None
        self._server: SequentialServer | Supervisor | None = None
        self._connected: socket.socket | None = None  # which is served in this process
        self._burst_ends = 0.0
        """Time from which the next association no longer counts as following the last (`time.monotonic`)."""
        self._associations = AssociationServer(
            receiver_settings,
            self._signals,
            hub=hub,
            tls=lambda: None if self._tls is None else self._tls.context,
        )

    def run(self, introduce: Callable[[], None] = lambda: None) -> int:
        """Receive; return the exit code. Ends by the signal that asked for it.

        Args:
            introduce: says what program this is; called where a port is opened, when nothing can keep it from that.

        Raises:
            ConfigurationError: the port or what TLS needs cannot be had.
        """
        if self._settings.connected is not None:
            return self._serve_inetd(self._settings.connected)
        has_starter = self._settings.starts_commands_apart
        if not self._observers.has_viewers and not has_starter:
            return self._receive(introduce)
        if os.getpid() == 1:
            run_as_init()
        # Before there are a port and keys that they could hold.
        self._observers.start_viewers(self._leave_receiver)
        # The last one: others would hold its socket.
        if has_starter:
            self._commands.use_starter(self._leave_receiver)
        try:
            return self._receive(introduce)
        finally:
            self._commands.close()
            self._observers.close_viewers()

    def _receive(self, introduce: Callable[[], None]) -> int:
        """Open the port, and serve all peers.

        Raises:
            ConfigurationError: the port, what TLS needs, or the state directory cannot be had.
        """
        # Bound, which may take root, but not open yet: that comes when nothing can stop us any more.
        wanted = ListenAddress(self._settings.port, self._settings.ip_version)
        listening = self._listening or bind(wanted)
        port: int = listening.getsockname()[1]
        self._tls = self._transport_security()
        self._give_privileges_up()
        if os.getpid() == 1:
            run_as_init()
        self._prepare_process()
        if self._settings.worker_settings is not None:
            self._prepare_for_children()
        self._open_studies()
        if not self._settings.storage.ignore:
            self._store.output.remove_leftovers(time.time())
        introduce()
        if self._listening is None:
            listen(listening, wanted)
        acceptor = self._acceptor(listening)
        if self._listening is None:  # a service manager's port stays open without us
            self._signals.at_stop(acceptor.stop_listening)
        self._server = server = self._listen(acceptor)
        self._observers.open(acceptor, port)
        if self._studies is not None:
            acceptor.watch(self._studies.descriptor, self._studies.tend)
            self._studies.start()
        self._announce_ready(port)
        try:
            server.run()
        except Stopped as stopped:
            self._notify("STOPPING=1")
            self._close(server)
            self._observers.close(stopped.number)
            die_by(stopped.number)
        except StateLost as lost:
            self._notify("STOPPING=1")
            _logger.critical("%s", lost)
            self._close(server)
            return 1
        return 0

    def _announce_ready(self, port: int) -> None:
        """Tell the service manager and the log that peers can connect."""
        self._notify(f"READY=1\nSTATUS=Receiving on port {port}")
        if self._settings.announces:
            storage = self._settings.storage
            where = os.path.abspath(storage.rules.directory)
            what = "storing nothing" if storage.ignore else f"storing into {printable(where)}"
            _logger.info("Ready on port %d%s, %s", port, " (TLS)" if self._tls else "", what)

    def _close(self, server: "SequentialServer | Supervisor") -> None:
        """Bring everything to its end."""
        if self._studies is not None:
            self._studies.stop()
        server.close(self._signals.stop_deadline or time.monotonic())
        self._store.close()
        if self._studies is not None:
            self._studies.close()
        self._commands.close()

    def _acceptor(self, listening: socket.socket) -> Acceptor:
        """Return what accepts connections."""
        receiver_settings = self._settings
        acse = receiver_settings.timeouts.acse
        return Acceptor(
            listening,
            self._signals,
            silent=PendingConnections(
                time.monotonic, acse_timeout=acse, patience=receiver_settings.timeouts.socket
            ),
            lingering=PendingConnections(time.monotonic, acse_timeout=acse),
            capacity=capacity(raise_descriptor_limit(), secure=self._tls is not None),
            make_reader=self._associations.make_reader,
            admits=None if receiver_settings.peer_admission is None else self._lets_in,
            observer=self._associations,
        )

    def _listen(self, acceptor: Acceptor) -> "SequentialServer | Supervisor":
        """Return what has connections served."""
        worker_settings = self._settings.worker_settings
        studies = self._studies
        is_paused = _never if studies is None else lambda: studies.pauses_reception
        if worker_settings is None:
            return SequentialServer(
                acceptor, serve=self._serve, expire=self._expire, is_paused=is_paused
            )
        from storescp.serve.accept.supervisor import Supervisor

        self._supervisor = Supervisor(
            acceptor,
            self._signals,
            self._children,
            worker_settings,
            self,
            step=self._expire,
            next_step=self._deadline,
            is_paused=is_paused,
            # The state of a TLS connection cannot be passed to a process that is there already.
            inherits=self._tls is not None,
        )
        return self._supervisor

    def _open_studies(self) -> None:
        """Take over what is known of studies, if they are received side by side."""
        receiver_settings = self._settings
        if receiver_settings.studies_in_parallel is None:
            return
        from storescp.serve.studies.parallel_studies import ParallelStudies

        self._studies = ParallelStudies(
            receiver_settings.studies_in_parallel,
            receiver_settings.storage,
            self._dictionary,
            self._signals,
            self._children,
            self._observers.hub,
            leave=self._leave_connections,
        )
        self._store = self._studies.scp()

    # -- workers -----------------------------------------------------------------------------------------------------

    def begin_work(self) -> None:
        """Go on in a worker."""
        self._observers.in_child()
        if self._studies is not None:
            self._store = self._studies.in_child()

    def between_work(self) -> float | None:
        """Make the records, in a worker that is free, that could not be made before; return when to come again."""
        if self._studies is None:
            return None
        self._store.expire()
        return self._store.deadline()

    def work(self, peer: PendingPeer, admission: "Admission | None") -> Disposition:
        """Serve a peer in a worker, given what `admit` told."""
        policy = self._associations.policy_with(admission)
        disposition = self._associations.serve(peer, policy, self._store, child_pid=os.getpid())
        if self._settings.forks:
            self._store.forget_study()
        return disposition

    def reader_of(self, connected: socket.socket) -> PlainRequestReader:
        """Return what gives the transport of a connection that came as a descriptor."""
        return self._associations.reader_of(connected)

    def name_of(self, address: str) -> str:
        """Return the name of an address that has been served."""
        return self._associations.name_of(address)

    def learn_name(self, address: str, name: str) -> None:
        """A worker has looked up the name of an address."""
        self._associations.learn_name(address, name)

    def rejects(self, address: str, rejection: AAssociateRJ) -> None:
        """A peer is sent a rejection because there are too many of them."""
        self._associations.rejects(address, rejection)

    def see_off(self, connected: socket.socket) -> None:
        """Wait for a peer to close."""
        self._associations.see_off(connected)

    def worker_lost(self, pid: int) -> None:
        """A worker is gone: it no longer holds its studies open."""
        if self._studies is not None:
            self._studies.lost(pid)

    def worker_ended(self, pid: int, status: int) -> None:
        """Log the end of a worker that crashed or was killed, and remove its unfinished files."""
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            return
        kind = "child" if self._settings.forks else "worker"
        if code > 0:
            _logger.error("%s process %d failed with exit status %d", kind, pid, code)
        elif -code not in (signal.SIGTERM, signal.SIGINT):  # it was asked to end, and has said so
            _logger.error("%s process %d was ended by %s", kind, pid, signal_name(-code))
        if not self._settings.storage.ignore:
            self._store.output.remove_leftovers(time.time())

    # -- privileges, signals, children --------------------------------------------------------------------------------

    def _give_privileges_up(self) -> None:
        """Become the user of `--user`; root was needed for the port and the keys.

        Raises:
            ConfigurationError: that failed, or that user can do nothing here.
        """
        user, storage = self._settings.user, self._settings.storage
        if user is None:
            return
        self._become_user()
        if not storage.ignore:
            from storescp.serve.process import privileges

            privileges.check_may_write(user, storage.rules.directory)

    def _leave_receiver(self) -> None:
        """Keep nothing of the receiver in a process that shows it."""
        if self._listening is not None:
            self._listening.close()
        self._become_user()

    def _become_user(self) -> None:
        if self._settings.user is not None:
            from storescp.serve.process import privileges

            privileges.become(self._settings.user)

    def _prepare_process(self) -> None:
        self._signals.install()
        watch_children(self._signals, self._children)
        self._signals.on(signal.SIGCHLD, self._reap)
        renewals: list[Callable[[], object]] = []
        if self._tls is not None:
            renewals.append(self._tls.reload)
        if self._settings.peer_admission is not None:
            renewals.append(self._settings.peer_admission.expire)
        # A service manager may ask to reload what has nothing to reload: that must not end it.
        if renewals or self._is_managed:
            # First: a worker then serves each peer that comes after our renewal with the new settings.
            renewals.insert(0, self._pass_on_renewal)
            self._signals.on(signal.SIGHUP, lambda: _call(renewals))

    def _reap(self) -> None:
        self._children.reap()
        self._commands.collect()
        self._observers.reap()

    def _pass_on_renewal(self) -> None:
        if self._supervisor is not None:
            self._supervisor.pass_on(signal.SIGHUP)

    def _prepare_for_children(self) -> None:
        """Load now what is otherwise loaded when first needed: each child would have to do it anew."""
        receiver_settings = self._settings
        self._dictionary()
        modules = ["ctypes", "storescp.dataset.sorting", "storescp.uid_names"]
        if self._tls is not None:
            modules += ["storescp.serve.accept.tls_request_reader"]
        if receiver_settings.access_control is not None:
            modules += ["storescp.serve.access.host_access", "storescp.serve.access.rules"]
        if isinstance(receiver_settings.storage.rules.layout, ByPatientName):
            modules.append("anyascii")
        for module in modules:
            import_module(module)

    def _run(self, command: Command) -> None:
        self._commands.run(command.line, command.environment)

    def _expire(self) -> float | None:
        """Do what is due besides connections; return when the next of it is (`time.monotonic`), None: never.

        Raises:
            StateLost: studies cannot be remembered any more.
        """
        self._store.expire()
        self._end_burst()
        if self._studies is not None:
            self._studies.tend()
            if self._studies.failure:
                raise StateLost(self._studies.failure)
        return self._deadline()

    def _deadline(self) -> float | None:
        deadlines = [self._store.deadline()]
        if self._store.output.is_kept:
            deadlines.append(self._burst_ends)
        if self._studies is not None:
            deadlines.append(0.0 if self._studies.failure else self._studies.next_turn())
        return min((when for when in deadlines if when is not None), default=None)

    def _end_burst(self) -> None:
        """Remove the hidden directory if no other association has come soon."""
        output = self._store.output
        if output.is_kept and time.monotonic() >= self._burst_ends:
            output.is_kept = False
            output.tidy()

    def _leave_connections(self) -> None:
        """Close what is connected to peers, or waits for them, in a process that serves none."""
        if self._server is not None:
            self._server.let_go()
        if self._connected is not None:
            self._connected.close()

    # -- one connection ----------------------------------------------------------------------------------------------

    def _serve(self, peer: PendingPeer) -> Disposition:
        """Serve a peer that asks; what goes wrong in our own code ends its association only."""
        self._connected = peer.connected
        self._store.output.is_kept = time.monotonic() < self._burst_ends
        try:
            return self._associations.serve(
                peer, self._associations.policy_for(peer.address), self._store
            )
        except Exception:  # the outermost loop of this process
            _logger.exception("internal error, association dropped")
            peer.reader.close()
            return Disposition.DONE
        finally:
            self._connected = None
            self._burst_ends = time.monotonic() + _BURST_SECONDS

    def admit(self, address: str) -> "tuple[Admission | None, Callable[[], None]]":
        """Return what is asked of a requester, and what to call when another process has served it."""
        peer_admission = self._settings.peer_admission
        if peer_admission is None:
            return None, _nothing
        admission = peer_admission.admission(address)
        return admission, peer_admission.enter(admission)

    def _lets_in(self, address: str, waiting: int) -> bool:
        """Tell whether a connection is let in at all, while so many from its address wait for their peers."""
        if self._supervisor is not None:
            waiting += self._supervisor.asking(address)
        return self._associations.lets_in(address, waiting)

    def _serve_inetd(self, descriptor: int) -> int:
        """Serve the one connection that a super server has accepted."""
        self._tls = self._transport_security()
        self._give_privileges_up()
        self._prepare_process()
        try:
            connected = socket.socket(fileno=descriptor)
            address = connected.getpeername()[0]
        except OSError as error:
            _logger.error(
                "Receiving Association failed: %s: %s, getpeername failed on socket %d",
                conditions.TCP_INITIALIZATION_ERROR.line(),
                error.strerror,
                descriptor,
            )
            return 0
        if not self._lets_in(address, 0):
            connected.close()
            return 0
        prepare(connected)
        associations = self._associations
        peer = PendingPeer(connected, address, associations.inherited_reader(connected))
        try:
            policy = associations.policy_for(address)
            if associations.serve(peer, policy, self._store) is Disposition.LINGER:
                associations.see_off(connected)
            self._store.close()
        except Stopped as stopped:
            self._store.close()
            die_by(stopped.number)
        finally:
            connected.close()
        return 0


def _nothing() -> None:
    return


def _never() -> bool:
    return False


def _call(actions: Iterable[Callable[[], object]]) -> None:
    for action in actions:
        action()

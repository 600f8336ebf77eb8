"""The TLS side of the server: an OpenSSL context made from settings, and renewed from its files.

Everything is set as the security profiles of PS3.15 annex B and the reference ask; the tables are
in `tls.profiles`, the checks of certificates in `tls.certificates`, the handshake in
`tls.connection`. Advice to the user names options, though only `config` defines how they are
spelled: a hint that does not say what to type helps nobody.
"""

import logging
import weakref
from collections.abc import Collection, Iterable

from storescp import conditions
from storescp.errors import ConfigurationError
from storescp.serve.tls import files as tls_files
from storescp.serve.tls.callbacks import Callbacks
from storescp.serve.tls.certificates import check_own
from storescp.serve.tls.choices import CRLChecks, PeerAuthentication
from storescp.serve.tls.files import Passphrase
from storescp.serve.tls.findings import FATAL, Finding
from storescp.serve.tls.offer import offered_suites, preferred_suites
from storescp.serve.tls.openssl import (
    CTRL_MODE,
    CTRL_SET_GROUPS_LIST,
    CTRL_SET_MAX_PROTO_VERSION,
    CTRL_SET_MIN_PROTO_VERSION,
    CTRL_SET_SESS_CACHE_MODE,
    CTRL_SET_TLSEXT_SERVERNAME_CB,
    MODE_ACCEPT_MOVING_WRITE_BUFFER,
    MODE_ENABLE_PARTIAL_WRITE,
    OP_CIPHER_SERVER_PREFERENCE,
    OP_NO_RENEGOTIATION,
    STORE_CRL_CHECK,
    STORE_CRL_CHECK_ALL,
    VERIFY_FAIL_IF_NO_PEER_CERT,
    VERIFY_NONE,
    VERIFY_PEER,
    library,
)
from storescp.serve.tls.profiles import (
    GROUPS,
    OPENSSL_NAMES,
    TLS_1_2,
    check_addition,
)
from storescp.serve.tls.settings import TLSSettings

logger = logging.getLogger("dcmtk.dcmtls")


class ServerContext:
    """An OpenSSL context for accepting connections, ready for use.

    Immutable once made: a renewal makes another, and connections keep the one they began with.
    """

    def __init__(
        self,
        settings: TLSSettings,
        *,
        passphrase: Passphrase | None = None,
        required: Collection[str] = (),
        gravest: int = FATAL,
    ) -> None:
        """Load all files and make all settings, in the order of the reference.

        `passphrase` is what a former context was given; `required` are files that it could load:
        if one cannot be loaded now, that is an error, while a file that never could be is passed
        over with a warning. No message is logged at a level above `gravest`.

        Raises:
            ConfigurationError: something that is needed cannot be used; notes say what to do.
        """
        self.settings = settings
        self.loaded: set[str] = set()
        self._required = required
        self._gravest = gravest
        self._newest = settings.profile.newest
        self.openssl = openssl = library()
        self.pointer = openssl.new_context()
        weakref.finalize(self, openssl.SSL_CTX_free, self.pointer).atexit = False
        self.passphrase = passphrase or tls_files.Passphrase(openssl, settings.password)
        self.callbacks = Callbacks(openssl, settings.profile, settings.expected_server_name)

        self._set_what_is_fixed()
        if settings.seed_file is not None:
            tls_files.load_seed(openssl, settings.seed_file)
        self._load_trust()
        self._load_identity()
        self._choose_suites()
        self._choose_dh_parameters()
        self._authenticate_peers()
        self.passphrase.stop_asking()

    def write_seed(self) -> None:
        """Write a new random seed, if settings ask for it; to be called after each association."""
        if self.settings.written_seed_file is not None:
            tls_files.write_seed(self.openssl, self.settings.written_seed_file)

    def _set_what_is_fixed(self) -> None:
        openssl, context, control = self.openssl, self.pointer, self.openssl.SSL_CTX_ctrl
        openssl.SSL_CTX_set_security_level(context, 0)  # the profile's rules count, nobody else's
        openssl.SSL_CTX_set_options(context, OP_CIPHER_SERVER_PREFERENCE | OP_NO_RENEGOTIATION)
        control(context, CTRL_SET_SESS_CACHE_MODE, 0, None)
        openssl.SSL_CTX_set_session_id_context(context, b"storescp", 8)  # for session tickets
        control(
            context, CTRL_MODE, MODE_ENABLE_PARTIAL_WRITE | MODE_ACCEPT_MOVING_WRITE_BUFFER, None
        )
        openssl.SSL_CTX_set_default_passwd_cb(context, self.passphrase.callback)
        openssl.SSL_CTX_set_alpn_select_cb(context, self.callbacks.alpn, None)
        openssl.SSL_CTX_callback_ctrl(
            context, CTRL_SET_TLSEXT_SERVERNAME_CB, self.callbacks.server_name
        )

    def _load_trust(self) -> None:
        openssl, settings, files = self.openssl, self.settings, tls_files
        store, file_format = openssl.SSL_CTX_get_cert_store(self.pointer), settings.file_format
        for name in reversed(settings.trusted_files):
            if files.load_trusted(openssl, store, name, file_format):
                self.loaded.add(name)
            else:
                self._pass_over(
                    name,
                    f"unable to load certificate file '{name}', ignoring",
                    "Clients whose certificates depend on it will be refused. See with:"
                    f" openssl x509 -noout -subject -in '{name}'",
                )
        for name in reversed(settings.trusted_directories):
            if not files.search_directory(openssl, store, name, file_format):
                logger.warning("unable to load certificates from directory '%s', ignoring", name)
        checks = settings.crl_checks
        for name in reversed(settings.crl_files):
            if files.load_crls(openssl, store, name, file_format):
                self.loaded.add(name)
                checks = checks or CRLChecks.LEAF
            else:
                self._pass_over(
                    name,
                    f"unable to load CRL file '{name}', ignoring",
                    "Certificates that it revokes may be accepted. See with:"
                    f" openssl crl -noout -nextupdate -in '{name}'",
                )
        match checks:
            case CRLChecks.LEAF:
                openssl.X509_STORE_set_flags(store, STORE_CRL_CHECK)
            case CRLChecks.CHAIN:
                openssl.X509_STORE_set_flags(store, STORE_CRL_CHECK | STORE_CRL_CHECK_ALL)
            case None:
                pass

    def _load_identity(self) -> None:
        settings, files, openssl = self.settings, tls_files, self.openssl
        key, certificate = settings.key_file, settings.certificate_file
        if not files.load_private_key(openssl, self.pointer, key, settings.file_format):
            raise _problem(
                conditions.TLS_CANNOT_LOAD_KEY.line(f"Unable to load private TLS key from '{key}'"),
                "Check the name, the permissions, the format (PEM, or --der-keys) and the password"
                f" of the key file. See with: openssl pkey -noout -check -in '{key}'",
            )
        unusable = _problem(
            conditions.TLS_CANNOT_LOAD_CERTIFICATE.line(
                f"Unable to load certificate from '{certificate}'"
            ),
            "Check the name, the permissions and the format (PEM, or --der-keys) of the certificate"
            f" file. See with: openssl x509 -noout -text -in '{certificate}'",
        )
        facts = files.read_facts(openssl, certificate, settings.file_format, self.passphrase)
        if facts is None:
            raise unusable
        weak = _problem(
            conditions.TLS_CANNOT_LOAD_CERTIFICATE.line(
                f"Unable to load certificate from '{certificate}'"
            ),
            "Have a new certificate made (RSA with 2048 bits or more, or EC with 256 bits or more,"
            " signed with SHA-256 or better), or choose another security profile.",
        )
        self._report(check_own(settings.profile, certificate, facts), weak)
        if facts.key == "DSA":  # RFC 8446 has no signatures with DSA
            self._newest = TLS_1_2
        if not files.load_certificate(openssl, self.pointer, certificate, settings.file_format):
            raise unusable
        if not openssl.SSL_CTX_check_private_key(self.pointer):
            openssl.ERR_clear_error()
            raise _problem(
                conditions.TLS_KEY_DOES_NOT_MATCH.line(
                    f"Private key '{key}' and certificate '{certificate}' do not match"
                ),
                f"These must print the same: openssl pkey -pubout -in '{key}' ;"
                f" openssl x509 -noout -pubkey -in '{certificate}'",
            )

    def _choose_suites(self) -> None:
        openssl, context, profile = self.openssl, self.pointer, self.settings.profile
        offered = offered_suites()
        suites = preferred_suites(profile, self._additional_suites(offered), offered)
        names = ":".join(OPENSSL_NAMES[name] for name in suites)
        if not openssl.SSL_CTX_set_cipher_list(context, names.encode()):
            openssl.ERR_clear_error()
            raise _problem(
                f"OpenSSL has no cipher suite of the security profile '{profile.title}'",
                "Choose another security profile; --list-profiles shows which there are.",
            )
        if profile.tls13_suites is not None:
            openssl.SSL_CTX_set_ciphersuites(context, ":".join(profile.tls13_suites).encode())
        if profile.oldest is not None:
            openssl.SSL_CTX_ctrl(context, CTRL_SET_MIN_PROTO_VERSION, profile.oldest, None)
        if self._newest is not None:
            openssl.SSL_CTX_ctrl(context, CTRL_SET_MAX_PROTO_VERSION, self._newest, None)

        def set_groups(names: Iterable[str]) -> bool:
            done = openssl.SSL_CTX_ctrl(context, CTRL_SET_GROUPS_LIST, 0, ":".join(names).encode())
            openssl.ERR_clear_error()
            return bool(done)

        # A list with a name that the library does not know is refused as a whole.
        set_groups([name for name in GROUPS if set_groups([name])])

    def _additional_suites(self, offered: Collection[str]) -> set[str]:
        added = set()
        for name in reversed(self.settings.additional_suites):
            unknown = _problem(
                conditions.TLS_INVALID_CIPHER_SUITE.line(f"Unknown or invalid ciphersuite: {name}"),
                "Give the name as --list-ciphers prints it; suites of TLS 1.3 cannot be added.",
            )
            if name not in OPENSSL_NAMES:
                raise unknown
            forbidden = _problem(
                conditions.TLS_CIPHER_SUITE_NOT_ALLOWED.line(
                    "Ciphersuite not allowed in current DICOM security profile"
                ),
                "Leave --cipher out, or choose a security profile that allows the suite.",
            )
            findings = check_addition(self.settings.profile, name, offered)
            self._report(findings, forbidden if name in offered else unknown)
            added.add(name)
        return added

    def _choose_dh_parameters(self) -> None:
        openssl, context, name = self.openssl, self.pointer, self.settings.dh_parameter_file
        tls_files.use_default_dh_parameters(openssl, context)
        if name is None:
            return
        short = self.settings.profile.short_dh_parameters
        if tls_files.load_dh_parameters(openssl, context, name, short=short):
            self.loaded.add(name)
        else:
            self._pass_over(
                name,
                f"unable to load temporary DH parameter file '{name}', ignoring",
                "The parameters ffdhe2048 of RFC 7919 are used instead. A file can be made with:"
                f" openssl dhparam -out '{name}' 2048",
            )

    def _authenticate_peers(self) -> None:
        modes = {
            PeerAuthentication.REQUIRED: VERIFY_PEER | VERIFY_FAIL_IF_NO_PEER_CERT,
            PeerAuthentication.VERIFIED: VERIFY_PEER,
            PeerAuthentication.IGNORED: VERIFY_NONE,
        }
        mode = modes[self.settings.peer_authentication]
        self.openssl.SSL_CTX_set_verify(self.pointer, mode, self.callbacks.verify)

    def _pass_over(self, name: str, warning: str, advice: str) -> None:
        """Warn of a file that cannot be used; raise if it must be."""
        if name in self._required:
            raise _problem(warning.removesuffix(", ignoring"), advice)
        logger.warning("%s", warning)
        logger.warning("%s", advice)

    def _report(self, findings: Iterable[Finding], refusal: ConfigurationError) -> None:
        """Log findings up to the first that refuses."""
        for finding in findings:
            logger.log(min(finding.level, self._gravest), "%s", finding.text)
            if finding.refuses:
                raise refusal


def _problem(text: str, advice: str) -> ConfigurationError:
    problem = ConfigurationError(text)
    problem.add_note(advice)
    return problem


class Reloadable:
    """The context for new connections, which can be renewed from its files while others run."""

    def __init__(self, settings: TLSSettings) -> None:
        """Make the first context.

        Raises:
            ConfigurationError: as `ServerContext`.
        """
        self.context = ServerContext(settings)

    def reload(self) -> bool:
        """Read keys, certificates and CRLs again; if that fails, keep what there was.

        Never asks for a password: one typed at the start is used again.
        """
        former = self.context
        try:
            self.context = ServerContext(
                former.settings,
                passphrase=former.passphrase,
                required=former.loaded,
                gravest=logging.ERROR,
            )
        except ConfigurationError as error:
            logger.error("TLS keys and certificates were not renewed: %s", error)
            for note in error.__notes__:
                logger.error("%s", note)
            return False
        logger.info("TLS keys and certificates were read anew")
        return True

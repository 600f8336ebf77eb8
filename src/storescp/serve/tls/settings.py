"""Settings of TLS. Cheap to import: nothing here needs the TLS library."""

from dataclasses import dataclass

from storescp.serve.tls.choices import CRLChecks, FileFormat, PeerAuthentication
from storescp.serve.tls.profiles import BCP_195_RFC_8996, TLSProfile


@dataclass(frozen=True, slots=True)
class TLSSettings:
    """Everything the TLS transport layer depends on, in the order of the options.

    Tuples keep the order of the command line. `password` is None to ask for it on the terminal,
    and only if the key needs one. `crl_checks` is None for: as soon as a CRL file is loaded.
    File names are as in `os.fsencode`.
    """

    key_file: str
    certificate_file: str
    password: str | None = None
    file_format: FileFormat = FileFormat.PEM
    trusted_files: tuple[str, ...] = ()
    trusted_directories: tuple[str, ...] = ()
    crl_files: tuple[str, ...] = ()
    crl_checks: CRLChecks | None = None
    profile: TLSProfile = BCP_195_RFC_8996
    additional_suites: tuple[str, ...] = ()
    dh_parameter_file: str | None = None
    expected_server_name: str | None = None
    seed_file: str | None = None
    written_seed_file: str | None = None
    peer_authentication: PeerAuthentication = PeerAuthentication.REQUIRED

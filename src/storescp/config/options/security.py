"""Options of transport layer security."""

from storescp.config.choices import Request
from storescp.config.options.rows import TEXT, TLS, Feature, Group, Option, Section
from storescp.serve.tls.choices import CRLChecks, FileFormat, PeerAuthentication, SecurityProfile

SECURITY_OPTIONS = Group(
    "transport layer security (TLS) options:",
    (
        Section(
            "transport protocol stack:",
            (
                Option(
                    "--disable-tls", "-tls", "use normal TCP/IP connection (default)",
                    "tls", sets=None, default=True,
                ),
                Option(
                    "--enable-tls", "+tls", "use authenticated secure TLS connection",
                    "tls",
                    values="[p]rivate key file, [c]ertificate file: string", takes=(TEXT, TEXT),
                ),
            ),
        ),
        Section(
            "private key password (only with --enable-tls):",
            (
                Option(
                    "--std-passwd", "+ps", "prompt user to type password on stdin (default)",
                    "key_password", sets=None, default=True, only_with=TLS,
                ),
                Option(
                    "--use-passwd", "+pw", "use specified password",
                    "key_password",
                    values="[p]assword: string ",  # the reference prints this blank
                    takes=(TEXT,), only_with=TLS,
                ),
                Option(
                    "--null-passwd", "-pw", "use empty string as password",
                    "key_password", sets="", only_with=TLS,
                ),
            ),
        ),
        Section(
            "key and certificate file format:",
            (
                Option(
                    "--pem-keys", "-pem", "read keys and certs as PEM file (default)",
                    "key_format", sets=FileFormat.PEM, default=True, only_with=TLS,
                ),
                Option(
                    "--der-keys", "-der", "read keys and certificates as DER file",
                    "key_format", sets=FileFormat.DER, only_with=TLS,
                ),
            ),
        ),
        Section(
            "certification authority:",
            (
                Option(
                    "--add-cert-file", "+cf", "add certificate file to list of certificates",
                    "certificate_files", values="[f]ilename: string", takes=(TEXT,),
                    cumulative=True, only_with=TLS,
                ),
                Option(
                    "--add-cert-dir", "+cd", "add certificates in d to list of certificates",
                    "certificate_directories", values="[d]irectory: string", takes=(TEXT,),
                    cumulative=True, only_with=TLS,
                ),
                Option(
                    "--add-crl-file", "+crl",
                    "add certificate revocation list file\n(implies --enable-crl-vfy)",
                    "crl_files", values="[f]ilename: string", takes=(TEXT,),
                    cumulative=True, only_with=TLS,
                ),
                Option(
                    "--enable-crl-vfy", "+crv", "enable leaf CRL verification",
                    "crl_check", sets=CRLChecks.LEAF, only_with=TLS,
                ),
                Option(
                    "--enable-crl-all", "+cra", "enable full chain CRL verification",
                    "crl_check", sets=CRLChecks.CHAIN, only_with=TLS,
                ),
            ),
        ),
        Section(
            "security profile:",
            (
                Option(
                    "--list-profiles", "+ph", "list supported TLS profiles and exit",
                    "list_profiles", request=Request.LIST_PROFILES,
                ),
                Option(
                    "--profile-8996", "+pg", "BCP 195 RFC 8996 TLS Profile (default)",
                    "security_profile", sets=SecurityProfile.RFC_8996, default=True, only_with=TLS,
                ),
                Option(
                    "--profile-8996-mod", "+pm", "Modified BCP 195 RFC 8996 TLS Profile",
                    "security_profile", sets=SecurityProfile.RFC_8996_MODIFIED, only_with=TLS,
                    feature=Feature.AES_CCM,
                ),
                Option(
                    "--profile-bcp195-nd", "+py", "Non-downgrading BCP 195 TLS Profile (retired)",
                    "security_profile", sets=SecurityProfile.BCP_195_NON_DOWNGRADING, only_with=TLS,
                ),
                Option(
                    "--profile-bcp195", "+px", "BCP 195 TLS Profile (retired)",
                    "security_profile", sets=SecurityProfile.BCP_195, only_with=TLS,
                ),
                Option(
                    "--profile-bcp195-ex", "+pz", "Extended BCP 195 TLS Profile (retired)",
                    "security_profile", sets=SecurityProfile.BCP_195_EXTENDED, only_with=TLS,
                ),
                Option(
                    "--profile-basic", "+pb",
                    "Basic TLS Secure Transport Connection Profile\n(retired)",
                    "security_profile", sets=SecurityProfile.BASIC, only_with=TLS,
                    feature=Feature.TRIPLE_DES,
                ),
                Option(
                    "--profile-aes", "+pa",
                    "AES TLS Secure Transport Connection Profile\n(retired)",
                    "security_profile", sets=SecurityProfile.AES, only_with=TLS,
                    called="--profile-basic",  # a slip of the reference that its message keeps
                ),
                Option(
                    "--profile-null", "+pn",
                    "Authenticated unencrypted communication\n(retired, was used in IHE ATNA)",
                    "security_profile", sets=SecurityProfile.NULL, only_with=TLS,
                    feature=Feature.NULL_CIPHERS,
                ),
            ),
        ),
        Section(
            "ciphersuite:",
            (
                Option(
                    "--list-ciphers", "+cc", "list supported TLS ciphersuites and exit",
                    "list_ciphers", request=Request.LIST_CIPHERS,
                ),
                Option(
                    "--cipher", "+cs",
                    "add ciphersuite to list of negotiated suites\n(not with --profile-bcp195-ex)",
                    "ciphers", values="[c]iphersuite name: string", takes=(TEXT,),
                    cumulative=True, only_with=TLS, not_with=("--profile-bcp195-ex",),
                ),
                Option(
                    "--dhparam", "+dp", "read DH parameters for DH/DSS ciphersuites",
                    "dh_parameters", values="[f]ilename: string", takes=(TEXT,), only_with=TLS,
                ),
            ),
        ),
        Section(
            "server name indication:",
            (
                Option(
                    "--no-sni", "", "do not use SNI (default)",
                    "no_sni", not_with=("--expect-sni",),
                ),
                Option(
                    "--expect-sni", "", "expect requests for server name s",
                    "expected_sni", values="[s]erver name: string", takes=(TEXT,),
                ),
            ),
        ),
        Section(
            "pseudo random generator:",
            (
                Option(
                    "--seed", "+rs", "seed random generator with contents of f",
                    "seed", values="[f]ilename: string", takes=(TEXT,), only_with=TLS,
                ),
                Option(
                    "--write-seed", "+ws", "write back modified seed (only with --seed)",
                    "write_seed", only_with=(*TLS, "--seed"),
                ),
                Option(
                    "--write-seed-file", "+wf", "write modified seed to file f",
                    "write_seed_file",
                    values="[f]ilename: string (only with --seed)", takes=(TEXT,),
                    block="write_seed", only_with=(*TLS, "--seed"),
                ),
            ),
        ),
        Section(
            "peer authentication:",
            (
                Option(
                    "--require-peer-cert", "-rc", "verify peer cert, fail if absent (default)",
                    "peer_authentication", sets=PeerAuthentication.REQUIRED, default=True,
                    only_with=TLS,
                ),
                Option(
                    "--verify-peer-cert", "-vc", "verify peer certificate if present",
                    "peer_authentication", sets=PeerAuthentication.VERIFIED, only_with=TLS,
                ),
                Option(
                    "--ignore-peer-cert", "-ic", "don't verify peer certificate",
                    "peer_authentication", sets=PeerAuthentication.IGNORED, only_with=TLS,
                ),
            ),
        ),
    ),
)  # fmt: skip

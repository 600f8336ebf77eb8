"""DCMTK's conditions: the number and the text of each, as its log has them."""


class Condition:
    """A condition of DCMTK: module and number in hexadecimal, and their default text.

    Not an enumeration, which would take as long to load as all other modules of errors together.
    """

    __slots__ = ("code", "text")

    def __init__(self, code: str, text: str) -> None:
        """Note the number, such as `0006:0310`, and the text."""
        self.code = code
        self.text = text

    def line(self, detail: str = "") -> str:
        """Return the condition as a line of the log, with a text of its own in place of the default."""
        return f"{self.code} {detail or self.text}"


INVALID_STREAM = Condition("0001:0004", "Invalid stream")

BAD_PRESENTATION_CONTEXT_ID = Condition("0006:0101", "ASC Bad presentation context ID")

BAD_COMMAND_TYPE = Condition("0006:0201", "DIMSE Bad command type")
BADLY_FORMED_MESSAGE = Condition("0006:0203", "DIMSE Badly formed message")
INVALID_PRESENTATION_CONTEXT_ID = Condition("0006:0206", "DIMSE Invalid presentation context ID")
NO_DATA_AVAILABLE = Condition("0006:0207", "DIMSE No data available (timeout in non-blocking mode)")
PARSE_FAILED = Condition("0006:020b", "DIMSE Failed to parse received message")
READ_PDV_FAILED = Condition("0006:020c", "DIMSE Read PDV failed")
RECEIVE_FAILED = Condition("0006:020d", "DIMSE Failed to receive message")
SEND_FAILED = Condition("0006:020e", "DIMSE Failed to send message")
UNEXPECTED_PDV_TYPE = Condition("0006:020f", "DIMSE Unexpected PDV type")

ILLEGAL_PDU = Condition("0006:0307", "DUL Illegal or ill-formed PDU")
ILLEGAL_PDU_LENGTH = Condition("0006:0308", "DUL Illegal PDU length")
NETWORK_CLOSED = Condition("0006:0310", "DUL network closed")
CONTEXT_TRANSLATION_FAILURE = Condition("0006:0315", "DUL Presentation Context translation failure")
PEER_ABORTED = Condition("0006:0317", "Peer aborted Association (or never connected)")
PEER_REQUESTED_RELEASE = Condition("0006:0319", "DUL Peer Requested Release")
READ_TIMEOUT = Condition("0006:031a", "DUL network read timeout")
TCP_INITIALIZATION_ERROR = Condition("0006:031c", "TCP Initialization Error")
TCP_IO_ERROR = Condition("0006:031d", "TCP I/O Error")
UNRECOGNIZED_PDU_TYPE = Condition("0006:0321", "Unrecognized PDU type")
UNSUPPORTED_PEER_PROTOCOL = Condition("0006:0322", "DUL Unsupported peer protocol")
TCP_WRAPPER = Condition("0006:0324", "TCP wrapper")
REQUEST_TOO_LARGE = Condition("0006:0437", "A-ASSOCIATE PDU too large")

TLS_INVALID_CIPHER_SUITE = Condition("000b:0003", "Unknown or invalid ciphersuite")
TLS_CANNOT_LOAD_KEY = Condition("000b:0004", "Unable to load private TLS key")
TLS_CANNOT_LOAD_CERTIFICATE = Condition("000b:0005", "Unable to load certificate")
TLS_KEY_DOES_NOT_MATCH = Condition("000b:0006", "Private key and certificate do not match")
TLS_OPENSSL_ERROR = Condition("000b:0008", "OpenSSL error")
TLS_CIPHER_SUITE_NOT_ALLOWED = Condition(
    "000b:000a", "Ciphersuite not allowed in current DICOM security profile"
)
TLS_WANT_READ = Condition("000b:000b", "TLS read operation did not complete (SSL_ERROR_WANT_READ)")
TLS_WANT_WRITE = Condition(
    "000b:000c", "TLS write operation did not complete (SSL_ERROR_WANT_WRITE)"
)
TLS_IO_ERROR = Condition("000b:0017", "OpenSSL I/O error (SSL_ERROR_SYSCALL)")

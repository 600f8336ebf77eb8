"""The data path: the receive buffer, and P-DATA-TF to fragments and back, PS3.8 9.3.5 and annex E.

How the buffer works. Bytes arrive at its tail (`room`), PDUs are taken from its front (`start` to `end`), and
what is in a fragment stays where it arrived: a fragment's value is a view. As long as there is room nothing
moves. When room gets short, the incomplete PDU at the end moves to the front, over bytes that views may still
show; that is announced by `views_expire`, so that a holder of views can write them out before. A move is of
at most half of the buffer, and the next one comes when at least a quarter of it has been received; so moving
costs a small constant per byte, however small the pieces are in which the peer sends. When all was taken and nobody holds views, the buffer starts
again at its front, so that a stream of small objects stays within the same few kilobytes of memory.

It is small at first, for an association request or an echo, and becomes `ample` when data arrive. It becomes
larger than that only for a PDU that does not fit; how long a PDU may be is decided before it is awaited.
"""

import struct
from collections.abc import Iterator
from functools import lru_cache
from itertools import takewhile
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap

from storescp import conditions
from storescp.errors import InvalidPDU
from storescp.upper_layer.pdu import HEADER_LENGTH, PDUType

Fragment = tuple[int, int, memoryview]
"""Presentation context ID, message control header, value (a view into the receive buffer)."""

COMMAND = 1
LAST = 2
"""Bits of the message control header, PS3.8 E.2; the others are not tested."""

WHOLE_COMMAND_SET = COMMAND | LAST
"""Message control header of a command set that is not cut."""

_P_DATA_TF = int(PDUType.P_DATA_TF)
# PS3.8 9.3.5: PDU type, length; 9.3.5.1: item length, presentation context ID; E.2: message control header
_FIRST_ITEM = struct.Struct(">BxIIBB")
_unpack_first_item = _FIRST_ITEM.unpack_from
_pack_first_item = _FIRST_ITEM.pack
_FIRST_ITEM_LENGTH = _FIRST_ITEM.size
_unpack_item = struct.Struct(">IBB").unpack_from
_ITEM_OVERHEAD = 6

_SMALL_PDU_BYTES = 16 * 1024
_MINIMUM_RECEIVE_BYTES = 128 * 1024
"""Minimum room for a receive in bytes; with less, a system call costs more than it brings."""

_MINIMUM_VIEW_BYTES = 256
"""Minimum length in bytes of PDVs that are listed at once: the list of views of shorter ones could outgrow the buffer."""


class BufferPool:
    """The buffer of an association that has ended, kept for the next one of the process; at most one."""

    __slots__ = ("_spare",)

    def __init__(self) -> None:
        self._spare: memoryview | None = None

    def take(self, size: int) -> memoryview | None:
        """Return the kept buffer if it has `size` bytes; views of it keep it alive elsewhere."""
        if self._spare is None or len(self._spare) != size:
            return None
        spare, self._spare = self._spare, None
        return spare

    def keep(self, view: memoryview) -> None:
        """Keep a buffer for reuse: its pages are already mapped."""
        self._spare = view


class ReceiveBuffer:
    """Bytes received and not yet understood. See the module's text."""

    __slots__ = ("_comfortable_end", "_pool", "ample", "end", "parted", "start", "view", "viewed")

    view: memoryview

    def __init__(self, pool: BufferPool | None = None) -> None:
        self._pool = pool if pool is not None else BufferPool()
        self._provide(_SMALL_PDU_BYTES)
        self.start = 0
        """Start of the first PDU that was not taken yet."""
        self.end = 0
        """End of the received bytes."""
        self.ample = _SMALL_PDU_BYTES
        """Maximum size of the buffer, in bytes, unless a PDU needs more."""
        self.viewed = False
        """True if somebody may hold views of the bytes that were taken."""
        self.parted = False
        """True if a PDU was taken and some of its PDVs are still to be returned."""

    @property
    def views_expire(self) -> bool:
        """True if the next `room` may overwrite bytes that views show."""
        return (
            self.viewed
            and self.end > self._comfortable_end
            and self._fitting_size() <= len(self.view)
        )

    def room(self) -> memoryview:
        """Return where to receive into; never empty."""
        if self.start == self.end and not self.viewed:
            self.start = self.end = 0
        if self.end > self._comfortable_end:
            self._make_room()
        return self.view[self.end :]

    def give_back(self) -> None:
        """Return the memory to the pool. This buffer is not used any more."""
        if len(self.view) == self.ample > _SMALL_PDU_BYTES:
            self._pool.keep(self.view)
        self.view = memoryview(b"")

    def _provide(self, size: int) -> None:
        """Take memory, new or left by another association; views of the former keep that alive."""
        spare = self._pool.take(size)
        if spare is not None:
            self.view = spare
        elif size > _SMALL_PDU_BYTES:
            # The system gives pages of a mapping as they are used; a bytearray has used all of them from the beginning.
            self.view = memoryview(mmap(-1, size, MAP_PRIVATE | MAP_ANONYMOUS))
            # The C library gives memory back to the system from the size on of which it has freed something, mallopt(3):
            # what is made anew of each data set is to stay.
            bytes(size)
        else:
            self.view = memoryview(bytearray(size))
        self._comfortable_end = size - min(size // 4, _MINIMUM_RECEIVE_BYTES)

    def _fitting_size(self) -> int:
        """Return the size at which the bytes not taken yet fill half of the buffer at most."""
        return max(self.ample, 2 * (self.end - self.start))

    def _make_room(self) -> None:
        view, length = self.view, self.end - self.start
        size = self._fitting_size()
        if size > len(view):
            self._provide(size)
        self.view[:length] = view[self.start : self.end]
        self.start, self.end = 0, length
        self.viewed = False


def fragments(buffer: ReceiveBuffer, maximum_length: int) -> Iterator[Fragment]:
    """Take the complete P-DATA-TF PDUs at the front of the buffer, and yield their PDVs.

    Stops before an incomplete PDU, one longer than `maximum_length`, one of another type.

    Raises:
        InvalidPDU: the lengths in a PDU do not add up; none of its PDVs was yielded.
    """
    view, start, end = buffer.view, buffer.start, buffer.end
    while end - start >= _FIRST_ITEM_LENGTH:
        pdu_type, length, item_length, context_id, control_header = _unpack_first_item(view, start)
        stop = start + HEADER_LENGTH + length
        if pdu_type != _P_DATA_TF or stop > end or length > maximum_length:
            return
        # Taken before it is returned: a caller that stops early leaves no PDU half taken.
        buffer.start = stop
        buffer.viewed = True
        if 2 <= item_length == length - 4:
            # One PDV fills the PDU, as nearly always.
            yield context_id, control_header, view[start + _FIRST_ITEM_LENGTH : stop]
        else:
            buffer.parted = True
            for fragment in split(view[start + HEADER_LENGTH : stop]):
                buffer.viewed = True
                yield fragment
            buffer.parted = False
        start = buffer.start  # `continued` may have taken more


def continued(buffer: ReceiveBuffer, maximum_length: int, context_id: int) -> list[memoryview]:
    """Take the PDUs at the front that only carry a data set on; return the values of their PDVs.

    Each holds one PDV of this context, of even length, not too short, and not the last one, and all have the same length.
    Those are nearly all PDUs of a large object; they are looked at together. The rest is left to `fragments`.
    """
    view, start, available = buffer.view, buffer.start, buffer.end - buffer.start
    if buffer.parted or available < _FIRST_ITEM_LENGTH:
        return []
    pdu_type, length, item_length, context, control_header = _unpack_first_item(view, start)
    size = HEADER_LENGTH + length
    if (
        size > available
        or pdu_type != _P_DATA_TF
        or control_header & (COMMAND | LAST)
        or context != context_id
        or not _MINIMUM_VIEW_BYTES <= item_length == length - 4
        or length & 1
        or length > maximum_length
    ):
        return []
    stop = start + _alike(view[start : start + available // size * size], size)
    buffer.start = stop
    buffer.viewed = True
    return [view[first + _FIRST_ITEM_LENGTH : first + size] for first in range(start, stop, size)]


def _alike(pdus: memoryview, size: int) -> int:
    """Return the length of the PDUs at the front that begin as the first one does, if each has this size."""
    first = (bytes(pdus[:_FIRST_ITEM_LENGTH]),)
    # Behind the first that differs, PDUs need not begin where these would; and what is not taken is not looked at.
    return size * len(list(takewhile(first.__eq__, _begin_of(size).iter_unpack(pdus))))


@lru_cache(maxsize=8)
def _begin_of(size: int) -> struct.Struct:
    """Return what takes the header and the item header off a PDU of a size."""
    return struct.Struct(f"{_FIRST_ITEM_LENGTH}s{size - _FIRST_ITEM_LENGTH}x")


def split(variable_field: memoryview) -> list[Fragment]:
    """Return the PDVs of one P-DATA-TF, PS3.8 9.3.5.

    Raises:
        InvalidPDU: there is none, or their lengths do not add up.
    """
    found: list[Fragment] = []
    start, end = 0, len(variable_field)
    if not end:
        raise InvalidPDU(
            "PDU without any PDVs encountered. In DT_2_IndicatePData."
            "  This probably indicates a  malformed P DATA PDU.",
            condition=conditions.ILLEGAL_PDU,
        )
    while start < end:
        if end - start < 4:
            raise InvalidPDU(
                f"PDV lengths don't add up correctly: {len(found)} PDVs."
                " This probably indicates a malformed P-DATA PDU. PDU type is 04.",
                condition=conditions.ILLEGAL_PDU,
            )
        length = int.from_bytes(variable_field[start : start + 4], "big")
        stop = start + 4 + length
        if length < 2 or stop > end:
            raise InvalidPDU(
                f"PDV with invalid length {length} encountered."
                " This probably indicates a malformed P DATA PDU.",
                condition=conditions.ILLEGAL_PDU_LENGTH,
            )
        _, context_id, control_header = _unpack_item(variable_field, start)
        found.append((context_id, control_header, variable_field[start + _ITEM_OVERHEAD : stop]))
        start = stop
    return found


def encode(context_id: int, control_header: int, value: bytes) -> bytes:
    """Return a P-DATA-TF of one PDV."""
    length = len(value)
    return (
        _pack_first_item(
            _P_DATA_TF, length + _ITEM_OVERHEAD, length + 2, context_id, control_header
        )
        + value
    )


def encode_command_set(context_id: int, command_set: bytes, longest: int) -> bytes:
    """Return the P-DATA-TFs of a command set, cut into values of at most `longest` bytes."""
    last = max(len(command_set) - 1, 0) // longest * longest
    return b"".join(
        encode(
            context_id,
            WHOLE_COMMAND_SET if position == last else COMMAND,
            command_set[position : position + longest],
        )
        for position in range(0, last + 1, longest)
    )

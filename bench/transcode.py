"""Measures the transcoder alone: fragments of a data set in, an output that forgets them.

    PYTHONPATH=src:. python bench/transcode.py [part of a line's name]

Each line is the best of many rounds, construction and end included; fragments are those of 16 KiB PDUs.
"""

import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from bench.objects import PDV_SIZE
from storescp.dataset.dictionary import standard
from storescp.dataset.transcoder import (
    Encoding,
    GroupLength,
    SequenceLength,
    Transcoder,
)
from storescp.uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    TRANSFER_SYNTAXES,
)
from tests.dataset.memory_output import CountingOutput
from tests.dataset.support import element, transcode
from tests.peers.samples import Sample, ct_slice, enhanced_mr, multi_frame

SECONDS = 0.6  # per line
INSTANCE = "1.2.826.0.1.3680043.8.498.10086246837624937452984357034"
MR_FRAMES = 6000
MR_HEADERS = MR_FRAMES * 30
CT_HEADERS = 150


def report(name: str, sample: Sample | Sequence[Sample], encoding: Encoding, headers: int) -> None:
    """Print what one data set costs, or one of several that follow each other."""
    if len(sys.argv) > 1 and sys.argv[1] not in name:
        return
    samples = [sample] if isinstance(sample, Sample) else sample
    syntax = TRANSFER_SYNTAXES[samples[0].transfer_syntax]
    prepared = []
    for one in samples:
        data = memoryview(one.data)
        prepared.append([data[at : at + PDV_SIZE] for at in range(0, len(data), PDV_SIZE)])
    best = float("inf")
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        start = time.perf_counter()
        for fragments in prepared:
            transcoder = Transcoder(syntax, encoding, CountingOutput())
            for fragment in fragments:
                transcoder.feed(fragment)
            transcoder.finish(lambda _: 0)
        best = min(best, (time.perf_counter() - start) / len(prepared))
    micro = best * 1e6
    print(f"{name:40}{micro:12.1f} µs {1 / best:10.1f} /s {micro / headers:8.3f} µs a header")


def to(syntax: str, sample: Sample) -> Sample:
    """The sample in another transfer syntax."""
    written = transcode(sample.transfer_syntax, sample.data, Encoding(transfer_syntax=syntax)).data
    return replace(sample, transfer_syntax=syntax, data=written)


def series() -> list[Sample]:
    """Slices in which a dozen elements have other values each time, of lengths that change now and then."""
    found = []
    for number in range(20):
        slice_ = ct_slice(128, f"{INSTANCE[:-2]}{10 + number}")
        data = slice_.data
        for tag in range(0x00191000, 0x00191000 + 120, 10):
            place = tag & 0xFF
            start = data.index(element(tag, "DS", b"")[:6])
            end = start + 8 + int.from_bytes(data[start + 6 : start + 8], "little")
            value = f"{number * 7}.{place}".encode()
            data = data[:start] + element(tag, "DS", value + b" " * (len(value) % 2)) + data[end:]
        found.append(replace(slice_, data=data))
    return found


def standard_slice() -> Sample:
    """A CT slice of attributes that the standard knows, with their VRs: it survives implicit VR."""
    values = {"DS": b"0.9765\\0.9765 ", "LO": b"Head without", "CS": b"ORIGINAL", "IS": b"12"}
    values |= {"US": b"\1\0", "FD": bytes(8), "SH": b"3000"}
    dictionary = standard()
    tags = [tag for tag in range(0x00180051, 0x001A0000) if dictionary.vr(tag) in values][:118]
    middle = b"".join(
        element(tag, vr, values[vr]) for tag in tags if (vr := dictionary.vr(tag)) is not None
    )
    slice_ = ct_slice(512, INSTANCE, elements=0)
    head, tail = slice_.data.split(b"\x19\0\x10\0LO")
    return replace(slice_, data=head + middle + b"\x19\0\x10\0LO" + tail)


def main() -> None:
    """Print all lines."""
    logging.disable()
    usual = Encoding()
    ct = standard_slice()
    mr = enhanced_mr(MR_FRAMES, INSTANCE)
    for edge in (16, 128):
        slice_ = ct_slice(edge, INSTANCE)
        report(f"{len(slice_.data) // 1000} kB, 150 elements", slice_, usual, CT_HEADERS)
    report("36 kB, a series, twelve elements differ", series(), usual, CT_HEADERS)
    report("CT slice", ct, usual, CT_HEADERS)
    report("CT slice, big endian", to(EXPLICIT_VR_BIG_ENDIAN, ct), usual, CT_HEADERS)
    implicit = to(IMPLICIT_VR_LITTLE_ENDIAN, ct)
    report("CT slice, implicit", implicit, usual, CT_HEADERS)
    for name, syntax in (
        ("implicit", IMPLICIT_VR_LITTLE_ENDIAN),
        ("big endian", EXPLICIT_VR_BIG_ENDIAN),
        ("deflated, first pass", DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN),
    ):
        report(f"CT slice to {name}", ct, Encoding(transfer_syntax=syntax), CT_HEADERS)
    explicit = Encoding(transfer_syntax=EXPLICIT_VR_LITTLE_ENDIAN)
    report("CT slice, implicit to explicit", implicit, explicit, CT_HEADERS)
    created = Encoding(group_length=GroupLength.CREATE)
    report("CT slice, group lengths created", ct, created, CT_HEADERS)
    undefined = Encoding(sequence_length=SequenceLength.UNDEFINED)
    report("Enhanced MR, undefined lengths", mr, usual, MR_HEADERS)
    report("Enhanced MR, undefined lengths kept", mr, undefined, MR_HEADERS)
    report("Enhanced MR, explicit lengths", to(EXPLICIT_VR_LITTLE_ENDIAN, mr), usual, MR_HEADERS)
    report(
        "Enhanced MR to implicit",
        mr,
        Encoding(transfer_syntax=implicit.transfer_syntax),
        MR_HEADERS,
    )
    report("Multi-frame, 64 MiB", multi_frame(64, INSTANCE), usual, 64 << 6)


if __name__ == "__main__":
    main()

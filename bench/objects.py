"""What is sent: whole C-STORE messages, encoded once, in which only the ends of UIDs vary."""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.peers.requestor import message, store_command
from tests.peers.samples import ROOT, STUDY, Sample

PDV_SIZE = 16376
"""Bytes of data per P-DATA-TF of 16382 bytes, the most that each peer of the benchmark announces."""
DIGITS = 12
"""Numbers are that long, so that all UIDs have the same length."""
FIRST_NUMBER = 10 ** (DIGITS - 1)
INSTANCE = f"{ROOT}.91.{FIRST_NUMBER}"
"""The SOP Instance UID of samples that become templates."""
_MOST_CONTEXTS = 128
"""Presentation context IDs are the odd numbers up to 255, PS3.8 9.3.2.2."""


@dataclass(frozen=True, slots=True)
class Template:
    """The P-DATA-TFs of one C-STORE-RQ and its data set, in a presentation context.

    `instance_at` are the offsets of the digits that end the SOP Instance UID in the command set and in
    the data set, `study_at` those of the Study Instance UID, if that is to vary.
    """

    name: str
    context: int
    abstract_syntax: str
    transfer_syntax: str
    stream: bytes
    instance_at: tuple[int, ...]
    study_at: tuple[int, ...]


def templates(samples: Iterable[Sample]) -> tuple[Template, ...]:
    """Encode samples for one association: each pair of SOP class and transfer syntax has its presentation context.

    Raises:
        ValueError: a sample's SOP Instance UID is not INSTANCE, or there are more than 128 pairs.
    """
    contexts: dict[tuple[str, str], int] = {}
    made = []
    for sample in samples:
        pair = sample.sop_class, sample.transfer_syntax
        made.append(_template(sample, contexts.setdefault(pair, 2 * len(contexts) + 1)))
    if len(contexts) > _MOST_CONTEXTS:
        raise ValueError(f"{len(contexts)} presentation contexts")
    return tuple(made)


def _template(sample: Sample, context: int) -> Template:
    """Encode a sample whose SOP Instance UID is INSTANCE, in PDUs as most peers send them."""
    command = store_command(sample.sop_class, sample.sop_instance)
    stream = message(context, command, sample.data, pdv_size=PDV_SIZE)
    in_command = stream.index(INSTANCE.encode())
    in_data_set = stream.index(INSTANCE.encode(), in_command + 1)
    study = stream.find(STUDY.encode(), in_data_set)
    behind = len(INSTANCE) - DIGITS
    return Template(
        sample.name,
        context,
        sample.sop_class,
        sample.transfer_syntax,
        stream,
        (in_command + behind, in_data_set + behind),
        () if study < 0 else (study + len(STUDY) - DIGITS,),
    )

"""Fragments of a data set in, the data set to store out; wanted attributes noted in passing.

Memory stays flat whatever the size of the data set: values pass in pieces, lengths that are known
only at the end are patched. The few things that one pass cannot do are done in passes over the
written file:

- elements out of order and duplicates (`second_pass`),
- blanks at the end of a text value, if there are more than 64 KiB of them,
- a deflated transfer syntax, because what is compressed cannot be patched.

The caller gives those passes their files::

    attributes = transcoder.finish(preceding)
    while transcoder.needs_second_pass:
        transcoder.rewrite(file, another := create())
        file = another
"""

from collections.abc import Callable, Sequence

from storescp.dataset.deflate import Deflater, Inflater
from storescp.dataset.dictionary import Dictionary, standard
from storescp.dataset.encoding import (
    Attributes,
    Encoding,
    GroupLength,
    Output,
    SequenceLength,
    Source,
)
from storescp.dataset.familiar import Memory
from storescp.dataset.plan import plan_for
from storescp.dataset.remarks import Remarks
from storescp.dataset.walk import Walk
from storescp.errors import OutOfResources
from storescp.uids import Kind, TransferSyntax

__all__ = [
    "Attributes",
    "Encoding",
    "GroupLength",
    "Memory",
    "Output",
    "SequenceLength",
    "Source",
    "Transcoder",
]


class Transcoder:
    """One data set from its first fragment to its last byte in the output."""

    feed: Callable[[memoryview], None]
    """Take the next fragment, which is valid during the call or as long as the output says.

    Raises:
        InvalidDataSet: the data set cannot be parsed.
        CannotUnderstand: it is damaged.
        OutOfResources: it inflates to more than the limit.
    """

    feed_all: Callable[[Sequence[memoryview]], None]
    """Take the next fragments, as `feed` takes each of them."""

    def __init__(
        self,
        received: TransferSyntax,
        encoding: Encoding,
        output: Output,
        *,
        dictionary: Callable[[], Dictionary] = standard,
        memory: Memory | None = None,
    ) -> None:
        """Prepare to write to `output`.

        Args:
            received: how the data set comes.
            encoding: how it is written, where there is a choice.
            output: where it is written.
            dictionary: called when a VR must be looked up; the same one with the same memory.
            memory: of the data sets before; makes those like them faster.
        """
        find_plan = plan_for if memory is None else memory.plan_for
        plan = find_plan(received, encoding)
        self.written = plan.written
        self._encoding = encoding
        self._dictionary = dictionary
        familiar = None if memory is None else memory.of(plan)
        self._walk = Walk(plan, output, dictionary, Remarks(), familiar)
        self._preceding = 0
        self._to_sort = False
        self._to_deflate = False
        self._inflater: Inflater | None = None
        self.feed = self._walk.feed
        self.feed_all = self._walk.feed_all
        if received.kind is Kind.DEFLATED:
            self._inflater = Inflater(encoding.maximum_inflated)
            self.feed = self._feed_deflated
            self.feed_all = self._feed_all_deflated

    def redirect(self, output: Output) -> None:
        """Write to another output; nothing was written to the one before."""
        self._walk.redirect(output)

    def finish(self, preceding: Callable[[Attributes], int]) -> Attributes:
        """End the data set; `preceding` tells the bytes in front of it in its file.

        Raises:
            InvalidDataSet: the data set is not complete.
            CannotUnderstand: it is damaged.
            OutOfResources: it is empty, or cannot be written in this transfer syntax.
        """

        def preceding_length(attributes: Attributes) -> int:
            self._preceding = preceding(attributes)
            return self._preceding

        walk = self._walk
        inflater = self._inflater
        if not (walk.received if inflater is None else inflater.received):
            raise OutOfResources("the data set is empty")
        if inflater is not None:
            inflater.finish()
        attributes = walk.finish(preceding_length)
        self._to_sort = walk.disordered or bool(walk.cuts)
        self._to_deflate = self.written.kind is Kind.DEFLATED
        return attributes

    @property
    def needs_second_pass(self) -> bool:
        """Whether what was written is not yet the data set to store; known after `finish`."""
        return self._to_sort or self._to_deflate

    def rewrite(self, source: Source, output: Output) -> None:
        """Do one more pass, from what the last one wrote to another output.

        Raises:
            OutOfResources: an absurd number of elements is out of order.
        """
        if self._to_sort:
            self._sort(source, output)
            self._to_sort = False
        else:
            self._deflate(source, output)
            self._to_deflate = False

    def _sort(self, source: Source, output: Output) -> None:
        from storescp.dataset.second_pass import Sorted

        remarks = Remarks()
        plan = plan_for(self.written, self._encoding, settled=True)
        first, self._walk = self._walk, Walk(plan, output, self._dictionary, remarks)
        ordered = Sorted(source, first.written_length, plan, self._dictionary, first.cuts, remarks)
        for piece in ordered.pieces():
            self._walk.feed(piece)
        self._walk.finish(lambda _: self._preceding)

    def _deflate(self, source: Source, output: Output) -> None:
        from storescp.dataset.second_pass import Reader

        deflater = Deflater(output, self._encoding.compression_level)
        length = self._walk.written_length
        for piece in Reader(source, length).pieces((0, length)):
            deflater.write(piece)
        deflater.finish()

    def _feed_deflated(self, fragment: memoryview) -> None:
        assert self._inflater is not None
        for piece in self._inflater.inflate(fragment):
            self._walk.feed(piece)

    def _feed_all_deflated(self, fragments: Sequence[memoryview]) -> None:
        for fragment in fragments:
            self._feed_deflated(fragment)

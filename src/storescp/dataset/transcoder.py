"""Fragments of a data set in, the data set to store out; wanted attributes noted in passing.

Memory does not grow with the data set: values pass in pieces, lengths that are known only at the end are
patched. The few things that one pass cannot do are done in passes over the written file:

- elements out of order and duplicates (`sorting`),
- blanks at the end of a text value, if there are more than 64 KiB of them (`sorting`, too),
- a UN element that is a sequence, if it is longer than 1 MiB,
- a deflated transfer syntax, because what is compressed cannot be patched.

The caller gives those passes their files::

    attributes = transcoder.finish(preceding)
    while transcoder.needs_second_pass:
        transcoder.rewrite(file, another := create())
        file = another
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

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
from storescp.dataset.plan import Plan, plan_for
from storescp.dataset.remarks import Remarks
from storescp.dataset.walk import Walk
from storescp.errors import OutOfResources
from storescp.uids import Kind, TransferSyntax

__all__ = [
    "Attributes",
    "Encoding",
    "GroupLength",
    "Output",
    "SequenceLength",
    "Source",
    "Transcoder",
]

_PIECE = 0x40000


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
        plan: Plan | None = None,
    ) -> None:
        """Prepare to write to `output`.

        Args:
            received: how the data set comes.
            encoding: how it is written, where there is a choice.
            output: where it is written.
            dictionary: called when a VR must be looked up.
            plan: what `plan_for` returns for both, from whoever has it at hand; None: it is looked up.
        """
        if plan is None:
            plan = plan_for(received, encoding)
        self._plan = plan
        self.written = plan.written
        self._encoding = encoding
        self._dictionary = dictionary
        self._walk = walk = Walk(plan, output, dictionary, Remarks())
        self._preceding = 0
        self._length = 0
        self._to_convert = False
        self._to_sort = False
        self._to_deflate = False
        self._inflater: Inflater | None = None
        if received.kind is Kind.DEFLATED:
            self._inflater = Inflater(encoding.maximum_inflated)
            self.feed = self._feed_deflated
            self.feed_all = self._feed_all_deflated
        else:
            self.feed = walk.feed
            self.feed_all = walk.feed_all

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
        self._length = walk.written_length
        self._to_convert = bool(walk.sequences_found)
        self._to_sort = bool(walk.rewritten)
        self._to_deflate = self.written.kind is Kind.DEFLATED
        return attributes

    @property
    def needs_second_pass(self) -> bool:
        """True if the output is not yet the data set to store; known after `finish`."""
        return self._to_convert or self._to_sort or self._to_deflate

    def rewrite(self, source: Source, output: Output) -> None:
        """Do one more pass, from what the last one wrote to another output.

        Raises:
            OutOfResources: an absurd number of elements is out of order.
        """
        if self._to_convert:
            self._convert(source, output)
            self._to_convert = False
        elif self._to_sort:
            self._sort(source, output)
            self._to_sort = False
        else:
            self._deflate(source, output)
            self._to_deflate = False

    def _convert(self, source: Source, output: Output) -> None:
        plan = plan_for(self.written, replace(self._encoding, convert_un=False))
        found = frozenset(self._walk.sequences_found)
        self._walk = walk = Walk(plan, output, self._dictionary, Remarks(muted=True), found)
        for piece in self._pieces(source):
            walk.feed(memoryview(piece))
        walk.finish(lambda _: self._preceding)
        self._length = walk.written_length
        self._to_sort = bool(walk.rewritten)

    def _sort(self, source: Source, output: Output) -> None:
        from storescp.dataset.sorting import Sorting

        walk = self._walk
        sorting = Sorting(source, output, self._plan, walk.rewritten, walk.cuts, Remarks())
        self._length = sorting.run(self._preceding)

    def _deflate(self, source: Source, output: Output) -> None:
        deflater = Deflater(output, self._encoding.compression_level)
        for piece in self._pieces(source):
            deflater.write(memoryview(piece))
        deflater.finish()

    def _pieces(self, source: Source) -> Iterator[bytes]:
        """Return the output of the last pass, in pieces."""
        position = 0
        while position < self._length:
            piece = source.read(position, min(_PIECE, self._length - position))
            if not piece:
                raise OutOfResources("the file of the last pass ends before its time")
            yield piece
            position += len(piece)

    def _feed_deflated(self, fragment: memoryview) -> None:
        assert self._inflater is not None
        for piece in self._inflater.inflate(fragment):
            self._walk.feed(piece)

    def _feed_all_deflated(self, fragments: Sequence[memoryview]) -> None:
        for fragment in fragments:
            self._feed_deflated(fragment)

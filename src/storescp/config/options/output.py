"""Output and event options."""

from collections.abc import Callable

from storescp.config.choices import SortBy, Sorting
from storescp.config.options.network import COMPRESSED
from storescp.config.options.rows import (
    NOT_BIT_PRESERVING,
    NOT_WHILE_OTHERS_RECEIVE,
    SORTING,
    STUDY_ENDS,
    TEXT,
    Group,
    Number,
    Option,
    Section,
    seconds,
)
from storescp.dataset.encoding import GroupLength, SequenceLength
from storescp.uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)


def _sort_by(what: SortBy) -> Callable[[str], Sorting]:
    return lambda prefix: Sorting(what, prefix)


_NOT_WITH_CONVERSION = (
    "--accept-all",
    "--bit-preserving",
    *(option.long for option in COMPRESSED),
)
"""Compressed data sets are not converted, so nobody shall expect it."""


OUTPUT_OPTIONS = Group(
    "output options:",
    (
        Section(
            "general:",
            (
                Option(
                    "--output-directory", "-od", "write received objects to existing directory d",
                    "output_directory",
                    values='[d]irectory: string (default: ".")', takes=(TEXT,),
                    make=lambda directory: directory or ".",
                ),
            ),
        ),
        Section(
            "bit preserving mode:",
            (
                Option(
                    "--normal", "-B", "allow implicit format conversions (default)",
                    "bit_preserving", sets=False, default=True,
                ),
                Option(
                    "--bit-preserving", "+B", "write data exactly as read",
                    "bit_preserving",
                ),
            ),
        ),
        Section(
            "output file format:",
            (
                Option(
                    "--write-file", "+F", "write file format (default)",
                    "write_dataset", sets=False, default=True,
                ),
                Option(
                    "--write-dataset", "-F", "write data set without file meta information",
                    "write_dataset",
                ),
            ),
        ),
        Section(
            "output transfer syntax (not with --bit-preserving or compressed transmission):",
            (
                Option(
                    "--write-xfer-same", "+t=", "write with same TS as input (default)",
                    "output_transfer_syntax", sets=None, default=True,
                ),
                Option(
                    "--write-xfer-little", "+te", "write with explicit VR little endian TS",
                    "output_transfer_syntax", sets=EXPLICIT_VR_LITTLE_ENDIAN,
                    not_with=_NOT_WITH_CONVERSION,
                ),
                Option(
                    "--write-xfer-big", "+tb", "write with explicit VR big endian TS",
                    "output_transfer_syntax", sets=EXPLICIT_VR_BIG_ENDIAN,
                    not_with=_NOT_WITH_CONVERSION,
                ),
                Option(
                    "--write-xfer-implicit", "+ti", "write with implicit VR little endian TS",
                    "output_transfer_syntax", sets=IMPLICIT_VR_LITTLE_ENDIAN,
                    not_with=_NOT_WITH_CONVERSION,
                ),
                Option(
                    "--write-xfer-deflated", "+td", "write with deflated expl. VR little endian TS",
                    "output_transfer_syntax", sets=DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
                    not_with=_NOT_WITH_CONVERSION,
                ),
            ),
        ),
        Section(
            "post-1993 value representations (not with --bit-preserving):",
            (
                Option(
                    "--enable-new-vr", "+u", "enable support for new VRs (UN/UT) (default)",
                    "new_vr", default=True, not_with=NOT_BIT_PRESERVING,
                ),
                Option(
                    "--disable-new-vr", "-u", "disable support for new VRs, convert to OB",
                    "new_vr", sets=False, not_with=NOT_BIT_PRESERVING,
                ),
            ),
        ),
        Section(
            "group length encoding (not with --bit-preserving):",
            (
                Option(
                    "--group-length-recalc", "+g=", "recalculate group lengths if present (default)",
                    "group_length", sets=GroupLength.RECALCULATE, default=True,
                    not_with=NOT_BIT_PRESERVING,
                ),
                Option(
                    "--group-length-create", "+g", "always write with group length elements",
                    "group_length", sets=GroupLength.CREATE, not_with=NOT_BIT_PRESERVING,
                ),
                Option(
                    "--group-length-remove", "-g", "always write without group length elements",
                    "group_length", sets=GroupLength.REMOVE, not_with=NOT_BIT_PRESERVING,
                ),
            ),
        ),
        Section(
            "length encoding in sequences and items (not with --bit-preserving):",
            (
                Option(
                    "--length-explicit", "+e", "write with explicit lengths (default)",
                    "sequence_length", sets=SequenceLength.EXPLICIT, default=True,
                    not_with=NOT_BIT_PRESERVING,
                ),
                Option(
                    "--length-undefined", "-e", "write with undefined lengths",
                    "sequence_length", sets=SequenceLength.UNDEFINED,
                    not_with=NOT_BIT_PRESERVING,
                ),
            ),
        ),
        Section(
            "data set trailing padding (not with --write-dataset or --bit-preserving):",
            (
                Option(
                    "--padding-off", "-p", "no padding (default)",
                    "padding", sets=None, default=True,
                ),
                Option(
                    "--padding-create", "+p",
                    "align file on multiple of f bytes and items\non multiple of i bytes",
                    "padding",
                    values="[f]ile-pad [i]tem-pad: integer", takes=(Number(0), Number(0)),
                    not_with=("--write-dataset", *NOT_BIT_PRESERVING),
                ),
            ),
        ),
        Section(
            "handling of defined length UN elements:",
            (
                Option(
                    "--retain-un", "-uc", "retain elements as UN (default)",
                    "convert_un", sets=False, default=True,
                ),
                Option(
                    "--convert-un", "+uc", "convert to real VR if known",
                    "convert_un",
                ),
            ),
        ),
        Section(
            "deflate compression level (only with --write-xfer-deflated/same):",
            (
                Option(
                    "--compression-level", "+cl", "0=uncompressed, 1=fastest, 9=best compression",
                    "compression_level",
                    values="[l]evel: integer (default: 6)", takes=(Number(0, 9),),
                    only_with=("--write-xfer-deflated or --write-xfer-same",),
                ),
            ),
        ),
        Section(
            "sorting into subdirectories (not with --bit-preserving):",
            (
                Option(
                    "--sort-conc-studies", "-ss", "sort studies using prefix p and a timestamp",
                    "sorting", values="[p]refix: string", takes=(TEXT,), make=_sort_by(SortBy.TIMESTAMP),
                    not_with=NOT_BIT_PRESERVING,
                ),
                Option(
                    "--sort-on-study-uid", "-su",
                    "sort studies using prefix p and the Study\nInstance UID",
                    "sorting", values="[p]refix: string", takes=(TEXT,), make=_sort_by(SortBy.STUDY_UID),
                    not_with=NOT_BIT_PRESERVING,
                ),
                Option(
                    "--sort-on-patientname", "-sp",
                    "sort studies using the Patient's Name and\na timestamp",
                    "sorting", sets=Sorting(SortBy.PATIENT_NAME), not_with=NOT_BIT_PRESERVING,
                ),
            ),
        ),
        Section(
            "filename generation:",
            (
                Option(
                    "--default-filenames", "-uf", "generate filename from instance UID (default)",
                    "unique_filenames", sets=False, default=True,
                ),
                Option(
                    "--unique-filenames", "+uf", "generate unique filenames",
                    "unique_filenames",
                ),
                Option(
                    "--timenames", "-tn", "generate filename from creation time",
                    "timenames", not_with=("--unique-filenames",),
                ),
                Option(
                    "--filename-extension", "-fe", "append e to all filenames",
                    "filename_extension", values="[e]xtension: string", takes=(TEXT,),
                ),
            ),
        ),
    ),
)  # fmt: skip

EVENT_OPTIONS = Group(
    "event options:",
    (
        Section(
            "",
            (
                Option(
                    "--exec-on-reception", "-xcr",
                    "execute command c after having received and\nprocessed one C-STORE-RQ message",
                    "exec_on_reception", values="[c]ommand: string", takes=(TEXT,),
                ),
                Option(
                    "--exec-on-eostudy", "-xcs",
                    "execute command c after having received and\n"
                    "processed all C-STORE-RQ messages that belong\nto one study",
                    "exec_on_eostudy", values="[c]ommand: string", takes=(TEXT,),
                    not_with=NOT_WHILE_OTHERS_RECEIVE, only_with=(SORTING,),
                ),
                Option(
                    "--rename-on-eostudy", "-rns",
                    "having received and processed all C-STORE-RQ\n"
                    "messages that belong to one study, rename\noutput files according to certain pattern",
                    "rename_on_eostudy",
                    not_with=NOT_WHILE_OTHERS_RECEIVE, only_with=(SORTING,),
                ),
                Option(
                    "--eostudy-timeout", "-tos",
                    "specifies a timeout of t seconds for\nend-of-study determination",
                    "eostudy_timeout",
                    values="[t]imeout: integer", takes=(Number(0, signed=True),), make=seconds,
                    only_with=(STUDY_ENDS,),
                ),
                Option(
                    "--exec-sync", "-xs", "execute command synchronously in foreground",
                    "exec_sync",
                ),
            ),
        ),
    ),
)  # fmt: skip

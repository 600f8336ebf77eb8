"""Transfer syntaxes and storage SOP classes: one record per fact, PS3.5 annex A and PS3.4 annex B.

The names of all registered UIDs, wanted only for logs, profiles and the promiscuous mode, are in `uid_names`.
"""

from dataclasses import dataclass
from enum import Enum

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
VERIFICATION = "1.2.840.10008.1.1"

IMPLEMENTATION_CLASS_UID = "1.2.276.0.7230010.3.0.3.7.0"
IMPLEMENTATION_VERSION_NAME = "OFFIS_DCMTK_370"
BIT_PRESERVING_VERSION_NAME = "OFFIS_DCMBP_370"
"""Implementation class UID and version names that peers and archives of a drop-in replacement expect; see docs/differences.md."""


class Kind(Enum):
    """Encoding of a data set and its pixel data."""

    NATIVE = "native"
    DEFLATED = "deflated"
    ENCAPSULATED = "encapsulated"
    REFERENCED = "referenced"  # pixel data elsewhere: negotiable through a profile, not receivable
    NOT_IMPLEMENTED = "not implemented"


@dataclass(frozen=True, slots=True)
class TransferSyntax:
    """One transfer syntax, PS3.5 annex A."""

    uid: str
    name: str
    kind: Kind
    little_endian: bool = True
    explicit_vr: bool = True


_ALL = (
    TransferSyntax("1.2.840.10008.1.2", "Little Endian Implicit", Kind.NATIVE, explicit_vr=False),
    TransferSyntax("1.2.840.10008.1.2.1", "Little Endian Explicit", Kind.NATIVE),
    TransferSyntax(
        "1.2.840.10008.1.2.1.98",
        "Encapsulated Uncompressed Explicit VR Little Endian",
        Kind.ENCAPSULATED,
    ),
    TransferSyntax("1.2.840.10008.1.2.1.99", "Deflated Explicit VR Little Endian", Kind.DEFLATED),
    TransferSyntax("1.2.840.10008.1.2.2", "Big Endian Explicit", Kind.NATIVE, little_endian=False),
    TransferSyntax("1.2.840.10008.1.2.4.50", "JPEG Baseline", Kind.ENCAPSULATED),
    TransferSyntax("1.2.840.10008.1.2.4.51", "JPEG Extended, Process 2+4", Kind.ENCAPSULATED),
    TransferSyntax("1.2.840.10008.1.2.4.52", "JPEG Extended, Process 3+5", Kind.ENCAPSULATED),
    TransferSyntax(
        "1.2.840.10008.1.2.4.53",
        "JPEG Spectral Selection, Non-hierarchical, Process 6+8",
        Kind.ENCAPSULATED,
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.54",
        "JPEG Spectral Selection, Non-hierarchical, Process 7+9",
        Kind.ENCAPSULATED,
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.55",
        "JPEG Full Progression, Non-hierarchical, Process 10+12",
        Kind.ENCAPSULATED,
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.56",
        "JPEG Full Progression, Non-hierarchical, Process 11+13",
        Kind.ENCAPSULATED,
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.57", "JPEG Lossless, Non-hierarchical, Process 14", Kind.ENCAPSULATED
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.58", "JPEG Lossless, Non-hierarchical, Process 15", Kind.ENCAPSULATED
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.59", "JPEG Extended, Hierarchical, Process 16+18", Kind.ENCAPSULATED
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.60", "JPEG Extended, Hierarchical, Process 17+19", Kind.ENCAPSULATED
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.61",
        "JPEG Spectral Selection, Hierarchical, Process 20+22",
        Kind.ENCAPSULATED,
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.62",
        "JPEG Spectral Selection, Hierarchical, Process 21+23",
        Kind.ENCAPSULATED,
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.63",
        "JPEG Full Progression, Hierarchical, Process 24+26",
        Kind.ENCAPSULATED,
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.64",
        "JPEG Full Progression, Hierarchical, Process 25+27",
        Kind.ENCAPSULATED,
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.65", "JPEG Lossless, Hierarchical, Process 28", Kind.ENCAPSULATED
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.66", "JPEG Lossless, Hierarchical, Process 29", Kind.ENCAPSULATED
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.70",
        "JPEG Lossless, Non-hierarchical, 1st Order Prediction",
        Kind.ENCAPSULATED,
    ),
    TransferSyntax("1.2.840.10008.1.2.4.80", "JPEG-LS Lossless", Kind.ENCAPSULATED),
    TransferSyntax("1.2.840.10008.1.2.4.81", "JPEG-LS Lossy (Near-lossless)", Kind.ENCAPSULATED),
    TransferSyntax("1.2.840.10008.1.2.4.90", "JPEG 2000 (Lossless only)", Kind.ENCAPSULATED),
    TransferSyntax("1.2.840.10008.1.2.4.91", "JPEG 2000 (Lossless or Lossy)", Kind.ENCAPSULATED),
    TransferSyntax(
        "1.2.840.10008.1.2.4.92",
        "JPEG 2000 Part 2 Multicomponent Image Compression (Lossless only)",
        Kind.ENCAPSULATED,
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.93",
        "JPEG 2000 Part 2 Multicomponent Image Compression (Lossless or Lossy)",
        Kind.ENCAPSULATED,
    ),
    TransferSyntax("1.2.840.10008.1.2.4.94", "JPIP Referenced", Kind.REFERENCED),
    TransferSyntax("1.2.840.10008.1.2.4.95", "JPIP Referenced Deflate", Kind.REFERENCED),
    TransferSyntax("1.2.840.10008.1.2.4.100", "MPEG2 Main Profile @ Main Level", Kind.ENCAPSULATED),
    TransferSyntax(
        "1.2.840.10008.1.2.4.100.1",
        "Fragmentable MPEG2 Main Profile / Main Level",
        Kind.ENCAPSULATED,
    ),
    TransferSyntax("1.2.840.10008.1.2.4.101", "MPEG2 Main Profile @ High Level", Kind.ENCAPSULATED),
    TransferSyntax(
        "1.2.840.10008.1.2.4.101.1",
        "Fragmentable MPEG2 Main Profile / High Level",
        Kind.ENCAPSULATED,
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.102", "MPEG-4 AVC/H.264 High Profile / Level 4.1", Kind.ENCAPSULATED
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.102.1",
        "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.1",
        Kind.ENCAPSULATED,
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.103",
        "MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1",
        Kind.ENCAPSULATED,
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.103.1",
        "Fragmentable MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1",
        Kind.ENCAPSULATED,
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.104",
        "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video",
        Kind.ENCAPSULATED,
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.104.1",
        "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video",
        Kind.ENCAPSULATED,
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.105",
        "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video",
        Kind.ENCAPSULATED,
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.105.1",
        "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video",
        Kind.ENCAPSULATED,
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.106",
        "MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2",
        Kind.ENCAPSULATED,
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.106.1",
        "Fragmentable MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2",
        Kind.ENCAPSULATED,
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.107", "HEVC/H.265 Main Profile / Level 5.1", Kind.ENCAPSULATED
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.108", "HEVC/H.265 Main 10 Profile / Level 5.1", Kind.ENCAPSULATED
    ),
    TransferSyntax("1.2.840.10008.1.2.4.110", "JPEG XL Lossless", Kind.ENCAPSULATED),
    TransferSyntax("1.2.840.10008.1.2.4.111", "JPEG XL JPEG Recompression", Kind.ENCAPSULATED),
    TransferSyntax("1.2.840.10008.1.2.4.112", "JPEG XL", Kind.ENCAPSULATED),
    TransferSyntax(
        "1.2.840.10008.1.2.4.201",
        "High-Throughput JPEG 2000 Image Compression (Lossless Only)",
        Kind.ENCAPSULATED,
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.202",
        "High-Throughput JPEG 2000 with RPCL Options Image Compression (Lossless Only)",
        Kind.ENCAPSULATED,
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.4.203", "High-Throughput JPEG 2000 Image Compression", Kind.ENCAPSULATED
    ),
    TransferSyntax("1.2.840.10008.1.2.4.204", "JPIP HTJ2K Referenced", Kind.REFERENCED),
    TransferSyntax("1.2.840.10008.1.2.4.205", "JPIP HTJ2K Referenced Deflate", Kind.REFERENCED),
    TransferSyntax("1.2.840.10008.1.2.5", "RLE Lossless", Kind.ENCAPSULATED),
    TransferSyntax(
        "1.2.840.10008.1.2.6.1", "RETIRED_RFC2557MIMEEncapsulation", Kind.NOT_IMPLEMENTED
    ),
    TransferSyntax("1.2.840.10008.1.2.6.2", "RETIRED_XMLEncoding", Kind.NOT_IMPLEMENTED),
    TransferSyntax(
        "1.2.840.10008.1.2.7.1",
        "SMPTEST2110-20:UncompressedProgressiveActiveVideo",
        Kind.NOT_IMPLEMENTED,
    ),
    TransferSyntax(
        "1.2.840.10008.1.2.7.2",
        "SMPTEST2110-20:UncompressedInterlacedActiveVideo",
        Kind.NOT_IMPLEMENTED,
    ),
    TransferSyntax("1.2.840.10008.1.2.7.3", "SMPTEST2110-30:PCMDigitalAudio", Kind.NOT_IMPLEMENTED),
    TransferSyntax("1.2.840.10008.1.2.8.1", "Deflated Image Frame Compression", Kind.ENCAPSULATED),
    TransferSyntax(
        "1.2.840.113619.5.2",
        "Private GE Little Endian Implicit with big endian pixel data",
        Kind.NATIVE,
        explicit_vr=False,
    ),
)
TRANSFER_SYNTAXES = {syntax.uid: syntax for syntax in _ALL}

IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
EXPLICIT_VR_BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1.99"

ACCEPT_ALL = (
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.100",
    "1.2.840.10008.1.2.4.100.1",
    "1.2.840.10008.1.2.4.101",
    "1.2.840.10008.1.2.4.101.1",
    "1.2.840.10008.1.2.4.102",
    "1.2.840.10008.1.2.4.102.1",
    "1.2.840.10008.1.2.4.103",
    "1.2.840.10008.1.2.4.103.1",
    "1.2.840.10008.1.2.4.104",
    "1.2.840.10008.1.2.4.104.1",
    "1.2.840.10008.1.2.4.105",
    "1.2.840.10008.1.2.4.105.1",
    "1.2.840.10008.1.2.4.106",
    "1.2.840.10008.1.2.4.106.1",
    "1.2.840.10008.1.2.4.107",
    "1.2.840.10008.1.2.4.108",
    "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.4.202",
    "1.2.840.10008.1.2.4.203",
    "1.2.840.10008.1.2.4.110",
    "1.2.840.10008.1.2.4.111",
    "1.2.840.10008.1.2.4.112",
    "1.2.840.10008.1.2.8.1",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.1.98",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2",
)
"""Transfer syntaxes that `--accept-all` accepts, in order of preference."""

STORAGE_PREFIXES = {
    "1.2.840.10008.5.1.1.27": "SP",  # StoredPrintStorage
    "1.2.840.10008.5.1.1.29": "HG",  # HardcopyGrayscaleImageStorage
    "1.2.840.10008.5.1.1.30": "HC",  # HardcopyColorImageStorage
    "1.2.840.10008.5.1.4.1.1.1": "CR",  # ComputedRadiographyImageStorage
    "1.2.840.10008.5.1.4.1.1.1.1": "DX",  # DigitalXRayImageStorageForPresentation
    "1.2.840.10008.5.1.4.1.1.1.1.1": "DP",  # DigitalXRayImageStorageForProcessing
    "1.2.840.10008.5.1.4.1.1.1.2": "DXm",  # DigitalMammographyXRayImageStorageForPresentation
    "1.2.840.10008.5.1.4.1.1.1.2.1": "DPm",  # DigitalMammographyXRayImageStorageForProcessing
    "1.2.840.10008.5.1.4.1.1.1.3": "DXo",  # DigitalIntraOralXRayImageStorageForPresentation
    "1.2.840.10008.5.1.4.1.1.1.3.1": "DPo",  # DigitalIntraOralXRayImageStorageForProcessing
    "1.2.840.10008.5.1.4.1.1.2": "CT",  # CTImageStorage
    "1.2.840.10008.5.1.4.1.1.2.1": "CTe",  # EnhancedCTImageStorage
    "1.2.840.10008.5.1.4.1.1.2.2": "CTl",  # LegacyConvertedEnhancedCTImageStorage
    "1.2.840.10008.5.1.4.1.1.3": "USf",  # UltrasoundMultiFrameImageStorageRetired
    "1.2.840.10008.5.1.4.1.1.3.1": "USm",  # UltrasoundMultiFrameImageStorage
    "1.2.840.10008.5.1.4.1.1.4": "MR",  # MRImageStorage
    "1.2.840.10008.5.1.4.1.1.4.1": "MRe",  # EnhancedMRImageStorage
    "1.2.840.10008.5.1.4.1.1.4.2": "MRs",  # MRSpectroscopyStorage
    "1.2.840.10008.5.1.4.1.1.4.3": "MRc",  # EnhancedMRColorImageStorage
    "1.2.840.10008.5.1.4.1.1.4.4": "MRl",  # LegacyConvertedEnhancedMRImageStorage
    "1.2.840.10008.5.1.4.1.1.5": "NMr",  # NuclearMedicineImageStorageRetired
    "1.2.840.10008.5.1.4.1.1.6": "USr",  # UltrasoundImageStorageRetired
    "1.2.840.10008.5.1.4.1.1.6.1": "US",  # UltrasoundImageStorage
    "1.2.840.10008.5.1.4.1.1.6.2": "USe",  # EnhancedUSVolumeStorage
    "1.2.840.10008.5.1.4.1.1.6.3": "PA",  # PhotoacousticImageStorage
    "1.2.840.10008.5.1.4.1.1.7": "SC",  # SecondaryCaptureImageStorage
    "1.2.840.10008.5.1.4.1.1.7.1": "SCs",  # MultiFrameSingleBitSecondaryCaptureImageStorage
    "1.2.840.10008.5.1.4.1.1.7.2": "SCb",  # MultiFrameGrayscaleByteSecondaryCaptureImageStorage
    "1.2.840.10008.5.1.4.1.1.7.3": "SCw",  # MultiFrameGrayscaleWordSecondaryCaptureImageStorage
    "1.2.840.10008.5.1.4.1.1.7.4": "SCc",  # MultiFrameTrueColorSecondaryCaptureImageStorage
    "1.2.840.10008.5.1.4.1.1.8": "OV",  # StandaloneOverlayStorage
    "1.2.840.10008.5.1.4.1.1.9": "CV",  # StandaloneCurveStorage
    "1.2.840.10008.5.1.4.1.1.9.1": "WV_d",  # WaveformStorageTrial
    "1.2.840.10008.5.1.4.1.1.9.1.1": "TLE",  # TwelveLeadECGWaveformStorage
    "1.2.840.10008.5.1.4.1.1.9.1.2": "ECG",  # GeneralECGWaveformStorage
    "1.2.840.10008.5.1.4.1.1.9.1.3": "ECA",  # AmbulatoryECGWaveformStorage
    "1.2.840.10008.5.1.4.1.1.9.1.4": "ECGh",  # General32bitECGWaveformStorage
    "1.2.840.10008.5.1.4.1.1.9.2.1": "WVh",  # HemodynamicWaveformStorage
    "1.2.840.10008.5.1.4.1.1.9.3.1": "WVc",  # CardiacElectrophysiologyWaveformStorage
    "1.2.840.10008.5.1.4.1.1.9.4.1": "AUV",  # BasicVoiceAudioWaveformStorage
    "1.2.840.10008.5.1.4.1.1.9.4.2": "AUG",  # GeneralAudioWaveformStorage
    "1.2.840.10008.5.1.4.1.1.9.5.1": "WVa",  # ArterialPulseWaveformStorage
    "1.2.840.10008.5.1.4.1.1.9.6.1": "WVr",  # RespiratoryWaveformStorage
    "1.2.840.10008.5.1.4.1.1.9.6.2": "WVm",  # MultichannelRespiratoryWaveformStorage
    "1.2.840.10008.5.1.4.1.1.9.7.1": "EEG",  # RoutineScalpElectroencephalogramWaveformStorage
    "1.2.840.10008.5.1.4.1.1.9.7.2": "EMG",  # ElectromyogramWaveformStorage
    "1.2.840.10008.5.1.4.1.1.9.7.3": "EOG",  # ElectrooculogramWaveformStorage
    "1.2.840.10008.5.1.4.1.1.9.7.4": "WVs",  # SleepElectroencephalogramWaveformStorage
    "1.2.840.10008.5.1.4.1.1.9.8.1": "WVb",  # BodyPositionWaveformStorage
    "1.2.840.10008.5.1.4.1.1.9.100.1": "PSw",  # WaveformPresentationStateStorage
    "1.2.840.10008.5.1.4.1.1.9.100.2": "PSq",  # WaveformAcquisitionPresentationStateStorage
    "1.2.840.10008.5.1.4.1.1.10": "ML",  # StandaloneModalityLUTStorage
    "1.2.840.10008.5.1.4.1.1.11": "VO",  # StandaloneVOILUTStorage
    "1.2.840.10008.5.1.4.1.1.11.1": "PSg",  # GrayscaleSoftcopyPresentationStateStorage
    "1.2.840.10008.5.1.4.1.1.11.2": "PSc",  # ColorSoftcopyPresentationStateStorage
    "1.2.840.10008.5.1.4.1.1.11.3": "PSp",  # PseudoColorSoftcopyPresentationStateStorage
    "1.2.840.10008.5.1.4.1.1.11.4": "PSb",  # BlendingSoftcopyPresentationStateStorage
    "1.2.840.10008.5.1.4.1.1.11.5": "PSx",  # XAXRFGrayscaleSoftcopyPresentationStateStorage
    "1.2.840.10008.5.1.4.1.1.11.6": "VPg",  # GrayscalePlanarMPRVolumetricPresentationStateStorage
    "1.2.840.10008.5.1.4.1.1.11.7": "VPc",  # CompositingPlanarMPRVolumetricPresentationStateStorage
    "1.2.840.10008.5.1.4.1.1.11.8": "PSa",  # AdvancedBlendingPresentationStateStorage
    "1.2.840.10008.5.1.4.1.1.11.9": "VPv",  # VolumeRenderingVolumetricPresentationStateStorage
    "1.2.840.10008.5.1.4.1.1.11.10": "VPs",  # SegmentedVolumeRenderingVolumetricPresentationStateStorage
    "1.2.840.10008.5.1.4.1.1.11.11": "VPm",  # MultipleVolumeRenderingVolumetricPresentationStateStorage
    "1.2.840.10008.5.1.4.1.1.11.12": "PSv",  # VariableModalityLUTSoftcopyPresentationStateStorage
    "1.2.840.10008.5.1.4.1.1.12.1": "XA",  # XRayAngiographicImageStorage
    "1.2.840.10008.5.1.4.1.1.12.1.1": "XAe",  # EnhancedXAImageStorage
    "1.2.840.10008.5.1.4.1.1.12.2": "RF",  # XRayRadiofluoroscopicImageStorage
    "1.2.840.10008.5.1.4.1.1.12.2.1": "RFe",  # EnhancedXRFImageStorage
    "1.2.840.10008.5.1.4.1.1.12.3": "XB",  # XRayAngiographicBiPlaneImageStorage
    "1.2.840.10008.5.1.4.1.1.13.1.1": "XA3",  # XRay3DAngiographicImageStorage
    "1.2.840.10008.5.1.4.1.1.13.1.2": "XC3",  # XRay3DCraniofacialImageStorage
    "1.2.840.10008.5.1.4.1.1.13.1.3": "BT",  # BreastTomosynthesisImageStorage
    "1.2.840.10008.5.1.4.1.1.13.1.4": "BX",  # BreastProjectionXRayImageStorageForPresentation
    "1.2.840.10008.5.1.4.1.1.13.1.5": "BP",  # BreastProjectionXRayImageStorageForProcessing
    "1.2.840.10008.5.1.4.1.1.14.1": "OCt",  # IntravascularOpticalCoherenceTomographyImageStorageForPresentation
    "1.2.840.10008.5.1.4.1.1.14.2": "OCp",  # IntravascularOpticalCoherenceTomographyImageStorageForProcessing
    "1.2.840.10008.5.1.4.1.1.20": "NM",  # NuclearMedicineImageStorage
    "1.2.840.10008.5.1.4.1.1.30": "PM",  # ParametricMapStorage
    "1.2.840.10008.5.1.4.1.1.66": "RAW",  # RawDataStorage
    "1.2.840.10008.5.1.4.1.1.66.1": "RGs",  # SpatialRegistrationStorage
    "1.2.840.10008.5.1.4.1.1.66.2": "FID",  # SpatialFiducialsStorage
    "1.2.840.10008.5.1.4.1.1.66.3": "RGd",  # DeformableSpatialRegistrationStorage
    "1.2.840.10008.5.1.4.1.1.66.4": "SG",  # SegmentationStorage
    "1.2.840.10008.5.1.4.1.1.66.5": "SGs",  # SurfaceSegmentationStorage
    "1.2.840.10008.5.1.4.1.1.66.6": "TR",  # TractographyResultsStorage
    "1.2.840.10008.5.1.4.1.1.66.7": "SGl",  # LabelMapSegmentationStorage
    "1.2.840.10008.5.1.4.1.1.66.8": "SGh",  # HeightMapSegmentationStorage
    "1.2.840.10008.5.1.4.1.1.67": "RWM",  # RealWorldValueMappingStorage
    "1.2.840.10008.5.1.4.1.1.68.1": "SSm",  # SurfaceScanMeshStorage
    "1.2.840.10008.5.1.4.1.1.68.2": "SSp",  # SurfaceScanPointCloudStorage
    "1.2.840.10008.5.1.4.1.1.77.1": "VLr",  # VLImageStorageTrial
    "1.2.840.10008.5.1.4.1.1.77.1.1": "VLe",  # VLEndoscopicImageStorage
    "1.2.840.10008.5.1.4.1.1.77.1.1.1": "VVe",  # VideoEndoscopicImageStorage
    "1.2.840.10008.5.1.4.1.1.77.1.2": "VLm",  # VLMicroscopicImageStorage
    "1.2.840.10008.5.1.4.1.1.77.1.2.1": "VVm",  # VideoMicroscopicImageStorage
    "1.2.840.10008.5.1.4.1.1.77.1.3": "VLs",  # VLSlideCoordinatesMicroscopicImageStorage
    "1.2.840.10008.5.1.4.1.1.77.1.4": "VLp",  # VLPhotographicImageStorage
    "1.2.840.10008.5.1.4.1.1.77.1.4.1": "VVp",  # VideoPhotographicImageStorage
    "1.2.840.10008.5.1.4.1.1.77.1.5.1": "OPb",  # OphthalmicPhotography8BitImageStorage
    "1.2.840.10008.5.1.4.1.1.77.1.5.2": "OPw",  # OphthalmicPhotography16BitImageStorage
    "1.2.840.10008.5.1.4.1.1.77.1.5.3": "OPr",  # StereometricRelationshipStorage
    "1.2.840.10008.5.1.4.1.1.77.1.5.4": "OPt",  # OphthalmicTomographyImageStorage
    "1.2.840.10008.5.1.4.1.1.77.1.5.5": "OWs",  # WideFieldOphthalmicPhotographyStereographicProjectionImageStorage
    "1.2.840.10008.5.1.4.1.1.77.1.5.6": "OW3",  # WideFieldOphthalmicPhotography3DCoordinatesImageStorage
    "1.2.840.10008.5.1.4.1.1.77.1.5.7": "OCe",  # OphthalmicOpticalCoherenceTomographyEnFaceImageStorage
    "1.2.840.10008.5.1.4.1.1.77.1.5.8": "OCb",  # OphthalmicOpticalCoherenceTomographyBscanVolumeAnalysisStorage
    "1.2.840.10008.5.1.4.1.1.77.1.6": "VLw",  # VLWholeSlideMicroscopyImageStorage
    "1.2.840.10008.5.1.4.1.1.77.1.7": "VLd",  # DermoscopicPhotographyImageStorage
    "1.2.840.10008.5.1.4.1.1.77.1.8": "CFm",  # ConfocalMicroscopyImageStorage
    "1.2.840.10008.5.1.4.1.1.77.1.9": "CFt",  # ConfocalMicroscopyTiledPyramidalImageStorage
    "1.2.840.10008.5.1.4.1.1.77.2": "VMr",  # VLMultiFrameImageStorageTrial
    "1.2.840.10008.5.1.4.1.1.78.1": "OPl",  # LensometryMeasurementsStorage
    "1.2.840.10008.5.1.4.1.1.78.2": "OPa",  # AutorefractionMeasurementsStorage
    "1.2.840.10008.5.1.4.1.1.78.3": "OPk",  # KeratometryMeasurementsStorage
    "1.2.840.10008.5.1.4.1.1.78.4": "OPs",  # SubjectiveRefractionMeasurementsStorage
    "1.2.840.10008.5.1.4.1.1.78.5": "OPv",  # VisualAcuityMeasurementsStorage
    "1.2.840.10008.5.1.4.1.1.78.6": "SRs",  # SpectaclePrescriptionReportStorage
    "1.2.840.10008.5.1.4.1.1.78.7": "OPx",  # OphthalmicAxialMeasurementsStorage
    "1.2.840.10008.5.1.4.1.1.78.8": "OPc",  # IntraocularLensCalculationsStorage
    "1.2.840.10008.5.1.4.1.1.79.1": "SRg",  # MacularGridThicknessAndVolumeReportStorage
    "1.2.840.10008.5.1.4.1.1.80.1": "OPp",  # OphthalmicVisualFieldStaticPerimetryMeasurementsStorage
    "1.2.840.10008.5.1.4.1.1.81.1": "OPm",  # OphthalmicThicknessMapStorage
    "1.2.840.10008.5.1.4.1.1.82.1": "CM",  # CornealTopographyMapStorage
    "1.2.840.10008.5.1.4.1.1.88.1": "SR_t",  # TextSRStorageTrial
    "1.2.840.10008.5.1.4.1.1.88.2": "SR_a",  # AudioSRStorageTrial
    "1.2.840.10008.5.1.4.1.1.88.3": "SR_d",  # DetailSRStorageTrial
    "1.2.840.10008.5.1.4.1.1.88.4": "SR_c",  # ComprehensiveSRStorageTrial
    "1.2.840.10008.5.1.4.1.1.88.11": "SRt",  # BasicTextSRStorage
    "1.2.840.10008.5.1.4.1.1.88.22": "SRe",  # EnhancedSRStorage
    "1.2.840.10008.5.1.4.1.1.88.33": "SRc",  # ComprehensiveSRStorage
    "1.2.840.10008.5.1.4.1.1.88.34": "SR3",  # Comprehensive3DSRStorage
    "1.2.840.10008.5.1.4.1.1.88.35": "SRx",  # ExtensibleSRStorage
    "1.2.840.10008.5.1.4.1.1.88.40": "SRp",  # ProcedureLogStorage
    "1.2.840.10008.5.1.4.1.1.88.50": "SRm",  # MammographyCADSRStorage
    "1.2.840.10008.5.1.4.1.1.88.59": "KO",  # KeyObjectSelectionDocumentStorage
    "1.2.840.10008.5.1.4.1.1.88.65": "SRh",  # ChestCADSRStorage
    "1.2.840.10008.5.1.4.1.1.88.67": "SRd",  # XRayRadiationDoseSRStorage
    "1.2.840.10008.5.1.4.1.1.88.68": "SRr",  # RadiopharmaceuticalRadiationDoseSRStorage
    "1.2.840.10008.5.1.4.1.1.88.69": "SRo",  # ColonCADSRStorage
    "1.2.840.10008.5.1.4.1.1.88.70": "SRi",  # ImplantationPlanSRStorage
    "1.2.840.10008.5.1.4.1.1.88.71": "SRa",  # AcquisitionContextSRStorage
    "1.2.840.10008.5.1.4.1.1.88.72": "SRu",  # SimplifiedAdultEchoSRStorage
    "1.2.840.10008.5.1.4.1.1.88.73": "SRq",  # PatientRadiationDoseSRStorage
    "1.2.840.10008.5.1.4.1.1.88.74": "SRj",  # PlannedImagingAgentAdministrationSRStorage
    "1.2.840.10008.5.1.4.1.1.88.75": "SRi",  # PerformedImagingAgentAdministrationSRStorage
    "1.2.840.10008.5.1.4.1.1.88.76": "SRde",  # EnhancedXRayRadiationDoseSRStorage
    "1.2.840.10008.5.1.4.1.1.88.77": "SRw",  # WaveformAnnotationSRStorage
    "1.2.840.10008.5.1.4.1.1.90.1": "AS",  # ContentAssessmentResultsStorage
    "1.2.840.10008.5.1.4.1.1.91.1": "MAs",  # MicroscopyBulkSimpleAnnotationsStorage
    "1.2.840.10008.5.1.4.1.1.104.1": "PDF",  # EncapsulatedPDFStorage
    "1.2.840.10008.5.1.4.1.1.104.2": "CDA",  # EncapsulatedCDAStorage
    "1.2.840.10008.5.1.4.1.1.104.3": "STL",  # EncapsulatedSTLStorage
    "1.2.840.10008.5.1.4.1.1.104.4": "OBJ",  # EncapsulatedOBJStorage
    "1.2.840.10008.5.1.4.1.1.104.5": "MTL",  # EncapsulatedMTLStorage
    "1.2.840.10008.5.1.4.1.1.128": "PI",  # PositronEmissionTomographyImageStorage
    "1.2.840.10008.5.1.4.1.1.128.1": "PIl",  # LegacyConvertedEnhancedPETImageStorage
    "1.2.840.10008.5.1.4.1.1.129": "PC",  # StandalonePETCurveStorage
    "1.2.840.10008.5.1.4.1.1.130": "PIe",  # EnhancedPETImageStorage
    "1.2.840.10008.5.1.4.1.1.131": "SD",  # BasicStructuredDisplayStorage
    "1.2.840.10008.5.1.4.1.1.200.2": "PPcp",  # CTPerformedProcedureProtocolStorage
    "1.2.840.10008.5.1.4.1.1.200.8": "PPxp",  # XAPerformedProcedureProtocolStorage
    "1.2.840.10008.5.1.4.1.1.481.1": "RI",  # RTImageStorage
    "1.2.840.10008.5.1.4.1.1.481.2": "RD",  # RTDoseStorage
    "1.2.840.10008.5.1.4.1.1.481.3": "RS",  # RTStructureSetStorage
    "1.2.840.10008.5.1.4.1.1.481.4": "RTb",  # RTBeamsTreatmentRecordStorage
    "1.2.840.10008.5.1.4.1.1.481.5": "RP",  # RTPlanStorage
    "1.2.840.10008.5.1.4.1.1.481.6": "RTr",  # RTBrachyTreatmentRecordStorage
    "1.2.840.10008.5.1.4.1.1.481.7": "RTs",  # RTTreatmentSummaryRecordStorage
    "1.2.840.10008.5.1.4.1.1.481.8": "RPi",  # RTIonPlanStorage
    "1.2.840.10008.5.1.4.1.1.481.9": "RTi",  # RTIonBeamsTreatmentRecordStorage
    "1.2.840.10008.5.1.4.1.1.481.10": "RIp",  # RTPhysicianIntentStorage
    "1.2.840.10008.5.1.4.1.1.481.11": "RAs",  # RTSegmentAnnotationStorage
    "1.2.840.10008.5.1.4.1.1.481.12": "RSe",  # RTRadiationSetStorage
    "1.2.840.10008.5.1.4.1.1.481.13": "Rca",  # CArmPhotonElectronRadiationStorage
    "1.2.840.10008.5.1.4.1.1.481.14": "Rto",  # TomotherapeuticRadiationStorage
    "1.2.840.10008.5.1.4.1.1.481.15": "Rra",  # RoboticArmRadiationStorage
    "1.2.840.10008.5.1.4.1.1.481.16": "RSr",  # RTRadiationRecordSetStorage
    "1.2.840.10008.5.1.4.1.1.481.17": "RRs",  # RTRadiationSalvageRecordStorage
    "1.2.840.10008.5.1.4.1.1.481.18": "RRt",  # TomotherapeuticRadiationRecordStorage
    "1.2.840.10008.5.1.4.1.1.481.19": "RRc",  # CArmPhotonElectronRadiationRecordStorage
    "1.2.840.10008.5.1.4.1.1.481.20": "RRr",  # RoboticRadiationRecordStorage
    "1.2.840.10008.5.1.4.1.1.481.21": "RSd",  # RTRadiationSetDeliveryInstructionStorage
    "1.2.840.10008.5.1.4.1.1.481.22": "RTp",  # RTTreatmentPreparationStorage
    "1.2.840.10008.5.1.4.1.1.481.23": "RIe",  # EnhancedRTImageStorage
    "1.2.840.10008.5.1.4.1.1.481.24": "RIc",  # EnhancedContinuousRTImageStorage
    "1.2.840.10008.5.1.4.1.1.481.25": "RPp",  # RTPatientPositionAcquisitionInstructionStorage
    "1.2.840.10008.5.1.4.1.1.501.1": "CTs",  # DICOSCTImageStorage
    "1.2.840.10008.5.1.4.1.1.501.2.1": "DXs",  # DICOSDigitalXRayImageStorageForPresentation
    "1.2.840.10008.5.1.4.1.1.501.2.2": "DPs",  # DICOSDigitalXRayImageStorageForProcessing
    "1.2.840.10008.5.1.4.1.1.501.3": "TDR",  # DICOSThreatDetectionReportStorage
    "1.2.840.10008.5.1.4.1.1.501.4": "AI2",  # DICOS2DAITStorage
    "1.2.840.10008.5.1.4.1.1.501.5": "AI3",  # DICOS3DAITStorage
    "1.2.840.10008.5.1.4.1.1.501.6": "QR",  # DICOSQuadrupoleResonanceStorage
    "1.2.840.10008.5.1.4.1.1.601.1": "EC",  # EddyCurrentImageStorage
    "1.2.840.10008.5.1.4.1.1.601.2": "ECm",  # EddyCurrentMultiFrameImageStorage
    "1.2.840.10008.5.1.4.1.1.601.3": "TG",  # ThermographyImageStorage
    "1.2.840.10008.5.1.4.1.1.601.4": "TGm",  # ThermographyMultiFrameImageStorage
    "1.2.840.10008.5.1.4.1.1.601.5": "UW",  # UltrasoundWaveformStorage
    "1.2.840.10008.5.1.4.34.1": "RB_d",  # RTBeamsDeliveryInstructionStorageTrial
    "1.2.840.10008.5.1.4.34.7": "RTd",  # RTBeamsDeliveryInstructionStorage
    "1.2.840.10008.5.1.4.34.10": "RTa",  # RTBrachyApplicationSetupDeliveryInstructionStorage
}
"""Storage SOP classes accepted by default, with the prefix of their file names."""

OTHER_PREFIXES = {
    "1.2.840.10008.5.1.4.38.1": "HP",  # HangingProtocolStorage
    "1.2.840.10008.5.1.4.39.1": "CP",  # ColorPaletteStorage
    "1.2.840.10008.5.1.4.43.1": "IT",  # GenericImplantTemplateStorage
    "1.2.840.10008.5.1.4.44.1": "ITa",  # ImplantAssemblyTemplateStorage
    "1.2.840.10008.5.1.4.45.1": "ITg",  # ImplantTemplateGroupStorage
    "1.2.840.10008.5.1.4.1.1.200.1": "PPcd",  # CTDefinedProcedureProtocolStorage
    "1.2.840.10008.5.1.4.1.1.200.3": "PAp",  # ProtocolApprovalStorage
    "1.2.840.10008.5.1.4.1.1.200.7": "PPxd",  # XADefinedProcedureProtocolStorage
    "1.2.840.10008.5.1.4.1.1.201.1": "INV",  # InventoryStorage
}
"""Storage SOP classes outside the patient model: not accepted by default, named when they arrive."""


def modality_prefix(sop_class_uid: str) -> str | None:
    """Return the file name prefix of a storage SOP class, or None if it is not known as one."""
    return STORAGE_PREFIXES.get(sop_class_uid) or OTHER_PREFIXES.get(sop_class_uid)

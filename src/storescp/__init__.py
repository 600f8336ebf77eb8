"""A DICOM Storage SCP: receives, checks, converts and stores DICOM over the network."""

__version__ = "0.1.0"

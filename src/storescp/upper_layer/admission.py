"""Admission of requesters, beyond the reference's conditions, PS3.8 9.3.4. Pure."""

from dataclasses import dataclass

from storescp.printable import printable
from storescp.upper_layer.log_notes import WARN, LogNote, application
from storescp.upper_layer.pdu import AAssociateRJ, AAssociateRQ

_PERMANENT, _TRANSIENT = 1, 2
_BY_USER = 1  # UL service-user
_BY_PRESENTATION = 3  # UL service-provider, presentation related function
_CALLING_AE_TITLE_NOT_RECOGNIZED = 3
_CALLED_AE_TITLE_NOT_RECOGNIZED = 7
_LOCAL_LIMIT_EXCEEDED = 2


@dataclass(frozen=True, slots=True)
class Admission:
    """Terms of admission; made anew for each connection."""

    calling_ae_titles: frozenset[str] | None = None
    """Titles of the requesters that are allowed; None: all."""
    called_ae_titles: frozenset[str] | None = None
    """Titles under which this side may be called; None: any."""
    open_associations: int | None = None
    """Number of associations that the peer has, if that is as many as it may have."""
    address: str = ""
    """Address of the peer, for the log."""


def refusal(request: AAssociateRQ, admission: Admission) -> AAssociateRJ | None:
    """Return the rejection, if there is a reason. What the peer cannot change by waiting is said first."""
    calling, called = request.calling_ae_title.strip(), request.called_ae_title.strip()
    peer = f'"{printable(calling)}" at {admission.address}'
    if admission.calling_ae_titles is not None and calling not in admission.calling_ae_titles:
        text = f"calling AE title {peer} is not on the list of those that are allowed"
        return AAssociateRJ(
            _PERMANENT, _BY_USER, _CALLING_AE_TITLE_NOT_RECOGNIZED, notes=(_note(text),)
        )
    if admission.called_ae_titles is not None and called not in admission.called_ae_titles:
        text = f'called AE title "{printable(called)}", asked for by {peer}, is none of ours'
        return AAssociateRJ(
            _PERMANENT, _BY_USER, _CALLED_AE_TITLE_NOT_RECOGNIZED, notes=(_note(text),)
        )
    if admission.open_associations is not None:
        text = (
            f"{peer} has {admission.open_associations} associations already,"
            " as many as one address may have"
        )
        return AAssociateRJ(
            _TRANSIENT, _BY_PRESENTATION, _LOCAL_LIMIT_EXCEEDED, notes=(_note(text),)
        )
    return None


def _note(text: str) -> LogNote:
    return application(WARN, f"Association Rejected: {text}")

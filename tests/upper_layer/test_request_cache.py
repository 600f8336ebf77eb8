"""Requests that come again: answered as ever, if they may be remembered."""

from dataclasses import replace

import pytest

from storescp.upper_layer.admission import Admission
from storescp.upper_layer.negotiation import negotiate
from storescp.upper_layer.pdu import (
    AAssociateRJ,
    AAssociateRQ,
    InvalidAssociatePDU,
    ProposedContext,
    UserIdentity,
    decode_request,
)
from storescp.upper_layer.request_cache import AcceptedContext, RequestCache
from tests.upper_layer.requestor import CT, EXPLICIT, IMPLICIT, POLICY, REQUEST


@pytest.fixture
def cache() -> RequestCache:
    return RequestCache()


def field(request: AAssociateRQ) -> bytes:
    """Return the variable field of a request."""
    return request.encode()[6:]


def numbered(number: int) -> AAssociateRQ:
    return replace(REQUEST, calling_ae_title=f"CT{number}")


def test_a_request_that_comes_again_is_not_looked_at_again(cache: RequestCache) -> None:
    """What comes of it is what came of it the first time, which is what decoding and negotiation say."""
    first = cache.answer(field(REQUEST), POLICY)
    assert first.request == decode_request(field(REQUEST))
    assert first.answer == negotiate(REQUEST, POLICY)
    assert first.encoded == first.answer.encode()
    assert first.contexts == {
        1: AcceptedContext("1.2.840.10008.1.1", IMPLICIT),
        3: AcceptedContext(CT, EXPLICIT),
    }
    assert cache.answer(field(REQUEST), POLICY) is first


def test_another_request_is_another_one(cache: RequestCache) -> None:
    """A single byte makes it so."""
    one, other = cache.answer(field(numbered(1)), POLICY), cache.answer(field(numbered(2)), POLICY)
    assert one.request == numbered(1)
    assert other.request == numbered(2)


def test_an_answer_is_that_of_the_policy(cache: RequestCache) -> None:
    """Whatever another policy made of the same request."""
    assert cache.answer(field(REQUEST), POLICY).contexts
    stricter = replace(POLICY, transfer_syntaxes={CT: (EXPLICIT,)})
    assert list(cache.answer(field(REQUEST), stricter).contexts) == [3]
    assert isinstance(
        cache.answer(field(REQUEST), replace(POLICY, refuse=True)).answer, AAssociateRJ
    )
    assert len(cache.answer(field(REQUEST), POLICY).contexts) == 2


def test_secrets_are_not_kept(cache: RequestCache) -> None:
    """A request that says who its user is may hold a password."""
    user = replace(
        REQUEST.user_information,
        user_identity=UserIdentity(2, response_requested=False, primary=b"me", secondary=b"secret"),
    )
    answered = cache.answer(field(replace(REQUEST, user_information=user)), POLICY)
    assert answered.contexts
    assert len(cache) == 0


def test_who_may_associate_is_asked_each_time(cache: RequestCache) -> None:
    """By whatever list is in force; what else there is to say is known from the others."""
    listed = Admission(calling_ae_titles=frozenset({REQUEST.calling_ae_title}))
    elsewhere = Admission(open_associations=3)
    first = cache.answer(field(REQUEST), replace(POLICY, admission=listed))
    for admission in (listed, Admission(address="10.0.0.1"), None):
        assert cache.answer(field(REQUEST), replace(POLICY, admission=admission)) is first
    for admission in (elsewhere, Admission(called_ae_titles=frozenset())):
        refused = cache.answer(field(REQUEST), replace(POLICY, admission=admission))
        assert refused.answer == negotiate(REQUEST, replace(POLICY, admission=admission))
        assert isinstance(refused.answer, AAssociateRJ)
        assert not refused.contexts
    assert cache.answer(field(REQUEST), POLICY) is first


def test_what_is_not_accepted_is_not_kept(cache: RequestCache) -> None:
    """Nor is what cannot be decoded."""
    cache.answer(field(REQUEST), replace(POLICY, refuse=True))
    cache.answer(field(REQUEST), replace(POLICY, admission=Admission(open_associations=1)))
    with pytest.raises(InvalidAssociatePDU):
        cache.answer(field(REQUEST)[:-1], POLICY)
    assert len(cache) == 0


def test_the_memory_is_small(cache: RequestCache) -> None:
    """Sixteen requests; the one that came first gives way. Long ones are not kept."""
    answers = [cache.answer(field(numbered(number)), POLICY) for number in range(17)]
    assert len(cache) == 16
    assert cache.answer(field(numbered(16)), POLICY) is answers[16]
    assert cache.answer(field(numbered(0)), POLICY) is not answers[0]

    contexts = tuple(ProposedContext(1, CT, (EXPLICIT,) * 120) for _ in range(20))
    before = len(cache)
    assert cache.answer(field(replace(REQUEST, contexts=contexts)), POLICY).contexts
    assert len(cache) == before


def test_each_process_has_its_own() -> None:
    """Nothing is shared by two caches: what one knows, the other one answers by itself."""
    one, other = RequestCache(), RequestCache()
    first = one.answer(field(REQUEST), POLICY)

    second = other.answer(field(REQUEST), POLICY)

    assert first is not second
    assert first == second

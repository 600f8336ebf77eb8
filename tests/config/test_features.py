"""What the TLS library offers decides which options there are."""

import ssl
from typing import Any

import pytest

from storescp.config.features import tls_features
from storescp.config.options.rows import Feature


@pytest.mark.parametrize(
    ("offered", "features"),
    [
        (set(), set()),
        ({"NULL-SHA"}, {Feature.NULL_CIPHERS}),
        ({"DES-CBC3-SHA", "ECDHE-ECDSA-AES128-CCM"}, {Feature.TRIPLE_DES, Feature.AES_CCM}),
    ],
)
def test_a_feature_is_a_suite_that_the_library_takes(
    offered: set[str], features: set[Feature], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever security level the system's configuration sets."""
    asked: list[str] = []

    class Context:
        def __init__(self, _: object) -> None:
            pass

        def set_ciphers(self, text: str) -> None:
            asked.append(text)
            if text.partition(":")[0] not in offered:
                raise ssl.SSLError

    context: Any = Context
    monkeypatch.setattr(ssl, "SSLContext", context)

    assert tls_features() == features
    assert all(text.endswith(":@SECLEVEL=0") for text in asked)
    assert len(asked) == len(Feature)


def test_this_library() -> None:
    """The real one answers without an error."""
    assert tls_features() <= set(Feature)

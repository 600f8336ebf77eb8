"""Features of the OpenSSL library behind Python's `ssl` that options depend on."""

from storescp.config.options.rows import Feature

_SUITES = {
    Feature.TRIPLE_DES: "DES-CBC3-SHA",
    Feature.NULL_CIPHERS: "NULL-SHA",
    Feature.AES_CCM: "ECDHE-ECDSA-AES128-CCM",
}


def tls_features() -> frozenset[Feature]:
    """Return the features the library offers. Importing `ssl` is most of the cost, some 10 ms."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def offers(suite: str) -> bool:
        try:
            context.set_ciphers(f"{suite}:@SECLEVEL=0")
        except ssl.SSLError:
            return False
        return True

    return frozenset(feature for feature, suite in _SUITES.items() if offers(suite))

"""Certificates for servers on this machine, signed by an authority of the test's own."""

import trustme


class Certificates:
    """Files in `folder`: the authority's certificate, and chain and key of `127.0.0.1` and `localhost`."""

    def __init__(self, folder):
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1", "localhost")
        self.ca = folder / "own-ca.pem"
        self.chain = folder / "own-chain.pem"
        self.key = folder / "own-key.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        self.chain.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(self.key))

    def settings(self):
        """The settings of a server that serves HTTPS with them."""
        return {"AUDITCAST_TLS_CERT": self.chain, "AUDITCAST_TLS_KEY": self.key}

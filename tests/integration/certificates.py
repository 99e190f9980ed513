"""A certificate authority for the black-box tests, by means of the command `openssl`."""

import subprocess


class Authority:
    """A certificate authority of its own."""

    def __init__(self, directory, name):
        self.directory = directory / name
        self.directory.mkdir()
        self.certificate = self.directory / "ca.pem"
        self.key = self.directory / "ca.key"
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                     f"/CN={name}", "-keyout", self.key, "-out", self.certificate, "-addext",
                     "keyUsage=critical,keyCertSign")

    @staticmethod
    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, timeout=60)

    def issue(self, names, days=1):
        """A certificate for subject alternative names; `days` may be negative. Returns the paths of
        certificate and key."""
        base = self.directory / f"server-{len(list(self.directory.iterdir()))}"
        request, key = base.with_suffix(".csr"), base.with_suffix(".key")
        certificate, extensions = base.with_suffix(".pem"), base.with_suffix(".ext")
        extensions.write_text(f"subjectAltName={names}\n")
        self.openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=server", "-keyout", key,
                     "-out", request)
        self.openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key,
                     "-CAcreateserial", "-days", days, "-extfile", extensions, "-out", certificate)
        return certificate, key

    def issue_self_signed(self, names):
        """A certificate that nobody else has signed."""
        base = self.directory / f"self-{len(list(self.directory.iterdir()))}"
        certificate, key = base.with_suffix(".pem"), base.with_suffix(".key")
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj",
                     "/CN=self", "-keyout", key, "-out", certificate, "-addext",
                     f"subjectAltName={names}")
        return certificate, key

"""Certificates by the openssl command, and nginx in front of OpenTAXII with them."""

import hashlib
import socket
import subprocess
import time
from pathlib import Path


def openssl(*arguments, cwd, **more):
    done = subprocess.run(["openssl", *map(str, arguments)], cwd=cwd, capture_output=True, **more)
    assert done.returncode == 0, f"openssl {arguments}: {done.stderr.decode()}"
    return done.stdout


class Authority:
    """A certificate authority of our own, below `home`."""

    def __init__(self, home: Path, name: str):
        self.home = home / name
        (self.home / "new").mkdir(parents=True)
        (self.home / "index").touch()
        (self.home / "serial").write_text("01\n")
        (self.home / "ca.conf").write_text(
            "[ca]\ndefault_ca = us\n[us]\nnew_certs_dir = new\ndatabase = index\nserial = serial\ndefault_md = sha256\n"
            "policy = any\ncopy_extensions = copy\nunique_subject = no\n[any]\ncommonName = supplied\n")
        self.certificate = self.home / "ca.pem"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-days", "30", "-keyout", "ca.key", "-out", "ca.pem", cwd=self.home)

    def issue(self, name, extensions, start="20200101000000Z", end="20991231000000Z"):
        """A key and a certificate: the paths of both."""
        more = [argument for extension in extensions for argument in ("-addext", extension)]
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", *more, "-keyout", f"{name}.key",
                "-out", f"{name}.csr", cwd=self.home)
        openssl("ca", "-batch", "-notext", "-config", "ca.conf", "-cert", "ca.pem", "-keyfile", "ca.key",
                "-startdate", start, "-enddate", end, "-in", f"{name}.csr", "-out", f"{name}.pem", cwd=self.home)
        return self.home / f"{name}.key", self.home / f"{name}.pem"

    def server(self, name, address="IP:127.0.0.1", **more):
        return self.issue(name, [f"subjectAltName={address}", "extendedKeyUsage=serverAuth"], **more)

    def client(self, name, **more):
        return self.issue(name, ["extendedKeyUsage=clientAuth"], **more)


def pin(certificate: Path):
    """SHA-256 of a certificate's public key."""
    public = openssl("x509", "-in", certificate, "-noout", "-pubkey", cwd=certificate.parent)
    return hashlib.sha256(openssl("pkey", "-pubin", "-outform", "der", cwd=certificate.parent, input=public)).hexdigest()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_for(port, process, log):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}: {Path(log).read_text(errors='replace')}")


class Nginx:
    """nginx with a server for each of `sites` (name: key, certificate, whether it wants one of the client)."""

    def __init__(self, home: Path, upstream, authority, sites):
        home.mkdir(parents=True)
        self.ports = {name: free_port() for name in sites}
        servers = "".join(self._site(self.ports[name], upstream, authority, *site) for name, site in sites.items())
        temporary = "".join(f"{kind}_temp_path {home}/{kind};" for kind in
                            ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        # Debian's nginx would become www-data, which cannot read a test's directory.
        (home / "nginx.conf").write_text(
            f"daemon off; user root; pid {home}/pid; error_log {home}/error.log; worker_processes 1; events {{}}\n"
            f"http {{ access_log off; client_max_body_size 0; {temporary}\n{servers} }}\n")
        (home / "error.log").touch()
        self.process = subprocess.Popen(["nginx", "-p", home, "-c", home / "nginx.conf", "-e", home / "error.log"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for port in self.ports.values():
            wait_for(port, self.process, home / "error.log")

    def _site(self, port, upstream, authority, key, certificate, wants_client):
        client = f"ssl_client_certificate {authority.certificate}; ssl_verify_client on;" if wants_client else ""
        return (f"server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key}; {client}\n"
                f"  location / {{ proxy_pass http://{upstream}; proxy_set_header Host $http_host; }} }}\n")

    def url(self, site, service):
        return f"https://127.0.0.1:{self.ports[site]}/services/{service}"

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

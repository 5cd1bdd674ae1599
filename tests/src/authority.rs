//! A certificate authority that only this test has, and what it certified.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// An authority with one certificate, for `localhost`.
#[derive(Debug)]
pub struct Authority {
    directory: PathBuf,
}

impl Authority {
    /// Makes both in a directory.
    ///
    /// # Panics
    /// When openssl does not.
    #[must_use]
    pub fn in_directory(directory: &Path) -> Self {
        let new_key = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
        let made = Self { directory: directory.to_owned() };
        let name = ["-subj", "/CN=a test's own authority"];
        made.openssl(&format!("{new_key} -keyout ca.key -out ca.pem"), &name);
        let of = "-subj /CN=localhost -addext subjectAltName=DNS:localhost \
            -addext basicConstraints=critical,CA:FALSE -CA ca.pem -CAkey ca.key";
        made.openssl(&format!("{new_key} -keyout server.key -out server.pem {of}"), &[]);
        made
    }

    fn openssl(&self, words: &str, more: &[&str]) {
        let mut openssl = Command::new("openssl");
        openssl.args(words.split_whitespace()).args(more).current_dir(&self.directory);
        let output = openssl.output().expect("openssl is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The file of its root certificate.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// What speaks TLS with the certificate.
    ///
    /// # Panics
    /// When the files are not what they should be.
    #[must_use]
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let chain = CertificateDer::from_pem_file(self.directory.join("server.pem")).expect("PEM");
        let key = PrivateKeyDer::from_pem_file(self.directory.join("server.key")).expect("PEM");
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![chain], key).expect("they belong together");
        TlsAcceptor::from(Arc::new(config))
    }
}

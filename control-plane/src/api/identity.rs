//! Who is at the other end: the SPIFFE ID in the client certificate that TLS has already verified.
//!
//! X.509-SVID specification, sections 2 and 5: exactly one URI among the subject alternative names, and it is the identity.

use protocol::identity::HostId;
use x509_parser::{extensions::GeneralName, parse_x509_certificate};

/// A host that holds a certificate of a CA of ours.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    host: HostId,
    ends: i64,
}

/// Why a verified certificate identifies no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unidentified {
    /// It cannot be read.
    Unreadable,
    /// It holds no URI or several.
    NotOneUri,
    /// Its URI is no host's SPIFFE ID.
    NotAHost,
    /// The host is another trust domain's.
    OtherTrustDomain,
    /// It ended while the connection was open.
    Ended,
}

impl Unidentified {
    /// The cause in words.
    pub(crate) fn because(self) -> &'static str {
        match self {
            Unidentified::Unreadable => "the client certificate cannot be read",
            Unidentified::NotOneUri => "the client certificate must hold exactly one URI",
            Unidentified::NotAHost => "the client certificate's URI is not a host's SPIFFE ID",
            Unidentified::OtherTrustDomain => "the client certificate is of another trust domain",
            Unidentified::Ended => "the client certificate has expired",
        }
    }
}

impl Identity {
    /// From a certificate that chains to a CA of ours.
    pub(crate) fn of(certificate: &[u8]) -> Result<Self, Unidentified> {
        let (_, certificate) = parse_x509_certificate(certificate).map_err(|_| Unidentified::Unreadable)?;
        let names = certificate.subject_alternative_name().map_err(|_| Unidentified::Unreadable)?.ok_or(Unidentified::NotOneUri)?;
        let mut uris = names.value.general_names.iter().filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None });
        let (Some(uri), None) = (uris.next(), uris.next()) else { return Err(Unidentified::NotOneUri) };
        let host = HostId::parse(uri).ok_or(Unidentified::NotAHost)?;
        Ok(Self { host, ends: certificate.validity().not_after.timestamp() })
    }

    /// The host, if it may be served by `trust_domain` at `now`; asked on every request of a connection.
    pub(crate) fn check(&self, trust_domain: &str, now: i64) -> Result<&HostId, Unidentified> {
        if self.host.trust_domain() != trust_domain {
            return Err(Unidentified::OtherTrustDomain);
        }
        if now > self.ends { Err(Unidentified::Ended) } else { Ok(&self.host) }
    }
}

//! Who is at the other end: the certificate shown, and what it is worth.
//!
//! X.509-SVID specification, sections 2 and 5: exactly one URI among the subject alternative names, and it is the identity.

use protocol::{identity::HostId, membership::BINDING_BYTES};
use service::{host::Fingerprint, membership::Shown};
use std::sync::Arc;
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, parse_x509_certificate};

/// Who came over one connection.
#[derive(Debug, Default)]
pub(crate) struct Visitor {
    /// The certificate shown, if any; that its key is held has been proved.
    pub(crate) certificate: Option<Arc<Certificate>>,
    /// What binds a proof to this connection; without it no proof holds.
    pub(crate) binding: Option<[u8; BINDING_BYTES]>,
    /// How many CAs were revoked when the certificate was judged.
    pub(crate) revoked_authorities: usize,
}

impl Visitor {
    /// The name of the host, if it shows a valid certificate of ours.
    pub(crate) fn name(&self, now: i64) -> Option<&str> {
        let certificate = self.certificate.as_ref().filter(|certificate| certificate.standing_at(now) == Standing::Ours)?;
        certificate.host.as_ref().ok().map(HostId::host)
    }
}

/// A client's certificate.
#[derive(Debug)]
pub(crate) struct Certificate {
    /// Whom it names: a host, or why it names none.
    pub(crate) host: Result<HostId, &'static str>,
    /// Its one URI, if it has one and no other.
    pub(crate) uri: Option<String>,
    /// What membership needs of it.
    pub(crate) shown: Shown,
    /// What it was worth when it was judged.
    pub(crate) standing: Standing,
    /// The DNS names and common names in it.
    pub(crate) names: Vec<String>,
}

/// What a certificate is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It chains to a CA of ours and is valid.
    Ours,
    /// It chains to a CA of ours and is over.
    Ended,
    /// It chains to a CA that hosts may come in by.
    Foreign,
    /// None of these.
    Unknown,
}

impl Certificate {
    /// Reads one; its standing is for the caller to find out.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = parse_x509_certificate(der).ok()?;
        let validity = certificate.validity();
        let shown = Shown {
            key: Fingerprint::of(certificate.public_key().raw),
            starts: validity.not_before.timestamp(),
            ends: validity.not_after.timestamp(),
        };
        let uri = uri(&certificate);
        let host = match &uri {
            None => Err("the client certificate must hold exactly one URI"),
            Some(uri) => HostId::parse(uri).ok_or("the client certificate's URI is not a host's SPIFFE ID"),
        };
        Some(Self { host, uri, shown, standing: Standing::Unknown, names: names(&certificate) })
    }

    /// What it is worth at `now`, asked on every request of a connection.
    pub(crate) fn standing_at(&self, now: i64) -> Standing {
        if self.standing == Standing::Ours && now > self.shown.ends { Standing::Ended } else { self.standing }
    }
}

fn uri(certificate: &X509Certificate<'_>) -> Option<String> {
    let names = certificate.subject_alternative_name().ok().flatten()?;
    let mut uris = names.value.general_names.iter().filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None });
    let (Some(uri), None) = (uris.next(), uris.next()) else { return None };
    Some(uri.to_string())
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let alternative = alternative.iter().flat_map(|names| &names.value.general_names);
    let alternative = alternative.filter_map(|name| if let GeneralName::DNSName(name) = name { Some((*name).to_string()) } else { None });
    let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok().map(ToOwned::to_owned));
    alternative.chain(common).collect()
}

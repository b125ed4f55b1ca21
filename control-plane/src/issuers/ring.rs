//! The keys in force: which one signs what, and what is published; a snapshot made of the records and replaced whole.

use super::{Unsigned, ca::Ca, jwt, pair::Pair, source, source::Source, ssh, time};
use crate::failure::{Code, Failure};
use protocol::json;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use service::keys::{Algorithm, Key, Keys, State, Use};
use std::{collections::HashMap, sync::Arc};

/// The snapshot.
#[derive(Default)]
pub(crate) struct Ring {
    signing: HashMap<Role, (String, Signer)>,
    keys: Keys,
    key_set: String,
    bundle: String,
    trusted: Vec<CertificateDer<'static>>,
    distrusted: Vec<CertificateDer<'static>>,
}

type Role = (Use, Option<Algorithm>);

#[derive(Clone)]
enum Signer {
    Ca(Arc<Ca>),
    Token(Arc<jwt::Signer>),
    Time(Arc<time::Key>),
    Ssh(Arc<ssh::Ca>),
    Online(Arc<Pair>),
}

impl Ring {
    /// From the records, and the private keys of those that sign. Where one cannot be had, the one before goes on signing for as long
    /// as it is published, and the failure is told.
    pub(crate) fn new(keys: Keys, source: &Source, before: &Self) -> (Self, Vec<Failure>) {
        let mut failures = Vec::new();
        let mut signing = HashMap::new();
        for (id, key) in keys.iter().filter(|(_, key)| key.state == State::Active) {
            let known = before.signing.get(&key.role());
            let loaded = match known.filter(|(known, _)| known == id) {
                Some((_, signer)) => Ok(signer.clone()),
                None => load(id, key, source),
            };
            match loaded {
                Ok(signer) => signing.insert(key.role(), (id.clone(), signer)),
                Err(failure) => {
                    failures.push(failure);
                    let goes_on = known.filter(|(known, _)| keys.get(known).is_some_and(Key::is_published));
                    goes_on.and_then(|known| signing.insert(key.role(), known.clone()))
                }
            };
        }
        let published = |purpose| keys.values().filter(move |key| key.purpose == purpose && key.is_published());
        let key_set = jwt::key_set(published(Use::Jwt).filter_map(|key| json::parse(key.public.as_bytes()).ok()));
        let bundle = published(Use::Ca).map(|key| key.public.as_str()).collect();
        let (trusted, distrusted) = keys.values().filter(|key| key.purpose == Use::Ca).partition::<Vec<_>, _>(|key| key.is_published());
        let (trusted, distrusted) = (certificates(&trusted), certificates(&distrusted));
        (Self { signing, keys, key_set, bundle, trusted, distrusted }, failures)
    }

    /// All keys on record.
    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Signs hosts' certificates.
    pub(crate) fn ca(&self) -> Result<&Ca, Unsigned> {
        match self.signer(Use::Ca, None)? {
            Signer::Ca(ca) => Ok(ca),
            _ => Err(Unsigned),
        }
    }

    /// Signs tokens in this way.
    pub(crate) fn token(&self, algorithm: Algorithm) -> Result<&jwt::Signer, Unsigned> {
        match self.signer(Use::Jwt, Some(algorithm))? {
            Signer::Token(signer) => Ok(signer),
            _ => Err(Unsigned),
        }
    }

    /// Signs the time.
    pub(crate) fn time(&self) -> Result<&time::Key, Unsigned> {
        match self.signer(Use::Time, None)? {
            Signer::Time(key) => Ok(key),
            _ => Err(Unsigned),
        }
    }

    /// Signs OpenSSH certificates.
    pub(crate) fn ssh(&self) -> Result<&ssh::Ca, Unsigned> {
        match self.signer(Use::Ssh, None)? {
            Signer::Ssh(ca) => Ok(ca),
            _ => Err(Unsigned),
        }
    }

    /// Signs snapshot and timestamp of releases.
    pub(crate) fn online(&self) -> Result<&Pair, Unsigned> {
        match self.signer(Use::Online, None)? {
            Signer::Online(pair) => Ok(pair),
            _ => Err(Unsigned),
        }
    }

    fn signer(&self, purpose: Use, algorithm: Option<Algorithm>) -> Result<&Signer, Unsigned> {
        self.signing.get(&(purpose, algorithm)).map(|(_, signer)| signer).ok_or(Unsigned)
    }

    /// Whether any of them takes so long that others should not wait for it.
    pub(crate) fn is_slow(&self) -> bool {
        self.signing.values().any(|(_, signer)| match signer {
            Signer::Ca(ca) => ca.is_slow(),
            Signer::Token(signer) => signer.is_slow(),
            Signer::Time(_) | Signer::Ssh(_) | Signer::Online(_) => false,
        })
    }

    /// The JWK Set of all published keys of tokens.
    pub(crate) fn key_set(&self) -> &str {
        &self.key_set
    }

    /// The certificates of all published CAs, PEM.
    pub(crate) fn bundle(&self) -> &str {
        &self.bundle
    }

    /// The lines of all published SSH CAs.
    pub(crate) fn ssh_lines(&self) -> impl Iterator<Item = &str> {
        self.keys.values().filter(|key| key.purpose == Use::Ssh && key.is_published()).map(|key| key.public.as_str())
    }

    /// The certificate that hosts' certificates are signed by.
    pub(crate) fn ca_certificate(&self) -> Option<CertificateDer<'static>> {
        let (id, _) = self.signing.get(&(Use::Ca, None))?;
        certificates(&[self.keys.get(id)?]).into_iter().next()
    }

    /// The CAs on record whose certificates hold.
    pub(crate) fn trusted(&self) -> &[CertificateDer<'static>] {
        &self.trusted
    }

    /// How many CAs were ever revoked.
    pub(crate) fn revoked_authorities(&self) -> usize {
        self.keys.values().filter(|key| key.purpose == Use::Ca && key.state == State::Revoked).count()
    }

    /// The CAs on record whose certificates do not, wherever else they are named.
    pub(crate) fn distrusted(&self) -> &[CertificateDer<'static>] {
        &self.distrusted
    }
}

fn certificates(keys: &[&Key]) -> Vec<CertificateDer<'static>> {
    keys.iter().flat_map(|key| CertificateDer::pem_slice_iter(key.public.as_bytes()).flatten()).collect()
}

fn load(id: &str, key: &Key, source: &Source) -> Result<Signer, Failure> {
    let unusable = |because: &str| {
        Failure::new(Code::KeyUnusable, format!("cannot sign with the {} key {id} in {}", key.purpose.name(), key.place), because, HINT)
    };
    let pair = source.pair(&key.place)?;
    if source::id(&pair) != id {
        return Err(unusable("there is another key"));
    }
    let signer = match key.purpose {
        Use::Ca => Ca::new(pair, &key.public).ok().map(|ca| Signer::Ca(Arc::new(ca))),
        Use::Jwt => jwt::Signer::new(pair).map(|signer| Signer::Token(Arc::new(signer))),
        Use::Time => Some(Signer::Time(Arc::new(time::Key::new(pair)))),
        Use::Ssh => ssh::Ca::new(&pair).map(|ca| Signer::Ssh(Arc::new(ca))),
        Use::Online => Some(Signer::Online(Arc::new(pair))),
    };
    signer.ok_or_else(|| unusable("it does not sign what its record says"))
}

const HINT: &str = "put the private key of this record there; a new key is made by pinnaced keys prepare";

//! A fetch: asks for every credential that is due until each has an answer; a host whose certificate has ended comes back on
//! the way.

use crate::{
    failure::Failure,
    identity::{Identity, Key, ask_again, is_over, life},
    net::{http::Request, session::Session, way::Way},
    run::now,
    state::State,
};
use host::{
    accept::accept,
    due::{self, Held},
    key_files::SshCertificate,
    refused,
};
use protocol::{
    answer::{Answer, Kind, PRIVATE_KEY},
    membership::{KeyRequest, Purpose},
    phases::Phase,
    reason::Reason,
    site::{Credential, Endpoint},
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use std::time::Instant;

/// One run's fetching.
pub(crate) struct Fetch<'a> {
    state: &'a State,
    pub(crate) identity: Identity,
    /// The connection that served last.
    pub(crate) session: Option<Session>,
    /// Whether the control plane took this host back.
    pub(crate) came_back: bool,
    /// Whether it may: an attempt on a copy of the identity must not.
    may_come_back: bool,
    /// This host's clock minus the control plane's, seconds, as last measured.
    pub(crate) skew: i64,
}

/// A credential to ask for.
pub(crate) struct Wanted<'c> {
    pub(crate) credential: &'c Credential,
    /// The one in place.
    pub(crate) held: Option<Held>,
    /// Whether that one is fresh, so that another is wanted only if the control plane says so.
    pub(crate) is_fresh: bool,
    /// Whether it is wanted only to see who can fetch it.
    pub(crate) is_dry: bool,
}

type Answers = Vec<Option<Result<Answer, Failure>>>;

impl<'a> Fetch<'a> {
    pub(crate) fn new(state: &'a State, identity: Identity, skew: i64, may_come_back: bool) -> Self {
        Self { state, identity, session: None, came_back: false, may_come_back, skew }
    }

    /// Fetches all, in their order; what may still be held comes as it is.
    pub(crate) fn all(&mut self, way: &mut Way<'_>, due: &[&Wanted<'_>]) -> Vec<Result<Answer, Failure>> {
        let mut answers: Answers = due.iter().map(|_| None).collect();
        let mut ended = Ok(());
        // A question whether what is fresh is still good is asked once.
        let once = due.iter().all(|wanted| wanted.is_fresh);
        let _ = way.attempt(&mut |way, endpoint| {
            ended = self.attempt(way, endpoint, due, &mut answers);
            if once { Ok(()) } else { ended.clone() }
        });
        if let Err(failure) = ended {
            answers.iter_mut().filter(|answer| answer.is_none()).for_each(|answer| *answer = Some(Err(failure.clone())));
        }
        let lost = || Err(Failure::new(Reason::Internal, "a credential was neither fetched nor refused"));
        answers.into_iter().map(|answer| answer.unwrap_or_else(lost)).collect()
    }

    /// Tries one endpoint; an error is what keeps at least one credential from being answered for good.
    fn attempt(&mut self, way: &mut Way<'_>, endpoint: &Endpoint, due: &[&Wanted<'_>], answers: &mut Answers) -> Result<(), Failure> {
        self.session = None;
        let mut session = way.connect(endpoint, Some(&self.identity))?;
        let mut failed = Ok(());
        let open = due
            .iter()
            .zip(answers)
            .filter(|(_, answer)| answer.as_ref().is_none_or(|answer| answer.as_ref().is_err_and(|failure| failure.reason.retry())));
        // Who was never answered comes first, so that one bad credential does not keep the others away.
        let (first, again): (Vec<_>, Vec<_>) = open.partition(|(_, answer)| answer.is_none());
        for (wanted, answer) in first.into_iter().chain(again) {
            let begun = Instant::now();
            let mut result = self.one(&mut session, wanted);
            way.spent.since(begun, Phase::Request);
            if result.as_ref().is_err_and(|failure| refused::may_come_back(failure.reason)) && self.may_come_back && !self.came_back {
                session = self.come_back(session, way, endpoint)?;
                let begun = Instant::now();
                result = self.one(&mut session, wanted);
                way.spent.since(begun, Phase::Request);
            }
            match result {
                Ok(fetched) => {
                    if !wanted.has(&fetched) {
                        self.skew = if session.skew == 0 { now().saturating_sub(fetched.issued_at) } else { session.skew };
                    }
                    *answer = Some(Ok(fetched));
                }
                Err(failure) => {
                    let next = goes_on(failure.reason);
                    *answer = Some(Err(failure.clone()));
                    if failure.reason.retry() && !wanted.is_fresh {
                        failed = Err(failure);
                    }
                    if !next {
                        break;
                    }
                }
            }
        }
        // Kept where a credential failed, too: an issuer that is down for weeks must not cost the host its identity.
        self.session = Some(session);
        failed
    }

    fn one(&self, session: &mut Session, wanted: &Wanted<'_>) -> Result<Answer, Failure> {
        let (credential, held) = (wanted.credential, wanted.held.as_ref());
        let path = format!("/v1/credentials/{}", credential.name);
        let good_for = held.and_then(|held| due::remaining(held, now())).unwrap_or(0).max(0);
        let key = credential.key.map(|_| Key::fresh()).transpose()?;
        let request = match &key {
            None => None,
            Some(key) => Some(KeyRequest { key: key.public, proof: key.proof("credential", &credential.name, &session.binding()?) }.to_json()),
        };
        let in_place = held.map(|held| &held.answer);
        let fresh = in_place.filter(|_| wanted.is_fresh);
        let body = session.send(&Request {
            held: Some(good_for),
            issued: fresh.map(|answer| answer.issued_at),
            body: request.as_deref(),
            ..Request::get(&path)
        })?;
        if let Some(answer) = fresh.filter(|_| body.is_empty()) {
            return Ok(answer.clone());
        }
        let mut answer =
            accept(&body, &credential.name, &self.identity.id, in_place).map_err(|rejected| Failure::new(rejected.reason, rejected.because))?;
        add_key(&mut answer, key.as_ref())?;
        Ok(answer)
    }

    /// Proves the registered key to the control plane with a certificate that has ended, and goes on with a new one.
    fn come_back(&mut self, session: Session, way: &mut Way<'_>, endpoint: &Endpoint) -> Result<Session, Failure> {
        let mut reconnect = || way.connect(endpoint, Some(&self.identity));
        self.identity = ask_again(session, &mut reconnect, self.state, &self.identity, Purpose::Recover)?;
        self.came_back = true;
        way.connect(endpoint, Some(&self.identity))
    }
}

impl Wanted<'_> {
    /// The same for a dry run.
    pub(crate) fn anew(&self) -> Wanted<'_> {
        Wanted { credential: self.credential, held: self.held.clone(), is_fresh: false, is_dry: true }
    }

    /// Whether it is the one in place.
    pub(crate) fn has(&self, answer: &Answer) -> bool {
        self.held.as_ref().is_some_and(|held| held.answer.issued_at == answer.issued_at)
    }
}

/// Whether other credentials can be asked for on a connection where one failed so: its answer was read, and forbids nothing.
fn goes_on(reason: Reason) -> bool {
    use Reason::{HttpClosed, HttpEncoding, HttpMalformed, HttpThrottled, HttpTimeout, HttpTooLarge};
    let broken = matches!(reason, HttpClosed | HttpEncoding | HttpMalformed | HttpTimeout | HttpTooLarge);
    !broken && reason != HttpThrottled && !reason.code().starts_with("tls.")
}

/// Puts the key that was made for a certificate beside it, if the certificate is over that key and holds as long as it says.
pub(crate) fn add_key(answer: &mut Answer, key: Option<&Key>) -> Result<(), Failure> {
    let Some(key) = key else {
        let keyed = answer.kind.has_key();
        return if keyed { Err(Failure::new(Reason::CredentialKeyNeeded, "a certificate came without a key of this host")) } else { Ok(()) };
    };
    let malformed = || Failure::new(Reason::CredentialMalformed, format!("it holds no certificate as kind {} has it", answer.kind.name()));
    let field = |name| answer.fields.iter().find(|(field, _)| field == name).map(|(_, text)| text.as_str()).ok_or_else(malformed);
    let (ours, ends, private) = match answer.kind {
        Kind::X509 => {
            let leaf = CertificateDer::from_pem_slice(field("certificates")?.as_bytes()).map_err(|_| malformed())?;
            (is_over(&leaf, &key.public.spki()), life(&leaf).ok_or_else(malformed)?.ends, key.to_pem())
        }
        Kind::Ssh => {
            let certificate = SshCertificate::parse(field("certificate")?).ok_or_else(malformed)?;
            let ends = i64::try_from(certificate.valid_before).unwrap_or(i64::MAX);
            (certificate.key == key.public, ends, key.to_openssh(&answer.credential))
        }
        Kind::Jwt | Kind::Secret => return Err(malformed()),
    };
    if !ours {
        return Err(Failure::new(Reason::CredentialWrongKey, "it is not over the key that was sent"));
    }
    if ends < answer.expires_at {
        return Err(Failure::new(Reason::CredentialExpired, format!("its certificate ends at {ends}, earlier than it says")));
    }
    answer.fields.push((PRIVATE_KEY.to_owned(), private));
    Ok(())
}

//! A fetch: attempts over endpoints and addresses, inside one deadline, until every credential that is due has an answer.

use crate::{
    failure::Failure,
    net::{
        resolve::{Candidates, resolve},
        session::Session,
        tls::Identity,
    },
};
use host::{accept::accept, candidates, due::Held, retry, state::Memory};
use protocol::{
    answer::Answer,
    reason::Reason,
    site::{Credential, Endpoint, Site},
};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

/// One run's fetching.
pub(crate) struct Fetch<'a> {
    site: &'a Site,
    identity: &'a Identity,
    memory: &'a mut Memory,
    started: Instant,
    deadline: Instant,
    /// Addresses that failed, passed over while there is another.
    distrusted: Vec<SocketAddr>,
    /// Whether the next attempt goes to an endpoint or address that was not asked yet.
    elsewhere: bool,
    /// Attempts made.
    pub(crate) attempts: u32,
    /// This host's clock minus the control plane's, seconds.
    pub(crate) skew: i64,
    /// The endpoint that answered.
    pub(crate) endpoint: Option<String>,
}

type Answers = Vec<Option<Result<Answer, Failure>>>;

impl<'a> Fetch<'a> {
    pub(crate) fn new(site: &'a Site, identity: &'a Identity, memory: &'a mut Memory, started: Instant, deadline: Instant) -> Self {
        Self { site, identity, memory, started, deadline, distrusted: Vec::new(), elsewhere: false, attempts: 0, skew: 0, endpoint: None }
    }

    /// Fetches all, in their order.
    pub(crate) fn all(&mut self, due: &[(&Credential, Option<Held>)]) -> Vec<Result<Answer, Failure>> {
        let order = candidates::order_endpoints(&self.identity.id, &self.site.endpoints);
        let mut answers: Answers = due.iter().map(|_| None).collect();
        loop {
            let turn = usize::try_from(self.attempts).unwrap_or(0) % order.len().max(1);
            self.attempts += 1;
            let endpoint = order.get(turn).and_then(|index| self.site.endpoints.get(*index));
            let worst =
                endpoint.map_or_else(|| Err(Failure::new(Reason::SiteInvalid, "no endpoint")), |endpoint| self.attempt(endpoint, due, &mut answers));
            let Err(failure) = worst else { break };
            let Some(wait) = self.wait(&failure) else {
                answers.iter_mut().filter(|answer| answer.is_none()).for_each(|answer| *answer = Some(Err(failure.clone())));
                break;
            };
            std::thread::sleep(Duration::from_millis(wait));
        }
        let lost = || Err(Failure::new(Reason::Internal, "a credential was neither fetched nor refused"));
        answers.into_iter().map(|answer| answer.unwrap_or_else(lost)).collect()
    }

    /// Tries one endpoint; an error is what keeps at least one credential from being answered for good.
    fn attempt(&mut self, endpoint: &Endpoint, due: &[(&Credential, Option<Held>)], answers: &mut Answers) -> Result<(), Failure> {
        let (mut session, address) = self.connect(endpoint)?;
        let mut failed = Ok(());
        let open = due
            .iter()
            .zip(answers)
            .filter(|(_, answer)| answer.as_ref().is_none_or(|answer| answer.as_ref().is_err_and(|failure| failure.reason.retry())));
        // Who was never answered comes first, so that one bad credential does not keep the others away.
        let (first, again): (Vec<_>, Vec<_>) = open.partition(|(_, answer)| answer.is_none());
        for ((credential, held), answer) in first.into_iter().chain(again) {
            let held = held.as_ref().map(|held| &held.answer);
            let result = session.get(&format!("/v1/credentials/{}", credential.name)).and_then(|body| {
                accept(&body, &credential.name, &self.identity.id, held).map_err(|rejected| Failure::new(rejected.reason, rejected.because))
            });
            match result {
                Ok(fetched) => {
                    self.skew = if session.skew == 0 { crate::run::now().saturating_sub(fetched.issued_at) } else { session.skew };
                    *answer = Some(Ok(fetched));
                }
                Err(failure) => {
                    let (again, next) = (failure.reason.retry(), goes_on(failure.reason));
                    *answer = Some(Err(failure.clone()));
                    if again {
                        self.distrusted.push(address);
                        failed = Err(failure);
                    }
                    if !next {
                        break;
                    }
                }
            }
        }
        failed
    }

    fn connect(&mut self, endpoint: &Endpoint) -> Result<(Session, SocketAddr), Failure> {
        let until = self.attempt_deadline();
        let candidates = if self.site.proxy.is_some() {
            Candidates { addresses: Vec::new(), failure: None }
        } else {
            resolve(&endpoint.host, endpoint.port, &endpoint.addresses, self.memory, &self.identity.id, until)
        };
        let trusted: Vec<SocketAddr> = candidates.addresses.iter().filter(|address| !self.distrusted.contains(address)).copied().collect();
        self.elsewhere = trusted.len() > 1 || usize::try_from(self.attempts).is_ok_and(|attempts| attempts < self.site.endpoints.len());
        let addresses = if trusted.is_empty() { &candidates.addresses } else { &trusted };
        if let (true, None, Some(failure)) = (addresses.is_empty(), &self.site.proxy, candidates.failure) {
            return Err(failure);
        }
        let (stream, address) = match &self.site.proxy {
            None => crate::net::connect::direct(addresses, until)?,
            Some(proxy) => crate::net::connect::through(proxy, endpoint, self.memory, &self.identity.id, until)?,
        };
        let session = Session::open(stream, endpoint, self.site, self.identity, until).inspect_err(|_| self.distrusted.push(address))?;
        if self.site.proxy.is_none() {
            self.memory.remember(&endpoint.host, address.ip());
        }
        self.endpoint = Some(format!("{}:{} ({address})", endpoint.host, endpoint.port));
        Ok((session, address))
    }

    /// Half of what is left for the first two attempts, so that a silent address does not cost the run.
    fn attempt_deadline(&self) -> Instant {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if self.attempts <= 2 { Instant::now() + left / 2 } else { self.deadline }
    }

    fn wait(&self, failure: &Failure) -> Option<u64> {
        if !failure.reason.retry() {
            return None;
        }
        // Who is not ready speaks for itself; who asks for fewer requests speaks for the whole control plane.
        let retry_after = failure.retry_after.filter(|_| !self.elsewhere || failure.reason == Reason::HttpThrottled);
        let milliseconds = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let deadline = milliseconds(self.deadline.saturating_duration_since(self.started));
        retry::wait_ms(self.attempts, milliseconds(self.started.elapsed()), deadline, retry_after, crate::net::random())
    }
}

/// Whether other credentials can be asked for on a connection where one failed so: its answer was read, and forbids nothing.
fn goes_on(reason: Reason) -> bool {
    use Reason::{HttpClosed, HttpEncoding, HttpMalformed, HttpThrottled, HttpTimeout, HttpTooLarge};
    let broken = matches!(reason, HttpClosed | HttpEncoding | HttpMalformed | HttpTimeout | HttpTooLarge);
    !broken && reason != HttpThrottled && !reason.code().starts_with("tls.")
}

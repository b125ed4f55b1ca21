//! The way to the control plane: attempts over endpoints and addresses, inside one deadline.

use crate::{
    failure::Failure,
    identity::Identity,
    net::{
        connect,
        resolve::{Candidates, resolve},
        session::Session,
    },
    spent::Spent,
};
use host::{candidates, refused, retry, state::Memory};
use protocol::{
    phases::Phase,
    reason::Reason,
    site::{Endpoint, Site},
};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

/// One run's way.
pub(crate) struct Way<'a> {
    site: &'a Site,
    /// The host's SPIFFE ID; it decides on the order of endpoints and addresses.
    id: String,
    memory: &'a mut Memory,
    started: Instant,
    pub(crate) deadline: Instant,
    /// Addresses that failed, passed over while there is another.
    distrusted: Vec<SocketAddr>,
    /// The address that was connected to last.
    address: Option<SocketAddr>,
    /// Whether the next attempt goes to an endpoint or address that was not asked yet.
    elsewhere: bool,
    /// Attempts made.
    pub(crate) attempts: u32,
    /// Where its time went.
    pub(crate) spent: Spent,
    /// The endpoint that answered.
    pub(crate) endpoint: Option<String>,
}

/// What is done at an endpoint; an error is what keeps the work from being done for good.
pub(crate) type Work<'w, 'a> = &'w mut dyn FnMut(&mut Way<'a>, &Endpoint) -> Result<(), Failure>;

impl<'a> Way<'a> {
    pub(crate) fn new(site: &'a Site, id: &str, memory: &'a mut Memory, started: Instant) -> Self {
        let deadline = started + Duration::from_secs(site.deadline_seconds.into());
        Self {
            site,
            id: id.to_owned(),
            memory,
            started,
            deadline,
            distrusted: Vec::new(),
            address: None,
            elsewhere: false,
            attempts: 0,
            spent: Spent::default(),
            endpoint: None,
        }
    }

    /// Goes to endpoint after endpoint until the work is done or there is no sense in another attempt.
    pub(crate) fn attempt(&mut self, work: Work<'_, 'a>) -> Result<(), Failure> {
        let endpoints = &self.site.endpoints;
        let order = candidates::order_endpoints(&self.id, endpoints);
        loop {
            let turn = usize::try_from(self.attempts).unwrap_or(0) % order.len().max(1);
            self.attempts += 1;
            let endpoint = order.get(turn).and_then(|index| endpoints.get(*index));
            let endpoint = endpoint.ok_or_else(|| Failure::new(Reason::SiteInvalid, "no endpoint"))?;
            self.address = None;
            let Err(failure) = work(self, endpoint) else { return Ok(()) };
            self.distrusted.extend(self.address);
            let Some(wait) = self.wait(&failure) else { return Err(failure) };
            std::thread::sleep(Duration::from_millis(wait));
        }
    }

    /// Connects to the endpoint that comes first.
    pub(crate) fn connect_once(&mut self, identity: Option<&Identity>) -> Result<Session, Failure> {
        let endpoints = &self.site.endpoints;
        let first = candidates::order_endpoints(&self.id, endpoints).first().and_then(|index| endpoints.get(*index));
        self.connect(first.ok_or_else(|| Failure::new(Reason::SiteInvalid, "no endpoint"))?, identity)
    }

    /// Connects and shakes hands, showing an identity if there is one.
    pub(crate) fn connect(&mut self, endpoint: &Endpoint, identity: Option<&Identity>) -> Result<Session, Failure> {
        let until = self.attempt_deadline();
        let candidates = if self.site.proxy.is_some() {
            Candidates { addresses: Vec::new(), failure: None }
        } else {
            let begun = Instant::now();
            let candidates = resolve(&endpoint.host, endpoint.port, &endpoint.addresses, self.memory, &self.id, until);
            self.spent.since(begun, Phase::Resolve);
            candidates
        };
        let trusted: Vec<SocketAddr> = candidates.addresses.iter().filter(|address| !self.distrusted.contains(address)).copied().collect();
        self.elsewhere = trusted.len() > 1 || usize::try_from(self.attempts).is_ok_and(|attempts| attempts < self.site.endpoints.len());
        let addresses = if trusted.is_empty() { &candidates.addresses } else { &trusted };
        if let (true, None, Some(failure)) = (addresses.is_empty(), &self.site.proxy, candidates.failure) {
            return Err(failure);
        }
        let begun = Instant::now();
        let connected = match &self.site.proxy {
            None => connect::direct(addresses, until),
            Some(proxy) => connect::through(proxy, endpoint, self.memory, &self.id, until),
        };
        self.spent.since(begun, Phase::Connect);
        let (stream, address) = connected?;
        self.address = Some(address);
        let begun = Instant::now();
        let session = Session::open(stream, endpoint, self.site, identity, until);
        self.spent.since(begun, Phase::Tls);
        let session = session?;
        if self.site.proxy.is_none() {
            self.memory.remember(&endpoint.host, address.ip());
        }
        self.endpoint = Some(format!("{}:{} ({address})", endpoint.host, endpoint.port));
        Ok(session)
    }

    /// Half of what is left for the first two attempts, so that a silent address does not cost the run.
    fn attempt_deadline(&self) -> Instant {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if self.attempts <= 2 { Instant::now() + left / 2 } else { self.deadline }
    }

    fn wait(&self, failure: &Failure) -> Option<u64> {
        // What waits for an operator waits longer than a run, and a return is tried once.
        if !failure.reason.retry() || failure.reason == Reason::RecoveryWaiting || refused::may_come_back(failure.reason) {
            return None;
        }
        // Who is not ready speaks for itself; who asks for fewer requests speaks for the whole control plane.
        let retry_after = failure.retry_after.filter(|_| !self.elsewhere || failure.reason == Reason::HttpThrottled);
        let milliseconds = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let deadline = milliseconds(self.deadline.saturating_duration_since(self.started));
        retry::wait_ms(self.attempts, milliseconds(self.started.elapsed()), deadline, retry_after, crate::net::random())
    }
}

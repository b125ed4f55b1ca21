//! What is counted, in the Prometheus text format.

mod text;

use prometheus_client::{
    encoding,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use service::{
    drive::Live,
    fleet::State,
    rollout::{InForce, STATES},
};
use std::{sync::atomic::AtomicU64, time::Duration};

/// More than that no host drops between two reports.
const MILLION: u64 = 1_000_000;

type One = [(&'static str, String); 1];
type Two = [(&'static str, String); 2];

/// Every series of this process.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Two, Counter>,
    request: Family<One, Histogram>,
    refused: Family<Two, Counter>,
    issued: Family<One, Counter>,
    certified: Family<One, Counter>,
    connections: Family<One, Gauge>,
    handshakes_failed: Family<Two, Counter>,
    accepts_failed: Counter,
    sent_away: Counter,
    audit_commit: Histogram,
    audit_group: Histogram,
    audit_failed: Counter,
    reloads: Family<One, Counter>,
    certificate_ends: Gauge,
    ca_ends: Gauge,
    release_metadata_ends: Family<One, Gauge>,
    hosts: Family<One, Gauge>,
    policy: Gauge,
    store_spooling: Gauge,
    spool_records: Gauge,
    events_taken: Counter,
    events_dropped: Counter,
    reports_refused: Counter,
    otlp_sent: Family<One, Counter>,
    otlp_dropped: Counter,
    otlp_failed: Counter,
    telemetry_commit: Histogram,
    rollout: Rollouts,
}

/// The series of the rollout that this process drives.
#[derive(Default)]
struct Rollouts {
    drives: Gauge,
    state: Family<One, Gauge>,
    generation: Gauge,
    waves_out: Gauge,
    trials: Family<One, Gauge>,
    hosts: Family<One, Gauge>,
    evidence: Family<One, Gauge<f64, AtomicU64>>,
}

impl Metrics {
    /// All at zero.
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("pinnaced"),
            requests: Family::default(),
            request: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.0005, 2.0, 15))),
            refused: Family::default(),
            issued: Family::default(),
            certified: Family::default(),
            connections: Family::default(),
            handshakes_failed: Family::default(),
            accepts_failed: Counter::default(),
            sent_away: Counter::default(),
            audit_commit: Histogram::new(exponential_buckets(0.0001, 2.0, 16)),
            audit_group: Histogram::new(exponential_buckets(1.0, 2.0, 10)),
            audit_failed: Counter::default(),
            reloads: Family::default(),
            certificate_ends: Gauge::default(),
            ca_ends: Gauge::default(),
            release_metadata_ends: Family::default(),
            hosts: Family::default(),
            policy: Gauge::default(),
            store_spooling: Gauge::default(),
            spool_records: Gauge::default(),
            events_taken: Counter::default(),
            events_dropped: Counter::default(),
            reports_refused: Counter::default(),
            otlp_sent: Family::default(),
            otlp_dropped: Counter::default(),
            otlp_failed: Counter::default(),
            telemetry_commit: Histogram::new(exponential_buckets(0.001, 2.0, 14)),
            rollout: Rollouts::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("requests", "Requests answered, by listener and status", self.requests.clone());
        registry.register_with_unit("request", "Time from a request's head to its answer, by listener", Unit::Seconds, self.request.clone());
        registry.register("requests_refused", "Requests refused, by listener and code", self.refused.clone());
        registry.register("credentials_issued", "Credentials issued, by name", self.issued.clone());
        registry.register("host_certificates_issued", "Host certificates issued, by purpose", self.certified.clone());
        registry.register("connections", "Open connections, by listener", self.connections.clone());
        registry.register("handshakes_failed", "TLS handshakes that failed, by listener and cause", self.handshakes_failed.clone());
        registry.register("accepts_failed", "Connections that could not be accepted", self.accepts_failed.clone());
        registry.register("requests_sent_away", "Requests answered with 503 because there was no turn", self.sent_away.clone());
        registry.register_with_unit("audit_commit", "Time to make a group of audit records durable", Unit::Seconds, self.audit_commit.clone());
        registry.register("audit_group_records", "Audit records per commit", self.audit_group.clone());
        registry.register("audit_failed", "Commits of the audit log that failed", self.audit_failed.clone());
        registry.register("reloads", "Reloads of certificates and policy, by outcome", self.reloads.clone());
        registry.register("server_certificate_ends", "Unix time at which the server certificate ends", self.certificate_ends.clone());
        registry.register("ca_certificate_ends", "Unix time at which the certificate ends that signs hosts' certificates", self.ca_ends.clone());
        let ends = "Unix time at which the metadata of releases ends, by role";
        registry.register("release_metadata_ends", ends, self.release_metadata_ends.clone());
        registry.register("hosts", "Hosts by state", self.hosts.clone());
        registry.register("store_spooling", "1 while the database is away", self.store_spooling.clone());
        registry.register("spool_records", "Audit records that wait for the database", self.spool_records.clone());
        registry.register("events_taken", "Events of hosts that are on record", self.events_taken.clone());
        registry.register("events_dropped", "Events that hosts dropped for want of room, as they say", self.events_dropped.clone());
        registry.register("reports_refused", "Reports of hosts that were put off", self.reports_refused.clone());
        registry.register_with_unit("telemetry_commit", "Time to make a group of reports durable", Unit::Seconds, self.telemetry_commit.clone());
        registry.register("otlp_sent", "Log records and metrics that the collector has taken, by signal", self.otlp_sent.clone());
        registry.register("otlp_records_dropped", "Log records that the collector will not have", self.otlp_dropped.clone());
        registry.register("otlp_failed", "Tries to reach the collector that failed", self.otlp_failed.clone());
        let Rollouts { drives, state, generation, waves_out, trials, hosts, evidence } = &self.rollout;
        registry.register("rollout_driver", "1 where this process drives rollouts", drives.clone());
        registry.register("rollout_state", "1 for the state that the newest rollout is in", state.clone());
        registry.register("rollout_generation", "The generation that the newest rollout is about", generation.clone());
        registry.register("rollout_waves_out", "Its waves that are out", waves_out.clone());
        registry.register("rollout_trials", "Its trials that ended, by how they did", trials.clone());
        registry.register("rollout_hosts", "Hosts with its release: those that should have been heard of lately, and those that were", hosts.clone());
        registry.register("rollout_evidence", "The evidence against its release, by bet; 1000 pulls it", evidence.clone());
        registry.register("policy_number", "The number of the policy in force", self.policy.clone());
    }

    /// The text that `/metrics` serves.
    pub(crate) fn text(&self) -> String {
        let mut open = String::new();
        // Writing into a String does not fail.
        let _ = encoding::text::encode(&mut open, &self.registry);
        text::classic(&open)
    }

    /// A request was answered, with a refusal's code where it was refused.
    pub(crate) fn answered(&self, listener: &'static str, status: u16, code: Option<&str>, took: Duration) {
        self.requests.get_or_create(&[("listener", listener.into()), ("status", status.to_string())]).inc();
        self.request.get_or_create(&[("listener", listener.into())]).observe(took.as_secs_f64());
        if let Some(code) = code {
            self.refused.get_or_create(&[("listener", listener.into()), ("code", code.into())]).inc();
        }
    }

    /// A credential was issued.
    pub(crate) fn issued(&self, credential: &str) {
        self.issued.get_or_create(&[("credential", credential.into())]).inc();
    }

    /// A host got a certificate.
    pub(crate) fn certified(&self, purpose: &'static str) {
        self.certified.get_or_create(&[("purpose", purpose.into())]).inc();
    }

    /// A connection is open for as long as the guard lives.
    pub(crate) fn connection(&self, listener: &'static str) -> OpenConnection {
        let gauge = self.connections.get_or_create_owned(&[("listener", listener.into())]);
        gauge.inc();
        OpenConnection(gauge)
    }

    /// A TLS handshake failed.
    pub(crate) fn handshake_failed(&self, listener: &'static str, cause: &'static str) {
        self.handshakes_failed.get_or_create(&[("listener", listener.into()), ("cause", cause.into())]).inc();
    }

    /// A connection could not be accepted.
    pub(crate) fn accept_failed(&self) {
        self.accepts_failed.inc();
    }

    /// A request found no turn.
    pub(crate) fn sent_away(&self) {
        self.sent_away.inc();
    }

    /// A group of audit records was committed, or not.
    pub(crate) fn audit_committed(&self, records: usize, took: Duration, succeeded: bool) {
        self.audit_commit.observe(took.as_secs_f64());
        self.audit_group.observe(u32::try_from(records).map_or(f64::MAX, f64::from));
        if !succeeded {
            self.audit_failed.inc();
        }
    }

    /// Certificates and policy were read again.
    pub(crate) fn reloaded(&self, succeeded: bool) {
        self.reloads.get_or_create(&[("outcome", if succeeded { "done" } else { "refused" }.into())]).inc();
    }

    /// Whether the database is away, and what waits for it.
    pub(crate) fn store_stands(&self, away: bool, records: i64) {
        self.store_spooling.set(i64::from(away));
        self.spool_records.set(records);
    }

    /// So many events of a host are on record, and it had dropped so many.
    pub(crate) fn events_taken(&self, events: usize, dropped: i64) {
        self.events_taken.inc_by(events as u64);
        self.events_dropped.inc_by(dropped.unsigned_abs().min(MILLION));
    }

    /// Whether this process drives rollouts.
    pub(crate) fn drives(&self, drives: bool) {
        self.rollout.drives.set(i64::from(drives));
    }

    /// How the rollout stands that this process drives.
    pub(crate) fn rollout_stands(&self, in_force: &InForce, live: &Live) {
        let Rollouts { state, generation, waves_out, trials, hosts, evidence, .. } = &self.rollout;
        for known in STATES {
            state.get_or_create(&[("state", known.into())]).set(i64::from(known == in_force.state()));
        }
        generation.set(in_force.head.generation);
        waves_out.set(i64::try_from(live.progress.out).unwrap_or(i64::MAX));
        for (outcome, count) in [("fit", live.progress.trials), ("unfit", live.progress.unfit)] {
            trials.get_or_create(&[("outcome", outcome.into())]).set(count.into());
        }
        for (state, count) in [("expected", live.progress.expected), ("heard", live.progress.heard)] {
            hosts.get_or_create(&[("state", state.into())]).set(count.into());
        }
        let bet = live.breach.bet;
        for (name, wealth) in [("all", bet.all), ("concentrated", bet.concentrated), ("diffuse", bet.diffuse), ("silence", bet.silence)] {
            evidence.get_or_create(&[("bet", name.into())]).set(wealth.number());
        }
    }

    /// A group of reports was made durable.
    pub(crate) fn telemetry_committed(&self, took: Duration) {
        self.telemetry_commit.observe(took.as_secs_f64());
    }

    /// A report was put off.
    pub(crate) fn report_refused(&self) {
        self.reports_refused.inc();
    }

    /// The collector has taken so many.
    pub(crate) fn otlp_sent(&self, signal: &'static str, count: usize) {
        self.otlp_sent.get_or_create(&[("signal", signal.into())]).inc_by(count as u64);
    }

    /// The collector will never have so many log records.
    pub(crate) fn otlp_dropped(&self, records: u64) {
        self.otlp_dropped.inc_by(records);
    }

    /// The collector was not reached, or has no time.
    pub(crate) fn otlp_failed(&self) {
        self.otlp_failed.inc();
    }

    /// This version of the policy is in force.
    pub(crate) fn policy_in_force(&self, number: i64) {
        self.policy.set(number);
    }

    /// So many hosts are in each state.
    pub(crate) fn hosts_stand(&self, states: &[(State, usize)]) {
        for (state, hosts) in states {
            self.hosts.get_or_create(&[("state", state.name().into())]).set(i64::try_from(*hosts).unwrap_or(i64::MAX));
        }
    }

    /// The newest metadata of releases in this role ends then.
    pub(crate) fn release_metadata_ends(&self, role: &'static str, at: i64) {
        self.release_metadata_ends.get_or_create(&[("role", role.into())]).set(at);
    }

    /// The certificate that signs hosts' certificates ends then.
    pub(crate) fn ca_ends(&self, at: i64) {
        self.ca_ends.set(at);
    }

    /// The server certificate in use ends then.
    pub(crate) fn certificate_ends(&self, at: i64) {
        self.certificate_ends.set(at);
    }
}

/// Counts a connection until it is dropped.
pub(crate) struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

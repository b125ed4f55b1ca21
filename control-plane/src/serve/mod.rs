//! `pinnaced serve`: from the folder to a running control plane, and its end.

mod accept;
mod connection;
mod descriptors;
mod farewell;

use crate::{
    api::{ControlPlane, Room},
    cli,
    config::{Config, Limits},
    dashboard::Dashboard,
    driver,
    failure::{Code, Failure},
    issuers::{self, Source},
    metrics::Metrics,
    mirror::{self, Mirror},
    otlp::{self, Otlp},
    registry::Registry,
    releases, reload,
    store::{Log, telemetry::Place},
    telemetry::Telemetry,
    tls,
};
use accept::{Door, Listener};
use arc_swap::{ArcSwap, ArcSwapOption};
use service::Policy;
use std::{
    io,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};
use tokio::{
    runtime::{self, Runtime},
    signal::unix::{Signal, SignalKind, signal},
    sync::{Notify, Semaphore, watch},
};

/// Reports taken in at one time.
const REPORTS_MAX: usize = 256;
const TASKS_END: Duration = Duration::from_secs(1);

/// Serves the trust domain in `dir` until SIGTERM or SIGINT.
pub(crate) fn run(dir: &Path, listen: &cli::Listen) -> Result<(), Failure> {
    tracing_subscriber::fmt().json().flatten_event(true).with_target(false).with_max_level(tracing::Level::INFO).log_internal_errors(false).init();
    let mut config = Config::load(dir)?;
    config.listen.hosts = listen.hosts.unwrap_or(config.listen.hosts);
    config.listen.public = listen.public.unwrap_or(config.listen.public);
    config.listen.admin = listen.admin.unwrap_or(config.listen.admin);
    config.listen.operators = listen.operators.unwrap_or(config.listen.operators);
    descriptors::make_room(config.limits.connections);
    let runtime = runtime().map_err(|error| Failure::new(Code::SystemLimits, "cannot start", error, "check the limits on threads and memory"))?;
    let (plane, writer) = open(&config)?;
    let place = Place::of(&config.store, &config.files.telemetry);
    let telling = plane.telemetry.start(place, config.telemetry, Arc::clone(&plane.metrics), plane.otlp.clone())?;
    let served = runtime.block_on(serve(config, plane));
    // What is still open is dropped with the runtime, and with it the last way into the audit log: its writer ends.
    runtime.shutdown_timeout(TASKS_END);
    let ended = writer.join().map_err(|_| Failure::new(Code::Internal, "cannot end well", "the audit writer failed", "see the log above"));
    if telling.is_some_and(|telling| telling.join().is_err()) {
        tracing::error!(event = "telemetry-failed");
    }
    tracing::info!(event = "ended");
    served.and(ended)
}

/// Acts with a control plane that serves nobody, and with an audit chain of its own: another process may serve on the same store.
pub(crate) fn beside(dir: &Path, word: &str, act: impl AsyncFnOnce(&ControlPlane, &Config) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut config = Config::load(dir)?;
    config.name = format!("{}.{word}", config.name);
    config.store = config.store.beside(word);
    let runtime = runtime().map_err(|error| Failure::new(Code::SystemLimits, "cannot start", error, "check the limits on threads and memory"))?;
    let (plane, writer) = open(&config)?;
    let done = runtime.block_on(async {
        plane.catch_up().await;
        act(&plane, &config).await
    });
    drop(plane);
    let ended = writer.join().map_err(|_| Failure::new(Code::Internal, "cannot end well", "the audit writer failed", "run pinnaced audit"));
    done.and(ended)
}

/// Who acts, in the audit log.
pub(crate) fn who() -> String {
    format!("uid {} on this machine", rustix::process::getuid().as_raw())
}

/// A thread for each core but one, which is left to the audit writer and the kernel: what more threads win, they lose to waking each other.
fn runtime() -> io::Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    runtime::Builder::new_multi_thread().worker_threads(cores.saturating_sub(1).max(1)).enable_all().build()
}

/// A control plane that serves nobody yet, and its audit writer.
pub(crate) fn open(config: &Config) -> Result<(ControlPlane, JoinHandle<()>), Failure> {
    let files = &config.files;
    let metrics = Arc::new(Metrics::new());
    let audit = issuers::audit::Key::load(&files.audit_key)?;
    let (log, writer) = Log::open(&config.store, &config.name, config.limits.audit(), audit, Arc::clone(&metrics))?;
    let plane = ControlPlane {
        trust_domain: config.trust_domain.clone(),
        issuer: config.issuer.clone(),
        rules: config.hosts.clone(),
        policy: ArcSwap::from_pointee(Policy::default()),
        policy_turn: Mutex::default(),
        registry: Registry::default(),
        keys: ArcSwap::default(),
        source: Source::new(&config.folder, config.pkcs11.clone()),
        names: ArcSwap::default(),
        key_rules: config.keys.clone(),
        changed: Notify::new(),
        log,
        secrets: files.policy.parent().unwrap_or(Path::new(".")).to_path_buf(),
        store: config.store.clone(),
        releases: files.releases.clone(),
        mirror: config.mirror.as_ref().map(Mirror::new).transpose()?,
        offered: ArcSwap::default(),
        release_rules: config.releases,
        in_force: ArcSwap::default(),
        live: ArcSwapOption::default(),
        room: Room::new(config.limits.requests as usize, config.limits.waiting as usize),
        reports: Room::new(REPORTS_MAX, 0),
        telemetry: Telemetry::new(),
        programs: Semaphore::new(config.limits.programs as usize),
        otlp: config.otlp.as_ref().map(|settings| Otlp::new(settings, &config.name)).transpose()?.map(Arc::new),
        dashboard: Dashboard::default(),
        metrics,
        draining: AtomicBool::new(false),
        set_aside: AtomicBool::new(false),
    };
    Ok((plane, writer))
}

async fn serve(config: Config, plane: ControlPlane) -> Result<(), Failure> {
    let Config { limits, files, listen, .. } = config;
    let mut terminate = on(SignalKind::terminate())?;
    let mut interrupt = on(SignalKind::interrupt())?;
    let hang_up = on(SignalKind::hangup())?;
    let plane = Arc::new(plane);
    let watch = reload::Watch::start(files, &plane).await?;
    driver::follow(&plane).await;
    let current = Arc::new(tls::Current::from_pointee(watch.tls(&plane)?));
    let (close, closing) = watch::channel(false);
    let bind = |door, address| Listener::bind(door, address, &limits);
    let doors = [
        bind(Door::Hosts, listen.hosts)?,
        bind(Door::Public, listen.public)?,
        bind(Door::Admin, listen.admin)?,
        bind(Door::Operators, listen.operators)?,
    ];
    let [hosts, public, admin, operators] = doors.each_ref().map(|door| door.address().map(|address| address.to_string()));
    tracing::info!(event = "listening", hosts = hosts?, public = public?, admin = admin?, operators = operators?);
    let slots: Vec<_> = doors.iter().filter(|door| !door.stays_open()).map(Listener::slots).collect();
    for listener in doors {
        tokio::spawn(listener.run(Arc::clone(&plane), Arc::clone(&current), closing.clone()));
    }
    tokio::spawn(releases::keep(Arc::clone(&plane), limits.reload()));
    tokio::spawn(mirror::keep(Arc::clone(&plane), limits.reload()));
    tokio::spawn(driver::run(Arc::clone(&plane)));
    tokio::spawn(otlp::keep(Arc::clone(&plane)));
    tokio::spawn(watch.run(Arc::clone(&plane), current, limits.reload(), hang_up));
    tokio::select! { _ = terminate.recv() => (), _ = interrupt.recv() => () }
    tokio::select! {
        () = drain(&plane, &close, &slots, &limits) => (),
        _ = terminate.recv() => tracing::warn!(event = "cut", because = "a second signal"),
        _ = interrupt.recv() => tracing::warn!(event = "cut", because = "a second signal"),
    }
    Ok(())
}

fn on(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error: io::Error| Failure::new(Code::SystemLimits, "cannot wait for signals", error, "check the limits on open files"))
}

/// Says so on `/readyz`, then closes the listeners, then waits for what is under way.
async fn drain(plane: &ControlPlane, close: &watch::Sender<bool>, slots: &[Arc<Semaphore>], limits: &Limits) {
    plane.draining.store(true, Ordering::Relaxed);
    tracing::info!(event = "draining");
    tokio::time::sleep(limits.drain_notice()).await;
    close.send_replace(true);
    let all_ended = async {
        for slots in slots {
            // An error would mean a closed semaphore, and none is ever closed.
            let _ = slots.acquire_many(limits.connections).await;
        }
    };
    if tokio::time::timeout(limits.drain(), all_ended).await.is_err() {
        tracing::warn!(event = "cut", because = "connections were open at the end of drain_seconds");
    }
}

//! What operators ask: one table of routes, from which requests are answered, roles are enforced and the OpenAPI document is made.
//!
//! An operator is known by a certificate of this trust domain's CA with the one URI `spiffe://TRUST-DOMAIN/operator/ROLE/NAME`.
//! Every change needs a reason, and stands in the audit log together with who made it, in the same commit.

mod audit;
mod dashboard;
mod fleet;
mod hosts;
mod model;
mod openapi;
mod policy;
mod role;
mod rollout;
mod status;
mod tokens;
mod undone;
mod wave;
mod weird;

pub(crate) use role::{Operator, Role};
pub(super) use wave::current as current_wave;

use super::{ControlPlane, Reply, Standing, Visitor, now, reply};
use crate::store::{Change, NotWritten, audit::Event};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::{Method, Request, StatusCode, body::Body};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, LazyLock},
    time::Duration,
};

const BODY_BYTES_MAX: usize = 1 << 20;
const REASON_CHARACTERS_MAX: usize = 500;
/// How often a change is made again that somebody else has overtaken.
const TRIES: u32 = 4;

/// What an operator's request is answered from.
#[derive(Clone)]
struct Desk {
    plane: Arc<ControlPlane>,
    operator: Operator,
    /// When the certificate that was shown ends; 0 where none was.
    ends: i64,
}

type Answer<T> = Result<T, Box<Reply>>;
type Answering = Pin<Box<dyn Future<Output = Answer<String>> + Send>>;

/// One line of the table.
struct Route {
    method: Method,
    path: &'static str,
    role: Role,
    about: &'static str,
    request: Option<fn(&mut SchemaGenerator) -> Schema>,
    response: fn(&mut SchemaGenerator) -> Schema,
    answer: Box<dyn Fn(Desk, Bytes) -> Answering + Send + Sync>,
}

static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
    use Role::{Admin, Operator, Viewer};
    vec![
        get("/v1/operators/whoami", Viewer, "Who asks", status::whoami),
        get("/v1/operators/status", Viewer, "How the control plane is", status::status),
        post("/v1/operators/dashboard/link", Viewer, "Makes a link that opens the dashboard once", dashboard::link),
        get("/v1/operators/tokens", Viewer, "All enrolment tokens, without their texts", tokens::list),
        post("/v1/operators/tokens/create", Operator, "Makes an enrolment token; its text is told once", tokens::create),
        post("/v1/operators/tokens/revoke", Operator, "Takes an enrolment token back", tokens::revoke),
        post("/v1/operators/hosts/find", Viewer, "Hosts on record", hosts::find),
        post("/v1/operators/hosts/register", Operator, "Registers a host's key before it comes", hosts::register),
        post("/v1/operators/hosts/change", Operator, "Bans, quarantines, evicts, lifts, approves or labels hosts", hosts::change),
        post("/v1/operators/hosts/weird", Viewer, "Hosts that are least like the others", weird::find),
        post("/v1/operators/fleet/status", Viewer, "How the hosts of a filter are", fleet::status),
        post("/v1/operators/fleet/why", Viewer, "What those that fail have in common", fleet::why),
        post("/v1/operators/fleet/hosts", Viewer, "The hosts of a filter", fleet::hosts),
        post("/v1/operators/fleet/map", Viewer, "A cell for each host of a filter", fleet::map),
        post("/v1/operators/fleet/host", Viewer, "One host, with its recent runs", fleet::host),
        post("/v1/operators/fleet/series", Viewer, "Runs over time", fleet::series),
        post("/v1/operators/fleet/complete", Viewer, "What a filter may go on with", fleet::complete),
        get("/v1/operators/rollout", Viewer, "How the newest rollout stands, and what is in force", rollout::status),
        post("/v1/operators/rollout/explain", Viewer, "A rollout's plan and every decision, with what it was made from", rollout::explain),
        post("/v1/operators/rollout/start", Operator, "Starts the rollout of a generation", rollout::start),
        post("/v1/operators/rollout/pause", Operator, "Has the newest rollout wait", rollout::pause),
        post("/v1/operators/rollout/resume", Operator, "Has it go its way again", rollout::resume),
        post("/v1/operators/rollout/promote", Operator, "Has its next wave come without waiting", rollout::promote),
        post("/v1/operators/rollout/pull", Operator, "Has every host leave its release", rollout::pull),
        get("/v1/operators/policy", Viewer, "The policy in force", policy::current),
        get("/v1/operators/policy/history", Viewer, "The policies there were", policy::history),
        post("/v1/operators/policy/check", Viewer, "Whether a policy means something", policy::check),
        post("/v1/operators/policy/diff", Viewer, "What a policy would change for the hosts on record", policy::diff),
        post("/v1/operators/policy/explain", Viewer, "Why a host may or may not have a credential", policy::explain),
        post("/v1/operators/policy/test", Viewer, "Whether a policy says what it should to some cases", policy::test),
        post("/v1/operators/policy/apply", Admin, "Puts a policy in force on every replica", policy::apply),
        post("/v1/operators/audit/find", Viewer, "Audit records, newest first", audit::find),
        post("/v1/operators/audit/issued", Viewer, "What a host was issued that has not ended", audit::issued),
        post("/v1/operators/audit/export", Admin, "The audit log, piece by piece, for offline verification", audit::export),
        get(
            "/v1/operators/audit/checkpoints",
            Admin,
            "Where the audit log ends, signed; they stand behind an export's last record",
            audit::checkpoints,
        ),
        post("/v1/operators/wave/start", Operator, "Has hosts fetch before their time, so many a second", wave::start),
        post("/v1/operators/wave/stop", Operator, "Leaves hosts to their own time again", wave::stop),
        post("/v1/operators/drain", Operator, "Sends hosts away from the process that answers, or no more", wave::drain),
        post("/v1/operators/operators/ban", Admin, "Lets an operator in no more, or again", status::ban),
    ]
});

fn get<O, F, Fut>(path: &'static str, role: Role, about: &'static str, answer: F) -> Route
where
    O: Serialize + JsonSchema,
    F: Fn(Desk) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Answer<O>> + Send + 'static,
{
    let answer = move |desk: Desk, _: Bytes| -> Answering { Box::pin(async move { encode(&answer(desk).await?) }) };
    Route { method: Method::GET, path, role, about, request: None, response: |shapes| shapes.subschema_for::<O>(), answer: Box::new(answer) }
}

fn post<I, O, F, Fut>(path: &'static str, role: Role, about: &'static str, answer: F) -> Route
where
    I: DeserializeOwned + JsonSchema + Send + 'static,
    O: Serialize + JsonSchema,
    F: Fn(Desk, I) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Answer<O>> + Send + 'static,
{
    let answer = move |desk: Desk, body: Bytes| -> Answering { Box::pin(async move { encode(&answer(desk, decode(&body)?).await?) }) };
    Route {
        method: Method::POST,
        path,
        role,
        about,
        request: Some(|shapes| shapes.subschema_for::<I>()),
        response: |shapes| shapes.subschema_for::<O>(),
        answer: Box::new(answer),
    }
}

/// A list would be taken for the members in their order, and the document knows no such thing.
fn decode<I: DeserializeOwned>(body: &[u8]) -> Answer<I> {
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(invalid("it is no JSON object"));
    }
    serde_json::from_slice(body).map_err(|error| invalid(&error.to_string()))
}

fn encode(value: &impl Serialize) -> Answer<String> {
    serde_json::to_string(value).map_err(|error| invalid(&error.to_string()))
}

/// Answers one request of a visitor at the operators' door.
pub(crate) async fn answer<B>(plane: &Arc<ControlPlane>, visitor: &Visitor, request: Request<B>, patience: Duration) -> Reply
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let path = request.uri().path().to_owned();
    match route(plane, visitor, request, patience).await {
        Ok(body) => reply::json(body),
        Err(refusal) => *undone::named(refusal, &path),
    }
}

async fn route<B>(plane: &Arc<ControlPlane>, visitor: &Visitor, request: Request<B>, patience: Duration) -> Answer<String>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let operator = identified(plane, visitor, now())?;
    if request.uri().path() == openapi::PATH {
        return encode(&*openapi::DOCUMENT);
    }
    let route = permitted(&operator, request.method(), request.uri().path())?;
    let body = if route.request.is_some() { body(request, patience).await? } else { Bytes::new() };
    let ends = visitor.certificate.as_ref().map_or(0, |certificate| certificate.shown.ends);
    (route.answer)(Desk { plane: Arc::clone(plane), operator, ends }, body).await
}

/// Answers a question of an operator who is known already, by the same table.
pub(crate) async fn ask(plane: &Arc<ControlPlane>, operator: &Operator, method: &Method, path: &str, body: Bytes) -> Result<String, Box<Reply>> {
    let desk = Desk { plane: Arc::clone(plane), operator: operator.clone(), ends: 0 };
    let answered = match permitted(operator, method, path) {
        Ok(route) => (route.answer)(desk, body).await,
        Err(refusal) => Err(refusal),
    };
    answered.map_err(|refusal| undone::named(refusal, path))
}

/// Whether the table has such a route and lets this role use it.
pub(crate) fn may(role: Role, path: &str) -> bool {
    ROUTES.iter().any(|route| route.path == path && route.role <= role)
}

/// The route, if this operator may use it.
fn permitted(operator: &Operator, method: &Method, path: &str) -> Answer<&'static Route> {
    let mut same_path = ROUTES.iter().filter(|route| route.path == path).peekable();
    let is_there = same_path.peek().is_some();
    let Some(route) = same_path.find(|route| route.method == *method) else {
        return Err(Box::new(if is_there { reply::wrong_method() } else { reply::nothing_there() }));
    };
    if operator.role < route.role {
        let because = format!("it takes the role {}, and {} has {}", route.role.name(), operator.name, operator.role.name());
        return Err(refuse(StatusCode::FORBIDDEN, "operator.role", &because, "ask somebody with that role"));
    }
    Ok(route)
}

/// The body of a request, in time and of bounded size.
pub(crate) async fn body<B>(request: Request<B>, patience: Duration) -> Answer<Bytes>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let read = tokio::time::timeout(patience, Limited::new(request.into_body(), BODY_BYTES_MAX).collect()).await;
    let read = read.map_err(|_| invalid("its body did not come in time"))?;
    Ok(read.map_err(|_| invalid("its body is over a megabyte or was cut"))?.to_bytes())
}

/// The operator at the other end, asked on every request.
pub(crate) fn identified(plane: &ControlPlane, visitor: &Visitor, now: i64) -> Answer<Operator> {
    let unauthorized =
        |because| refuse(StatusCode::UNAUTHORIZED, "operator.unknown", because, "pinnacectl operator issue makes an operator's certificate");
    let certificate = visitor.certificate.as_ref().ok_or_else(|| unauthorized("the client showed no certificate"))?;
    if certificate.standing_at(now) != Standing::Ours {
        return Err(unauthorized("the client certificate is over, or of no CA of ours"));
    }
    let operator = certificate.uri.as_deref().and_then(|uri| Operator::parse(uri, &plane.trust_domain));
    let operator = operator.ok_or_else(|| unauthorized("the client certificate is no operator's"))?;
    not_banned(plane, &operator)?;
    Ok(operator)
}

/// Refuses an operator who is let in no more.
pub(crate) fn not_banned(plane: &ControlPlane, operator: &Operator) -> Result<(), Box<Reply>> {
    if status::is_banned(plane, &operator.name) {
        return Err(refuse(StatusCode::FORBIDDEN, "operator.banned", "this operator is let in no more", "ask an admin"));
    }
    Ok(())
}

impl Desk {
    /// What happened, by whom and why.
    fn event(&self, what: &str, reason: &str) -> Answer<Event> {
        let reason = reason.trim();
        if reason.is_empty() || reason.chars().count() > REASON_CHARACTERS_MAX || reason.chars().any(char::is_control) {
            return Err(invalid(&format!("the reason must be 1 to {REASON_CHARACTERS_MAX} characters in one line")));
        }
        Ok(Event::new(what, now()).with("by", self.operator.to_string()).with("reason", reason))
    }

    /// Makes the changes that `plan` finds on what is known, and again if somebody else was faster. A dry run only plans.
    async fn change<T>(&self, dry_run: bool, mut plan: impl FnMut(&ControlPlane) -> Answer<(Event, Vec<Change>, T)>) -> Answer<T> {
        for _ in 0..TRIES {
            let (event, changes, outcome) = plan(&self.plane)?;
            if dry_run {
                return Ok(outcome);
            }
            match self.plane.change(event, changes).await {
                Ok(()) => return Ok(outcome),
                Err(NotWritten::Conflict) => self.plane.catch_up().await,
                Err(not_written) => return Err(unrecorded(not_written)),
            }
        }
        Err(refuse(StatusCode::CONFLICT, "store.conflict", "somebody else changes the same all the time", "try again"))
    }
}

/// Does what takes long where there are many hosts, without holding up those who fetch meanwhile.
fn aside<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

fn invalid(because: &str) -> Box<Reply> {
    refuse(StatusCode::BAD_REQUEST, "request.invalid", because, "see /v1/openapi.json")
}

fn refuse(status: StatusCode, code: &str, because: &str, hint: &str) -> Box<Reply> {
    tracing::info!(event = "refused", listener = "operators", code, because);
    Box::new(reply::refuse(status, code, [undone::UNNAMED, because, hint]))
}

fn unrecorded(not_written: NotWritten) -> Box<Reply> {
    reply::headed(Box::new(super::credential::unrecorded(not_written)), undone::UNNAMED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_takes_more_than_a_viewer() {
        let reads = ["find", "check", "diff", "explain", "test", "issued", "weird", "link", "fleet/"];
        for route in ROUTES.iter().filter(|route| route.method == Method::POST) {
            let reads = reads.iter().any(|word| route.path.ends_with(word) || word.ends_with('/') && route.path.contains(word));
            assert_eq!(route.role == Role::Viewer, reads, "{}", route.path);
        }
    }
}

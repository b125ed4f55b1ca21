//! The policy.

use super::{
    Answer, Desk, aside, invalid,
    model::{
        ApplyPolicy, CaseTested, ExplainPolicy, Explained, Outcome, PolicyApplied, PolicyCase, PolicyChecked, PolicyDiff, PolicyHistory, PolicyLine,
        PolicyTested, PolicyText, PolicyView, RuleView, TestPolicy,
    },
    refuse, unrecorded,
};
use crate::{
    api::ControlPlane,
    reload::{self, PolicyVersion},
    store::{Kind, NotWritten},
};
use hyper::StatusCode;
use protocol::identity::HostId;
use service::{
    Decision, Policy,
    host::{Labels, check_labels},
};
use std::sync::Arc;

const CHANGES_SHOWN: usize = 100;
const CASES_MAX: usize = 1000;

/// The one in force.
pub(super) async fn current(desk: Desk) -> Answer<PolicyView> {
    let version = reload::current_policy(&desk.plane);
    let version = version.ok_or_else(|| refuse(StatusCode::NOT_FOUND, "policy.none", "there is no policy", "pinnacectl policy apply FILE"))?;
    let PolicyVersion { number, text, by, reason, at } = version;
    Ok(PolicyView { version: 1, number, text, by, reason, at })
}

/// The ones there were.
pub(super) async fn history(desk: Desk) -> Answer<PolicyHistory> {
    let all = desk.plane.registry.others(Kind::Policy).into_iter().filter(|(name, _)| name != reload::CURRENT);
    let line = |(_, known): (String, crate::registry::Known<String>)| {
        let PolicyVersion { number, by, reason, at, .. } = serde_json::from_str(&known.value).ok()?;
        Some(PolicyLine { number, by, reason, at })
    };
    let mut policies: Vec<PolicyLine> = all.filter_map(line).collect();
    policies.sort_by_key(|line| std::cmp::Reverse(line.number));
    Ok(PolicyHistory { version: 1, policies })
}

/// Whether one means something.
pub(super) async fn check(desk: Desk, asked: PolicyText) -> Answer<PolicyChecked> {
    let policy = compile(&desk.plane, &asked.text)?;
    Ok(PolicyChecked { version: 1, credentials: policy.names().map(ToOwned::to_owned).collect() })
}

/// What one would change for the hosts on record.
pub(super) async fn diff(desk: Desk, asked: PolicyText) -> Answer<PolicyDiff> {
    aside(|| compare(&desk.plane, &asked.text))
}

fn compare(plane: &ControlPlane, text: &str) -> Answer<PolicyDiff> {
    let (old, new) = (plane.policy.load_full(), compile(plane, text)?);
    let mut diff = PolicyDiff { version: 1, touched: 0, gained: 0, lost: 0, changes: Vec::new() };
    for (name, known) in plane.registry.hosts() {
        let Some(id) = HostId::new(&plane.trust_domain, &name) else { continue };
        let labels = &known.value.labels;
        let (had, has) = (old.granted(&id, labels), new.granted(&id, labels));
        let gained = has.iter().filter(|credential| !had.contains(credential)).map(|credential| (true, credential));
        let lost = had.iter().filter(|credential| !has.contains(credential)).map(|credential| (false, credential));
        let changes: Vec<_> = gained.chain(lost).collect();
        diff.touched += usize::from(!changes.is_empty());
        for (gains, credential) in changes {
            *(if gains { &mut diff.gained } else { &mut diff.lost }) += 1;
            if diff.changes.len() < CHANGES_SHOWN {
                diff.changes.push(format!("{name} {} {credential}", if gains { "gains" } else { "loses" }));
            }
        }
    }
    Ok(diff)
}

/// Why a host may or may not have a credential.
pub(super) async fn explain(desk: Desk, asked: ExplainPolicy) -> Answer<Explained> {
    let plane = &desk.plane;
    let id = HostId::new(&plane.trust_domain, &asked.host).ok_or_else(|| invalid("the name is no host's"))?;
    let known = plane.registry.host(id.host());
    let status = known.as_ref().map_or("unregistered", |known| known.value.status.name());
    let labels = asked.labels.unwrap_or_else(|| known.map(|known| known.value.labels.clone()).unwrap_or_default());
    let policy = policy(plane, asked.text.as_deref())?;
    let decision = outcome(&policy, &id, &labels, &asked.credential);
    let rules = policy.explain(&id, &labels, &asked.credential).unwrap_or_default();
    let rule = |(rule, held): (String, Result<(), service::policy::Mismatch>)| RuleView {
        rule,
        holds: held.is_ok(),
        because: held.err().map(|mismatch| mismatch.to_string()).unwrap_or_default(),
    };
    Ok(Explained { version: 1, decision, status: status.into(), labels, rules: rules.into_iter().map(rule).collect() })
}

/// Holds one against cases.
pub(super) async fn test(desk: Desk, asked: TestPolicy) -> Answer<PolicyTested> {
    if asked.cases.is_empty() || asked.cases.len() > CASES_MAX {
        return Err(invalid(&format!("there must be 1 to {CASES_MAX} cases")));
    }
    let policy = policy(&desk.plane, asked.text.as_deref())?;
    let tested = |case: PolicyCase| {
        let id = HostId::new(&desk.plane.trust_domain, &case.host).ok_or_else(|| invalid(&format!("{:?} is no host's name", case.host)))?;
        check_labels(&case.labels).map_err(|because| invalid(&because))?;
        let decision = outcome(&policy, &id, &case.labels, &case.credential);
        let PolicyCase { host, credential, expect, .. } = case;
        Ok(CaseTested { host, credential, expect, decision, holds: decision == expect })
    };
    let cases = asked.cases.into_iter().map(tested).collect::<Answer<Vec<_>>>()?;
    Ok(PolicyTested { version: 1, failed: cases.iter().filter(|case| !case.holds).count(), cases })
}

/// The policy that a text means, or the one in force.
fn policy(plane: &ControlPlane, text: Option<&str>) -> Answer<Arc<Policy>> {
    text.map_or_else(|| Ok(plane.policy.load_full()), |text| compile(plane, text).map(Arc::new))
}

fn outcome(policy: &Policy, id: &HostId, labels: &Labels, credential: &str) -> Outcome {
    match policy.decide(id, labels, credential) {
        Decision::Granted(_) => Outcome::Granted,
        Decision::Denied => Outcome::Denied,
        Decision::Unknown => Outcome::Unknown,
    }
}

/// Puts one in force, on every replica.
pub(super) async fn apply(desk: Desk, asked: ApplyPolicy) -> Answer<PolicyApplied> {
    desk.event("checked", &asked.reason)?;
    let PolicyDiff { touched, .. } = aside(|| compare(&desk.plane, &asked.text))?;
    let number = || reload::current_policy(&desk.plane).map_or(0, |version| version.number);
    if number() != asked.on {
        // It may have been put in force on another replica a moment ago.
        desk.plane.catch_up().await;
    }
    let overtaken = || refuse(StatusCode::CONFLICT, "policy.overtaken", "another version is in force than the one it was made on", "diff again");
    if number() != asked.on {
        return Err(overtaken());
    }
    if asked.dry_run {
        return Ok(PolicyApplied { version: 1, number: asked.on + 1, touched, dry_run: true });
    }
    let by = (desk.operator.to_string(), asked.reason.trim().to_string());
    match reload::apply_policy(&desk.plane, asked.text, by, Some(asked.on), Vec::new()).await {
        Ok(number) => {
            // It compiled a moment ago. Where a file has gone since, the watch says so and tries again.
            let _ = aside(|| reload::put_policy_in_force(&desk.plane));
            Ok(PolicyApplied { version: 1, number, touched, dry_run: false })
        }
        Err(NotWritten::Conflict) => Err(overtaken()),
        Err(not_written) => Err(unrecorded(not_written)),
    }
}

fn compile(plane: &ControlPlane, text: &str) -> Answer<Policy> {
    let compiled = reload::compile(text, &plane.secrets);
    let compiled = compiled.map_err(|failure| refuse(StatusCode::BAD_REQUEST, "policy.invalid", failure.because(), "correct the policy"))?;
    Ok(compiled.policy)
}

//! Rollouts: started and changed by what people want, which is stored for the driver; told as they are on record.

use super::{
    Answer, Desk, aside, invalid,
    model::{
        ChangeRollout, EvidenceView, ExplainRollout, GoodView, PromoteRollout, RolloutExplained, RolloutTouched, RolloutView, RolloutsView,
        StartRollout, WaveOfRollout,
    },
    refuse,
};
use crate::{
    api::{ControlPlane, now},
    driver,
    store::{Change, Kind},
};
use hyper::StatusCode;
use rollout::{
    Rollout,
    decide::{HOLD_AT, PULL_AT, Progress, breach},
    decision::{Breach, Decision},
};
use service::{
    drive::{Standing, Wish, standing},
    rollout::{InForce, Wanted, name},
};

/// Starts the rollout of a generation.
pub(super) async fn start(desk: Desk, asked: StartRollout) -> Answer<RolloutTouched> {
    let wish = Wish { generation: asked.generation, by: desk.operator.to_string(), reason: asked.reason.clone() };
    let started = |plane: &ControlPlane| aside(|| driver::start(plane, &driver::current(plane), &wish)).map_err(|(because, hint)| no(&because, hint));
    desk.change(asked.dry_run, |plane| {
        let event = desk.event("rollout-started", &asked.reason)?.with("generation", asked.generation);
        let (started, changes) = started(plane)?;
        let touched = touched(started.number, started.plan.places().len(), started.plan.size(0), started.plan.uncovered(), asked.dry_run);
        Ok((event.with("rollout", started.number), changes, touched))
    })
    .await
}

/// Has it wait.
pub(super) async fn pause(desk: Desk, asked: ChangeRollout) -> Answer<RolloutTouched> {
    let (who, why) = (desk.operator.to_string(), asked.reason.clone());
    want(desk, ("rollout-paused", &asked.reason, asked.dry_run), |_| Wanted::Pause { who: who.clone(), why: why.clone() }).await
}

/// Has it go its way again.
pub(super) async fn resume(desk: Desk, asked: ChangeRollout) -> Answer<RolloutTouched> {
    want(desk, ("rollout-resumed", &asked.reason, asked.dry_run), |_| Wanted::Nothing).await
}

/// Has the next wave come without waiting, or all.
pub(super) async fn promote(desk: Desk, asked: PromoteRollout) -> Answer<RolloutTouched> {
    let all = asked.all;
    let wanted = |rollout: &Rollout| if all { Wanted::PromoteAll } else { Wanted::Promote { waves_out: rollout.progress().out } };
    want(desk, ("rollout-promoted", &asked.reason, asked.dry_run), wanted).await
}

/// Has every host leave its release, also after it was done.
pub(super) async fn pull(desk: Desk, asked: ChangeRollout) -> Answer<RolloutTouched> {
    let (who, why) = (desk.operator.to_string(), asked.reason.clone());
    want(desk, ("rollout-pull-wanted", &asked.reason, asked.dry_run), |_| Wanted::Pull { who: who.clone(), why: why.clone() }).await
}

/// Stores what an operator wants of the newest rollout; the driver decides.
async fn want(desk: Desk, (what, reason, dry_run): (&str, &str, bool), wanted: impl Fn(&Rollout) -> Wanted) -> Answer<RolloutTouched> {
    desk.change(dry_run, |plane| {
        if !plane.release_rules.rollouts {
            return Err(no("rollouts = false: nobody drives any", "set rollouts = true under [releases]"));
        }
        let in_force = aside(|| driver::current(plane));
        let number = in_force.head.rollout;
        let event = desk.event(what, reason)?.with("rollout", number);
        let rollout = in_force.rollout.as_ref().ok_or_else(|| no("there was no rollout yet", "start one: pinnacectl rollout start GENERATION"))?;
        let wanted = wanted(rollout);
        let is_pull = |wanted: &Wanted| matches!(wanted, Wanted::Pull { .. });
        let done = matches!(rollout.standing(), Some(Decision::Done { .. }));
        if rollout.has_ended() && !(done && is_pull(&wanted)) {
            let state = in_force.state();
            return Err(no(
                &format!("the rollout of generation {} is {state}", in_force.head.generation),
                "start another: pinnacectl rollout start GENERATION",
            ));
        }
        let known = driver::object(plane, &name::wish(number));
        if is_pull(&Wanted::read(known.as_ref())) && !is_pull(&wanted) {
            return Err(no("a pull of it is on record", "nobody takes one back; start another: pinnacectl rollout start GENERATION"));
        }
        let on = known.map_or(0, |known| known.revision);
        let change = Change { kind: Kind::Rollout, name: name::wish(number), on, body: serde_json::to_string(&wanted).ok() };
        let plan = rollout.plan();
        Ok((event, vec![change], touched(number, plan.places().len(), plan.size(0), plan.uncovered(), dry_run)))
    })
    .await
}

fn touched(rollout: i64, hosts: usize, canaries: usize, uncovered: &[String], dry_run: bool) -> RolloutTouched {
    RolloutTouched { version: 1, rollout, touched: hosts, canaries, uncovered: uncovered.to_vec(), dry_run }
}

fn no(because: &str, hint: &str) -> Box<crate::api::Reply> {
    refuse(StatusCode::CONFLICT, "rollout.refused", because, hint)
}

/// What is in force, and how the newest rollout stands.
pub(super) async fn status(desk: Desk) -> Answer<RolloutsView> {
    let in_force = aside(|| driver::current(&desk.plane));
    let stable = in_force.head.stable.iter().flat_map(|(channel, platforms)| {
        platforms.iter().flat_map(move |(platform, known)| {
            known.iter().map(move |good| GoodView {
                channel: channel.clone(),
                platform: platform.clone(),
                generation: good.generation,
                sha256: good.sha256.clone(),
            })
        })
    });
    Ok(RolloutsView {
        version: 1,
        rollouts: desk.plane.release_rules.rollouts,
        rollout: in_force.rollout.as_ref().map(|rollout| aside(|| view(&desk.plane, &in_force, rollout))),
        stable: stable.collect(),
        pulled: in_force.head.pulled.clone(),
        time: now(),
    })
}

fn view(plane: &ControlPlane, in_force: &InForce, rollout: &Rollout) -> RolloutView {
    let head = &in_force.head;
    let (plan, terms) = (rollout.plan(), rollout.plan().terms());
    // Where another process drives, what it stored last is known here.
    let live = plane.live.load_full().filter(|live| live.rollout == head.rollout);
    let stored = || (rollout.progress().clone(), breach(plan, rollout.evidence(), rollout.evidence().bet()), head.stepped_at);
    let (progress, breach, seen_at) = live.map_or_else(stored, |live| (live.progress.clone(), live.breach.clone(), live.at));
    RolloutView {
        number: head.rollout,
        generation: head.generation,
        channel: head.channel.clone(),
        releases: terms.releases.clone(),
        by: head.by.clone(),
        reason: head.reason.clone(),
        started_at: head.started_at,
        state: in_force.state().into(),
        step: head.step,
        decision: newest(plane, head.rollout, head.step).unwrap_or_default(),
        decided_at: head.stepped_at,
        interval_seconds: terms.interval_seconds,
        waves: waves(plane, rollout, &progress),
        evidence: evidence(&breach),
        expected: progress.expected,
        heard: progress.heard,
        uncovered: plan.uncovered().to_vec(),
        seen_at,
    }
}

/// The decision of a step, in its own words.
fn newest(plane: &ControlPlane, rollout: i64, step: i64) -> Option<String> {
    let known = plane.registry.other(Kind::Rollout, &name::step(rollout, step))?;
    let value = protocol::json::parse(known.value.as_bytes()).ok()?;
    Decision::from_value(value.get("decision")?).map(|decision| decision.to_string())
}

fn waves(plane: &ControlPlane, rollout: &Rollout, progress: &Progress) -> Vec<WaveOfRollout> {
    let terms = rollout.plan().terms();
    let done = matches!(rollout.standing(), Some(Decision::Done { .. }));
    let named = |(index, wave): (usize, &rollout::plan::Wave)| (wave.name.clone(), wave.soak_seconds, index < progress.out);
    let names = terms.waves.iter().enumerate().map(named).chain([("held back".to_string(), 0, done)]);
    let wave =
        |(name, soak_seconds, out): (String, i64, bool)| WaveOfRollout { name, out, hosts: 0, on_trial: 0, committed: 0, unfit: 0, soak_seconds };
    let mut waves: Vec<WaveOfRollout> = names.map(wave).collect();
    let fleet = plane.telemetry.fleet();
    for place in rollout.plan().places() {
        let Some(wave) = waves.get_mut(place.wave) else { continue };
        wave.hosts += 1;
        let told = fleet.get(&place.host).map(|known| &known.told);
        match told.map(|told| standing(told, &terms.releases, terms.generation)) {
            Some(Standing::OnTrial) => wave.on_trial += 1,
            Some(Standing::Committed) => wave.committed += 1,
            Some(Standing::Unfit) => wave.unfit += 1,
            Some(Standing::Unknown) | None => (),
        }
    }
    waves
}

fn evidence(breach: &Breach) -> EvidenceView {
    let number = |wealth: rollout::wealth::Wealth| wealth.number().min(f64::MAX);
    EvidenceView {
        all: number(breach.bet.all),
        concentrated: number(breach.bet.concentrated),
        diffuse: number(breach.bet.diffuse),
        silence: number(breach.bet.silence),
        hold_at: HOLD_AT,
        pull_at: PULL_AT,
        bad: breach.everywhere.bad,
        good: breach.everywhere.good,
        suspects: breach.strata.iter().map(|suspect| format!("{suspect}; evidence {}", suspect.wealth)).collect(),
    }
}

/// A plan and its chain, as they are stored.
pub(super) async fn explain(desk: Desk, asked: ExplainRollout) -> Answer<RolloutExplained> {
    let rollout = asked.rollout.unwrap_or_else(|| aside(|| driver::current(&desk.plane)).head.rollout);
    if rollout == 0 {
        return Err(no("there was no rollout yet", "start one: pinnacectl rollout start GENERATION"));
    }
    let registry = &desk.plane.registry;
    let unreadable = |because: serde_json::Error| invalid(&because.to_string());
    let plan = registry
        .other(Kind::Rollout, &name::plan(rollout))
        .ok_or_else(|| no("there is no such rollout on record", "leave the number out for the newest"))?;
    aside(|| {
        let steps = registry.others(Kind::Rollout).into_iter().filter(|(step, _)| step.starts_with(&name::steps(rollout)));
        Ok(RolloutExplained {
            version: 1,
            rollout,
            plan: serde_json::from_str(&plan.value).map_err(unreadable)?,
            steps: steps.map(|(_, step)| serde_json::from_str(&step.value)).collect::<Result<_, _>>().map_err(unreadable)?,
        })
    })
}

//! Enrolment tokens.

use super::{
    Answer, Desk, invalid,
    model::{NewToken, RevokeToken, TokenMade, TokenView, Tokens, Touched},
    refuse,
};
use crate::{
    api::now,
    issuers::base64url,
    store::{Change, Kind},
};
use hyper::StatusCode;
use service::token::{Token, name_of};

const TTL_SECONDS_MAX: u32 = 30 * 24 * 3600;

/// Makes one.
pub(super) async fn create(desk: Desk, asked: NewToken) -> Answer<TokenMade> {
    if asked.ttl_seconds == 0 || asked.ttl_seconds > TTL_SECONDS_MAX {
        return Err(invalid(&format!("ttl_seconds must be 1 to {TTL_SECONDS_MAX}")));
    }
    let expires_at = now().saturating_add(asked.ttl_seconds.into());
    let token = Token { hosts: asked.hosts, labels: asked.labels, expires_at, made_by: desk.operator.name.clone(), spent: None };
    token.check().map_err(|because| invalid(&because))?;
    let mut chance = [0; 32];
    aws_lc_rs::rand::fill(&mut chance)
        .map_err(|_| refuse(StatusCode::SERVICE_UNAVAILABLE, "issuer.no-chance", "there is no randomness", "try again"))?;
    let text = base64url::encode(&chance);
    let name = name_of(&text);
    let body = serde_json::to_string(&token).map_err(|error| invalid(&error.to_string()))?;
    desk.change(asked.dry_run, |_| {
        let event = desk.event("token-made", &asked.reason)?;
        let event = event.with("token", name.as_str()).with("hosts", token.hosts.as_str()).with("expires_at", expires_at);
        Ok((event, vec![Change { kind: Kind::Token, name: name.clone(), on: 0, body: Some(body.clone()) }], ()))
    })
    .await?;
    let made = !asked.dry_run;
    Ok(TokenMade { version: 1, token: made.then_some(text), name: made.then_some(name), expires_at, touched: 0, dry_run: asked.dry_run })
}

/// All of them, without their texts.
pub(super) async fn list(desk: Desk) -> Answer<Tokens> {
    let view = |(name, known): (String, crate::registry::Known<Token>)| {
        let Token { hosts, labels, expires_at, made_by, spent } = (*known.value).clone();
        TokenView { name, hosts, labels, expires_at, made_by, spent_by: spent.map(|spent| spent.host) }
    };
    Ok(Tokens { version: 1, tokens: desk.plane.registry.tokens().into_iter().map(view).collect() })
}

/// Takes one back.
pub(super) async fn revoke(desk: Desk, asked: RevokeToken) -> Answer<Touched> {
    desk.change(asked.dry_run, |plane| {
        let known = plane.registry.token(&asked.name);
        let known = known.ok_or_else(|| refuse(StatusCode::NOT_FOUND, "token.unknown", "there is no such token", "pinnacectl token list"))?;
        let event = desk.event("token-revoked", &asked.reason)?.with("token", asked.name.as_str());
        let change = Change { kind: Kind::Token, name: asked.name.clone(), on: known.revision, body: None };
        Ok((event, vec![change], Touched::hosts(&[], asked.dry_run)))
    })
    .await
}

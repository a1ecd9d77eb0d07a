//! Signing in: a short access token, and a refresh token that changes at every use.
//!
//! The access token is a JWT (RFC 7519, HS256) of 15 minutes that names the account and the
//! family of refresh tokens; every request checks that neither has ended. A refresh token is 32
//! random bytes, stored as SHA-256. One that comes a second time ends its family: either its
//! owner or a thief holds the newer one, and the server cannot tell which.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::throttle::Guess;
use super::{Context, Error, Failure, audit, outbox, password};
use crate::domain::actor::Actor;
use crate::domain::announcement::Announcement;
use crate::domain::audit::AuditFact;
use crate::domain::fact::Hash;
use crate::domain::id::{AccountId, TokenFamilyId};
use crate::domain::limits::PASSWORD_BYTES_MAX;
use crate::domain::person::{self, Person};
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::store::account::Credentials;
use crate::store::token::EndReason;
use crate::store::{self, Connection};

/// Life of an access token.
pub const ACCESS_LIFE: TimeDelta = TimeDelta::minutes(15);

/// Life of a refresh token; every use begins it anew.
pub const REFRESH_LIFE: TimeDelta = TimeDelta::days(14);

/// Devices on which an account is signed in at once; the oldest gives way.
const FAMILIES_MAX: u32 = 20;

const ISSUER: &str = "mingtang";

/// A session that has just begun or gone on.
#[derive(Debug)]
pub struct Session {
    /// For the `Authorization` header.
    pub access_token: String,
    /// Its life.
    pub expires_in: TimeDelta,
    /// For the cookie; never shown again.
    pub refresh_token: String,
    /// Who is signed in.
    pub me: Me,
}

/// Who is signed in.
#[derive(Clone, Debug)]
pub struct Me {
    /// The actor.
    pub actor: Actor,
    /// The person, with account and roles.
    pub person: Person,
    /// Language of the web app.
    pub locale: String,
}

/// Signs in. Refuses with `auth.bad_credentials`, `auth.account_disabled` (only to somebody who
/// knows the password) or `auth.too_many_attempts`.
pub async fn sign_in(
    context: &Context,
    username: &str,
    password: &str,
    address: Option<IpAddr>,
) -> Result<Session, Error> {
    let guess = Guess::of(username, address);
    context.throttle.attempt(guess, context.now())?;
    let credentials = find_credentials(context, username).await?;
    let account = credentials.as_ref().map(|credentials| credentials.account);
    match checked(context, credentials, password).await? {
        Ok(account) => {
            context.throttle.succeeded(guess);
            begin_session(context, account).await
        }
        Err(refusal) => {
            let mut transaction = context.store.begin().await?;
            let failed = AuditFact::SignInFailed { account };
            audit::record(context, &mut transaction, failed).await?;
            transaction.commit().await?;
            Err(refusal.into())
        }
    }
}

/// Goes on with a session. Refuses with `auth.session_ended`; a token that was used before ends
/// its family.
pub async fn refresh(context: &Context, refresh_token: &str) -> Result<Session, Error> {
    let now = context.now();
    let hash = hash_of(refresh_token);
    let mut transaction = context.store.begin().await?;
    let found = store::token::find(&mut transaction, &hash).await?;
    let Some(token) = found.filter(|token| !token.ended && token.expires_at > now) else {
        return Err(session_ended().into());
    };
    let (account, family) = (token.account, token.family);
    if token.used {
        store::token::end_family(&mut transaction, family, EndReason::Reused, now).await?;
        tell_access_changed(context, &mut transaction, account).await?;
        let reused = AuditFact::RefreshTokenReused { account, family };
        audit::record(context, &mut transaction, reused).await?;
        outbox::commit(context, transaction).await?;
        return Err(session_ended().into());
    }
    store::token::mark_used(&mut transaction, &hash, now).await?;
    store::token::forget_expired(&mut transaction, family, now).await?;
    let session = issue(context, &mut transaction, account, family).await?;
    transaction.commit().await?;
    Ok(session)
}

/// Ends the session of a refresh token; an unknown or ended one is no error.
pub async fn sign_out(context: &Context, refresh_token: &str) -> Result<(), Error> {
    let mut transaction = context.store.begin().await?;
    let found = store::token::find(&mut transaction, &hash_of(refresh_token)).await?;
    let Some(token) = found.filter(|token| !token.ended) else {
        return Ok(());
    };
    let (account, family) = (token.account, token.family);
    let reason = EndReason::SignedOut;
    store::token::end_family(&mut transaction, family, reason, context.now()).await?;
    tell_access_changed(context, &mut transaction, account).await?;
    let fact = AuditFact::SignedOut { account, family };
    audit::record(context, &mut transaction, fact).await?;
    outbox::commit(context, transaction).await
}

/// The actor of an access token. Refuses with `auth.required`: forged, expired, signed out,
/// disabled are all one to the client, which then refreshes.
pub async fn authenticate(context: &Context, access_token: &str) -> Result<Authenticated, Error> {
    let claims = decode(context, access_token).ok_or_else(required)?;
    let expires_at = DateTime::from_timestamp(claims.exp, 0).ok_or_else(required)?;
    if expires_at <= context.now() {
        return Err(required().into());
    }
    let mut db = context.store.reader().await?;
    let actor = store::account::actor(&mut db, claims.sub, claims.fam).await?;
    Ok(Authenticated {
        actor: actor.ok_or_else(required)?,
        expires_at,
    })
}

/// An actor, and until when the token speaks for it.
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// The actor.
    pub actor: Actor,
    /// End of the access token's life.
    pub expires_at: DateTime<Utc>,
}

/// Who the actor is.
pub async fn me(context: &Context, actor: &Actor) -> Result<Me, Error> {
    let mut db = context.store.reader().await?;
    who(&mut db, actor.clone()).await
}

/// Changes the actor's own password; all other sessions end. Refuses with `auth.wrong_password`,
/// `person.password` or `auth.too_many_attempts`.
pub async fn change_password(
    context: &Context,
    actor: &Actor,
    old_password: &str,
    new_password: &str,
) -> Result<(), Error> {
    let guess = Guess::of(&actor.account.to_string(), None);
    context.throttle.attempt(guess, context.now())?;
    let mut db = context.store.reader().await?;
    let credentials = store::account::credentials_of(&mut db, actor.account).await?;
    let credentials = credentials.ok_or_else(required)?;
    drop(db);
    let right = old_password.len() <= PASSWORD_BYTES_MAX
        && password::verify(context, old_password, &credentials.password_hash).await?;
    if !right {
        return Err(wrong_password().into());
    }
    context.throttle.succeeded(guess);
    person::check_new_password(new_password, &credentials.username)?;
    let hash = password::hash(context, new_password).await?;
    let mut transaction = context.store.begin().await?;
    let (account, family) = (actor.account, Some(actor.family));
    store::account::set_password(&mut transaction, account, &hash).await?;
    let (reason, now) = (EndReason::PasswordChanged, context.now());
    store::token::end_families(&mut transaction, account, 0, family, reason, now).await?;
    tell_access_changed(context, &mut transaction, account).await?;
    audit::record(
        context,
        &mut transaction,
        AuditFact::PasswordChanged { account },
    )
    .await?;
    outbox::commit(context, transaction).await
}

/// Ends the account's event streams after the commit: those that may stay come back at once.
pub(super) async fn tell_access_changed(
    context: &Context,
    db: &mut Connection,
    account: AccountId,
) -> Result<(), Error> {
    let announcement = Announcement::access_changed(account);
    outbox::announce(context, db, &[announcement]).await
}

async fn find_credentials(context: &Context, username: &str) -> Result<Option<Credentials>, Error> {
    let Ok(username) = person::checked_username(username) else {
        return Ok(None);
    };
    let mut db = context.store.reader().await?;
    store::account::credentials(&mut db, &username).await
}

async fn checked(
    context: &Context,
    credentials: Option<Credentials>,
    password: &str,
) -> Result<Result<AccountId, Refusal>, Error> {
    let password = if password.len() <= PASSWORD_BYTES_MAX {
        password
    } else {
        ""
    };
    let right = match &credentials {
        Some(known) => password::verify(context, password, &known.password_hash).await?,
        None => password::verify_decoy(context, password).await?,
    };
    Ok(match credentials.filter(|_| right) {
        Some(known) if known.disabled => Err(account_disabled()),
        Some(known) => Ok(known.account),
        None => Err(bad_credentials()),
    })
}

async fn begin_session(context: &Context, account: AccountId) -> Result<Session, Error> {
    let now = context.now();
    let family = TokenFamilyId::new(now, &*context.entropy);
    let mut transaction = context.store.begin().await?;
    store::token::prune(&mut transaction, account, now).await?;
    let (keep, reason) = (FAMILIES_MAX - 1, EndReason::CrowdedOut);
    store::token::end_families(&mut transaction, account, keep, None, reason, now).await?;
    store::token::begin_family(&mut transaction, family, account, now).await?;
    let session = issue(context, &mut transaction, account, family).await?;
    let fact = AuditFact::SignedIn { account, family };
    audit::record(context, &mut transaction, fact).await?;
    transaction.commit().await?;
    Ok(session)
}

async fn issue(
    context: &Context,
    db: &mut Connection,
    account: AccountId,
    family: TokenFamilyId,
) -> Result<Session, Error> {
    let now = context.now();
    let mut secret = [0; 32];
    context.entropy.fill(&mut secret);
    let refresh_token = URL_SAFE_NO_PAD.encode(secret);
    let expires_at = now + REFRESH_LIFE;
    store::token::insert(db, &hash_of(&refresh_token), family, now, expires_at).await?;
    let actor = store::account::actor(db, account, family)
        .await?
        .ok_or_else(session_ended)?;
    Ok(Session {
        access_token: encode(context, account, family, now)?,
        expires_in: ACCESS_LIFE,
        refresh_token,
        me: who(db, actor).await?,
    })
}

async fn who(db: &mut Connection, actor: Actor) -> Result<Me, Error> {
    let person = store::person::find(db, actor.person)
        .await?
        .ok_or_else(person::not_found)?;
    let locale = store::account::locale(db, actor.account).await?;
    Ok(Me {
        actor,
        person,
        locale,
    })
}

fn hash_of(refresh_token: &str) -> Hash {
    Sha256::digest(refresh_token.as_bytes()).into()
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: AccountId,
    fam: TokenFamilyId,
    iat: i64,
    exp: i64,
}

fn encode(
    context: &Context,
    account: AccountId,
    family: TokenFamilyId,
    now: DateTime<Utc>,
) -> Result<String, Failure> {
    let claims = Claims {
        iss: ISSUER.to_owned(),
        sub: account,
        fam: family,
        iat: now.timestamp(),
        exp: (now + ACCESS_LIFE).timestamp(),
    };
    let key = EncodingKey::from_secret(context.keys.access_token());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
        .map_err(|source| Failure::new("sign an access token", source))
}

fn decode(context: &Context, access_token: &str) -> Option<Claims> {
    let mut validation = Validation::new(Algorithm::HS256);
    // Time is compared by the caller, with the server's clock.
    validation.validate_exp = false;
    validation.set_issuer(&[ISSUER]);
    validation.set_required_spec_claims(&["exp", "iss", "sub"]);
    let key = DecodingKey::from_secret(context.keys.access_token());
    jsonwebtoken::decode(access_token, &key, &validation)
        .ok()
        .map(|token| token.claims)
}

/// Nobody is signed in, or no longer.
pub fn required() -> Refusal {
    Refusal::new(
        RefusalKind::Unauthenticated,
        "auth.required",
        "请先登录。",
        "Sign in first.",
    )
}

fn session_ended() -> Refusal {
    Refusal::new(
        RefusalKind::Unauthenticated,
        "auth.session_ended",
        "登录已失效，请重新登录。",
        "Your session has ended. Sign in again.",
    )
}

fn bad_credentials() -> Refusal {
    Refusal::new(
        RefusalKind::Unauthenticated,
        "auth.bad_credentials",
        "用户名或密码不正确。",
        "The username or the password is wrong.",
    )
}

fn account_disabled() -> Refusal {
    Refusal::new(
        RefusalKind::Forbidden,
        "auth.account_disabled",
        "该账号已停用，请联系管理员。",
        "This account is disabled. Ask an administrator.",
    )
}

fn wrong_password() -> Refusal {
    Refusal::new(
        RefusalKind::Forbidden,
        "auth.wrong_password",
        "原密码不正确。",
        "The old password is wrong.",
    )
}

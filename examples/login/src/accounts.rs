//! `Accounts`: names with passwords, and the tokens of programs.

use argon2::{Argon2, PasswordHasher, PasswordVerifier, password_hash::phc::PasswordHash};
use rusqlite::{OptionalExtension, params};
use tokio::task::spawn_blocking;
use volga::error::{Error, Problem};

use crate::database::Database;

const MAX_NAME: usize = 32;
const MIN_PASSWORD: usize = 8;
/// Hashing a password of any length would be work of any length.
const MAX_PASSWORD: usize = 256;
/// Every token begins with this text, so that a program that looks for leaked secrets recognizes
/// it.
const TOKEN_PREFIX: &str = "login_";

/// The accounts in SQLite.
pub(crate) struct Accounts(Database);

impl Accounts {
    pub(crate) fn new(database: Database) -> Self {
        Self(database)
    }

    /// Creates an account.
    pub(crate) async fn create(&self, name: String, password: String) -> Result<(), Error> {
        check_name(&name)?;
        if !(MIN_PASSWORD..=MAX_PASSWORD).contains(&password.len()) {
            let detail = format!("A password has {MIN_PASSWORD} to {MAX_PASSWORD} characters.");
            return Err(Problem::new(422).with_detail(detail).into());
        }
        let hash = spawn_blocking(move || hash(&password)).await??;
        let sql = "INSERT OR IGNORE INTO account (name, password) VALUES (?1, ?2)";
        let added = self.0.run(move |db| db.execute(sql, params![name, hash])).await?;
        match added {
            0 => Err(Problem::new(409).with_detail("This name is taken.").into()),
            _ => Ok(()),
        }
    }

    /// Whether the account exists and has this password.
    pub(crate) async fn is_right(&self, name: String, password: String) -> Result<bool, Error> {
        if password.len() > MAX_PASSWORD {
            return Ok(false);
        }
        let sql = "SELECT password FROM account WHERE name = ?1";
        let found: Option<String> =
            self.0.run(move |db| db.query_row(sql, [name], |row| row.get(0)).optional()).await?;
        let work = move || -> Result<bool, Error> {
            match found {
                Some(hash) => {
                    let hash = PasswordHash::new(&hash)?;
                    Ok(Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
                }
                None => {
                    // As much work as for an account that exists. Otherwise the time would say
                    // which names exist.
                    hash(&password)?;
                    Ok(false)
                }
            }
        };
        spawn_blocking(work).await?
    }

    /// Creates a token for the user's programs.
    pub(crate) async fn create_token(&self, user: String) -> Result<String, Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        let token = format!("{TOKEN_PREFIX}{:032x}", u128::from_ne_bytes(bytes));
        let kept = token.clone();
        let sql = "INSERT INTO token (token, user) VALUES (?1, ?2)";
        self.0.run(move |db| db.execute(sql, params![kept, user])).await?;
        Ok(token)
    }

    /// The user of a token.
    pub(crate) async fn user_of_token(&self, token: String) -> Result<Option<String>, Error> {
        let sql = "SELECT user FROM token WHERE token = ?1";
        self.0.run(move |db| db.query_row(sql, [token], |row| row.get(0)).optional()).await
    }
}

/// A name is a part of a topic of the hub, so it has no dot and no wildcard.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(is_part) {
        let detail = format!("A name has 1 to {MAX_NAME} small letters, digits and hyphens.");
        return Err(Problem::new(422).with_detail(detail).into());
    }
    Ok(())
}

fn hash(password: &str) -> Result<String, Error> {
    Ok(Argon2::default().hash_password(password.as_bytes())?.to_string())
}

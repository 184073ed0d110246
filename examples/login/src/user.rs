//! The user who asks: by a session, or by a bearer token.

use volga::{
    auth::{AuthError, Bearer},
    di::Dc,
    error::{Error, Problem},
    http::{Description, FromRequestParts, RequestParts, StatusCode},
    sessions::Session,
};

use crate::accounts::Accounts;

/// A user who has signed in on the page.
pub(crate) struct User(pub(crate) String);

impl FromRequestParts for User {
    fn describe(description: &mut Description) {
        Session::describe(description);
        description.responds(StatusCode::UNAUTHORIZED, &[]);
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        let session = Session::from_request_parts(parts).await?;
        let user = session.user().ok_or(Problem::new(401).with_detail("Sign in first."))?;
        Ok(Self(user))
    }
}

/// The user of a program with a token.
pub(crate) struct TokenUser(pub(crate) String);

impl FromRequestParts for TokenUser {
    fn describe(description: &mut Description) {
        Bearer::describe(description);
        description.uses_service::<Accounts>();
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        let bearer = Bearer::from_request_parts(parts).await?;
        let accounts = Dc::<Accounts>::from_request_parts(parts).await?;
        match accounts.user_of_token(bearer.token().to_owned()).await? {
            Some(user) => Ok(Self(user)),
            None => Err(AuthError::invalid_token("the token is unknown"))?,
        }
    }
}

//! Errors: a type that chooses its own status, problem details, and the handlers that shape all
//! errors.

use volga::{
    App, HttpResult,
    error::{Error, Problem},
    http::{StatusCode, Uri},
    ok, status,
};

/// An error of the shop.
enum ShopError {
    Unknown(String),
    SoldOut { item: String, wanted: u32, left: u32 },
}

impl From<ShopError> for Error {
    fn from(error: ShopError) -> Self {
        match error {
            ShopError::Unknown(item) => {
                Error::new(StatusCode::NOT_FOUND, format!("there is no {item} here"))
            }
            ShopError::SoldOut { item, wanted, left } => Problem::new(409)
                .with_type("https://example.com/problems/sold-out")
                .with_title("sold out")
                .with_detail(format!("{wanted} of {item} were asked for"))
                .with_extension("left", left)
                .into(),
        }
    }
}

fn left(item: &str) -> Result<u32, ShopError> {
    match item {
        "tea" => Ok(3),
        _ => Err(ShopError::Unknown(item.to_owned())),
    }
}

fn buy(item: String, wanted: u32) -> Result<u32, ShopError> {
    let left = left(&item)?;
    left.checked_sub(wanted).ok_or(ShopError::SoldOut { item, wanted, left })
}

pub(crate) fn map(app: &mut App) {
    app.group("/shop", |shop| {
        shop.map_get("/{item}", async |item: String| {
            let left = left(&item)?;
            ok!({ "item": item, "left": left })
        });
        shop.map_post(
            "/{item}/{wanted}",
            async |item: String, wanted: u32| ok!({ "left": buy(item, wanted)? }),
        );
    });

    // The error of the file system goes to the log only, and so does a panic.
    app.map_get("/secret", async || -> Result<String, Error> {
        Err(Error::server_error("the password of the database is wrong"))
    });
    app.map_get("/panic", async || -> String { panic!("on purpose") });
    app.map_get("/file", async || Ok::<_, Error>(std::fs::read_to_string("no such file")?));

    app.group("/plain", |plain| {
        plain.map_get("/{number}", async |number: u8| ok!("{number}"));
        plain.map_err(plain_error);
    });

    app.map_fallback(async |uri: Uri| status!(404, "nothing is at {}", uri.path()));
}

/// Writes the errors of a group in a form of their own.
async fn plain_error(error: Error) -> HttpResult {
    status!(error.status(), "error: {}", error.public_message())
}

//! The page. With JavaScript it shows every change live. Without it, the page works by its forms.

use volga::{
    Form, HttpResult,
    di::Dc,
    error::Error,
    html,
    http::{HttpResponse, IntoResponse},
    redirect,
};

use crate::routes::New;
use crate::store::{Patch, Store, Todo};

/// The page as a browser with JavaScript needs it.
const PAGE: &str = include_str!("index.html");
/// Where the page has the list for a browser without JavaScript.
const ROWS: &str = "<!-- rows -->";
/// Where the page says why a change was refused.
const PROBLEM: &str = "<!-- problem -->";

pub(crate) async fn show(store: Dc<Store>) -> HttpResult {
    html!(render(&store, "").await?)
}

pub(crate) async fn add(store: Dc<Store>, Form(new): Form<New>) -> HttpResult {
    let added = store.add(new.title).await;
    back(&store, added.map(drop).map_err(Error::from)).await
}

pub(crate) async fn change(id: i64, store: Dc<Store>, Form(patch): Form<Patch>) -> HttpResult {
    let changed = store.change(id, patch).await;
    back(&store, changed.map(drop).map_err(Error::from)).await
}

pub(crate) async fn delete(id: i64, store: Dc<Store>) -> HttpResult {
    let deleted = store.delete(id).await;
    back(&store, deleted.map_err(Error::from)).await
}

/// Sends the browser back to the page. If the change was refused, the response is the page itself,
/// which says why.
async fn back(store: &Store, result: Result<(), Error>) -> HttpResult {
    match result {
        Ok(()) => redirect!("/"),
        Err(error) if error.status().is_client_error() => {
            let page: HttpResponse = html!(render(store, &error.public_message()).await?)?;
            (error.status(), page).into_response()
        }
        Err(error) => Err(error),
    }
}

async fn render(store: &Store, problem: &str) -> Result<String, Error> {
    let rows: String = store.list().await?.todos.iter().map(row).collect();
    Ok(PAGE.replace(PROBLEM, &escape(problem)).replace(ROWS, &rows))
}

/// A row of the list with its two forms.
fn row(todo: &Todo) -> String {
    let Todo { id, title, done } = todo;
    let title = escape(title);
    let (mark, action) =
        if *done { ("class=\"done title\"", "Undo") } else { ("class=title", "Done") };
    format!(
        r#"<li><span {mark}>{title}</span>
<form method="post" action="/form/{id}"><input type="hidden" name="done" value="{}"><button aria-label="{action}: {title}">{action}</button></form>
<form method="post" action="/form/{id}/delete"><button aria-label="Delete {title}">Delete</button></form></li>
"#,
        !done
    )
}

/// Escapes a text for HTML, because anybody can write a title.
fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}

//! Multipart forms as types: what fits, what does not, and which memory and files it takes.

use std::path::Path;
use std::pin::Pin;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use volga_core::{
    AppContext, Error, FieldErrors, HandlerEndpoint, HttpBody, Router, RouterService, Valid,
    Validate,
};
use volga_web::{Multipart, MultipartForm, TempFile};

use crate::multipart::{TYPE, cut, form, part, post};
use crate::support::{Received, pieces, send, service};

#[derive(Deserialize)]
struct Profile {
    name: String,
    age: Option<u8>,
    #[serde(default)]
    tags: Vec<String>,
    avatar: TempFile,
    letter: Option<TempFile>,
    #[serde(default)]
    photos: Vec<TempFile>,
}

fn profile_service(folder: &Path) -> RouterService {
    let folder = folder.to_owned();
    let save = async move |form: Multipart| {
        let form: Profile = form.with_temp_folder(&folder).collect().await?;
        let names: Vec<_> =
            form.photos.iter().map(|photo| photo.name().unwrap().as_str()).collect();
        let text = format!(
            "{} {:?} {:?} {} {} {names:?}",
            form.name,
            form.age,
            form.tags,
            form.avatar.size(),
            form.letter.is_some(),
        );
        form.avatar.save_as(folder.join("saved")).await?;
        Ok::<_, Error>(text)
    };
    service(Method::POST, "/", HandlerEndpoint::new(save))
}

#[tokio::test]
async fn a_form_is_read_into_a_type() {
    let folder = tempfile::tempdir().unwrap();
    let service = profile_service(folder.path());
    let body = form(&[
        part("tags", "", "x"),
        part("name", "", "Anna"),
        part("photos", "; filename=\"../1.jpg\"", "1"),
        part("age", "", ""),
        part("avatar", "; filename=\"a.png\"\r\ncontent-type: image/png", "12345"),
        part("letter", "; filename=\"\"", ""),
        part("tags", "", "y"),
        part("unknown", "; filename=\"u\"", "u"),
        part("photos", "; filename=\"/2.jpg\"", "2"),
    ]);
    let saved = post(&service, body).await;
    assert_eq!(saved.text(), "Anna None [\"x\", \"y\"] 5 false [\"1.jpg\", \"2.jpg\"]");
    assert_eq!(std::fs::read(folder.path().join("saved")).unwrap(), b"12345");
    wait_for_files(folder.path(), 1).await;
}

#[tokio::test]
async fn a_form_that_does_not_fit_names_the_field_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("saved"), "").unwrap();
    let service = profile_service(folder.path());
    let avatar = part("avatar", "; filename=\"a\"", "1");
    for (parts, expect) in [
        (vec![avatar.clone()], "form field `name` is missing"),
        (vec![part("name", "", "A")], "form field `avatar` is missing"),
        (
            vec![part("name", "", "A"), part("avatar", "", "text")],
            "field `avatar`: a file is needed, not text",
        ),
        (
            vec![part("name", "; filename=\"n\"", "A"), avatar.clone()],
            "field `name`: text is needed, not a file",
        ),
        (
            vec![part("name", "", "A"), avatar.clone(), avatar.clone()],
            "field `avatar`: given 2 times, but it takes one value",
        ),
        (vec![part("name", "", "A"), part("age", "", "old"), avatar], "field `age`: invalid digit"),
    ] {
        let refused = post(&service, form(&parts)).await;
        assert_eq!(refused.status, 422, "{expect}");
        assert!(refused.text().contains(expect), "{} is not {expect}", refused.text());
    }
    wait_for_files(folder.path(), 1).await;
}

/// Waits until the blocking threads have deleted the temporary files, and this many are left.
async fn wait_for_files(folder: &Path, count: usize) {
    while std::fs::read_dir(folder).unwrap().count() != count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_default_limits_hold_for_a_typed_form() {
    #[derive(Deserialize)]
    struct Note {
        text: String,
    }

    let length = async |MultipartForm(note): MultipartForm<Note>| note.text.len();
    let service = service(Method::POST, "/", HandlerEndpoint::new(length));
    // The name of the field counts, too.
    let most = volga_web::DEFAULT_MAX_PART_MEMORY - "text".len();
    for (length, status) in [(most, 200), (most + 1, 413)] {
        let body = form(&[part("text", "", &"x".repeat(length))]);
        assert_eq!(post(&service, body).await.status.as_u16(), status);
    }
    for (more, status) in
        [(volga_web::DEFAULT_MAX_PARTS - 1, 200), (volga_web::DEFAULT_MAX_PARTS, 413)]
    {
        let mut parts = vec![part("x", "", ""); more];
        parts.push(part("text", "", ""));
        assert_eq!(post(&service, form(&parts)).await.status.as_u16(), status, "{more}");
    }
    for (more, status) in [(8000, 200), (8200, 413)] {
        let body = form(&[part("text", &format!("\r\nx: {}", "y".repeat(more)), "")]);
        assert_eq!(post(&service, body).await.status.as_u16(), status, "{more}");
    }
}

/// The type needs several attempts: a number within `flatten`, and a variant that does not fit.
#[tokio::test]
async fn a_file_is_there_for_each_attempt_to_read_a_form() {
    #[derive(Deserialize)]
    struct Report {
        file: TempFile,
        #[serde(flatten)]
        about: About,
        kind: Vec<Kind>,
    }

    #[derive(Deserialize)]
    struct About {
        count: u8,
        cover: TempFile,
        address: Address,
    }

    #[derive(Deserialize)]
    struct Address {
        city: String,
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Kind {
        Wrong {
            scan: TempFile,
            #[expect(dead_code, reason = "it never fits")]
            number: u8,
        },
        Right {
            scan: TempFile,
            text: String,
        },
    }

    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().to_owned();
    let handler = async move |form: Multipart| {
        let form: Report = form.with_temp_folder(&to).collect().await?;
        let read = |file: &TempFile| std::fs::read_to_string(file.path());
        let mut all = vec![read(&form.file)?, read(&form.about.cover)?, form.about.address.city];
        all.push(form.about.count.to_string());
        for kind in &form.kind {
            let (Kind::Wrong { scan, .. } | Kind::Right { scan, .. }) = kind;
            all.push(read(scan)?);
            if let Kind::Right { text, .. } = kind {
                all.push(text.clone());
            }
        }
        Ok::<_, Error>(all.join(" "))
    };
    let service = service(Method::POST, "/", HandlerEndpoint::new(handler));
    let file = "; filename=\"x\"";
    let mut parts = vec![
        part("file", file, "A"),
        part("cover", file, "B"),
        part("address[city]", "", "Riga"),
        part("count", "", "7"),
        part("kind[0][scan]", file, "C"),
        part("kind[0][text]", "", "one"),
        part("kind[1][scan]", file, "D"),
        part("kind[1][text]", "", "two"),
    ];
    for _ in 0..parts.len() {
        let read = post(&service, form(&parts)).await;
        assert_eq!((read.status.as_u16(), read.text()), (200, "A B Riga 7 C one D two"));
        parts.rotate_left(1);
    }
    wait_for_files(folder.path(), 0).await;
}

/// A client that writes a number in a text never gets a file by it.
#[tokio::test]
async fn a_text_is_never_a_file() {
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only errors are tested")]
    struct Outer {
        #[serde(flatten)]
        inner: Inner,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only errors are tested")]
    struct Inner {
        file: TempFile,
    }

    let handler = async |MultipartForm(_): MultipartForm<Outer>| "read";
    let service = service(Method::POST, "/", HandlerEndpoint::new(handler));
    for text in ["0", "1", "-1", "18446744073709551615", "text", ""] {
        let parts = [part("other", "; filename=\"x\"", "x"), part("file", "", text)];
        assert_eq!(post(&service, form(&parts)).await.status, 422, "{text}");
    }
}

#[derive(Deserialize)]
struct Photo {
    title: String,
    #[serde(default)]
    places: Vec<Place>,
    photo: TempFile,
}

#[derive(Deserialize)]
struct Place {
    city: String,
}

impl Validate for Photo {
    fn field_errors(&self) -> FieldErrors {
        let mut errors = FieldErrors::new();
        if self.title.is_empty() {
            errors.add("title", "is empty");
        }
        for (at, place) in self.places.iter().enumerate() {
            if place.city.is_empty() {
                errors.add(format_args!("places[{at}].city"), "is empty");
            }
        }
        if self.photo.size() > 3 {
            errors.add("photo", "is larger than 3 bytes");
        }
        errors
    }
}

#[tokio::test]
async fn a_form_is_checked_and_all_its_errors_are_in_one_document() {
    let handler = async |Valid(MultipartForm(form)): Valid<MultipartForm<Photo>>| form.title;
    let service = service(Method::POST, "/", HandlerEndpoint::new(handler));
    for bits in 0..8_u8 {
        let wrong = |bit: u8| bits & (1 << bit) != 0;
        let parts = [
            part("title", "", if wrong(0) { "" } else { "sea" }),
            part("places[0][city]", "", "Riga"),
            part("places[1][city]", "", if wrong(1) { "" } else { "Oslo" }),
            part("photo", "; filename=\"p\"", if wrong(2) { "1234" } else { "123" }),
        ];
        let checked = post(&service, form(&parts)).await;
        let expect = [
            (0, r#"{"detail":"is empty","field":"title"}"#),
            (1, r#"{"detail":"is empty","field":"places[1][city]"}"#),
            (2, r#"{"detail":"is larger than 3 bytes","field":"photo"}"#),
        ];
        let expect: Vec<_> = expect.iter().filter(|(bit, _)| wrong(*bit)).collect();
        assert_eq!(checked.status.as_u16(), if expect.is_empty() { 200 } else { 422 });
        for (_, error) in &expect {
            assert!(checked.text().contains(error), "{} has no {error}", checked.text());
        }
        assert_eq!(checked.text().matches("\"field\"").count(), expect.len());
    }
    // A fault of the form itself is as it is without the check.
    let no_title = form(&[part("photo", "; filename=\"p\"", "1")]);
    assert!(post(&service, no_title).await.text().contains("form field `title` is missing"));
}

/// A form whose texts are read, and which then waits for its end, holds the memory of its texts.
#[tokio::test]
async fn texts_count_for_the_memory_that_all_requests_share() {
    const LIMIT: usize = 10_000;

    #[derive(Deserialize)]
    struct Notes {
        note: Vec<String>,
    }

    /// Polls a request once, as far as it comes.
    async fn poll(request: &mut Pin<Box<impl Future<Output = Received>>>) -> Option<Received> {
        tokio::select! {
            biased;
            received = request => Some(received),
            () = std::future::ready(()) => None,
        }
    }

    let typed = async |MultipartForm(form): MultipartForm<Notes>| form.note.len();
    let by_parts = async |mut form: Multipart| {
        let mut count = 0;
        while let Some(mut part) = form.next().await? {
            part.text().await?;
            count += 1;
        }
        Ok::<_, Error>(count)
    };
    let mut router = Router::new();
    router.set_context(AppContext::default().with_max_collected_bytes(LIMIT));
    router.map(Method::POST, "/typed", HandlerEndpoint::new(typed));
    router.map(Method::POST, "/parts", HandlerEndpoint::new(by_parts));
    let service = router.into_service().unwrap();
    let notes = |count: usize, size: usize| {
        let note = part("note", "", &"x".repeat(size));
        (0..count).map(|_| note.clone()).collect::<Vec<_>>()
    };
    let send = |path, body| Box::pin(send(&service, Method::POST, path, &[TYPE], body));
    for size in [20, 100, 3000] {
        let most = LIMIT / ("note".len() + size);
        for count in [1, most, most + 1] {
            let whole = form(&notes(count, size));
            let fits = if count <= most { 200 } else { 503 };
            let read = send("/typed", cut(&whole, 1000)).await;
            assert_eq!(read.status.as_u16(), fits, "{count} of {size}: {}", read.text());
            if fits == 503 {
                assert_eq!(read.header("retry-after"), "5");
            }
            // Each text is the handler's once it was read.
            assert_eq!(send("/parts", cut(&whole, 1000)).await.status, 200);
        }
        // The client has sent so many texts, and does not send the end.
        let begun = notes(most, size).concat() + "--b\r\n";
        let stalled = HttpBody::from_stream(pieces([Ok(Bytes::from(begun))], false));
        let mut first = send("/typed", stalled);
        assert!(poll(&mut first).await.is_none());
        let whole = form(&notes(most, size));
        for path in ["/typed", "/parts"] {
            let large = form(&notes(1, LIMIT - most * ("note".len() + size) + 1));
            assert_eq!(send(path, large.into()).await.status, 503, "{path} beside {size}");
        }
        drop(first);
        assert_eq!(send("/typed", whole.into()).await.status, 200, "the memory is given back");
    }
    // The text of a part counts while it arrives.
    let begun = part("note", "", &"x".repeat(LIMIT - 1_000));
    let stalled = HttpBody::from_stream(pieces([Ok(Bytes::from(begun))], false));
    let mut first = send("/parts", stalled);
    assert!(poll(&mut first).await.is_none());
    assert_eq!(send("/parts", form(&notes(1, 2_000)).into()).await.status, 503);
    drop(first);
    assert_eq!(send("/parts", form(&notes(1, 2_000)).into()).await.status, 200);
}

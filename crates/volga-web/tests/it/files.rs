//! Files as responses: ranges, preconditions, names.

use std::time::{Duration, SystemTime};

use http::Method;
use http_body_util::BodyExt;
use proptest::prelude::*;
use volga_core::{HandlerEndpoint, HttpBody, RouterService};
use volga_web::{DEFAULT_MAX_RANGES, FileName, FileRequest, FileResponse};

use crate::support::{Received, ask, get, get_with_tag, service};

const TEXT: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A folder with `text.txt`, which was modified a minute ago, and a route that sends its files.
fn files() -> (tempfile::TempDir, RouterService) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.txt");
    std::fs::write(&path, TEXT).unwrap();
    let minute_ago = SystemTime::now() - Duration::from_secs(60);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(minute_ago).unwrap();
    let root = folder.path().to_owned();
    let download = async move |name: FileName, request: FileRequest| {
        let file = FileResponse::open(name.within(&root)).await?;
        file.respond(&request)
    };
    (folder, service(Method::GET, "/{name}", HandlerEndpoint::new(download)))
}

#[tokio::test]
async fn a_whole_file_has_its_type_its_length_and_its_validators() {
    let (_folder, service) = files();
    let whole = get_with_tag(&service, "/text.txt", &[]).await;
    assert_eq!((whole.status.as_u16(), &whole.body[..]), (200, TEXT));
    assert_eq!(whole.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(whole.header("accept-ranges"), "bytes");
    assert_eq!(whole.header("x-content-type-options"), "nosniff");
    assert!(whole.header("etag").starts_with('"'));
    assert!(whole.header("last-modified").ends_with(" GMT"));
    let head = ask(&service, Method::HEAD, "/text.txt", &[("range", "bytes=0-1")]).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), "36");
    assert_eq!(head.header("etag"), whole.header("etag"));
}

#[tokio::test]
async fn a_missing_file_is_404_and_the_path_is_not_shown() {
    let (_folder, service) = files();
    let missing = get(&service, "/none.txt", &[]).await;
    assert_eq!(missing.status, 404);
    assert!(missing.text().contains("there is no such file"), "{}", missing.text());
    assert!(!missing.text().contains("none.txt"), "{}", missing.text());
    // The name of a file never leaves the folder.
    for path in ["/..%2Ftext.txt", "/%2Fetc%2Fpasswd", "/a%00b", "/C:%5Ca", "/nul.txt"] {
        assert_eq!(get(&service, path, &[]).await.status, 400, "{path}");
    }
}

#[tokio::test]
async fn one_range_comes_as_it_is_and_several_as_parts() {
    let (_folder, service) = files();
    let range = async |range: &str| get(&service, "/text.txt", &[("range", range)]).await;
    let one = range("bytes=10-12").await;
    assert_eq!((one.status.as_u16(), one.text()), (206, "abc"));
    assert_eq!(one.header("content-range"), "bytes 10-12/36");
    assert_eq!(range("bytes=-2").await.text(), "yz");
    assert_eq!(range("bytes=30-99").await.header("content-range"), "bytes 30-35/36");

    let two = range("bytes=0-1, 10-12, 90-").await;
    assert_eq!(two.status, 206);
    assert_eq!(two.header("content-range"), "-");
    let boundary = two.header("content-type").strip_prefix("multipart/byteranges; boundary=");
    let boundary = boundary.unwrap();
    let part = |range: &str, text: &str| {
        format!(
            "--{boundary}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-range: bytes {range}/36\r\n\r\n{text}\r\n"
        )
    };
    let expect = format!("{}{}--{boundary}--\r\n", part("0-1", "01"), part("10-12", "abc"));
    assert_eq!(two.text(), expect);

    let none = range("bytes=36-").await;
    assert_eq!((none.status.as_u16(), none.header("content-range")), (416, "bytes */36"));
    assert_eq!((none.header("etag"), none.header("last-modified")), ("-", "-"));
    assert_eq!(range("lines=1-2").await.status, 200);
}

#[tokio::test]
async fn ranges_do_not_make_a_response_larger_than_the_file() {
    let (_folder, service) = files();
    let overlapping = ["0-35"; 10].join(",");
    let small: Vec<_> = (0..=DEFAULT_MAX_RANGES).map(|at| format!("{at}-{at}")).collect();
    for ranges in [overlapping, small.join(",")] {
        let whole = get(&service, "/text.txt", &[("range", &format!("bytes={ranges}"))]).await;
        assert_eq!((whole.status.as_u16(), &whole.body[..]), (200, TEXT), "{ranges}");
    }
}

#[tokio::test]
async fn preconditions_decide_before_ranges() {
    let (folder, service) = files();
    let whole = get_with_tag(&service, "/text.txt", &[]).await;
    let (etag, date) = (whole.header("etag").to_owned(), whole.header("last-modified").to_owned());
    let with = async |headers: &[(&str, &str)]| {
        let headers = [headers, &[("range", "bytes=0-1")]].concat();
        get(&service, "/text.txt", &headers).await
    };
    for header in [("if-none-match", &*etag), ("if-modified-since", &*date)] {
        let unchanged = with(&[header]).await;
        assert_eq!((unchanged.status.as_u16(), unchanged.body.len()), (304, 0));
        assert_eq!(unchanged.header("etag"), etag);
        assert_eq!(unchanged.header("content-type"), "-");
    }
    for header in
        [("if-match", "\"other\""), ("if-unmodified-since", "Thu, 01 Jan 1970 00:00:00 GMT")]
    {
        assert_eq!(with(&[header]).await.status, 412, "{header:?}");
    }
    for current in [&*etag, &*date] {
        assert_eq!(with(&[("if-range", current)]).await.text(), "01", "{current}");
    }
    assert_eq!(with(&[("if-range", "\"other\"")]).await.status, 200);

    std::fs::write(folder.path().join("text.txt"), "another version").unwrap();
    assert_eq!(with(&[("if-none-match", &etag)]).await.text(), "an");
    assert_eq!(with(&[("if-range", &etag)]).await.text(), "another version");
}

/// A client that has a version never takes it for another one, however fast the file changes, and
/// whatever the program that changes it does to its time and its length.
#[tokio::test]
async fn a_changed_file_is_never_the_version_that_a_client_has() {
    let (folder, service) = files();
    let path = folder.path().join("text.txt");
    let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
    let keep_time = || {
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(modified).unwrap();
    };
    type Change<'a> = &'a dyn Fn(&[u8]);
    let changes: [Change<'_>; 4] = [
        // In place, with the time of now.
        &|text| std::fs::write(&path, text).unwrap(),
        // In place, with the time that it had.
        &|text| {
            std::fs::write(&path, text).unwrap();
            keep_time();
        },
        // Another file takes its place.
        &|text| {
            let other = path.with_file_name("other");
            std::fs::write(&other, text).unwrap();
            std::fs::rename(&other, &path).unwrap();
        },
        &|text| {
            let other = path.with_file_name("other");
            std::fs::write(&other, text).unwrap();
            std::fs::rename(&other, &path).unwrap();
            keep_time();
        },
    ];
    for round in 0..200_usize {
        // Half of the rounds begin with a file that has a tag.
        let whole = match round % 2 {
            0 => get(&service, "/text.txt", &[]).await,
            _ => get_with_tag(&service, "/text.txt", &[]).await,
        };
        let etag = whole.header("etag").to_owned();
        changes[round / 2 % changes.len()](format!("{round:036}").as_bytes());
        if etag != "-" {
            let again = get(&service, "/text.txt", &[("if-none-match", &etag)]).await;
            assert_eq!((again.status.as_u16(), again.text()), (200, &*format!("{round:036}")));
            let range = [("range", "bytes=0-1"), ("if-range", &*etag)];
            assert_eq!(get(&service, "/text.txt", &range).await.status, 200);
            let refused = get(&service, "/text.txt", &[("if-match", &etag)]).await;
            assert_eq!(refused.status, 412);
        }
    }
}

#[tokio::test]
async fn bytes_in_memory_and_names_of_any_text_are_files_too() {
    let send = async |request: FileRequest| {
        FileResponse::from_bytes("a.json", "{\"a\":1}").attachment("Ü \"1\".json").respond(&request)
    };
    let service = service(Method::GET, "/", HandlerEndpoint::new(send));
    let whole = get(&service, "/", &[]).await;
    assert_eq!(whole.header("content-type"), "application/json");
    assert_eq!(
        whole.header("content-disposition"),
        "attachment; filename=\"_ _1_.json\"; filename*=UTF-8''%C3%9C%20%221%22.json"
    );
    let etag = whole.header("etag").to_owned();
    assert_eq!(get(&service, "/", &[("if-none-match", &etag)]).await.status, 304);
    assert_eq!(get(&service, "/", &[("range", "bytes=1-3")]).await.text(), "\"a\"");
}

#[tokio::test]
async fn a_file_that_becomes_shorter_cuts_the_response_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large");
    std::fs::write(&path, vec![7; 200 * 1024]).unwrap();
    let request = FileRequest::new(&Method::GET, &http::HeaderMap::new());
    let response = FileResponse::open(&path).await.unwrap().respond(&request).unwrap();
    let mut body = response.into_body();
    assert!(body.next().await.unwrap().is_ok());
    std::fs::write(&path, "short").unwrap();
    let error = body.collect().await.unwrap_err();
    assert!(error.to_string().contains("shorter"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// A large file is read in blocks, and any ranges of it have the right bytes.
    #[test]
    fn the_bytes_of_a_range_are_those_of_the_file(start in 0_u64..300_000, len in 1_u64..200_000) {
        let bytes: Vec<u8> = (0..300_000_u32).map(|at| (at / 7) as u8).collect();
        let (first, last) = (start as usize, ((start + len) as usize).min(bytes.len()) - 1);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let got = runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("large");
            std::fs::write(&path, &bytes).unwrap();
            let mut headers = http::HeaderMap::new();
            headers.insert("range", format!("bytes={first}-{last}").parse().unwrap());
            let request = FileRequest::new(&Method::GET, &headers);
            let response = FileResponse::open(&path).await.unwrap().respond(&request).unwrap();
            Received::new(response.map(HttpBody::new)).await
        });
        prop_assert_eq!(got.status.as_u16(), 206);
        prop_assert!(got.body == bytes[first..=last]);
    }
}

//! Tests which changes a page may send. `browser/tests/whiteboard.test.mjs` draws with two
//! browsers.

use volga::test::TestClient;

use super::change::{COLORS, Change, MAX_POINTS, SIZE};

fn check(json: &str) -> Result<(), String> {
    let change: Change = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let message = change.into_message().map_err(|error| error.to_string())?;
    message.encode().map(|_| ()).map_err(|error| error.to_string())
}

fn line(color: u8, points: &[(u16, u16)]) -> String {
    serde_json::json!({ "line": { "color": color, "points": points } }).to_string()
}

#[test]
fn a_line_is_on_the_board_and_has_a_known_color() {
    for good in [
        "\"clear\"".to_owned(),
        line(0, &[(0, 0)]),
        line(COLORS - 1, &[(1, 2), SIZE]),
        line(1, &vec![(1, 1); MAX_POINTS]),
    ] {
        assert_eq!(check(&good), Ok(()), "{good}");
    }
    for wrong in [
        "\"erase\"".to_owned(),
        "{}".to_owned(),
        line(COLORS, &[(0, 0)]),
        line(0, &[]),
        line(0, &vec![(1, 1); MAX_POINTS + 1]),
        line(0, &[(0, 0), (SIZE.0 + 1, 0)]),
        line(0, &[(0, SIZE.1 + 1)]),
        "{\"line\":{\"color\":0,\"points\":[[-1,0]]}}".to_owned(),
    ] {
        assert!(check(&wrong).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn the_page_and_its_files_are_served() {
    let client = TestClient::new(super::app());
    for (path, text) in
        [("/", "Whiteboard"), ("/whiteboard.js", "WebSocket"), ("/whiteboard.css", "canvas")]
    {
        let response = client.get(path).send().await;
        response.assert_status(200);
        assert!(response.text().await.contains(text), "{path}");
    }
}

#[test]
fn the_guide_shows_this_code() {
    const GUIDE: &str = include_str!("../../../docs/src/websockets.md");
    let code = include_str!("main.rs").split("// [guide]\n").nth(1).unwrap();
    assert!(GUIDE.contains(code.trim()), "copy what stands between the marks of main.rs");
}

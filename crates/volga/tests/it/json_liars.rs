//! A `Serialize` that somebody wrote by hand may have another number of items than it says. In
//! every place where the app writes JSON, its text is JSON all the same.

use std::sync::LazyLock;

use proptest::{collection::vec, prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple},
};
use serde_json::{Value, json};
use volga::{
    App, Json, NdJson,
    error::{Error, Problem},
    http::{
        sse::{Event, Message},
        ws::WebSocket,
    },
    ok, sse, sse_stream, status,
    test::TestClient,
};

use crate::support::run;
use crate::websockets::client::open_both;

/// A value that says it has so many items.
#[derive(Clone, Debug)]
enum Liar {
    Number(u32),
    List(Option<usize>, Vec<Liar>),
    Tuple(usize, Vec<Liar>),
    Map(Option<usize>, Vec<Liar>),
    Struct(usize, Vec<Liar>),
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

impl Serialize for Liar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_u32(*number),
            Self::List(claimed, items) => {
                let mut list = serializer.serialize_seq(*claimed)?;
                items.iter().try_for_each(|item| list.serialize_element(item))?;
                list.end()
            }
            Self::Tuple(claimed, items) => {
                let mut tuple = serializer.serialize_tuple(*claimed)?;
                items.iter().try_for_each(|item| tuple.serialize_element(item))?;
                tuple.end()
            }
            Self::Map(claimed, items) => {
                let mut map = serializer.serialize_map(*claimed)?;
                NAMES
                    .iter()
                    .zip(items)
                    .try_for_each(|(key, item)| map.serialize_entry(key, item))?;
                map.end()
            }
            Self::Struct(claimed, items) => {
                let mut value = serializer.serialize_struct("Liar", *claimed)?;
                NAMES
                    .iter()
                    .zip(items)
                    .try_for_each(|(key, item)| value.serialize_field(key, item))?;
                value.end()
            }
        }
    }
}

impl Liar {
    /// The JSON of what it has.
    fn truth(&self) -> Value {
        match self {
            Self::Number(number) => json!(number),
            Self::List(_, items) | Self::Tuple(_, items) => items.iter().map(Self::truth).collect(),
            Self::Map(_, items) | Self::Struct(_, items) => Value::Object(
                NAMES.iter().zip(items).map(|(key, item)| ((*key).into(), item.truth())).collect(),
            ),
        }
    }
}

/// Values of each kind, nested up to three times.
static LIARS: LazyLock<Vec<Liar>> = LazyLock::new(|| {
    let liar = any::<u32>().prop_map(Liar::Number).prop_recursive(3, 16, 3, |inner| {
        let items = || vec(inner.clone(), 0..4);
        let claimed = || prop_oneof![Just(0), 0..5_usize];
        prop_oneof![
            (proptest::option::of(claimed()), items())
                .prop_map(|(len, items)| Liar::List(len, items)),
            (claimed(), items()).prop_map(|(len, items)| Liar::Tuple(len, items)),
            (proptest::option::of(claimed()), items())
                .prop_map(|(len, items)| Liar::Map(len, items)),
            (claimed(), items()).prop_map(|(len, items)| Liar::Struct(len, items)),
        ]
    });
    let mut runner = TestRunner::deterministic();
    (0..100).map(|_| liar.new_tree(&mut runner).expect("a value").current()).collect()
});

#[tokio::test]
async fn json_is_json_whatever_number_of_items_a_value_says_it_has() {
    let server = run(|app| {
        app.map_ws("/send/{n}", async |mut socket: WebSocket, n: usize| {
            socket.send_json(&LIARS[n]).await?;
            Ok::<(), Error>(())
        });
        app.map_msg("/reply", async |Json(n): Json<usize>| Json(&LIARS[n]));
    })
    .await;
    let mut app = App::new();
    app.map_get("/json/{n}", async |n: usize| Json(&LIARS[n]));
    app.map_get("/ok/{n}", async |n: usize| ok!(json: LIARS[n]));
    app.map_get("/object/{n}", async |n: usize| ok!({ "liar": LIARS[n] }));
    app.map_get("/status/{n}", async |n: usize| status!(202, json: LIARS[n]));
    app.map_get("/problem/{n}", async |n: usize| {
        let problem = Problem::new(409).with_extension("liar", &LIARS[n]);
        Err::<(), Error>(problem.into())
    });
    app.map_get("/lines/{n}", async |n: usize| {
        NdJson::new(futures_util::stream::iter([Ok::<_, Error>(&LIARS[n])]))
    });
    app.map_get("/events/{n}", async |n: usize| {
        sse!(sse_stream! { yield Message::new().json(&LIARS[n]); })
    });
    let client = TestClient::new(app);
    let mut replies = open_both(server.address, "/reply").await;
    for (n, liar) in LIARS.iter().enumerate() {
        let truth = liar.truth();
        let get = async |path: &str| client.get(&format!("/{path}/{n}")).send().await;
        for path in ["json", "ok", "status", "lines"] {
            assert_eq!(get(path).await.json::<Value>().await, truth, "{path}: {liar:?}");
        }
        assert_eq!(get("object").await.json::<Value>().await, json!({ "liar": truth }));
        assert_eq!(get("problem").await.json::<Value>().await["liar"], truth);
        let event: Event = get("events").await.events().next().await.unwrap().unwrap();
        assert_eq!(serde_json::from_str::<Value>(event.data()).unwrap(), truth, "{liar:?}");
        let expect = truth.to_string();
        for reply in &mut replies {
            reply.text(&n.to_string()).await;
            reply.expect(&expect).await;
        }
        if n % 8 == 0 {
            for mut sent in open_both(server.address, &format!("/send/{n}")).await {
                sent.expect(&expect).await;
            }
        }
    }
}

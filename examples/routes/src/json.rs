//! JSON: in requests, in responses, and how to handle JSON that does not match.

use serde::{Deserialize, Serialize};
use volga::{App, Json, NdJson, created, error::Error, ok, status};

#[derive(Deserialize, Serialize)]
struct Person {
    name: String,
    age: u8,
}

pub(crate) fn map(app: &mut App) {
    app.map_get("/people/{id}", async |_id: u32| Json(Person { name: "Anna".into(), age: 30 }));

    app.map_post("/people", async |Json(person): Json<Person>| {
        // A real service would store the person under a new number.
        created!(person; [("location", "/people/7")])
    });

    app.map_put("/people", async |person: Option<Json<Person>>| match person {
        Some(person) => ok!({ "name": person.name, "adult": person.age >= 18 }),
        None => ok!({ "name": null }),
    });

    app.map_patch("/people", async |person: Result<Json<Person>, Error>| match person {
        Ok(person) => ok!("{}", person.name),
        Err(error) => status!(error.status(), { "refused": error.to_string() }),
    });

    // Each line has one person, and is read as soon as it comes.
    app.map_post("/people/import", async |mut people: NdJson<Person>| {
        let mut adults = 0;
        while let Some(person) = people.next().await {
            if person?.age >= 18 {
                adults += 1;
            }
        }
        ok!({ "adults": adults })
    })
    .body_limit(64 * 1024 * 1024);
}

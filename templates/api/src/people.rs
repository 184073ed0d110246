//! The routes below `/people`, and where the people are stored.

use std::{collections::BTreeMap, sync::Mutex};

use serde::{Deserialize, Serialize};
use volga::{App, HttpResult, Json, created, di::Dc, no_content, ok, status};

#[derive(Clone, Deserialize, Serialize)]
struct Person {
    name: String,
    age: u8,
}

/// Stands for a database.
#[derive(Default)]
struct People(Mutex<BTreeMap<u32, Person>>);

impl People {
    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<u32, Person>) -> T) -> T {
        change(&mut self.0.lock().expect("no other change panicked"))
    }
}

/// Adds the routes and the store to the app.
pub(crate) fn map(app: &mut App) {
    app.add_singleton(People::default());
    app.group("/people", |people| {
        people.map_get("/", list);
        people.map_post("/", add);
        people.map_get("/{id}", get);
        people.map_delete("/{id}", remove);
    });
}

async fn list(people: Dc<People>) -> HttpResult {
    ok!(people.change(|people| people.clone()))
}

async fn add(people: Dc<People>, Json(person): Json<Person>) -> HttpResult {
    let id = people.change(|people| {
        let id = people.keys().next_back().map_or(1, |last| last + 1);
        people.insert(id, person.clone());
        id
    });
    created!(person; [("location", format!("/people/{id}"))])
}

async fn get(id: u32, people: Dc<People>) -> HttpResult {
    match people.change(|people| people.get(&id).cloned()) {
        Some(person) => ok!(person),
        None => status!(404, "there is no person {id}"),
    }
}

async fn remove(id: u32, people: Dc<People>) -> HttpResult {
    match people.change(|people| people.remove(&id)) {
        Some(_) => no_content!(),
        None => status!(404, "there is no person {id}"),
    }
}

#[cfg(test)]
mod tests {
    use volga::test::TestClient;

    use super::Person;
    use crate::app;

    #[tokio::test]
    async fn a_person_that_was_added_is_found_until_it_is_removed() {
        let client = TestClient::new(app());
        let anna = Person { name: "Anna".to_owned(), age: 30 };

        let added = client.post("/people").json(&anna).send().await;
        added.assert_status(201);
        let path = added.header("location").expect("a location").to_owned();

        let found: Person = client.get(&path).send().await.json().await;
        assert_eq!(found.name, "Anna");
        client.delete(&path).send().await.assert_status(204);
        client.get(&path).send().await.assert_status(404);
    }

    #[tokio::test]
    async fn a_person_without_an_age_is_refused() {
        let client = TestClient::new(app());
        let response = client.post("/people").json(&[("name", "Anna")]).send().await;
        assert!(response.status().is_client_error());
    }
}

volga::headers! {
    (ApiKey, "X-Api-Key"),
}

fn main() {}

//! The programs of the seed's page must compile unchanged, and the first one must run.

use super::support::{PATIENCE, soon};
use std::time::Instant;
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpStream};

const PAGE: &str = include_str!("../seed/page.txt");
const FIRST: &str = include_str!("../seed/first.rs");
const SECOND: &str = include_str!("../seed/second.rs");

mod first {
    include!("../seed/first.rs");

    pub(super) fn run() -> std::io::Result<()> {
        main()
    }
}

mod second {
    // The page shows how to create a payload, and does not use it further.
    #![expect(unused_must_use, reason = "the fragment ends with a message")]
    include!("../seed/second.rs");

    pub(super) fn run() {
        main();
    }
}

#[test]
fn the_programs_compiled_here_are_those_of_the_page() {
    assert!(PAGE.contains(FIRST));
    let fragment = SECOND.strip_prefix("fn main() {\n").and_then(|text| text.strip_suffix("}\n"));
    assert!(PAGE.contains(fragment.expect("a fragment within a main")));
    second::run();
}

#[tokio::test]
async fn the_first_program_streams_on_its_port_over_both_address_families() {
    let program = std::thread::spawn(first::run);
    for address in ["127.0.0.1:7878", "[::1]:7878", "localhost:7878"] {
        let start = Instant::now();
        let mut client = loop {
            match TcpStream::connect(address).await {
                Ok(client) => break client,
                Err(error) => {
                    assert!(!program.is_finished(), "the program ended; is port 7878 in use?");
                    assert!(start.elapsed() < PATIENCE, "{address}: {error}");
                    tokio::task::yield_now().await;
                }
            }
        };
        client.write_all(b"GET /events HTTP/1.0\r\n\r\n").await.unwrap();
        let mut text = String::new();
        while text.matches("data: Hello, world!\n\n").count() < 2 {
            let mut buffer = [0; 1024];
            let count = soon("a message", client.read(&mut buffer)).await.unwrap();
            assert!(count > 0, "the stream ended; is another program on port 7878? {text:?}");
            text.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    }
}

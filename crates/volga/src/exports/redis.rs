//! Several nodes that share a hub through Redis.

/// Makes a hub that several nodes share through Redis 7.
///
/// ```no_run
/// use volga::{App, http::sse::{Hub, redis::RedisHub}};
///
/// #[tokio::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let hub = RedisHub::new("redis://localhost:6379")
///         .on_connection_error(|error| eprintln!("{error}"))
///         .build(Hub::builder())?;
///     let mut app = App::new();
///     let readiness = hub.clone();
///     app.add_readiness_check("redis", async move || readiness.is_ready());
///     app.map_readiness("/ready");
///     app.add_singleton(hub);
///     app.run().await?;
///     Ok(())
/// }
/// ```
pub use volga_relay_redis::RedisHub;

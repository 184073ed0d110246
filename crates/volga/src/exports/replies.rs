//! Replies that outlive their connection.

/// Replies that continue while their client is away.
///
/// ```
/// use std::time::Duration;
/// use volga::{App, created, di::Dc, http::sse::{Message, Replies}, sse_stream};
///
/// let mut app = App::new();
/// app.add_singleton(Replies::builder().retention(Duration::from_secs(300)).build());
/// app.map_post("/replies", async |replies: Dc<Replies>| {
///     let token = replies.new_reply().owner("anna").start(sse_stream! {
///         yield Message::new().data("to be");
///     })?;
///     created!({ "token": token.as_str() })
/// });
/// # app.check().unwrap();
/// ```
pub use volga_sse::{NewReply, Replies, RepliesBuilder, ReplyToken};

/// A client comes back to a reply by its token.
///
/// ```
/// use volga::{App, di::Dc, http::sse::{AttachOutcome, Replies, Resume}, no_content, sse, status};
///
/// let mut app = App::new();
/// app.add_singleton(Replies::new());
/// app.map_get("/replies/{token}", async |token: String, Resume(last): Resume, replies: Dc<Replies>| {
///     match replies.claim(&token).resume(last).attach()? {
///         AttachOutcome::Open(client) => sse!(client),
///         AttachOutcome::Ended(Ok(())) => no_content!(),
///         AttachOutcome::Ended(Err(error)) => status!(410, "{error}"),
///     }
/// });
/// # app.check().unwrap();
/// ```
pub use volga_sse::{AttachOutcome, Attachment, ReplyClaim, ReplyMessages};

/// The policy for a reply whose last client leaves.
///
/// ```
/// use std::time::Duration;
/// use volga::http::sse::{AbandonPolicy, Replies};
///
/// let patient = AbandonPolicy::CancelAfter(Duration::from_secs(60));
/// let replies = Replies::builder().abandon_policy(patient).build();
/// # drop(replies);
/// ```
pub use volga_sse::AbandonPolicy;

/// How replies end, and how many there are.
///
/// ```
/// use volga::http::sse::Replies;
///
/// let replies = Replies::builder()
///     .on_end(|end| println!("{:?}: {} messages, {:?}", end.owner(), end.messages(), end.outcome()))
///     .build();
/// println!("{:?}", replies.counts());
/// ```
pub use volga_sse::{RepliesCounts, ReplyEnd};

//! A web framework whose server-sent events are exact, resumable and bounded in memory.
//!
//! ```no_run
//! use std::time::Duration;
//! use volga::{App, http::sse::Message, ok, sse_stream};
//!
//! #[tokio::main]
//! async fn main() -> std::io::Result<()> {
//!     let mut app = App::new();
//!
//!     app.map_get("/hello/{name}", async |name: String| ok!("Hello, {name}!"));
//!
//!     app.map_get("/events", async || {
//!         sse_stream! {
//!             loop {
//!                 yield Message::new().data("tick");
//!                 tokio::time::sleep(Duration::from_secs(1)).await;
//!             }
//!         }
//!     });
//!
//!     app.run().await
//! }
//! ```
//!
//! The server speaks HTTP/1.1 and HTTP/2 on one port. By default that is port 7878 of localhost;
//! change it with [`App::bind`]. Ctrl-C and SIGTERM shut it down in order: every event stream gets
//! a farewell, and the process exits with code 0.
//!
//! | Name | Contents |
//! |---|---|
//! | [`App`] | settings and routes; runs the server |
//! | [`Group`], [`Route`] | routes: patterns, methods, prefixes |
//! | [`Path`], [`Query`], [`Header`], [`Json`], [`Form`], [`NdJson`], [`Text`] | arguments of handlers, beside `String`, numbers and [the rest](http::FromRequestParts) |
//! | [`ok!`], [`status!`], [`created!`], [`accepted!`], [`no_content!`], [`bad_request!`], [`not_found!`] | responses with text or JSON |
//! | [`Valid`], [`Validate`], [`FieldErrors`] | arguments that are checked before the handler runs |
//! | [`html_fragment!`], [`TrustedHtml`] | a piece of HTML for `html!`, with escaped values |
//! | [`redirect!`], [`permanent_redirect!`], [`html!`], [`form!`], [`stream!`], [`response!`] | other responses |
//! | [`sse!`], [`sse_stream!`] | event streams |
//! | [`http`] | requests, responses, and [event streams](http::sse) with their [hub](http::sse::Hub) |
//! | [`mod@headers`] | typed headers; [`headers!`] declares more |
//! | [`di`] | services: [`Dc`](di::Dc) and factories |
//! | [`CancellationToken`], [`detached`] | how a handler learns that its client left, or finishes anyway |
//! | [`mod@middleware`] | the types for `wrap`, `with` and `filter` of an app, a group or a route |
//! | [`error`] | errors of requests, problem details, and errors at start-up and shutdown |
//! | [`limits`] | every limit, with its default |
//! | [`mod@tls`] | HTTPS; all but the header for browsers needs the feature `tls` |
//! | `http::sse::redis` | a hub that several nodes share; needs the feature `redis`, and for TLS `redis-tls` |
//! | `http::sse::Replies` | replies that outlive their connection; needs the feature `replies` |
//! | `http::ws` | WebSockets; needs the feature `ws` |
//! | [`BoundAddress`], [`BoundAddresses`], [`ListeningApp`] | where an app listens |
//! | [`ShutdownHandle`], [`exit_code`] | the shutdown of an app, and the exit code of the process |
//! | [`Counters`] | the numbers of connections and streams |
//! | `auth` | `Basic` and `Bearer` credentials as arguments, and tickets; needs the feature `auth` |
//! | `sessions` | sessions of browsers, in a store; needs the feature `sessions` |
//! | [`BackgroundTask`], [`TaskPolicy`], [`ReadinessCheck`] | tasks that live with the app, and its health |
//! | `trace` | requests as spans, and an access log; needs the feature `tracing` |
//! | `cookies` | cookies that are read and written; needs the feature `cookies`, and for signed and private ones `signed-cookies` |
//! | [`middleware`](mod@middleware) | `Compression`, `Decompression` and `RateLimit`; each needs its feature |
//! | `files` | files as responses with [`file!`](crate::file), uploads, and static files; needs the feature `files` or `static-files` |
//! | `multipart` | forms with files; needs the feature `multipart` |
//! | `test` | a client for tests, in process or over a socket; needs the feature `test` |
//!
//! The guide is in the repository, under `docs`.

mod app;
mod app_faults;
mod background;
mod before_routing;
mod bound;
mod client_addr;
mod client_ip;
mod connection_service;
mod counters;
mod env;
mod exit;
mod exports;
mod framing;
mod greeter;
mod group;
mod health;
mod https;
#[cfg(any(feature = "http3", feature = "ws"))]
mod late_report;
mod limit_streams;
mod macros;
mod map_service;
#[cfg(any(feature = "http3", feature = "ws"))]
mod other_protocol;
mod resume;
mod run;
mod server_limits;
mod services;
mod settings;
mod shutdown;
mod shutdown_sequence;
mod sse_status;
mod sse_stream;
#[cfg(feature = "static-files")]
mod static_files;
mod streams;
mod tasks;
#[cfg(feature = "test")]
pub mod test;
mod tower_status;
#[cfg(feature = "tracing")]
pub mod trace;
mod trusted_proxies;
mod trusted_proxy;
#[cfg(feature = "http3")]
mod webtransport;
#[cfg(feature = "ws")]
mod ws;

pub use crate::exports::arguments::{
    CancellationToken, FieldErrors, Form, Header, Json, NdJson, NonEmptyFields, Path, Query, Text,
    Valid, Validate, detached,
};
pub use crate::exports::connections::{AcceptStreams, BindTarget, ByteStream, Listener};
pub use crate::exports::connections::{HttpBody, HttpRequest, HttpResponse, HttpResult};
pub use app::App;
pub use background::{policy::TaskPolicy, registration::BackgroundTask};
pub use bound::{BoundAddress, BoundAddresses};
pub use counters::{Counters, Snapshot};
pub use exit::exit_code;
pub use group::{Group, Route};
pub use health::check::ReadinessCheck;
pub use macros::TrustedHtml;
pub use run::ListeningApp;
pub use shutdown::ShutdownHandle;
pub use volga_core::headers;
pub use volga_http::BindError;

/// HTTPS: certificates, and the rule that browsers use nothing else.
pub mod tls {
    #[cfg(feature = "tls")]
    pub use crate::exports::identity::{
        CertificateSource, ClientRoots, Tls, TlsAcceptor, TlsHandle,
    };
    pub use crate::https::hsts::Hsts;
    #[cfg(feature = "tls")]
    pub use volga_http::{PemOrigin, TlsError};
}

/// Credentials of requests as arguments, and the challenges to clients without them.
#[cfg(feature = "auth")]
pub mod auth {
    pub use crate::exports::identity::{
        AuthError, Basic, Bearer, Challenge, Realm, Tickets, constant_time_eq,
    };
    pub use volga_web::RealmError;
}

/// Errors of requests, and errors of an app at start-up and shutdown.
pub mod error {
    pub use crate::exports::responses::{Error, ErrorFormat, ErrorReport, Problem};
    pub use crate::{
        app_faults::{AppFaults, SettingFault},
        exit::ShutdownError,
    };
    pub use volga_core::{
        BoxError, ErrorResponse, ExtractError, PanicError, RouteError, RouteFault, RouteFaults,
        ServiceError, ServiceFault, ServiceFaults,
    };
}

/// Services: values that handlers take by their type (dependency injection). Register them with the
/// `add_` methods of an [`App`].
pub mod di {
    pub use crate::background::{
        args::{AppArg, AppArgs, CallContext},
        registration::{TaskFunction, TaskOutput},
    };
    pub use crate::exports::arguments::{Dc, Dependencies, Factory, Inject, Scope};
    pub use crate::health::check::{CheckFunction, CheckOutput};
}

/// Cookies: read from the request, and written to the head of the response.
#[cfg(feature = "cookies")]
pub mod cookies {
    pub use crate::exports::identity::Cookies;
    #[cfg(feature = "signed-cookies")]
    pub use crate::exports::identity::{CookieKeys, PrivateCookies, SignedCookies};
    pub use volga_web::CookieError;
    #[cfg(feature = "signed-cookies")]
    pub use volga_web::CookieKeyError;
    /// The time types of [`Cookie`], such as its maximum age.
    pub use volga_web::cookie::time;
    pub use volga_web::cookie::{Cookie, CookieBuilder, Expiration, SameSite};
}

/// Files: sent as responses, saved from request bodies, and served from a folder.
#[cfg(feature = "files")]
pub mod files {
    #[cfg(feature = "static-files")]
    pub use crate::exports::content::StaticFiles;
    pub use crate::exports::content::{
        Disposition, FileName, FileNameError, FileRequest, FileResponse, Upload,
    };
}

/// Middleware: code around handlers that sees requests before them and responses after them.
pub mod middleware {
    #[cfg(feature = "compression")]
    pub use crate::exports::content::Compression;
    #[cfg(feature = "decompression")]
    pub use crate::exports::content::Decompression;
    #[cfg(feature = "rate-limit")]
    pub use crate::exports::content::{Quota, RateLimit};
    #[cfg(feature = "cors")]
    pub use crate::exports::identity::Cors;
    #[cfg(feature = "csrf")]
    pub use crate::exports::identity::CrossSiteProtection;
    pub use crate::exports::responses::{
        Endpoint, FilterVerdict, HttpContext, Middleware, Next, NextCall,
    };
    pub use crate::{before_routing::BeforeRouting, limit_streams::LimitStreams};
    pub use volga_core::{BoxFuture, EndpointService, PartsArgs};
    #[cfg(any(feature = "compression", feature = "decompression"))]
    pub use volga_web::ContentCoding;
}

/// Forms with files (`multipart/form-data`), read and sent.
#[cfg(feature = "multipart")]
pub mod multipart {
    pub use crate::exports::content::{
        Multipart, MultipartBuilder, MultipartForm, Part, SavedFile, TempFile,
    };
    pub use volga_web::MultipartError;
}

/// Sessions of browsers, by a cookie with a random ID.
#[cfg(feature = "sessions")]
pub mod sessions {
    pub use crate::exports::identity::{
        FileSessions, MemorySessions, Session, SessionId, SessionRecord, SessionStore, Sessions,
    };
}

/// Requests and responses.
pub mod http {
    pub use crate::exports::arguments::{
        Extension, FromPathArg, FromRequest, FromRequestParts, OptionalArg, OriginalUri,
        RequestParts,
    };
    pub use crate::exports::connections::{
        ConnectionInfo, TlsInfo, Tunnel, TunnelOffer, TunnelStream,
    };
    pub use crate::exports::connections::{HttpBody, HttpRequest, HttpResponse, HttpResult};
    pub use crate::exports::responses::{IntoResponse, IntoResponseParts, preferred_media_type};
    #[cfg(feature = "client-certificates")]
    pub use crate::https::client_certificate::{ClientCertificate, ClientCertificateError};
    pub use crate::{
        client_addr::ClientAddr, client_ip::client_ip, https::client_scheme::ClientScheme,
        trusted_proxies::ForwardedPrefix,
    };
    pub use ::bytes::Bytes;
    pub use ::http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header,
    };
    pub use volga_core::{
        BodyLimit, CollectedBytes, DescribedBody, DescribedHeader, DescribedResponse, Description,
        FieldNames, FileNumber, FormFields, Handler, HandlerArgs, HandlerOutput, IntoStatusError,
        NoRoute, ResponseFuture, RouteMatch, RouteMethod, RouterService, SkipPathArg, ValidArg,
    };

    /// WebSockets: the socket, its messages and settings, and how a hub's messages are forwarded.
    /// [`map_ws`](crate::Group::map_ws) and [`map_msg`](crate::Group::map_msg) map them.
    #[cfg(feature = "ws")]
    pub mod ws {
        pub use crate::exports::websockets::{
            CloseCode, CloseReason, ClosedError, ForwardEnd, Message, OriginRule, SocketEnd,
            WebSocket, WebSocketSettings, WebSocketSink, WebSocketStream, envelope, forward,
            read_resume,
        };
        pub use crate::ws::{FromMessage, IntoReply, MessageHandler, SocketHandler, SocketOutput};
        pub use volga_ws::{JsonError, Utf8Bytes};
    }

    /// WebTransport: sessions with streams and datagrams, over HTTP/3.
    /// [`map_webtransport`](crate::Group::map_webtransport) maps them.
    #[cfg(feature = "http3")]
    pub mod webtransport {
        pub use crate::exports::webtransport::{
            WebTransport, WebTransportCloseInfo, WebTransportDatagramError, WebTransportEnd,
            WebTransportEndedError, WebTransportReceiveStream, WebTransportSendStream,
            WebTransportSettings, WebTransportStreamError,
        };
        pub use crate::webtransport::{SessionHandler, SessionOutput};
    }

    /// Server-sent events: messages, and the streams that carry them.
    pub mod sse {
        #[cfg(feature = "disk-log")]
        pub use crate::exports::disk_log::{DiskLog, Durability};
        pub use crate::exports::hub::{
            Deliveries, Delivery, EndWatch, Gap, Hub, HubBuilder, HubStats, KeyChange, Policy,
            PresenceEvent, PresenceWatch, Receipt, RelayState, RelayWatch, ResumeFrom, SendMessage,
            Subscribe, Subscription, SubscriptionEnd, TopicCreation, TopicStats, Topics,
        };
        #[cfg(feature = "replies")]
        pub use crate::exports::replies::{
            AbandonPolicy, AttachOutcome, Attachment, NewReply, Replies, RepliesBuilder,
            RepliesCounts, ReplyClaim, ReplyEnd, ReplyMessages, ReplyToken,
        };
        pub use crate::exports::streams::{
            CloseGroup, CloseHandle, EncodedMessage, EndReason, EventId, EventName, Heartbeat,
            IntoSse, Message, Position, Sse, SseItem, SseSource, StreamEnd, StreamKind,
        };
        pub use crate::exports::streams::{
            Decoder, Event, EventRef, EventStream, LastEventId, LastEventIdSource,
        };
        pub use crate::exports::streams::{
            LimitCounts, Permit, ReachedLimit, RefusalResponse, StreamLimit,
        };
        pub use crate::{resume::Resume, sse_stream::SseStream};
        #[cfg(feature = "disk-log")]
        pub use volga_relay_disk::DiskLogError;
        pub use volga_sse::StreamLimitError;
        pub use volga_sse::hub::{
            CreateTopicError, GAP_EVENT, PublishError, RelayError, SendError, SubscribeError,
            TopicError,
        };
        #[cfg(feature = "replies")]
        pub use volga_sse::{ClaimError, ReplyError, ReplyTokenError, StartError};
        pub use volga_sse::{
            DEFAULT_FAREWELL_SPREAD, DEFAULT_HEARTBEAT, DEFAULT_RETRY, EncodeError, Field,
        };
        pub use volga_sse::{DecodeError, LastEventIdError, ReadError, reconnect};

        /// Several nodes that share a [`Hub`] through Redis. The guide's page "Several nodes" says
        /// what they promise.
        #[cfg(feature = "redis")]
        pub mod redis {
            pub use crate::exports::redis::RedisHub;
            pub use volga_relay_redis::{ConnectionError, RedisHubError};
        }
    }
}

/// Every limit, with its default.
pub mod limits {
    pub use crate::background::policy::{MAX_TASK_RESTART_DELAY, TASK_RESTART_DELAY};
    pub use crate::health::check::{DEFAULT_CHECK_INTERVAL, DEFAULT_CHECK_TIMEOUT};
    pub use crate::{
        https::hsts::DEFAULT_HSTS_MAX_AGE, shutdown_sequence::DEFAULT_BEFORE_SHUTDOWN,
        trusted_proxies::MAX_FORWARDED_PREFIX,
    };
    pub use volga_core::{
        COLLECTED_RETRY_AFTER, DEFAULT_MAX_BODY, DEFAULT_MAX_COLLECTED_BYTES, MAX_FIELD_ERRORS,
        MAX_FORM_FIELDS, MAX_NDJSON_LINE, MAX_PATH_ARGS,
    };
    #[cfg(feature = "http3")]
    pub use volga_h3::limits::{
        DEFAULT_MAX_WEBTRANSPORT_DATAGRAM_BYTES, DEFAULT_MAX_WEBTRANSPORT_STREAMS,
        DEFAULT_WEBTRANSPORT_CLOSE_TIMEOUT, MAX_EARLY_WEBTRANSPORT_DATAGRAMS,
        MAX_EARLY_WEBTRANSPORT_STREAMS, MAX_QUIC_CLIENT_STREAMS, MAX_QUIC_HANDSHAKES,
        MAX_UNSENT_DATAGRAM_BYTES, MAX_WEBTRANSPORT_CLOSE_REASON, MAX_WEBTRANSPORT_SESSIONS,
        QUIC_CLOSE_WAIT, QUIC_HANDSHAKES_BEFORE_RETRY, QUIC_IDLE_TIMEOUT, QUIC_KEEP_ALIVE,
        QUIC_SEND_WINDOW,
    };
    pub use volga_http::limits::*;
    #[cfg(feature = "disk-log")]
    pub use volga_relay_disk::{
        DEFAULT_DISK_OPEN_TIMEOUT, DEFAULT_MAX_DISK_AGE, DEFAULT_MAX_DISK_BYTES,
        DEFAULT_MAX_DISK_KEYS, DEFAULT_MAX_QUEUED,
    };
    #[cfg(feature = "redis")]
    pub use volga_relay_redis::{
        DEFAULT_MAX_ENTRIES, DEFAULT_MAX_PENDING, DEFAULT_MAX_PENDING_BYTES, DEFAULT_MAX_SEND_WAIT,
        DEFAULT_REPLICA_WAIT, MAX_RECONNECT_WAIT, MAX_RETRY_KEY, MAX_SILENCE,
    };
    pub use volga_sse::hub::{
        DEFAULT_MAX_AGE, DEFAULT_MAX_BYTES, DEFAULT_MAX_KEY, DEFAULT_MAX_MESSAGE_BYTES,
        DEFAULT_MAX_MESSAGES, DEFAULT_MAX_NODE_WAIT, DEFAULT_MAX_PRESENCE_EVENTS,
        DEFAULT_MAX_REMEMBERED_TOPICS, DEFAULT_MAX_REORDERED, DEFAULT_MAX_SHARED_PRESENCE,
        DEFAULT_MAX_TOPIC_NAME, DEFAULT_MAX_TOPICS, DEFAULT_MAX_TOPICS_PER_SUBSCRIPTION,
        DEFAULT_PRESENCE_LEASE, DEFAULT_SHARED_PRESENCE_GRACE, MAX_OTHER_NODES, MAX_RETRY_KEYS,
        MAX_SHARED_IDENTITY,
    };
    pub use volga_sse::reconnect::{DEFAULT_MAX_BACKOFF, DEFAULT_MAX_WAIT};
    #[cfg(feature = "replies")]
    pub use volga_sse::{
        DEFAULT_ABANDON_GRACE, DEFAULT_FIRST_CLIENT_TIMEOUT, DEFAULT_MAX_REPLIES,
        DEFAULT_MAX_REPLY_BYTES, DEFAULT_MAX_TOTAL_REPLY_BYTES, DEFAULT_REPLY_RETENTION,
    };
    pub use volga_sse::{
        DEFAULT_MAX_CLOSING_BYTES, DEFAULT_MAX_CLOSING_TIME, DEFAULT_MAX_FRAME_BYTES,
        DEFAULT_MAX_FRAME_MESSAGES, DEFAULT_MAX_OPEN_STREAMS, DEFAULT_RETRY_AFTER,
        DEFAULT_RETRY_AFTER_SPREAD, MAX_EVENT_ID,
    };
    pub use volga_sse::{
        DEFAULT_MAX_EVENT, DEFAULT_MAX_ID, DEFAULT_MAX_LAST_EVENT_ID, DEFAULT_MAX_LINE,
    };
    #[cfg(feature = "compression")]
    pub use volga_web::DEFAULT_MIN_COMPRESSED_SIZE;
    #[cfg(feature = "static-files")]
    pub use volga_web::MAX_LISTED_FILES;
    #[cfg(feature = "decompression")]
    pub use volga_web::{
        DECOMPRESSION_RATIO_SLACK, DEFAULT_MAX_DECOMPRESSION_RATIO, MAX_CONTENT_CODINGS,
    };
    #[cfg(feature = "rate-limit")]
    pub use volga_web::{DEFAULT_IPV6_PREFIX, DEFAULT_MAX_RATE_LIMIT_KEYS};
    #[cfg(feature = "multipart")]
    pub use volga_web::{DEFAULT_MAX_PART_HEADERS, DEFAULT_MAX_PART_MEMORY, DEFAULT_MAX_PARTS};
    #[cfg(feature = "files")]
    pub use volga_web::{DEFAULT_MAX_RANGES, MAX_FILE_NAME};
    #[cfg(feature = "sessions")]
    pub use volga_web::{
        DEFAULT_MAX_SESSIONS, DEFAULT_SESSION_IDLE_TIMEOUT, DEFAULT_SESSION_MAX_AGE,
        MAX_SESSION_BYTES,
    };
    #[cfg(feature = "auth")]
    pub use volga_web::{DEFAULT_MAX_TICKETS, DEFAULT_TICKET_LIFETIME};
    #[cfg(feature = "cookies")]
    pub use volga_web::{
        MAX_COOKIE_ATTRIBUTE_BYTES, MAX_COOKIE_BYTES, MAX_REQUEST_COOKIES,
        MAX_RESPONSE_COOKIE_BYTES, MAX_RESPONSE_COOKIES,
    };
    #[cfg(feature = "ws")]
    pub use volga_ws::{
        DEFAULT_MAX_WS_FRAME, DEFAULT_MAX_WS_MESSAGE, DEFAULT_MAX_WS_UNREAD, DEFAULT_MAX_WS_UNSENT,
        DEFAULT_WS_CLOSE_TIMEOUT, DEFAULT_WS_IDLE_TIMEOUT, DEFAULT_WS_PING_INTERVAL,
        DEFAULT_WS_PONG_TIMEOUT,
    };
}

/// The paths to which the macros of this crate expand. This is not a public interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::macros::{
        EscapeHtml, EscapedHtml, IntoStatus, ToHtml, form, html, html_text, json, raw, redirect,
        respond, sse, stream, text,
    };
    #[cfg(feature = "files")]
    pub use crate::macros::{attachment, file};
    pub use serde_json;
    pub use volga_core::set_header;
    pub use volga_macros::html as html_format;
    /// The names to which `html_fragment!` expands.
    pub mod fragment {
        pub use crate::macros::{EscapeHtml, ToHtml, html_fragment_text as html_text};
    }
    pub use volga_sse::{__private::yields, generate};
}

/// The code blocks of the guide and the README, compiled and run as tests.
#[cfg(doctest)]
mod guide {
    macro_rules! pages {
        ($($(#[$meta:meta])* $name:ident: $page:literal;)*) => { $(
            $(#[$meta])*
            #[doc = include_str!($page)]
            mod $name {}
        )* };
    }

    pages! {
        readme: "../../../README.md";
        readme_volga: "../README.md";
        readme_core: "../../volga-core/README.md";
        readme_http: "../../volga-http/README.md";
        readme_macros: "../../volga-macros/README.md";
        readme_sse: "../../volga-sse/README.md";
        readme_web: "../../volga-web/README.md";
        #[cfg(feature = "redis")]
        readme_relay_redis: "../../volga-relay-redis/README.md";
        #[cfg(feature = "http3")]
        readme_h3: "../../volga-h3/README.md";
        #[cfg(feature = "ws")]
        readme_ws: "../../volga-ws/README.md";
        quick_start: "../../../docs/src/quick-start.md";
        route_parameters: "../../../docs/src/route-parameters.md";
        query_parameters: "../../../docs/src/query-parameters.md";
        route_groups: "../../../docs/src/route-groups.md";
        headers: "../../../docs/src/headers.md";
        handling_json: "../../../docs/src/handling-json.md";
        forms: "../../../docs/src/forms.md";
        validation: "../../../docs/src/validation.md";
        #[cfg(feature = "files")]
        files: "../../../docs/src/files.md";
        #[cfg(feature = "multipart")]
        multipart: "../../../docs/src/multipart.md";
        #[cfg(feature = "signed-cookies")]
        cookies: "../../../docs/src/cookies.md";
        #[cfg(feature = "cors")]
        cors: "../../../docs/src/cors.md";
        #[cfg(feature = "csrf")]
        cross_site_requests: "../../../docs/src/cross-site-requests.md";
        #[cfg(feature = "static-files")]
        static_files: "../../../docs/src/static-files.md";
        #[cfg(feature = "auth")]
        custom_extractors: "../../../docs/src/custom-extractors.md";
        #[cfg(all(feature = "auth", feature = "sessions"))]
        who_is_asking: "../../../docs/src/who-is-asking.md";
        custom_middleware: "../../../docs/src/custom-middleware.md";
        #[cfg(feature = "rate-limit")]
        rate_limits: "../../../docs/src/rate-limits.md";
        #[cfg(all(feature = "compression", feature = "decompression"))]
        compression: "../../../docs/src/compression.md";
        global_error_handling: "../../../docs/src/global-error-handling.md";
        dependency_injection: "../../../docs/src/dependency-injection.md";
        request_cancellation: "../../../docs/src/request-cancellation.md";
        custom_methods: "../../../docs/src/custom-methods.md";
        mounting: "../../../docs/src/mounting.md";
        testing: "../../../docs/src/testing.md";
        server_sent_events: "../../../docs/src/server-sent-events.md";
        shutdown_and_deploys: "../../../docs/src/shutdown-and-deploys.md";
        health: "../../../docs/src/health.md";
        background_tasks: "../../../docs/src/background-tasks.md";
        behind_a_proxy: "../../../docs/src/behind-a-proxy.md";
        limits: "../../../docs/src/limits.md";
        settings: "../../../docs/src/settings.md";
        features: "../../../docs/src/features.md";
        security: "../../../docs/src/security.md";
        environment: "../../../docs/src/environment.md";
        performance: "../../../docs/src/performance.md";
        not_included: "../../../docs/src/not-included.md";
        #[cfg(feature = "tracing")]
        tracing: "../../../docs/src/tracing.md";
        messages: "../../../docs/src/messages.md";
        hub: "../../../docs/src/hub.md";
        topics: "../../../docs/src/topics.md";
        resume: "../../../docs/src/resume.md";
        slow_readers: "../../../docs/src/slow-readers.md";
        keyed_topics: "../../../docs/src/keyed-topics.md";
        presence: "../../../docs/src/presence.md";
        watching_a_hub: "../../../docs/src/watching-a-hub.md";
        #[cfg(feature = "disk-log")]
        surviving_a_restart: "../../../docs/src/surviving-a-restart.md";
        #[cfg(feature = "redis")]
        several_nodes: "../../../docs/src/several-nodes.md";
        sizing: "../../../docs/src/sizing.md";
        replies: "../../../docs/src/replies.md";
        reading_a_stream: "../../../docs/src/reading-a-stream.md";
        proxies_and_clients: "../../../docs/src/proxies-and-clients.md";
        what_clients_do: "../../../docs/src/what-clients-do.md";
        #[cfg(feature = "ws")]
        websockets: "../../../docs/src/websockets.md";
        http1_and_http2: "../../../docs/src/http1-and-http2.md";
        #[cfg(feature = "tls")]
        https: "../../../docs/src/https.md";
        #[cfg(feature = "http3")]
        http3: "../../../docs/src/http3.md";
        lists_and_changes: "../../../docs/src/lists-and-changes.md";
        from_axum: "../../../docs/src/from-axum.md";
        from_aspnet_core: "../../../docs/src/from-aspnet-core.md";
        from_fastapi: "../../../docs/src/from-fastapi.md";
        from_better_sse: "../../../docs/src/from-better-sse.md";
        deploying: "../../../docs/src/deploying.md";
    }
}

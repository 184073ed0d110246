//! What a subscription starts from: its topics, where it goes on, and how it behaves.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::codec::position::Position;
use crate::hub::error::SubscribeError;
use crate::hub::policy::Policy;
use crate::hub::state::hub_state::Shared;
use crate::hub::state::locked::Watcher;
use crate::hub::subscription::Subscription;
use crate::hub::subscription::arguments::ResumeFrom;
use crate::hub::subscription::opening::{Opening, Start};
use crate::hub::sync::Ordering;
use crate::hub::topic::Topic;
use crate::hub::topic::inbox::Inbox;
use crate::hub::topic::pattern::Filter;
use crate::hub::topic::subscriber::Reader;
use crate::hub::topic::subscribers::Side;

/// A subscription in the making, from [`Hub::subscribe`](crate::hub::Hub::subscribe). It begins with
/// [`open`](Self::open).
#[must_use = "a subscription begins when it is opened"]
pub struct Subscribe<'a> {
    hub: &'a Arc<Shared>,
    topics: Vec<String>,
    resume: Resume,
    policy: Policy,
    pace: Duration,
    history: usize,
    identity: Option<Arc<str>>,
}

/// Where a subscription goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Resume {
    /// The client is new here.
    Newcomer,
    From(Position),
    /// The client has been somewhere, and nobody knows where.
    Unknown,
}

impl<'a> Subscribe<'a> {
    pub(crate) fn new(hub: &'a Arc<Shared>, topics: Vec<String>) -> Self {
        Self {
            hub,
            topics,
            resume: Resume::Newcomer,
            policy: hub.settings.policy,
            pace: hub.settings.pace,
            history: 0,
            identity: None,
        }
    }

    /// Goes on where the client left off: behind the message with this ID, and from there to what
    /// is published now without a seam. Nothing is lost, and nothing comes twice.
    ///
    /// Without an ID, or with an empty one, the client is new. Messages that the hub no longer
    /// holds are told as a [`Gap`](crate::hub::Gap). So is an ID that is none of this hub's, or of an
    /// earlier run: what is missing is not known then, and all that is held follows.
    pub fn resume(mut self, last_event_id: impl ResumeFrom) -> Self {
        let resume = |id: &str| match id.parse() {
            _ if id.is_empty() => Resume::Newcomer,
            Ok(position) => Resume::From(position),
            Err(_) => Resume::Unknown,
        };
        self.resume = last_event_id.resume_from().as_deref().map_or(Resume::Newcomer, resume);
        self
    }

    /// Lets a client that is new begin with the last messages that are held: this many of all its
    /// topics together. Without it, it begins with what is published from now on.
    ///
    /// Of keyed topics, a new client gets the newest message of each key in any case, and this does
    /// not count for them.
    pub fn history(mut self, messages: usize) -> Self {
        self.history = messages;
        self
    }

    /// Sets what happens when the client is slower than its topics, in place of the hub's own
    /// policy.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets the shortest time between one delivery and the next, in place of the hub's own; zero,
    /// the default, for none.
    ///
    /// What comes after a pause is delivered at once. What follows within this time waits for its
    /// end and is then delivered together: fewer writes for a burst, at the price of this much
    /// latency. An end of the subscription waits as well.
    ///
    /// # Panics
    ///
    /// A subscription with a pace panics outside a tokio runtime with its timer enabled.
    pub fn pace(mut self, time: Duration) -> Self {
        self.pace = time;
        self
    }

    /// Says whose subscription it is, for [`Hub::close_identity`](crate::hub::Hub::close_identity) and
    /// [`Hub::presence`](crate::hub::Hub::presence).
    pub fn identity(mut self, identity: impl Into<Arc<str>>) -> Self {
        self.identity = Some(identity.into());
        self
    }

    /// Begins the subscription: what is published from here on is delivered.
    ///
    /// # Errors
    ///
    /// What is wrong with the topics or with the policy on them; that a topic does not exist, where
    /// [subscribing does not create it](crate::hub::TopicCreation); or that the hub is full or closed.
    /// No topic was created then.
    pub fn open(self) -> Result<Subscription, SubscribeError> {
        let filters = self.filters()?;
        let settings = &self.hub.settings;
        let now = self.hub.clock.now();
        let mut order = self.hub.order();
        if order.closed {
            return Err(SubscribeError::Closed);
        }
        order.sweep(settings, now);
        let names = filters.iter().filter_map(|filter| match filter {
            Filter::Name(name) => Some(name.as_str()),
            Filter::Pattern(_) => None,
        });
        // From here on nothing is refused.
        let named = order.topics_to_read(names, settings, now)?;
        let has_patterns = filters.iter().any(|filter| matches!(filter, Filter::Pattern(_)));
        let side = if named.len() == 1 && !has_patterns { Side::Alone } else { Side::Named };
        let reader = Arc::new(Reader::new(0));
        let mut members: Vec<_> = named.iter().map(|topic| topic.join(&reader, side)).collect();
        named.iter().for_each(|topic| order.registry.note_joined(topic));
        let mut topics = named;
        if has_patterns {
            let mut matching: Vec<_> =
                filters.iter().flat_map(|filter| order.registry.matching(filter)).collect();
            matching.sort_unstable_by_key(|topic| topic.id);
            matching.dedup_by_key(|topic| topic.id);
            topics.sort_unstable_by_key(|topic| topic.id);
            let is_named =
                |topic: &Arc<Topic>| topics.binary_search_by_key(&topic.id, |t| t.id).is_ok();
            matching.retain(|topic| !is_named(topic));
            members.extend(matching.iter().map(|topic| topic.join(&reader, Side::Pattern)));
            // Those that had a message last come last, so that this is still the order in which
            // they make room.
            matching.sort_by_cached_key(|topic| topic.last_number());
            matching.iter().for_each(|topic| order.registry.settle(topic, settings, now));
            topics.extend(matching);
        }
        members.sort_unstable_by_key(|member| member.topic.id);
        topics.iter().for_each(|topic| _ = topic.expire(now, &settings.bounds));
        let before = topics.iter().map(|topic| topic.before).max().unwrap_or(0);
        let forgotten = if has_patterns { order.registry.forgotten(&filters) } else { 0 };
        let (cursor, opening) = self.opening(order.last, before.max(forgotten), &topics);
        reader.set_cursor(cursor);
        let watch = has_patterns.then(|| {
            let filters = filters.into_boxed_slice();
            let identity = self.identity.clone();
            let (reader, inbox) = (Arc::clone(&reader), Arc::new(Inbox::new()));
            let handle =
                order.watch(Watcher { filters, reader, inbox: Arc::clone(&inbox), identity });
            (handle, inbox)
        });
        let identity = self.identity.map(|identity| {
            order.enter(&identity, topics.iter());
            let handle = order.identify(&identity, &reader);
            (identity, handle)
        });
        drop(order);
        Ok(Subscription::new(Start {
            hub: Arc::clone(self.hub),
            reader,
            members,
            policy: self.policy,
            pace: self.pace,
            opening,
            is_new: self.resume == Resume::Newcomer,
            watch,
            identity,
        }))
    }

    /// The topics, each once.
    fn filters(&self) -> Result<Vec<Filter>, SubscribeError> {
        let settings = &self.hub.settings;
        let max = settings.max_topics_per_subscription;
        if self.topics.is_empty() {
            return Err(SubscribeError::NoTopics);
        }
        if self.topics.len() > max {
            return Err(SubscribeError::TooManyFilters { max });
        }
        let mut filters = Vec::with_capacity(self.topics.len());
        for text in &self.topics {
            let filter = Filter::parse(text, settings.max_topic_name)?;
            if let Filter::Name(name) = &filter
                && self.policy == Policy::Latest
                && settings.max_keys(name).is_none()
            {
                return Err(SubscribeError::NotKeyed);
            }
            filters.push(filter);
        }
        filters.sort_unstable();
        filters.dedup();
        Ok(filters)
    }

    /// The cursor, and what is to be done before it simply moves on. `before` is the greatest
    /// number that topics of these names had in an earlier life.
    fn opening(&self, last: u64, before: u64, topics: &[Arc<Topic>]) -> (u64, Option<Opening>) {
        match self.resume {
            Resume::From(position) if self.hub.knows(position, last) => {
                let cursor = position.number();
                self.hub.counts.resumed.fetch_add(1, Ordering::Relaxed);
                (cursor, (before > cursor).then_some(Opening::Returning { lost: before }))
            }
            Resume::From(_) | Resume::Unknown => (0, Some(Opening::Unknown { lost: before })),
            Resume::Newcomer => {
                let plain_after = self.history_start(last, topics);
                let has_keys = topics.iter().any(|topic| topic.is_keyed());
                if has_keys {
                    (0, Some(Opening::Newcomer { through: last, plain_after }))
                } else {
                    (plain_after, None)
                }
            }
        }
    }

    /// The number behind which the history starts that was asked for.
    fn history_start(&self, last: u64, topics: &[Arc<Topic>]) -> u64 {
        if self.history == 0 {
            return last;
        }
        let plain = topics.iter().filter(|topic| !topic.is_keyed());
        let mut numbers: Vec<u64> =
            plain.flat_map(|topic| topic.last_numbers(self.history)).collect();
        numbers.sort_unstable();
        let first = numbers.len().saturating_sub(self.history);
        numbers.get(first).map_or(last, |number| number - 1)
    }
}

impl fmt::Debug for Subscribe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscribe")
            .field("topics", &self.topics)
            .field("resume", &self.resume)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

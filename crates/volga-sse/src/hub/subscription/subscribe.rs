//! The builder of a subscription: its topics, where it starts, and how it behaves.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::codec::position::Position;
use crate::hub::error::SubscribeError;
use crate::hub::patterns::shared_pattern::SharedPattern;
use crate::hub::policy::Policy;
use crate::hub::state::hub_state::HubState;
use crate::hub::subscription::Subscription;
use crate::hub::subscription::arguments::ResumeFrom;
use crate::hub::subscription::parts::SubscriptionParts;
use crate::hub::subscription::start::{ResumePoint, StartPoint, StartRequest};
use crate::hub::subscription::topics::{SubscribedTopics, TopicSet};
use crate::hub::subscription::waiting::Waiting;
use crate::hub::topic::pattern::FilterText;
use crate::hub::topic::subscriber::{Subscriber, SubscriptionEnd};
use crate::stream::refusal::RefusalResponse;

/// Builds a subscription, from [`Hub::subscribe`](crate::hub::Hub::subscribe). The subscription
/// begins with [`open`](Self::open).
#[must_use = "a subscription begins when it is opened"]
pub struct Subscribe<'a> {
    hub: &'a Arc<HubState>,
    topics: Vec<String>,
    request: StartRequest,
    policy: Policy,
    pace: Duration,
    has_first_id: bool,
    identity: Option<Arc<str>>,
}

impl<'a> Subscribe<'a> {
    pub(crate) fn new(hub: &'a Arc<HubState>, topics: Vec<String>) -> Self {
        Self {
            hub,
            topics,
            request: StartRequest { resume: ResumePoint::Newcomer, history: 0, oldest: None },
            policy: hub.settings.policy,
            pace: hub.settings.pace,
            has_first_id: true,
            identity: None,
        }
    }

    /// Continues after the message with this ID, without missing a message and without repeating
    /// one.
    ///
    /// Without an ID, or with an empty one, the client is new. If the hub has dropped messages
    /// after this ID, the first delivery is a [`Gap`](crate::hub::Gap). If the ID is not one of
    /// this hub, for example from an earlier run, it is not known what is missing. Then the first
    /// delivery is a gap without a start, followed by what a new client gets.
    pub fn resume(mut self, last_event_id: impl ResumeFrom) -> Self {
        let resume = |id: &str| match id.parse() {
            _ if id.is_empty() => ResumePoint::Newcomer,
            Ok(position) => ResumePoint::From(position),
            Err(_) => ResumePoint::Unknown,
        };
        self.request.resume =
            last_event_id.resume_from().as_deref().map_or(ResumePoint::Newcomer, resume);
        self
    }

    /// Lets a new client begin with this many of the last messages, counted over all its topics.
    /// Without it, a new client receives what is published from now on.
    ///
    /// Of keyed topics, a new client always receives the newest message of each key. Those do not
    /// count here.
    pub fn history(mut self, messages: usize) -> Self {
        self.request.history = messages;
        self
    }

    /// Sets the oldest position that the client may see. No message before it is delivered,
    /// whatever the client resumes from, and however much [`history`](Self::history) it gets. A
    /// client that resumes from before it is told of a gap.
    ///
    /// If the hub has not given this position, for example because it is from an earlier run, the
    /// client sees what is published from now on.
    ///
    /// ```
    /// use volga_sse::{Message, hub::{Delivery, Hub}};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let hub = Hub::new();
    /// hub.publish("room", Message::new().data("before Anna came"))?;
    /// let joined = hub.publish("room", Message::new().data("Anna comes"))?;
    /// let mut anna = hub.subscribe("room").history(50).oldest(joined).open()?;
    /// let Some(Delivery::Message(first)) = anna.next().await else { panic!() };
    /// assert_eq!(first.position(), Some(joined));
    /// # Ok(()) }
    /// ```
    pub fn oldest(mut self, position: Position) -> Self {
        self.request.oldest = Some(position);
        self
    }

    /// Sends no ID to a new client for which no message is there yet. By default, such a client
    /// first gets a message that has an ID and nothing else, so that it can resume from there.
    ///
    /// Browsers dispatch no event for an ID alone, but some other clients take it for an empty
    /// message. Without the ID, a client that loses its connection before its first message returns
    /// as a new client. It is then not told of what was published in between.
    pub fn without_first_id(mut self) -> Self {
        self.has_first_id = false;
        self
    }

    /// Sets what happens when the client is slower than its topics. Overrides the hub's policy.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets the shortest time between one delivery and the next. Overrides the hub's setting. Zero,
    /// the default, means no minimum.
    ///
    /// After a pause, a message is delivered at once. Messages that follow within this time wait
    /// until it is over, and are then delivered together. So a burst needs fewer writes, at the
    /// price of this much latency. The end of the subscription waits as well.
    ///
    /// # Panics
    ///
    /// Polling a subscription with a pace panics outside a tokio runtime that has its timer
    /// enabled.
    pub fn pace(mut self, time: Duration) -> Self {
        self.pace = time;
        self
    }

    /// Sets the identity to which the subscription belongs, for
    /// [`Hub::close_identity`](crate::hub::Hub::close_identity) and
    /// [`Hub::presence`](crate::hub::Hub::presence).
    pub fn identity(mut self, identity: impl Into<Arc<str>>) -> Self {
        self.identity = Some(identity.into());
        self
    }

    /// Opens the subscription. It delivers what is published from now on, after what you asked for
    /// with [`resume`](Self::resume) or [`history`](Self::history).
    ///
    /// If the hub is closed, the subscription ends after what is there for it, unless
    /// [`closed_response`](crate::hub::HubBuilder::closed_response) says otherwise.
    ///
    /// # Errors
    ///
    /// Returns an error if a topic is invalid, if the policy does not fit a topic, if a topic does
    /// not exist and [subscribing does not create it](crate::hub::TopicCreation), if the hub is
    /// full, or if it is closed and
    /// [`closed_response`](crate::hub::HubBuilder::closed_response) refuses the client. No topic
    /// was created then.
    pub fn open(mut self) -> Result<Subscription, SubscribeError> {
        let filters = self.take_filters()?;
        let settings = &self.hub.settings;
        let now = self.hub.clock.now();
        let mut locked = self.hub.lock();
        let is_closed = locked.is_closed;
        if is_closed && settings.closed_response != RefusalResponse::RetryLater {
            return Err(SubscribeError::Closed { refusal: settings.closed_response });
        }
        self.hub.sweep_step(&mut locked, now);
        let (names, patterns) =
            filters.split_at(filters.partition_point(|filter| !filter.is_pattern));
        let names = names.iter().map(|name| &*name.text);
        // This is the last step that can fail.
        let mut named = locked.topics_to_read(names, settings)?;
        named.sort_unstable_by_key(|topic| topic.id);
        let last = locked.last_number;
        let subscriber = Arc::new(Subscriber::new(last));
        if is_closed {
            subscriber.close(SubscriptionEnd::HubClosed);
        }
        named.iter().for_each(|topic| locked.registry.note_named_subscriber(topic));
        let mut new_patterns = Vec::new();
        let topics = match &named[..] {
            [only] if patterns.is_empty() => SubscribedTopics::One(only.join(&subscriber, 0)),
            _ => {
                let memberships: Vec<_> =
                    (0..).zip(&named).map(|(tag, topic)| topic.join(&subscriber, tag)).collect();
                locked.remembers_messages = true;
                let mut join = |(tag, pattern): (u32, &FilterText)| {
                    let (membership, is_new) =
                        self.hub.patterns.join(&pattern.text, &subscriber, tag, last);
                    new_patterns.extend(is_new.then(|| Arc::clone(&membership.pattern)));
                    membership
                };
                let tags = memberships.len() as u32..;
                let of_patterns = tags.zip(patterns).map(&mut join).collect();
                SubscribedTopics::Several(Box::new(TopicSet::new(memberships, of_patterns, last)))
            }
        };
        let identity = self.identity.clone().map(|identity| {
            locked.add_presence(&identity, topics.filters());
            if let Some(overlap) = topics.overlap() {
                locked.presence.overlaps.add(&identity, overlap);
            }
            locked.add_identity(&identity, &subscriber)
        });
        // The topics that patterns match may be many, and their logs may be long. So the lock is
        // not held any more.
        drop(locked);
        if !new_patterns.is_empty() {
            self.note_new_patterns(new_patterns);
        }
        let waiting = Waiting::new(self.request, self.hub, last);
        let start = match &waiting {
            None => self.request.find_start(self.hub, &topics, last, now),
            Some(_) => StartPoint { cursor: last, opening: None, floor: 0 },
        };
        subscriber.set_cursor(start.cursor);
        self.hub.catch_up(now);
        Ok(Subscription::new(SubscriptionParts {
            hub: Arc::clone(self.hub),
            subscriber,
            topics,
            policy: self.policy,
            pace: self.pace,
            opening: start.opening,
            needs_first_id: self.has_first_id && self.request.resume == ResumePoint::Newcomer,
            floor: start.floor,
            identity,
            waiting,
        }))
    }

    /// Tells the registry of topics that new patterns match.
    fn note_new_patterns(&self, mut new: Vec<Arc<SharedPattern>>) {
        new.sort_unstable_by_key(|pattern| pattern.id);
        let ids: Vec<u32> = new.iter().map(|pattern| pattern.id).collect();
        let mut topics = Vec::new();
        self.hub.walk(new.iter().map(|new| &new.pattern), |topic| {
            let new = new.iter().map(|new| &new.pattern);
            let set = self.hub.patterns.of(topic);
            if set.is_some_and(|set| set.has_any_of(&ids, new)) {
                topics.push(Arc::clone(topic));
            }
        });
        self.hub.note_new_patterns(topics);
    }

    /// Takes the names and patterns, parsed and each once.
    fn take_filters(&mut self) -> Result<Vec<FilterText>, SubscribeError> {
        let settings = &self.hub.settings;
        let max = settings.max_topics_per_subscription;
        if self.topics.is_empty() {
            return Err(SubscribeError::NoTopics);
        }
        if self.topics.len() > max {
            return Err(SubscribeError::TooManyFilters { max });
        }
        let mut filters = Vec::with_capacity(self.topics.len());
        for text in std::mem::take(&mut self.topics) {
            let filter = FilterText::parse(text, settings.max_topic_name)?;
            if !filter.is_pattern
                && self.policy == Policy::Latest
                && settings.max_keys(&filter.text).is_none()
            {
                return Err(SubscribeError::NotKeyed);
            }
            filters.push(filter);
        }
        filters.sort_unstable();
        filters.dedup();
        Ok(filters)
    }
}

impl fmt::Debug for Subscribe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscribe")
            .field("topics", &self.topics)
            .field("request", &self.request)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

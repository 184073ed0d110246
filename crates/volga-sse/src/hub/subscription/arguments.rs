//! The arguments of `Hub::subscribe` and `Subscribe::resume`.

use crate::client::last_event_id::LastEventId;
use crate::codec::position::Position;

/// The topics to subscribe to: a name or pattern, or a list of them.
pub trait Topics: sealed::IntoTopics {}

/// An event ID to resume from: a [`LastEventId`], a [`Position`], text, or an `Option` of one of
/// them. `None` means that the client is new.
pub trait ResumeFrom: sealed::IntoResume {}

mod sealed {
    use std::borrow::Cow;

    use super::{LastEventId, Position, ResumeFrom, Topics};

    /// Public because a supertrait of a public trait must be. Other crates can't name it.
    pub trait IntoTopics {
        fn into_topics(self) -> Vec<String>;
    }

    /// Public for the same reason as [`IntoTopics`].
    pub trait IntoResume {
        fn resume_from(&self) -> Option<Cow<'_, str>>;
    }

    macro_rules! one_topic {
        ($($text:ty),*) => {$(
            impl Topics for $text {}
            impl IntoTopics for $text {
                fn into_topics(self) -> Vec<String> {
                    vec![self.into()]
                }
            }
        )*};
    }

    one_topic!(&str, String, &String);

    macro_rules! several_topics {
        ($([$($generic:tt)*] $list:ty),*) => {$(
            impl<$($generic)*> Topics for $list {}
            impl<$($generic)*> IntoTopics for $list {
                fn into_topics(self) -> Vec<String> {
                    self.iter().map(|text| text.as_ref().to_owned()).collect()
                }
            }
        )*};
    }

    several_topics!(
        [T: AsRef<str>, const N: usize] [T; N],
        [T: AsRef<str>, const N: usize] &[T; N],
        [T: AsRef<str>] &[T],
        [T: AsRef<str>] Vec<T>,
        [T: AsRef<str>] &Vec<T>
    );

    macro_rules! resume_from {
        ($($id:ty, $self:ident => $text:expr;)*) => {$(
            impl ResumeFrom for $id {}
            impl IntoResume for $id {
                fn resume_from(&self) -> Option<Cow<'_, str>> {
                    let $self = self;
                    Some($text)
                }
            }
        )*};
    }

    resume_from! {
        &str, id => Cow::Borrowed(*id);
        String, id => Cow::Borrowed(id);
        &String, id => Cow::Borrowed(id);
        LastEventId, id => Cow::Borrowed(id.as_str());
        &LastEventId, id => Cow::Borrowed(id.as_str());
        Position, id => Cow::Owned(id.to_string());
    }

    impl<T: ResumeFrom> ResumeFrom for Option<T> {}
    impl<T: ResumeFrom> IntoResume for Option<T> {
        fn resume_from(&self) -> Option<Cow<'_, str>> {
            self.as_ref()?.resume_from()
        }
    }
}

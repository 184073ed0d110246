//! All answers of one `Answers`: the lock around who is there, and the timer for what is due.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use tokio::{
    runtime::Handle,
    sync::Notify,
    time::{Instant, timeout_at},
};

use crate::replies::answer::{Afterwards, Answer};
use crate::replies::attachment::{Attached, Attachment};
use crate::replies::lives::{Due, Lives};
use crate::replies::log::Outcome;
use crate::replies::settings::AnswersBuilder;
use crate::replies::tally::Tally;
use crate::replies::{Abandoned, AnswerError, AnswersFacts, ClaimError, StartError, Token};
use crate::stream::heartbeat::due;

/// What clones of an `Answers` share. Producers and clients hold it weakly, so it ends with the last of those.
///
/// Whoever looks at it does first what is due, so nothing depends on when the timer fires; the timer is for when nobody looks.
pub(crate) struct Shelf {
    settings: AnswersBuilder,
    books: Mutex<Books>,
    pub(crate) tally: Arc<Tally>,
    /// Tells the timer that something is due earlier than it thinks.
    earlier: Arc<Notify>,
}

struct Books {
    lives: Lives<Arc<Answer>>,
    is_closed: bool,
    /// Where the last answer started, for when the last client of one leaves outside of any runtime.
    runtime: Option<Handle>,
    /// Alive while there is a timer.
    timer: Weak<()>,
}

/// Who may claim an answer, and what happens when it is abandoned.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    pub(crate) owner: Option<Box<str>>,
    pub(crate) abandoned: Option<Abandoned>,
}

impl Shelf {
    pub(crate) fn new(settings: AnswersBuilder) -> Arc<Self> {
        let (lives, timer) = (Lives::new(), Weak::new());
        let books = Books { lives, is_closed: false, runtime: None, timer };
        Arc::new(Self {
            settings,
            books: Mutex::new(books),
            tally: Arc::default(),
            earlier: Arc::default(),
        })
    }

    pub(crate) fn settings(&self) -> &AnswersBuilder {
        &self.settings
    }

    /// Takes in an answer that starts in this runtime.
    pub(crate) fn start(
        self: &Arc<Self>,
        terms: Terms,
        runtime: &Handle,
    ) -> Result<Arc<Answer>, StartError> {
        let (token, epoch) = Token::random()?;
        self.with(|books, now, after| {
            if books.is_closed {
                return Err(StartError::Closed);
            }
            let max = self.settings.max_answers;
            if books.lives.len() >= max {
                let evicted = books.lives.evict().ok_or(StartError::Full { max })?;
                self.give_up(&evicted, after);
            }
            books.runtime = Some(runtime.clone());
            let answer = Arc::new(Answer::new(token, epoch, terms.owner));
            let abandoned = terms.abandoned.unwrap_or(self.settings.abandoned);
            let first = due(now, self.settings.first_client);
            books.lives.insert(token, Arc::clone(&answer), abandoned, first);
            Ok(answer)
        })
    }

    /// Ends an answer, if it has not ended yet.
    pub(crate) fn end(self: &Arc<Self>, answer: &Arc<Answer>, outcome: Outcome) {
        self.with(|books, now, after| self.end_in(books, answer, outcome, now, after));
    }

    /// Finds an answer for who may have it.
    fn find(books: &Books, token: &str, owner: Option<&str>) -> Result<Arc<Answer>, ClaimError> {
        let token = token.parse().map_err(|_| ClaimError::Unknown)?;
        let answer = books.lives.find(&token).ok_or(ClaimError::Unknown)?;
        if answer.owner.as_deref() == owner {
            Ok(Arc::clone(answer))
        } else {
            Err(ClaimError::WrongOwner)
        }
    }

    pub(crate) fn attach(
        self: &Arc<Self>,
        token: &str,
        owner: Option<&str>,
        last_event_id: Option<&str>,
    ) -> Result<Attached, ClaimError> {
        self.with(|books, _, _| {
            let answer = Self::find(books, token, owner)?;
            let mut state = answer.lock();
            let next = state.log.resume(last_event_id)?;
            if let Some(outcome) = state.log.over(next) {
                return Ok(Attached::Over(outcome.clone()));
            }
            let slot = state.waiters.add();
            drop(state);
            books.lives.attach(&answer.token);
            let tally = Arc::clone(&self.tally);
            Ok(Attached::Open(Attachment::new(answer, Arc::downgrade(self), tally, slot, next)))
        })
    }

    pub(crate) fn cancel(
        self: &Arc<Self>,
        token: &str,
        owner: Option<&str>,
    ) -> Result<(), ClaimError> {
        self.with(|books, now, after| {
            let answer = Self::find(books, token, owner)?;
            self.end_in(books, &answer, Err(AnswerError::Cancelled), now, after);
            Ok(())
        })
    }

    /// A client leaves.
    pub(crate) fn detach(self: &Arc<Self>, answer: &Answer) {
        self.with(|books, now, after| {
            if let Some(due) = books.lives.detach(&answer.token, now) {
                self.act(books, due, now, after);
            }
        });
    }

    /// Room for so many bytes more, of which there was not enough; gives up answers for it.
    pub(crate) fn make_room(self: &Arc<Self>, bytes: usize) -> bool {
        let max = self.settings.max_total_bytes;
        self.with(|books, _, after| {
            loop {
                if self.tally.reserve(bytes, max) {
                    return true;
                }
                let Some(evicted) = books.lives.evict() else { return false };
                self.give_up(&evicted, after);
            }
        })
    }

    /// Takes in no more answers.
    pub(crate) fn close(self: &Arc<Self>) {
        self.with(|books, _, _| books.is_closed = true);
    }

    /// Ends all that run.
    pub(crate) fn stop(self: &Arc<Self>) {
        self.with(|books, now, after| {
            let answers: Vec<_> = books.lives.values().cloned().collect();
            for answer in &answers {
                self.end_in(books, answer, Err(AnswerError::Stopped), now, after);
            }
        });
    }

    pub(crate) fn facts(self: &Arc<Self>) -> AnswersFacts {
        self.with(|books, _, _| AnswersFacts {
            running: books.lives.running(),
            kept: books.lives.len() - books.lives.running(),
            attached: self.tally.attached(),
            bytes: self.tally.bytes(),
        })
    }

    /// Does what is due, then this, then what must wait for the lock to be free.
    fn with<T>(self: &Arc<Self>, act: impl FnOnce(&mut Books, Instant, &mut Afterwards) -> T) -> T {
        let (now, mut after) = (Instant::now(), Afterwards::default());
        let (result, timer) = {
            let mut books = self.books();
            let before = books.lives.next_time();
            self.do_what_is_due(&mut books, now, &mut after);
            let result = act(&mut books, now, &mut after);
            (result, self.timer(&mut books, before))
        };
        after.run(self.settings.on_end.as_ref());
        if let Some((timer, runtime)) = timer {
            runtime.spawn(keep_time(Arc::downgrade(self), Arc::clone(&self.earlier), timer));
        }
        result
    }

    /// What a new timer holds and where it runs, if there must be one.
    fn timer(&self, books: &mut Books, before: Option<Instant>) -> Option<(Arc<()>, Handle)> {
        let next = books.lives.next_time()?;
        if books.timer.strong_count() > 0 {
            if before.is_none_or(|before| next < before) {
                self.earlier.notify_one();
            }
            return None;
        }
        let runtime = Handle::try_current().ok().or_else(|| books.runtime.clone())?;
        let timer = Arc::new(());
        books.timer = Arc::downgrade(&timer);
        Some((timer, runtime))
    }

    fn do_what_is_due(&self, books: &mut Books, now: Instant, after: &mut Afterwards) {
        while let Some(due) = books.lives.next_due(now) {
            self.act(books, due, now, after);
        }
    }

    fn act(&self, books: &mut Books, due: Due<Arc<Answer>>, now: Instant, after: &mut Afterwards) {
        match due {
            Due::Cancel(answer) => {
                self.end_in(books, &answer, Err(AnswerError::Abandoned), now, after);
            }
            Due::Removed(answer) => self.give_up(&answer, after),
        }
    }

    fn end_in(
        &self,
        books: &mut Books,
        answer: &Arc<Answer>,
        outcome: Outcome,
        now: Instant,
        after: &mut Afterwards,
    ) {
        let is_first = answer.end(outcome, after);
        books.lives.end(&answer.token, due(now, self.settings.keep));
        if is_first {
            after.ended.push(Arc::clone(answer));
        }
    }

    fn give_up(&self, answer: &Answer, after: &mut Afterwards) {
        self.tally.release(answer.clear(after));
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        let mut after = Afterwards::default();
        let books = self.books.get_mut().unwrap_or_else(PoisonError::into_inner);
        for answer in books.lives.values() {
            if answer.end(Err(AnswerError::Stopped), &mut after) {
                after.ended.push(Arc::clone(answer));
            }
        }
        // Told before the messages are given up, so that the observer sees what there was.
        after.run(self.settings.on_end.as_ref());
        let mut after = Afterwards::default();
        for answer in books.lives.values() {
            self.tally.release(answer.clear(&mut after));
        }
        after.run(None);
        self.earlier.notify_one();
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").field("tally", &self.tally).finish_non_exhaustive()
    }
}

/// Does what is due at its time, for as long as there is something to come. One task serves all answers.
async fn keep_time(shelf: Weak<Shelf>, earlier: Arc<Notify>, timer: Arc<()>) {
    let mut timer = Some(timer);
    loop {
        let next = {
            let Some(shelf) = shelf.upgrade() else { return };
            let (now, mut after) = (Instant::now(), Afterwards::default());
            let mut books = shelf.books();
            shelf.do_what_is_due(&mut books, now, &mut after);
            let next = books.lives.next_time();
            if next.is_none() {
                // Under the lock: whoever has something to come later finds no timer, and makes one.
                timer = None;
            }
            drop(books);
            after.run(shelf.settings.on_end.as_ref());
            next
        };
        let (Some(next), Some(_)) = (next, &timer) else { return };
        // Too late or too early makes no difference: what is due is looked up again.
        let _ = timeout_at(next, earlier.notified()).await;
    }
}

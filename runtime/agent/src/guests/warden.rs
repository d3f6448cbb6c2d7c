//! The thread that swaps guests: it looks at their files, takes an operator's orders, and brings an old generation back.
//!
//! It alone changes the roster, one guest at a time, and polls wait for none of it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use chrono::Utc;
use sandbox::LoadError;
use tokio::sync::oneshot;

use super::gate::{Admitted, Candidate, Gate, Refusal};
use super::generation::{Generation, Id};
use super::roster::{Roster, Seat};
use super::start::in_folder;
use super::store::{Entry, Fate, Refused};
use super::watch::{self, Files, LOOK, Verdict};
use crate::cycle::Host;
use crate::plan::chain;
use trust::Sha256;

/// How long a module that is not whole may still be on its way.
const UNFINISHED: Duration = Duration::from_secs(5);

/// What the warden is told.
pub(crate) enum Notice {
    /// A file of a watched folder has changed.
    Changed,
    /// A generation has passed its probation.
    Passed(Id),
    /// A generation has failed in its probation.
    Fallen(Id),
    /// An operator wants something.
    Order(Order, oneshot::Sender<Result<String, String>>),
    /// The agent ends.
    Stop,
}

/// What an operator wants done with a guest.
#[derive(Debug)]
pub(crate) enum Order {
    Install { name: String, candidate: Candidate },
    Remove { name: String },
    Rollback { name: String, to: Option<u32> },
}

pub(crate) struct Warden {
    pub(super) host: Arc<Host>,
    inbox: Receiver<Notice>,
    files: Files,
    /// When the files are looked at next.
    due: Instant,
}

/// A warden at work.
pub(crate) struct Working(JoinHandle<()>);

impl Warden {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gave none.
    pub(crate) fn start(host: &Arc<Host>) -> std::io::Result<Option<Working>> {
        let guests = host.guests();
        let inbox = guests.inbox.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let Some(inbox) = inbox else { return Ok(None) };
        let files = Files::new(host.plan().pipeline.swap.debounce);
        let warden = Self { host: Arc::clone(host), inbox, files, due: Instant::now() };
        let thread = thread::Builder::new().name("guests".into()).spawn(move || warden.work())?;
        Ok(Some(Working(thread)))
    }

    fn work(mut self) {
        let notices = self.host.guests().notices.clone();
        let told = Arc::new(AtomicBool::new(false));
        let telling = Arc::clone(&told);
        // However much is written, one notice is on its way.
        let tell = move || {
            if !telling.swap(true, Ordering::Relaxed) {
                let _ = notices.send(Notice::Changed);
            }
        };
        let _watcher = watch::watch(self.folders(), tell);
        loop {
            let wait = self.due.saturating_duration_since(Instant::now());
            match self.inbox.recv_timeout(wait) {
                Ok(Notice::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(Notice::Changed) => {
                    told.store(false, Ordering::Relaxed);
                    self.due = self.due.min(Instant::now());
                }
                Ok(Notice::Passed(id)) => self.passed(id),
                Ok(Notice::Fallen(id)) => self.fallen(id),
                Ok(Notice::Order(order, reply)) => drop(reply.send(self.obey(order))),
                Err(RecvTimeoutError::Timeout) => self.look(),
            }
        }
    }

    fn folders(&self) -> Vec<std::path::PathBuf> {
        let pipeline = &self.host.plan().pipeline;
        let modules = pipeline.guests.iter().filter_map(|guest| guest.module.parent());
        let folder = pipeline.guest_folder.iter().map(|folder| folder.path.as_path());
        let named = |path: &Path| {
            if path.as_os_str().is_empty() { Path::new(".").to_owned() } else { path.to_owned() }
        };
        let pins = pipeline.pins.iter().filter_map(|pins| pins.parent());
        modules.chain(folder).chain(pins).map(named).collect()
    }

    /// Looks at every module, and judges those that have changed and are whole.
    fn look(&mut self) {
        let now = Instant::now();
        self.due = now + LOOK;
        let host = Arc::clone(&self.host);
        let pipeline = &host.plan().pipeline;
        self.look_at_pins(now);
        let mut described: Vec<config::Guest> = pipeline.guests.clone();
        described.extend(in_folder(pipeline));
        // Those whose file was taken away.
        if let Some(folder) = &pipeline.guest_folder {
            let roster = host.guests().roster();
            let gone = roster.seats.iter().map(|seat| seat.holder.name());
            let gone = gone.filter(|name| described.iter().all(|guest| guest.name != **name));
            let gone: Vec<_> = gone.map(|name| folder.guest(name)).collect();
            described.extend(gone);
        }
        for guest in described {
            if host.guests().engine.is_stopping() {
                return;
            }
            match self.files.look(&guest.module, now) {
                Verdict::Same => {}
                Verdict::Wait(time) => self.due = self.due.min(now + time),
                Verdict::Judge(age) => {
                    if self.judge(&guest, age) {
                        self.files.judged(&guest.module);
                    } else {
                        self.due = self.due.min(now + pipeline.swap.debounce);
                    }
                }
            }
        }
    }

    /// Reads the pins anew where their file has changed. A module that was refused for want of one has another chance then.
    fn look_at_pins(&mut self, now: Instant) {
        let host = Arc::clone(&self.host);
        let Some(path) = &host.plan().pipeline.pins else { return };
        match self.files.look(path, now) {
            Verdict::Same => {}
            Verdict::Wait(time) => self.due = self.due.min(now + time),
            Verdict::Judge(_) => {
                match config::read_pins(path) {
                    Ok(pins) => {
                        host.guests().pin(pins);
                        self.files.judge_all();
                    }
                    Err(error) => tracing::error!("the pins stay as they were: {}: {error}", path.display()),
                }
                self.files.judged(path);
            }
        }
    }

    /// Judges a module as it lies there. False where it may not be whole yet.
    fn judge(&self, guest: &config::Guest, age: Duration) -> bool {
        let mut entry = self.host.guests().entry(&guest.name);
        let file = match Candidate::read(&guest.module) {
            Ok(file) => file,
            Err(LoadError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                self.taken_away(guest, entry);
                return true;
            }
            Err(error) => {
                self.refuse(guest, None, chain(&error), entry);
                return true;
            }
        };
        let sha256 = file.sha256;
        let was_refused = entry.refused.as_ref().is_some_and(|refused| refused.sha256 == Some(sha256));
        if entry.seen == Some(sha256) && !was_refused {
            return true;
        }
        if self.runs(&guest.name, sha256) && entry.current.is_some() {
            entry.seen = Some(sha256);
            self.host.guests().keep(&guest.name, entry);
            return true;
        }
        match self.swap(guest, &file, entry.clone()) {
            Ok(_) => true,
            // That is not the module's fault, and nothing to be remembered.
            Err(_) if self.host.guests().engine.is_stopping() => true,
            Err(Refusal::Load(LoadError::NotAComponent { .. })) if age < UNFINISHED => false,
            Err(refusal) => {
                self.refuse(guest, Some(sha256), chain(&refusal), Entry { seen: Some(sha256), ..entry });
                true
            }
        }
    }

    /// Takes a module through the gate and seats it. Gives what is to be said of it.
    pub(super) fn swap(
        &self,
        guest: &config::Guest,
        file: &Candidate,
        mut entry: Entry,
    ) -> Result<String, Refusal> {
        let guests = self.host.guests();
        let roster = guests.roster();
        let before = roster.seat(&guest.name);
        let admitted = self.admit(guest, file, &roster)?;
        // One that is itself on probation is not what comes back: the one before it is.
        let stand_in = before.map(|seat| seat.stand_in.as_ref().unwrap_or(&seat.holder));
        let holder = guests.generation(admitted, entry.last + 1, stand_in.is_some());
        guests.keep_module(&holder, file);
        entry.admit(&holder, file.vouched, stand_in.is_some());
        entry.seen = Some(holder.sha256);
        self.seat(Seat { holder: Arc::clone(&holder), stand_in: stand_in.cloned() });
        guests.keep(&guest.name, entry);
        let Generation { number, sha256, signer, .. } = &*holder;
        let said = match before {
            Some(seat) => {
                format!("generation {number} polls in place of {}, on probation", seat.holder.number)
            }
            None => format!("generation {number} polls"),
        };
        tracing::info!(guest = guest.name, generation = number, sha256 = %sha256, signer, "{said}");
        Ok(said)
    }

    pub(super) fn admit(
        &self,
        guest: &config::Guest,
        file: &Candidate,
        roster: &Roster,
    ) -> Result<Admitted, Refusal> {
        let owner = |meter: &str| {
            let others = roster.seats.iter().filter(|seat| seat.holder.name() != guest.name);
            let mut owners = others.filter(|seat| seat.meters().any(|own| own == meter));
            owners.next().map(|seat| seat.holder.name().to_owned())
        };
        let gate = Gate::new(self.host.guests(), &self.host.plan().pipeline);
        gate.admit(guest, file, owner, |groups| self.host.recorded(groups))
    }

    pub(super) fn refuse(
        &self,
        guest: &config::Guest,
        sha256: Option<Sha256>,
        reason: String,
        mut entry: Entry,
    ) {
        let module = sha256.map_or_else(|| "that lies there".to_owned(), |sha256| sha256.short());
        match entry.current {
            Some(generation) => tracing::error!(
                guest = guest.name,
                "the module {module} is refused, so generation {generation} goes on: {reason}"
            ),
            None => tracing::error!(guest = guest.name, "the module {module} is refused: {reason}"),
        }
        entry.refused = Some(Refused { sha256, at: Utc::now(), reason });
        self.host.guests().keep(&guest.name, entry);
    }

    /// The file of a guest is not there: one of the guest folder goes with it, one that the pipeline names stays.
    fn taken_away(&self, guest: &config::Guest, mut entry: Entry) {
        let pipeline = &self.host.plan().pipeline;
        if pipeline.guests.iter().any(|named| named.name == guest.name) {
            tracing::warn!(guest = guest.name, "its module is gone; the generation that polls goes on");
            return;
        }
        if self.unseat(&guest.name) {
            tracing::info!(guest = guest.name, "its module was taken away, so it polls no more");
        }
        entry.current = None;
        entry.seen = None;
        entry.refused = None;
        self.host.guests().keep(&guest.name, entry);
    }

    pub(super) fn runs(&self, name: &str, sha256: Sha256) -> bool {
        self.host.guests().roster().seat(name).is_some_and(|seat| seat.holder.sha256 == sha256)
    }

    /// Seats a guest's generations in the place of those that it has, or at the end.
    pub(super) fn seat(&self, seat: Seat) {
        let guests = self.host.guests();
        let mut seats = guests.roster().seats.clone();
        match seats.iter_mut().find(|other| other.holder.name() == seat.holder.name()) {
            Some(place) => *place = seat,
            None => seats.push(seat),
        }
        guests.seat(&self.host.plan().pipeline, seats);
    }

    /// Whether it was there.
    pub(super) fn unseat(&self, name: &str) -> bool {
        let guests = self.host.guests();
        let mut seats = guests.roster().seats.clone();
        let before = seats.len();
        seats.retain(|seat| seat.holder.name() != name);
        let was_there = seats.len() < before;
        if was_there {
            guests.seat(&self.host.plan().pipeline, seats);
            guests.states.forget(name);
        }
        was_there
    }

    fn find(&self, id: Id) -> Option<Seat> {
        self.host.guests().roster().seats.iter().find(|seat| seat.holder.id == id).cloned()
    }

    fn passed(&self, id: Id) {
        let Some(Seat { holder, .. }) = self.find(id) else { return };
        let mut entry = self.host.guests().entry(holder.name());
        if let Some(kept) = entry.kept_mut(holder.number) {
            kept.fate = Fate::Good;
        }
        tracing::info!(guest = holder.name(), generation = holder.number, "passed its probation");
        self.seat(Seat { holder: Arc::clone(&holder), stand_in: None });
        self.host.guests().keep(holder.name(), entry);
    }

    fn fallen(&self, id: Id) {
        let Some(Seat { holder, stand_in: Some(back) }) = self.find(id) else { return };
        let reason = holder.health.standing(Instant::now()).reason.unwrap_or_default();
        tracing::error!(
            guest = holder.name(),
            generation = holder.number,
            "out again, so generation {} is back: {reason}",
            back.number
        );
        let mut entry = self.host.guests().entry(holder.name());
        entry.fall(holder.number, Fate::Fallen, reason, back.number);
        self.seat(Seat { holder: back, stand_in: None });
        self.host.guests().keep(holder.name(), entry);
    }
}

impl Working {
    /// Waits until what is begun is done; a compilation is not waited for.
    pub(crate) fn end(self, host: &Host) {
        host.guests().engine.stop_compiling();
        host.guests().tell(Notice::Stop);
        if self.0.join().is_err() {
            tracing::error!(
                "the thread that swaps guests ended in a panic, which is a fault of this program"
            );
        }
    }
}

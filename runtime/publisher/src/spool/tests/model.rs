//! Everything that may happen, in random order, against a model of what the spool promises.

use super::*;

/// What the model knows of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// In memory alone.
    Pushed,
    /// Committed.
    Kept,
    /// Confirmed; it may be deleted or not.
    Confirmed,
    /// In memory alone when the agent was killed.
    Gone,
}

/// Agents that live and are killed, a disk that is full now and then, a target that takes and refuses, in random order.
fn life(seed: u64) {
    let mut chance = Chance::new(seed);
    let capacity = 1 + chance.below(12) as usize;
    let mut scene = Scene::new(capacity, |_| {});
    let mut known: BTreeMap<u64, Known> = BTreeMap::new();
    let mut confirmed: BTreeMap<u64, u32> = BTreeMap::new();
    let mut hands: Vec<Taken> = Vec::new();
    let (mut next, mut kills, mut full) = (1, 0_u32, false);
    for _ in 0..400 {
        match chance.below(20) {
            0..=6 => {
                // Past its bounds the queue drops: not the model's subject.
                let arriving = known.values().filter(|known| **known == Known::Pushed).count();
                if arriving < capacity && (!full || scene.desk.queue().waiting() < capacity) {
                    let size = 1 + chance.below(60) as usize;
                    scene.push(next, size);
                    known.insert(next, Known::Pushed);
                    next += 1;
                }
            }
            7..=10 => {
                let had_trouble = scene.desk.trouble.is_some();
                scene.attend();
                if scene.desk.trouble.is_none() && scene.desk.file.is_some() {
                    // What the target has at this moment is written only when it comes back.
                    let in_hand: BTreeSet<u64> = hands.iter().map(mark).collect();
                    let written = known
                        .iter_mut()
                        .filter(|(mark, known)| **known == Known::Pushed && !in_hand.contains(mark));
                    written.for_each(|(_, known)| *known = Known::Kept);
                    // A file that was opened anew has no limit.
                    full &= !had_trouble;
                }
            }
            11..=13 => {
                if let Some(taken) = scene.take() {
                    let state = known[&mark(&taken)];
                    let again = state == Known::Confirmed && kills > 0;
                    assert!(state == Known::Kept || full || again, "seed {seed}: {state:?} is given out");
                    hands.push(taken);
                }
            }
            14..=16 => {
                if !hands.is_empty() {
                    let taken = hands.swap_remove(chance.below(hands.len() as u64) as usize);
                    known.insert(mark(&taken), Known::Confirmed);
                    *confirmed.entry(mark(&taken)).or_default() += 1;
                    taken.done();
                }
            }
            17 => {
                if !hands.is_empty() {
                    drop(hands.swap_remove(chance.below(hands.len() as u64) as usize));
                }
            }
            18 => {
                if let Some(file) = &scene.desk.file {
                    file.limit_pages(file.pages());
                    full = true;
                }
            }
            _ => {
                // Killed: what the files hold at this moment is what is left.
                kills += 1;
                let place = scene.folder.path().join(format!("life-{kills}"));
                fs::create_dir(&place).unwrap();
                let path = place.join("mq-1.spool");
                for end in ["", "-wal"] {
                    let from = format!("{}{end}", scene.settings.path.display());
                    let _ = fs::copy(from, format!("{}{end}", path.display()));
                }
                hands.clear();
                scene.settings.path = path;
                scene.desk = desk(&scene.settings, capacity);
                full = false;
                for known in known.values_mut().filter(|known| **known == Known::Pushed) {
                    *known = Known::Gone;
                }
            }
        }
    }
    hands.clear();
    for _ in 0..3 {
        scene.attend();
    }
    for mark in scene.deliver() {
        assert_ne!(known[&mark], Known::Gone, "seed {seed}");
        *confirmed.entry(mark).or_default() += 1;
    }
    for (mark, state) in &known {
        let times = confirmed.get(mark).copied().unwrap_or(0);
        match state {
            Known::Gone => assert_eq!(times, 0, "seed {seed}: {mark}"),
            _ => assert!(
                (1..=1 + kills).contains(&times),
                "seed {seed}: {mark} is {state:?} and was confirmed {times} times, {kills} kills"
            ),
        }
    }
    let stats = scene.desk.shared.counters.read(0);
    assert_eq!((stats.dropped_samples(), stats.damaged, stats.spooled), (0, 0, 0), "seed {seed}");
}

#[test]
fn whatever_happens_in_whatever_order_what_was_kept_is_delivered() {
    (0..60).for_each(life);
}

//! Damaged records, files and logs.

use super::*;

#[test]
fn a_damaged_record_is_set_aside_and_the_others_are_sent() {
    let mut scene = Scene::new(1, |_| {});
    for mark in 1..=10 {
        scene.push(mark, 5);
        scene.attend();
    }
    let file = scene.desk.file.as_ref().unwrap();
    file.execute("UPDATE batch SET record = CAST(substr(record, 1, 40) || x'00' || substr(record, 42) AS BLOB) WHERE number IN (4, 7)");
    file.execute("UPDATE batch SET record = x'' WHERE number = 9");
    assert_eq!(scene.deliver(), [1, 2, 3, 5, 6, 8, 10]);
    assert_eq!(scene.desk.shared.counters.read(0).damaged, 15);
    assert_eq!(scene.desk.file.as_ref().unwrap().contents().unwrap().batches, 0);
}

/// Batches of a meter of fifty instances, whose metadata are as long as nova's.
pub(super) fn like_real_ones(count: u64) -> Vec<Batch> {
    let metadata = |instance: usize| {
        let fields =
            serde_json::json!({"display_name": format!("instance-{instance}"), "flavor": "x".repeat(900)});
        Arc::new(sample::Metadata::new(fields.as_object().unwrap().clone()))
    };
    let all: Vec<_> = (0..50).map(metadata).collect();
    let with_metadata = |mark| {
        let mut batch = batch("all", mark, 50);
        for (sample, metadata) in batch.samples.iter_mut().zip(&all) {
            sample.metadata = metadata.clone();
        }
        batch
    };
    (1..=count).map(with_metadata).collect()
}

#[test]
fn a_damaged_file_costs_what_is_damaged_and_is_kept_aside() {
    const BATCHES: u64 = 120;
    for seed in 0..16 {
        let mut chance = Chance::new(seed);
        let mut scene = Scene::new(100, |_| {});
        for (number, batch) in like_real_ones(BATCHES).into_iter().enumerate() {
            scene.desk.shared.queue.push(batch);
            if number % 20 == 19 {
                scene.attend();
            }
        }
        let path = scene.settings.path.clone();
        scene.desk.file.as_ref().unwrap().execute("PRAGMA wal_checkpoint(TRUNCATE)");
        let mut bytes = fs::read(&path).unwrap();
        let pages = bytes.len() / 8_192;
        let (first, count) = (chance.below(pages as u64) as usize, 1 + chance.below(2) as usize);
        for byte in bytes.iter_mut().skip(first * 8_192).take(count * 8_192) {
            *byte = chance.below(256) as u8;
        }
        let copy = scene.folder.path().join("damaged").join("mq-1.spool");
        fs::create_dir(copy.parent().unwrap()).unwrap();
        fs::write(&copy, bytes).unwrap();
        let mut settings = scene.settings.clone();
        settings.path = copy.clone();
        let mut damaged = desk(&settings, 4);
        let mut saved = 0;
        for _ in 0..80 {
            attend(&mut damaged);
            while let Some(taken) = take(damaged.queue()) {
                saved += taken.samples().len();
                taken.done();
            }
        }
        let (all, aside) = (BATCHES as usize * 50, copy.with_file_name("mq-1.spool.damaged-1").exists());
        let lost = all - saved;
        // The first page is where all begins, and without a page in the middle of a tree its leaves are not found. Any other costs
        // the samples in it, or of the instances in it.
        let bearable = if first == 0 || (lost > all / 3 && aside) { all } else { all / 3 };
        println!(
            "seed {seed}: {count} of {pages} pages from {first} cost {lost} of {all} samples, aside: {aside}"
        );
        assert!(
            lost <= bearable,
            "seed {seed}: {lost} samples lost by {count} of {pages} pages from {first}"
        );
        let counted = damaged.shared.counters.read(0).damaged as usize;
        assert!(
            aside || lost == counted,
            "seed {seed}: {lost} lost, {counted} counted, and nothing set aside"
        );
        // It goes on as if nothing had been.
        damaged.shared.queue.push(batch("all", BATCHES + 1, 1));
        assert_eq!(deliver(&mut damaged), [BATCHES + 1], "seed {seed}");
    }
}

#[test]
fn no_more_than_three_damaged_files_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&folder);
    for _ in 0..5 {
        fs::write(&settings.path, b"no database at all, but longer than the header of one ".repeat(40))
            .unwrap();
        let mut desk = desk(&settings, 4);
        desk.shared.queue.push(batch("all", 1, 1));
        assert_eq!(deliver(&mut desk), [1]);
        drop(desk);
        for end in ["-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{end}", settings.path.display()));
        }
    }
    let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let damaged = names.filter(|name| name.to_string_lossy().contains("damaged")).count();
    assert_eq!(damaged, 3);
}

#[test]
fn a_log_that_a_power_cut_tore_leaves_whole_batches_from_the_first_on() {
    for seed in 0..20 {
        let mut chance = Chance::new(seed);
        let mut scene = Scene::new(4, |_| {});
        for mark in 1..=40 {
            scene.push(mark, 20);
            scene.attend();
        }
        let copy = scene.folder.path().join("torn").join("mq-1.spool");
        fs::create_dir(copy.parent().unwrap()).unwrap();
        fs::copy(&scene.settings.path, &copy).unwrap();
        let mut log = fs::read(format!("{}-wal", scene.settings.path.display())).unwrap();
        log.truncate(chance.below(log.len() as u64) as usize);
        fs::write(format!("{}-wal", copy.display()), log).unwrap();
        let mut settings = scene.settings.clone();
        settings.path = copy;
        let mut torn = desk(&settings, 4);
        let marks = deliver(&mut torn);
        assert_eq!(marks, (1..=marks.len() as u64).collect::<Vec<_>>(), "seed {seed}");
        assert_eq!(torn.shared.counters.read(0).damaged, 0, "seed {seed}");
    }
}

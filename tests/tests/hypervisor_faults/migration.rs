//! A guest that moves to another host while the agents of both poll it.

use anyhow::{Result, ensure};
use lab::{Guest, Libvirtd};

use crate::meters::Meter;
use crate::record::Record;
use crate::{DEADLINES, NO_GUEST_TAKES, change, cpu_time, faults, paused, site, start, tell_apart};

/// How often it moves there and back.
const MOVES: usize = 2;

#[test]
fn a_guest_that_moves_has_a_true_counter_on_both_hosts() -> Result<()> {
    let hosts = [Libvirtd::start()?, Libvirtd::start()?];
    let (stays, moves) = ([paused(1), paused(2)], paused(3));
    for (host, guest) in hosts.iter().zip(&stays) {
        start(host, std::slice::from_ref(guest))?;
    }
    hosts[0].define_and_start(&moves)?;
    hosts.iter().try_for_each(tell_apart)?;
    let sites = [
        site(&hosts[0].uri_ro(), &[Meter::CpuTime, Meter::VnicCount])?,
        site(&hosts[1].uri_ro(), &[Meter::CpuTime, Meter::VnicCount])?,
    ];
    // The default ones: libvirt tells nobody of a guest in some moments of its move.
    sites.iter().try_for_each(|site| change(site, &[(DEADLINES, "")]))?;
    let mut agents = [sites[0].start(&["run", "pipeline.yaml"])?, sites[1].start(&["run", "pipeline.yaml"])?];
    let whole = |site| -> Result<Option<()>> { Ok((Record::of(site)?.len() >= 2).then_some(())) };
    for (agent, site) in agents.iter_mut().zip(&sites) {
        agent.until("two cycles", || whole(site))?;
    }
    for step in 0..MOVES * 2 {
        let (from, to) = (step % 2, (step + 1) % 2);
        ensure!(cpu_time(hosts[from].guest_pid(&moves.name)?)? < NO_GUEST_TAKES);
        let before = Record::of(&sites[to])?.len();
        migrate(&hosts[from], &hosts[to], &moves)?;
        agents[to].until("its counter on the other host", || {
            let record = Record::of(&sites[to])?;
            let key = ("cpu.time".to_owned(), moves.uuid.clone());
            Ok(record.since(before).any(|cycle| cycle.contains_key(&key)).then_some(()))
        })?;
    }
    for ((agent, site), stays) in agents.into_iter().zip(&sites).zip(&stays) {
        let ended = agent.stop()?.expect(0)?;
        assert_eq!(faults(&ended.stderr), Vec::<&str>::new());
        let record = Record::of(site)?;
        record.has_all("cpu.time", std::slice::from_ref(stays))?;
        let times = record.volumes("cpu.time", &moves.uuid);
        for time in &times {
            ensure!((1.0..NO_GUEST_TAKES).contains(time), "{time} ns are no CPU time of a guest");
        }
        let falls = times.windows(2).filter(|pair| pair[1] < pair[0]).count();
        // It begins anew with each qemu that takes the guest in.
        ensure!(falls <= MOVES, "{times:?}");
    }
    Ok(())
}

/// Moves a guest over sockets in the folder of the host that takes it.
fn migrate(from: &Libvirtd, to: &Libvirtd, guest: &Guest) -> Result<()> {
    let socket = to.folder().join(format!("{}.migration", guest.name));
    let way = format!("unix://{}", socket.display());
    let words = ["migrate", "--live", "--p2p", "--persistent", "--undefinesource", &guest.name, &to.uri()];
    from.virsh(&[&words[..], &["--migrateuri", &way]].concat())?;
    Ok(())
}

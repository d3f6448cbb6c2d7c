//! The proxy's faults, each in front of a server that sends back what it gets.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use lab::{Proxy, until};

const SHORTLY: Duration = Duration::from_secs(10);
/// Long enough that something which is going to arrive has.
const SILENCE: Duration = Duration::from_millis(300);

/// A server that sends back what it gets, and tells what each connection brought once that has ended. Its threads end
/// with the test's process.
fn echo() -> Result<(u16, Receiver<Vec<u8>>)> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let tell = tell.clone();
            std::thread::spawn(move || serve(stream, &tell));
        }
    });
    Ok((port, told))
}

fn serve(mut stream: TcpStream, tell: &Sender<Vec<u8>>) {
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        all.extend_from_slice(&buffer[..read]);
        if stream.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = tell.send(all);
}

fn connect(proxy: &Proxy) -> Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", proxy.port()))?;
    stream.set_read_timeout(Some(SHORTLY))?;
    Ok(stream)
}

fn send_and_get(stream: &mut TcpStream, text: &[u8]) -> Result<()> {
    stream.write_all(text)?;
    get(stream, text)
}

fn get(stream: &mut TcpStream, text: &[u8]) -> Result<()> {
    let mut back = vec![0; text.len()];
    stream.read_exact(&mut back)?;
    assert_eq!(back, text);
    Ok(())
}

/// Whether the connection has ended, by an end or by a reset; anything else that comes, or nothing, is an error.
fn ended(stream: &mut TcpStream) -> Result<bool> {
    match stream.read(&mut [0; 16]) {
        Ok(read) => Ok(read == 0),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(true),
        Err(error) => Err(error).context("neither data nor an end"),
    }
}

fn silent(stream: &mut TcpStream) -> Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    let error = stream.read(&mut [0; 16]).expect_err("something came");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    stream.set_read_timeout(Some(SHORTLY))?;
    Ok(())
}

#[test]
fn without_a_fault_everything_passes_the_ends_too() -> Result<()> {
    let (port, told) = echo()?;
    let proxy = Proxy::start(port)?;
    let much: Vec<u8> = (0..1_000_000u32).map(|number| number as u8).collect();
    let mut client = connect(&proxy)?;
    let mut writer = client.try_clone()?;
    let sent = much.clone();
    let sender = std::thread::spawn(move || {
        writer.write_all(&sent)?;
        writer.shutdown(Shutdown::Write)
    });
    let mut back = Vec::new();
    client.read_to_end(&mut back)?;
    sender.join().expect("the sender panicked")?;
    assert!(back == much, "{} bytes came back", back.len());
    assert!(told.recv_timeout(SHORTLY)? == much);
    assert_eq!(proxy.connections(), 1);
    Ok(())
}

#[test]
fn a_cut_ends_the_present_connections_and_no_others() -> Result<()> {
    let (port, told) = echo()?;
    let proxy = Proxy::start(port)?;
    let (mut first, mut second) = (connect(&proxy)?, connect(&proxy)?);
    send_and_get(&mut first, b"one")?;
    send_and_get(&mut second, b"two")?;
    proxy.cut();
    assert!(ended(&mut first)? && ended(&mut second)?);
    // The server's side is closed, too.
    let mut got = [told.recv_timeout(SHORTLY)?, told.recv_timeout(SHORTLY)?];
    got.sort();
    assert_eq!(got, [b"one", b"two"]);
    let mut third = connect(&proxy)?;
    send_and_get(&mut third, b"three")?;
    assert_eq!(proxy.connections(), 3);
    Ok(())
}

#[test]
fn while_it_refuses_present_and_new_connections_are_closed() -> Result<()> {
    let (port, told) = echo()?;
    let proxy = Proxy::start(port)?;
    let mut present = connect(&proxy)?;
    send_and_get(&mut present, b"one")?;
    proxy.refuse(true);
    assert!(ended(&mut present)?);
    assert_eq!(told.recv_timeout(SHORTLY)?, b"one");
    for _ in 0..3 {
        assert!(ended(&mut connect(&proxy)?)?);
    }
    // None of those reached the server.
    assert!(told.recv_timeout(SILENCE).is_err());
    proxy.refuse(false);
    send_and_get(&mut connect(&proxy)?, b"two")?;
    assert_eq!(proxy.connections(), 5);
    Ok(())
}

#[test]
fn a_delay_holds_in_both_directions_and_ends_for_what_waits() -> Result<()> {
    let (port, _told) = echo()?;
    let proxy = Proxy::start(port)?;
    let mut client = connect(&proxy)?;
    proxy.delay(Duration::from_millis(200));
    let begun = Instant::now();
    send_and_get(&mut client, b"there and back")?;
    assert!(begun.elapsed() >= Duration::from_millis(400), "after {:?}", begun.elapsed());

    proxy.delay(Duration::from_secs(600));
    client.write_all(b"held back")?;
    silent(&mut client)?;
    proxy.delay(Duration::ZERO);
    get(&mut client, b"held back")?;

    // What waits keeps nobody waiting: neither a cut nor the end of the proxy.
    proxy.delay(Duration::from_secs(600));
    client.write_all(b"lost")?;
    silent(&mut client)?;
    proxy.cut();
    assert!(ended(&mut client)?);
    let mut last = connect(&proxy)?;
    last.write_all(b"lost")?;
    let begun = Instant::now();
    drop(proxy);
    assert!(begun.elapsed() < SHORTLY);
    assert!(ended(&mut last)?);
    Ok(())
}

#[test]
fn a_halved_message_arrives_half_and_is_the_last() -> Result<()> {
    let (port, told) = echo()?;
    let proxy = Proxy::start(port)?;
    let mut client = connect(&proxy)?;
    send_and_get(&mut client, b"whole.")?;
    proxy.halve();
    client.write_all(b"halved")?;
    assert_eq!(told.recv_timeout(SHORTLY)?, b"whole.hal");
    let mut rest = Vec::new();
    // An end or a reset, with or without what the server had sent back before.
    let _ = client.read_to_end(&mut rest);
    assert!(b"hal".starts_with(&rest), "{rest:?} came back");
    // Once asked, once done.
    send_and_get(&mut connect(&proxy)?, b"whole again")?;
    Ok(())
}

#[test]
fn a_stall_is_silence_on_connections_that_stay_open() -> Result<()> {
    let (port, told) = echo()?;
    let proxy = Proxy::start(port)?;
    let (mut present, mut leaving) = (connect(&proxy)?, connect(&proxy)?);
    send_and_get(&mut present, b"before")?;
    send_and_get(&mut leaving, b"farewell")?;
    proxy.stall(true);
    let mut new = connect(&proxy)?;
    new.write_all(b"new")?;
    present.write_all(b"meanwhile")?;
    drop(leaving);
    silent(&mut present)?;
    silent(&mut new)?;
    assert!(told.try_recv().is_err(), "an end was passed on");
    proxy.stall(false);
    get(&mut present, b"meanwhile")?;
    get(&mut new, b"new")?;
    assert_eq!(told.recv_timeout(SHORTLY)?, b"farewell");

    proxy.stall(true);
    present.write_all(b"lost")?;
    proxy.cut();
    assert!(ended(&mut present)?);
    Ok(())
}

#[test]
fn a_target_that_is_not_there_costs_the_connection_and_may_come() -> Result<()> {
    let nobody = lab::free_port()?;
    let proxy = Proxy::start(nobody)?;
    assert!(ended(&mut connect(&proxy)?)?);
    let listener = TcpListener::bind(("127.0.0.1", nobody))?;
    let _client = connect(&proxy)?;
    listener.set_nonblocking(true)?;
    until("the proxy's connection", SHORTLY, || Ok(listener.accept().ok()))?;
    Ok(())
}

#[test]
fn a_dropped_proxy_leaves_no_thread_and_no_port() -> Result<()> {
    let (port, _told) = echo()?;
    let proxy = Proxy::start(port)?;
    let own = proxy.port();
    let clients = (0..20).map(|_| connect(&proxy)).collect::<Result<Vec<_>>>()?;
    until("the connections", SHORTLY, || Ok((proxy.connections() == 20).then_some(())))?;
    proxy.stall(true);
    drop(proxy);
    for mut client in clients {
        assert!(ended(&mut client)?);
    }
    assert!(TcpStream::connect(("127.0.0.1", own)).is_err());
    Ok(())
}

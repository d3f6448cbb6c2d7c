//! From a module to machine code: in this process, or in a child of the program that does it beside everything else.
//!
//! ```text
//!  module ──stdin──▶ child: nice, limits of time and memory, no environment ──stdout──▶ a file in memory ──▶ the cache ──▶ mapped
//! ```
//!
//! A child has what compiling takes, some ten times a module's size, and gives it back by ending; it takes no time from polls; and a module that
//! was made to keep the compiler busy is ended with it.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Resource, Rlimit, Signal, nice, set_parent_process_death_signal, setrlimit};
use wasmtime::component::Component;

use crate::cache::Cache;
use crate::cached;
use crate::engine::compiling;
use crate::limits::{COMPILE_CPU, COMPILE_MEMORY, COMPILE_WALL, MODULE_BYTES};

/// The longest message of a child that is read, in bytes.
const MOST_MESSAGE: u64 = 16 << 10;

/// The largest machine code that is taken, in bytes; the largest known, of a whole Python, has 55 MiB.
const MOST_CODE: u64 = 1 << 30;

/// How a child says that the module is at fault, and not the machine.
const REFUSED: u8 = 65;

/// The program that compiles modules given on its standard input, and the arguments that have it do so.
#[derive(Clone, Debug)]
pub struct Compiler {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// Compiles a component, or finds what was compiled before.
pub(crate) fn component(
    engine: &wasmtime::Engine,
    cache: Option<&Cache>,
    compiler: Option<&Compiler>,
    module: &[u8],
    stopping: &AtomicBool,
) -> wasmtime::Result<Component> {
    if let Some(found) = cache.and_then(|cache| cache.find(engine, module)) {
        return Ok(found);
    }
    if let Some(compiler) = compiler {
        return in_child(engine, cache, compiler, module, stopping);
    }
    let component = Component::from_binary(engine, module)?;
    let Some(cache) = cache else { return Ok(component) };
    match component.serialize() {
        Ok(code) => cache.keep(engine, module, &mut code.as_slice()),
        // The module is none the worse for it.
        Err(error) => tracing::warn!("compiled code is not kept: {error:#}"),
    }
    Ok(component)
}

fn in_child(
    engine: &wasmtime::Engine,
    cache: Option<&Cache>,
    compiler: &Compiler,
    module: &[u8],
    stopping: &AtomicBool,
) -> wasmtime::Result<Component> {
    // In memory, and without a name: a disk that is full, or a folder that cannot be written to, refuses no module.
    let mut code = File::from(memfd_create("compiled", MemfdFlags::CLOEXEC)?);
    compile(compiler, module, code.try_clone()?, stopping)?;
    // What the kernel calls a file that has no name.
    let path = PathBuf::from(format!("/proc/self/fd/{}", code.as_raw_fd()));
    let Some(cache) = cache else { return cached::load(engine, &path) };
    // The child wrote through the same position.
    code.rewind()?;
    cache.keep(engine, module, &mut code);
    // From the folder, if it is there: its pages can go back to the disk.
    cache.find(engine, module).map_or_else(|| cached::load(engine, &path), Ok)
}

/// Has a child compile a module into a file.
fn compile(compiler: &Compiler, module: &[u8], code: File, stopping: &AtomicBool) -> wasmtime::Result<()> {
    let mut child = Command::new(&compiler.program)
        .args(&compiler.arguments)
        // What the agent's environment says, secrets too, is none of the compiler's business.
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(code)
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| wasmtime::format_err!("failed to start {}: {error}", compiler.program.display()))?;
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let (status, message) = thread::scope(|scope| {
        // A child that does not read to the end says why on its way out.
        let write = || stdin.map(|mut stdin| stdin.write_all(module));
        let read = || {
            let mut message = Vec::new();
            stderr.map(|stderr| stderr.take(MOST_MESSAGE).read_to_end(&mut message));
            String::from_utf8_lossy(&message).trim().to_owned()
        };
        let writing = scope.spawn(write);
        let reading = scope.spawn(read);
        let status = wait(&mut child, COMPILE_WALL, stopping);
        let _ = writing.join();
        (status, reading.join().unwrap_or_default())
    });
    match status? {
        Some(status) if status.success() => Ok(()),
        Some(status) if status.code() == Some(REFUSED.into()) => Err(wasmtime::Error::msg(message)),
        Some(status) => {
            let (seconds, mib) = (COMPILE_CPU.as_secs(), COMPILE_MEMORY >> 20);
            let message = if message.is_empty() { String::new() } else { format!(": {message}") };
            wasmtime::bail!(
                "its compilation ended with {status}{message}; it may take {seconds} s of computing and {mib} MiB of memory"
            )
        }
        None if stopping.load(Ordering::Relaxed) => {
            wasmtime::bail!("its compilation was ended with the program")
        }
        None => wasmtime::bail!("its compilation took longer than {} s", COMPILE_WALL.as_secs()),
    }
}

/// The status of a child that ended in time; none where it was killed for it.
fn wait(
    child: &mut Child,
    most: Duration,
    stopping: &AtomicBool,
) -> io::Result<Option<std::process::ExitStatus>> {
    let deadline = Instant::now() + most;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline || stopping.load(Ordering::Relaxed) {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// What such a child does: reads a module, compiles it, writes the code. Gives its exit code; what went wrong is on standard error.
pub fn child() -> ExitCode {
    let outcome = confine().map_err(|error| error.to_string()).and_then(|()| {
        let mut module = Vec::new();
        io::stdin().take(MODULE_BYTES).read_to_end(&mut module).map_err(|error| error.to_string())?;
        Ok(module)
    });
    let module = match outcome {
        Ok(module) => module,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let code = compiling().and_then(|engine| engine.precompile_component(&module));
    match code.map(|code| io::stdout().write_all(&code)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            eprintln!("failed to write the code: {error}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(REFUSED)
        }
    }
}

/// Takes from this process what a compilation does not need.
fn confine() -> io::Result<()> {
    // An agent that ends takes its compilations with it.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let limit =
        |resource, most: u64| setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    limit(Resource::Cpu, COMPILE_CPU.as_secs())?;
    // Not the address space: the engine reserves a great deal of it and uses none.
    limit(Resource::Data, COMPILE_MEMORY)?;
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, MOST_CODE)?;
    nice(19)?;
    // Where memory runs out, it is this process that goes. What has no such file goes by its size.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    Ok(())
}

impl Compiler {
    /// This program, with the arguments that have it compile.
    ///
    /// # Errors
    /// The system does not say which program this is.
    pub fn own(arguments: &[&str]) -> io::Result<Self> {
        // The link, and not what it points to: that may be replaced by a newer version while this one runs.
        let program = Path::new("/proc/self/exe");
        program.metadata()?;
        Ok(Self {
            program: program.to_owned(),
            arguments: arguments.iter().map(|one| (*one).to_owned()).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled_by(script: &str, stopping: bool) -> wasmtime::Result<Component> {
        let compiler = Compiler { program: "/bin/sh".into(), arguments: vec!["-c".into(), script.into()] };
        let engine = compiling().unwrap();
        // Larger than a pipe: a child that does not read it must not hang this side.
        component(&engine, None, Some(&compiler), &[0; 1 << 20], &AtomicBool::new(stopping))
    }

    #[test]
    fn whatever_becomes_of_a_child_is_an_error_that_says_so() {
        for (script, expected) in [
            ("echo 'no such module' >&2; exit 65", "no such module"),
            (
                "echo 'out of memory' >&2; exit 1",
                "its compilation ended with exit status: 1: out of memory; it may take 60 s",
            ),
            ("kill -9 $$", "its compilation ended with signal: 9 (SIGKILL)"),
            ("echo 'this is no machine code'", ""),
            ("cat >/dev/null", ""),
        ] {
            let error = format!("{:#}", compiled_by(script, false).map(drop).unwrap_err());
            assert!(error.contains(expected), "{script}: {error}");
        }
    }

    #[test]
    fn a_childs_words_are_bounded_and_one_that_hangs_ends_with_the_program() {
        let loud =
            format!("{:#}", compiled_by("yes | head -c 100000 >&2; exit 1", false).map(drop).unwrap_err());
        assert!(loud.len() < 20_000, "{}", loud.len());
        let started = Instant::now();
        let error = compiled_by("exec sleep 1000", true).map(drop).unwrap_err();
        assert_eq!(error.to_string(), "its compilation was ended with the program");
        assert!(started.elapsed() < Duration::from_secs(500));
    }
}

//! From a module to machine code: in this process, or in a child of the program that does it beside everything else.
//!
//! ```text
//!  module ──stdin──▶ child: nice, limits of time and memory, no environment ──stdout──▶ a file that only this user can open ──▶ mapped
//! ```
//!
//! A child has what compiling takes, some ten times a module's size, and gives it back by ending; it takes no time from polls; and a module that
//! was made to keep the compiler busy is ended with it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, Signal, nice, set_parent_process_death_signal, setrlimit};
use tempfile::NamedTempFile;
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
) -> wasmtime::Result<Component> {
    if let Some(found) = cache.and_then(|cache| cache.find(engine, module)) {
        return Ok(found);
    }
    if let Some(compiler) = compiler {
        return in_child(engine, cache, compiler, module);
    }
    let component = Component::from_binary(engine, module)?;
    let Some(cache) = cache else { return Ok(component) };
    match write(cache, &component) {
        Ok(code) => cache.keep(engine, module, code),
        // The module is none the worse for it.
        Err(error) => {
            tracing::warn!("compiled code is not kept: {error:#}");
            Ok(component)
        }
    }
}

fn write(cache: &Cache, component: &Component) -> wasmtime::Result<NamedTempFile> {
    let mut code = cache.begin()?;
    code.write_all(&component.serialize()?)?;
    Ok(code)
}

fn in_child(
    engine: &wasmtime::Engine,
    cache: Option<&Cache>,
    compiler: &Compiler,
    module: &[u8],
) -> wasmtime::Result<Component> {
    let code = match cache {
        Some(cache) => cache.begin()?,
        None => NamedTempFile::new()?,
    };
    compile(compiler, module, code.reopen()?)?;
    match cache {
        Some(cache) => cache.keep(engine, module, code),
        None => cached::load(engine, code.path()),
    }
}

/// Has a child compile a module into a file.
fn compile(compiler: &Compiler, module: &[u8], code: File) -> wasmtime::Result<()> {
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
        let status = wait(&mut child, COMPILE_WALL);
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
        None => wasmtime::bail!("its compilation took longer than {} s", COMPILE_WALL.as_secs()),
    }
}

/// The status of a child that ended in time; none where it was killed for it.
fn wait(child: &mut Child, most: Duration) -> io::Result<Option<std::process::ExitStatus>> {
    let deadline = Instant::now() + most;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
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

//! Names that every tool of a language takes.

use super::Language;

/// The longest name of a project, in bytes: file systems and registries take more.
const NAME_BYTES: usize = 64;

/// The longest name of a meter, in bytes: what every template has room for.
const METER_BYTES: usize = 200;

/// Why a name cannot be one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It is none in WIT.
    #[error(
        "{name:?} cannot name a guest: at most {NAME_BYTES} lower-case letters and digits, in words with a hyphen between that begin with a \
         letter each, such as `my-meter`"
    )]
    Form {
        /// The name.
        name: String,
    },
    /// It means something else there.
    #[error("`{name}` cannot name a guest in {language}: {why}; `my-{name}` could")]
    Taken {
        /// The name.
        name: String,
        /// The language.
        language: &'static str,
        /// What it is there.
        why: &'static str,
    },
    /// It is none of a meter.
    #[error(
        "{name:?} cannot name a meter: at most {METER_BYTES} letters, digits and `._-`, dotted and lower-case by custom, such as `my.meter`"
    )]
    Meter {
        /// The name.
        name: String,
    },
}

const WIT: &[&str] = &[
    "as",
    "async",
    "bool",
    "borrow",
    "char",
    "constructor",
    "enum",
    "export",
    "f32",
    "f64",
    "flags",
    "from",
    "func",
    "future",
    "import",
    "include",
    "interface",
    "list",
    "map",
    "option",
    "own",
    "package",
    "record",
    "resource",
    "result",
    "s16",
    "s32",
    "s64",
    "s8",
    "static",
    "stream",
    "string",
    "tuple",
    "type",
    "u16",
    "u32",
    "u64",
    "u8",
    "use",
    "variant",
    "with",
    "world",
];

/// The headers that `<name>.h` would hide.
const C: &[&str] = &[
    "alloca", "assert", "complex", "ctype", "errno", "fenv", "float", "inttypes", "limits", "locale",
    "malloc", "math", "memory", "setjmp", "signal", "stdarg", "stdbool", "stddef", "stdint", "stdio",
    "stdlib", "string", "strings", "threads", "time", "uchar", "unistd", "wchar", "wctype",
];

const RUST: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "build",
    "const",
    "continue",
    "core",
    "crate",
    "deps",
    "do",
    "dyn",
    "else",
    "enum",
    "examples",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "incremental",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "nephoscope-guest",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// Keywords, and the modules that an interpreter loads by itself: one of the same name would stand in front of them.
const PYTHON: &[&str] = &[
    "abc",
    "and",
    "argparse",
    "as",
    "ast",
    "asyncio",
    "assert",
    "async",
    "await",
    "base64",
    "bisect",
    "break",
    "builtins",
    "calendar",
    "class",
    "codecs",
    "collections",
    "componentize-py-types",
    "contextlib",
    "continue",
    "copy",
    "csv",
    "dataclasses",
    "datetime",
    "decimal",
    "def",
    "del",
    "elif",
    "else",
    "enum",
    "errno",
    "except",
    "finally",
    "for",
    "from",
    "functools",
    "gc",
    "global",
    "hashlib",
    "heapq",
    "if",
    "import",
    "importlib",
    "in",
    "inspect",
    "io",
    "is",
    "itertools",
    "json",
    "keyword",
    "lambda",
    "linecache",
    "locale",
    "logging",
    "marshal",
    "math",
    "nephoscope-guest",
    "nonlocal",
    "not",
    "numbers",
    "operator",
    "or",
    "os",
    "pass",
    "platform",
    "posixpath",
    "queue",
    "raise",
    "random",
    "re",
    "return",
    "sdk",
    "select",
    "signal",
    "site",
    "socket",
    "ssl",
    "stat",
    "statistics",
    "string",
    "struct",
    "subprocess",
    "sys",
    "tempfile",
    "test",
    "textwrap",
    "threading",
    "time",
    "token",
    "tokenize",
    "traceback",
    "try",
    "types",
    "typing",
    "uuid",
    "warnings",
    "weakref",
    "while",
    "with",
    "wit-world",
    "yield",
    "zipimport",
];

/// Modules of the project beside its own; and what Go keeps for itself.
/// Folders of the standard library, which a module of that name would stand in for, and names of the template.
const GO: &[&str] = &[
    "archive",
    "bindings",
    "bufio",
    "bytes",
    "cmd",
    "cmp",
    "compress",
    "container",
    "context",
    "crypto",
    "database",
    "debug",
    "embed",
    "encoding",
    "errors",
    "expvar",
    "flag",
    "fmt",
    "go",
    "hash",
    "html",
    "image",
    "index",
    "internal",
    "io",
    "iter",
    "log",
    "main",
    "maps",
    "math",
    "mime",
    "nephoscope",
    "net",
    "os",
    "path",
    "plugin",
    "reflect",
    "regexp",
    "runtime",
    "slices",
    "sort",
    "std",
    "strconv",
    "strings",
    "structs",
    "sync",
    "syscall",
    "testing",
    "text",
    "time",
    "unicode",
    "unique",
    "unsafe",
    "vendor",
    "weak",
];

/// Checks a project's name for a language. It names the world too, and is made a name of that language.
///
/// # Errors
/// Some tool would refuse it.
pub fn check_name(name: &str, language: &'static Language) -> Result<(), NameError> {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    if name.len() > NAME_BYTES || !name.split('-').all(is_word) {
        return Err(NameError::Form { name: name.to_owned() });
    }
    let (taken, why) = match language.name {
        "c" | "cpp" | "zig" => (C, "its header would hide the library's"),
        "rust" => (RUST, "it is a word of the language, or a crate of another meaning"),
        "python" => (PYTHON, "it is a word of the language, or a module of another meaning"),
        "go" => (GO, "it is a module of another meaning"),
        _ => (&[][..], ""),
    };
    let taken = [(taken, why), (WIT, "it is a word of WIT, where the world has that name")];
    match taken.iter().find(|(words, _)| words.contains(&name)) {
        Some((_, why)) => Err(NameError::Taken { name: name.to_owned(), language: language.name, why }),
        None => Ok(()),
    }
}

/// Checks a meter's name. The contract takes more, but not every language's texts do without escapes.
///
/// # Errors
/// It is none.
pub fn check_meter(name: &str) -> Result<(), NameError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.is_empty() || name.len() > METER_BYTES || !name.bytes().all(fits) {
        return Err(NameError::Meter { name: name.to_owned() });
    }
    Ok(())
}

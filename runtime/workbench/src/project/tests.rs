use std::collections::BTreeMap;

use super::*;
use crate::world::World;

fn project(language: &str, name: &str, meter: Option<&str>) -> Project {
    Project::new(Language::named(language).unwrap(), name, meter).unwrap()
}

#[test]
fn every_file_of_the_templates_is_in_the_program() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    assert_eq!(Language::all().iter().map(|language| language.name).collect::<Vec<_>>(), walk::LANGUAGES);
    for language in walk::LANGUAGES {
        let (_, embedded) = TEMPLATES.iter().find(|(name, _)| *name == language).unwrap();
        let embedded: BTreeMap<_, _> =
            embedded.iter().map(|(name, contents)| ((*name).to_owned(), *contents)).collect();
        let there = walk::files(&repository, language).unwrap();
        assert!(
            embedded.keys().eq(there.keys()),
            "guests/{language}/mem-max has other files than the program: touch runtime/workbench/build.rs"
        );
        for (name, path) in there {
            assert!(fs::read(&path).unwrap() == embedded[&name], "{}", path.display());
        }
    }
}

#[test]
fn a_project_has_its_own_names_the_contract_and_its_cases() {
    for language in Language::all() {
        let project = project(language.name, "dropped-packets", Some("vnic.dropped"));
        let files: BTreeMap<_, _> = project.files().into_iter().collect();
        for (path, contents) in &files {
            let Ok(text) = std::str::from_utf8(contents) else { panic!("{path} is no text") };
            assert!(!path.contains("mem-max") && !path.contains("mem_max"), "{path}");
            if path.starts_with("sdk/") || path.starts_with("wit/deps/") {
                continue;
            }
            for word in ["mem-max", "mem_max", "mem.max", "../../"] {
                assert!(!text.contains(word), "{}: {path} has {word}", language.name);
            }
        }
        for file in ["README.md", ".gitignore", "pipeline.yaml", "host.json", "cases/dropped-packets.yaml"] {
            assert!(files.contains_key(file), "{} has no {file}", language.name);
        }
        assert!(
            files.keys().any(|path| path.ends_with("/pollster.wit")),
            "{} has no contract",
            language.name
        );
        assert!(
            files.len() < 100,
            "{} has {} files: what is built is not of a template",
            language.name,
            files.len()
        );
        let pipeline = String::from_utf8_lossy(&files["pipeline.yaml"]);
        assert!(pipeline.contains(&format!("module: {}\n", project.component())), "{pipeline}");
        let cases = String::from_utf8_lossy(&files["cases/dropped-packets.yaml"]);
        assert!(cases.contains(&format!("guest: ../{}\n", project.component())), "{cases}");
        assert!(cases.contains("meter: vnic.dropped"), "{cases}");
    }
}

#[test]
fn the_world_of_a_new_project_can_be_read() {
    for language in Language::all().iter().filter(|language| language.name != "rust") {
        let folder = tempfile::tempdir().unwrap();
        project(language.name, "my-meter", None).write(folder.path()).unwrap();
        assert_eq!(World::read(&folder.path().join("wit"), None).unwrap().name(), "my-meter");
    }
}

#[test]
fn names_are_replaced_all_at_once() {
    let project = project("c", "mem", Some("mem.max.mem_max"));
    assert_eq!(project.named("mem-max mem_max.h (mem.max)"), "mem mem.h (mem.max.mem_max)");
}

#[test]
fn the_meter_is_named_after_the_project() {
    assert_eq!(project("go", "disk-queue-depth", None).meter(), "disk.queue.depth");
}

#[test]
fn names_that_some_tool_would_refuse_are_refused_in_words() {
    let refused = |language: &str, name: &str| {
        let error = Project::new(Language::named(language).unwrap(), name, None).err();
        error.unwrap_or_else(|| panic!("{name} in {language}")).to_string()
    };
    for name in ["", "My", "1st", "a-1", "a_b", "-a", "a-", "a--b", "é", "a/b", "..", &"x".repeat(65)] {
        assert!(refused("rust", name).contains("such as `my-meter`"), "{name}");
    }
    assert!(refused("rust", "match").ends_with("`my-match` could"));
    assert!(refused("python", "json").contains("module"));
    assert!(refused("c", "string").contains("header"));
    assert!(refused("go", "bindings").contains("module"));
    assert!(refused("wat", "world").contains("WIT"));
    for meter in ["", "a b", "a\"", "é", &"x".repeat(201)] {
        assert!(check_meter(meter).is_err(), "{meter}");
    }
}

#[test]
fn nothing_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let project = project("wat", "my-meter", None);
    fs::create_dir(folder.path().join(".git")).unwrap();
    let written = project.write(folder.path()).unwrap();
    assert_eq!(written, project.files().len());
    let error = project.write(folder.path()).unwrap_err();
    assert!(matches!(error, ProjectError::Exists { .. }), "{error}");
    let error = project.write(&folder.path().join("README.md")).unwrap_err();
    assert!(matches!(error, ProjectError::Exists { .. }), "{error}");
}

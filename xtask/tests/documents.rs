//! Every link between the documents leads somewhere: to a file of the repository, and to a heading in it.
//!
//! Here rather than in `tests`, which links wasmtime: this compiles in seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// A link, and the line that it stands in.
#[derive(Debug, PartialEq)]
struct Link {
    line: usize,
    target: String,
}

#[test]
fn links_between_documents_lead_somewhere() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask is in no folder")?;
    let documents = documents(root)?;
    ensure!(documents.len() > 20, "{documents:?}");
    let mut seen = 0;
    let mut broken = Vec::new();
    for document in &documents {
        let text = fs::read_to_string(root.join(document))?;
        for link in links(&text).into_iter().filter(|link| !link.target.contains("://")) {
            seen += 1;
            if let Err(why) = follow(&root.join(document), &link.target) {
                broken.push(format!("{}:{}: {}: {why}", document.display(), link.line, link.target));
            }
        }
    }
    ensure!(seen > 50, "only {seen} links were found");
    ensure!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
    Ok(())
}

/// The Markdown files of the repository: those that git knows, so that nothing that was built or installed is among them.
fn documents(root: &Path) -> Result<Vec<PathBuf>> {
    let listed = Command::new("git").args(["ls-files", "-z", "--", "*.md"]).current_dir(root).output()?;
    ensure!(listed.status.success(), "git has no list: {}", String::from_utf8_lossy(&listed.stderr));
    let names = String::from_utf8(listed.stdout)?;
    Ok(names.split_terminator('\0').map(PathBuf::from).filter(|path| root.join(path).exists()).collect())
}

/// Whether a target is there, seen from the document that names it.
fn follow(document: &Path, target: &str) -> Result<()> {
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let path = match path {
        "" => document.to_owned(),
        path => document.parent().context("no folder")?.join(path),
    };
    ensure!(path.exists(), "there is no such file");
    if let Some(anchor) = anchor {
        ensure!(anchors(&fs::read_to_string(&path)?).contains(anchor), "there is no such heading");
    }
    Ok(())
}

/// The lines of a document that are not within a fence of code, from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        (!code && !fence).then_some((index + 1, line))
    })
}

/// `[text](target)`, in lines and not in code.
fn links(text: &str) -> Vec<Link> {
    let mut links = Vec::new();
    for (number, line) in prose(text) {
        // Every other piece is code.
        let plain: Vec<&str> =
            line.split('`').enumerate().map(|(at, piece)| if at % 2 == 0 { piece } else { "" }).collect();
        for rest in plain.concat().split("](").skip(1) {
            if let Some((target, _)) = rest.split_once(')') {
                links.push(Link { line: number, target: target.to_owned() });
            }
        }
    }
    links
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    let mut anchors = BTreeSet::new();
    for (_, line) in prose(text) {
        let heading = line.trim_start_matches('#');
        if heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let slug: String = heading
            .trim()
            .to_lowercase()
            .chars()
            .filter_map(|character| match character {
                ' ' => Some('-'),
                '-' | '_' => Some(character),
                _ => character.is_alphanumeric().then_some(character),
            })
            .collect();
        let before = times.entry(slug.clone()).or_default();
        anchors.insert(if *before == 0 { slug } else { format!("{slug}-{before}") });
        *before += 1;
    }
    anchors
}

#[test]
fn anchors_are_made_of_headings_as_github_does() {
    let text =
        "# A meter's `volume`\n## `cases[].polls[]`\n## Twice\n```sh\n# no heading\n```\n## Twice\n#none\n";
    let expected = ["a-meters-volume", "casespolls", "twice", "twice-1"];
    assert_eq!(anchors(text), expected.map(str::to_owned).into());
}

#[test]
fn what_is_in_code_is_no_link() {
    let text = "`a[0](x)` and [b `c`](d.md#e), [f](g)\n```\n[h](i)\n```\n";
    let link = |target: &str| Link { line: 1, target: target.to_owned() };
    assert_eq!(links(text), [link("d.md#e"), link("g")]);
}

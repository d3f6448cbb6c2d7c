//! `docs/guests/contract.md` is made of the contract's WIT: what a guest may import and must export, with the contract's own words.
//!
//! `NEPHOSCOPE_BLESS=1 cargo test --workspace --test reference` writes the page anew.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use wit_parser::{
    Docs, Function, Interface, InterfaceId, Resolve, Type, TypeDef, TypeDefKind, TypeOwner, WorldItem,
};

const HEAD: &str = "\
# The contract

What a guest exports and what it may import: the WIT of [wit/v0.1.0](../../wit/v0.1.0/types.wit) as a page. Made from it by a test; change the WIT, not this page.

How the types look in a language is on that language's page ([the list](README.md)). An interface is a grant of its name in the pipeline file; what a
guest does not import it need not be granted.
";

#[test]
fn the_reference_is_that_of_the_contract() {
    let page = repository().join("docs/guests/contract.md");
    let made = reference();
    if std::env::var_os("NEPHOSCOPE_BLESS").is_some() {
        fs::write(&page, &made).unwrap();
    }
    let there = fs::read_to_string(&page).unwrap_or_default();
    assert!(
        there == made,
        "{} is not of this contract: run the test with NEPHOSCOPE_BLESS=1",
        page.display()
    );
}

#[test]
fn nothing_of_the_contract_is_without_its_words() {
    let (resolve, interfaces) = contract();
    let mut bare = Vec::new();
    for id in interfaces {
        let interface = &resolve.interfaces[id];
        let name = interface.name.as_deref().unwrap_or_default();
        if interface.docs.contents.is_none() {
            bare.push(name.to_owned());
        }
        for (ty, id) in &interface.types {
            let def = &resolve.types[*id];
            if def.docs.contents.is_none() && name == "types" {
                bare.push(format!("{name}.{ty}"));
            }
        }
    }
    assert!(bare.is_empty(), "{bare:?}");
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The contract, and its interfaces in the order of the world `full`: what all speak of, what a guest exports, what it may import.
fn contract() -> (Resolve, Vec<InterfaceId>) {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(repository().join("wit/v0.1.0")).unwrap();
    let world = &resolve.worlds[resolve.select_world(&[package], Some("full")).unwrap()];
    let types = resolve.packages[package].interfaces["types"];
    let items = world.exports.values().chain(world.imports.values());
    let mut all = vec![types];
    all.extend(items.filter_map(interface).filter(|id| *id != types));
    (resolve, all)
}

fn interface(item: &WorldItem) -> Option<InterfaceId> {
    match item {
        WorldItem::Interface { id, .. } => Some(*id),
        _ => None,
    }
}

fn reference() -> String {
    let (resolve, interfaces) = contract();
    let mut page = HEAD.to_owned();
    let package = interfaces.first().and_then(|id| resolve.interfaces[*id].package).unwrap();
    let docs = &resolve.packages[package].docs;
    let _ = write!(page, "\n{}\n", paragraphs(docs));
    for id in interfaces {
        let interface = &resolve.interfaces[id];
        let name = interface.name.as_deref().unwrap_or_default();
        let _ = write!(page, "\n## {name}\n\n{}\n", paragraphs(&interface.docs));
        match name {
            "types" => {}
            "pollster" => page.push_str("\nExported by the guest.\n"),
            _ => {
                let _ = write!(page, "\nNeeds the grant `{name}`.\n");
            }
        }
        describe(&resolve, interface, &mut page);
    }
    page
}

fn describe(resolve: &Resolve, interface: &Interface, page: &mut String) {
    for (name, id) in &interface.types {
        let def = &resolve.types[*id];
        if matches!(def.kind, TypeDefKind::Type(_)) {
            continue;
        }
        let _ = write!(page, "\n### {} `{name}`\n", kind(def));
        if def.docs.contents.is_some() {
            let _ = write!(page, "\n{}\n", paragraphs(&def.docs));
        }
        members(resolve, def, page);
    }
    for function in interface.functions.values() {
        let _ = write!(page, "\n### `{}`\n", signature(resolve, function));
        if function.docs.contents.is_some() {
            let _ = write!(page, "\n{}\n", paragraphs(&function.docs));
        }
    }
}

fn kind(def: &TypeDef) -> &'static str {
    match def.kind {
        TypeDefKind::Record(_) => "record",
        TypeDefKind::Variant(_) => "variant",
        TypeDefKind::Enum(_) => "enum",
        _ => "type",
    }
}

fn members(resolve: &Resolve, def: &TypeDef, page: &mut String) {
    let rows: Vec<(String, String, &Docs)> = match &def.kind {
        TypeDefKind::Record(record) => record
            .fields
            .iter()
            .map(|field| (field.name.clone(), shown(resolve, &field.ty), &field.docs))
            .collect(),
        TypeDefKind::Variant(variant) => variant
            .cases
            .iter()
            .map(|case| {
                let payload = case.ty.as_ref().map(|ty| shown(resolve, ty)).unwrap_or_default();
                (case.name.clone(), payload, &case.docs)
            })
            .collect(),
        TypeDefKind::Enum(of) => {
            of.cases.iter().map(|case| (case.name.clone(), String::new(), &case.docs)).collect()
        }
        _ => Vec::new(),
    };
    let (what, typed) = match def.kind {
        TypeDefKind::Record(_) => ("field", true),
        TypeDefKind::Variant(_) => ("case", true),
        _ => ("case", false),
    };
    page.push_str(&if typed {
        format!("\n| {what} | type | |\n|---|---|---|\n")
    } else {
        format!("\n| {what} | |\n|---|---|\n")
    });
    for (name, ty, docs) in rows {
        let ty = if ty.is_empty() { ty } else { format!("`{ty}`") };
        let ty = if typed { format!(" {ty} |") } else { String::new() };
        let _ = writeln!(page, "| `{name}` |{ty} {} |", line(docs));
    }
}

fn signature(resolve: &Resolve, function: &Function) -> String {
    let parameters: Vec<String> = function
        .params
        .iter()
        .map(|param| format!("{}: {}", param.name, shown(resolve, &param.ty)))
        .collect();
    let result = function.result.as_ref().map(|ty| format!(" -> {}", shown(resolve, ty))).unwrap_or_default();
    format!("{}: func({}){result}", function.name, parameters.join(", "))
}

/// A type as WIT writes it.
fn shown(resolve: &Resolve, ty: &Type) -> String {
    let id = match ty {
        Type::Id(id) => *id,
        Type::Bool => return "bool".into(),
        Type::String => return "string".into(),
        Type::Char => return "char".into(),
        number => return format!("{number:?}").to_lowercase(),
    };
    let def = &resolve.types[id];
    if let (Some(name), TypeOwner::Interface(_)) = (&def.name, def.owner) {
        return name.clone();
    }
    match &def.kind {
        TypeDefKind::List(of) => format!("list<{}>", shown(resolve, of)),
        TypeDefKind::Option(of) => format!("option<{}>", shown(resolve, of)),
        TypeDefKind::Tuple(tuple) => {
            let parts: Vec<String> = tuple.types.iter().map(|ty| shown(resolve, ty)).collect();
            format!("tuple<{}>", parts.join(", "))
        }
        TypeDefKind::Result(result) => {
            let part = |ty: &Option<Type>| ty.as_ref().map_or_else(|| "_".into(), |ty| shown(resolve, ty));
            format!("result<{}, {}>", part(&result.ok), part(&result.err))
        }
        other => panic!("the contract has a type that this page cannot show: {other:?}"),
    }
}

/// Docs as they are: WIT's comments are Markdown.
fn paragraphs(docs: &Docs) -> String {
    docs.contents.as_deref().unwrap_or_default().trim().to_owned()
}

/// Docs in a cell of a table.
fn line(docs: &Docs) -> String {
    let words: Vec<&str> = docs.contents.as_deref().unwrap_or_default().split_whitespace().collect();
    words.join(" ").replace('|', "\\|")
}

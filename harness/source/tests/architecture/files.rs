//! Graph of the files of a crate: an edge for each path to an item that another file defines.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::circles::{Graph, circles};
use crate::modules::{self, Module, Modules, Segments};

/// Files of a crate, and what they import of each other.
pub struct Files {
    graph: Graph<PathBuf>,
    /// File of the parent module.
    parents: BTreeMap<PathBuf, PathBuf>,
    /// Names behind an edge, for the message.
    names: BTreeMap<(PathBuf, PathBuf), BTreeSet<String>>,
}

/// What a path leads to.
enum Target<'a> {
    Module(&'a Module),
    Item(&'a Module),
}

impl Files {
    /// Reads a crate from the file of its root.
    pub fn read(root: &Path) -> Self {
        let modules = modules::read(root);
        let mut files = Self { graph: Graph::new(), parents: BTreeMap::new(), names: BTreeMap::new() };
        for (path, module) in &modules {
            if let Some((_, parent)) = path.split_last() {
                let parent = &modules[parent].file;
                if *parent != module.file {
                    files.parents.insert(module.file.clone(), parent.clone());
                }
            }
            files.add(&modules, path, module);
        }
        files
    }

    fn add(&mut self, modules: &Modules, path: &[String], module: &Module) {
        // A re-export alone uses nothing; a module that is imported is used where its name begins a path.
        let imports = module.imports.iter().filter(|i| !i.exported || module.identifiers.contains(&i.name));
        let imported = imports.filter_map(|i| match resolve(modules, path, &i.path, 0) {
            Some(Target::Module(target)) if i.name == "*" => Some((target, "*".to_owned())),
            Some(Target::Item(target)) => Some((target, i.name.clone())),
            _ => None,
        });
        let named = module.paths.iter().filter_map(|p| match resolve(modules, path, p, 0)? {
            Target::Module(target) | Target::Item(target) => Some((target, p[1..].join("::"))),
        });
        for (target, name) in imported.chain(named) {
            if target.file != module.file {
                self.graph.entry(module.file.clone()).or_default().insert(target.file.clone());
                self.names.entry((module.file.clone(), target.file.clone())).or_default().insert(name);
            }
        }
    }

    /// Circles of files other than those of one parent with its direct children.
    pub fn circles(&self) -> Vec<BTreeSet<PathBuf>> {
        let mut found = Vec::new();
        for circle in circles(&self.graph) {
            let is_parent = |p: &PathBuf| circle.iter().all(|f| f == p || self.parents.get(f) == Some(p));
            let Some(parent) = circle.iter().find(|f| is_parent(f)) else {
                found.push(circle);
                continue;
            };
            let children = circle.iter().filter(|f| *f != parent);
            let among = |f: &PathBuf| self.graph[f].iter().filter(|t| *t != parent && circle.contains(*t)).cloned();
            found.extend(circles(&children.map(|f| (f.clone(), among(f).collect())).collect()));
        }
        found
    }

    /// A circle in words: each edge in it with the names behind it.
    pub fn describe(&self, circle: &BTreeSet<PathBuf>, root: &Path) -> String {
        let short = |file: &PathBuf| file.strip_prefix(root).unwrap_or(file).display().to_string();
        let inside = self.names.iter().filter(|((from, to), _)| circle.contains(from) && circle.contains(to));
        let line = |((from, to), names): (&(PathBuf, PathBuf), &BTreeSet<String>)| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            format!("    {} -> {} ({})\n", short(from), short(to), names.join(", "))
        };
        inside.map(line).collect()
    }
}

/// Follows a path from a module, through re-exports, to the module that defines the item; none for other crates' items.
fn resolve<'a>(modules: &'a Modules, from: &[String], path: &[String], depth: usize) -> Option<Target<'a>> {
    let (first, rest) = path.split_first()?;
    let child = || [from, std::slice::from_ref(first)].concat();
    match first.as_str() {
        _ if depth > 16 => None,
        "crate" => walk(modules, Vec::new(), rest, depth),
        "self" => walk(modules, from.to_vec(), rest, depth),
        "super" => {
            let parent = &from[..from.len().checked_sub(1)?];
            match rest.first() {
                Some(next) if next == "super" => resolve(modules, parent, rest, depth),
                _ => walk(modules, parent.to_vec(), rest, depth),
            }
        }
        _ if modules.contains_key(&child()) => walk(modules, child(), rest, depth),
        _ => follow_import(modules, from, first, rest, depth),
    }
}

fn walk<'a>(modules: &'a Modules, mut at: Segments, rest: &[String], depth: usize) -> Option<Target<'a>> {
    for (index, segment) in rest.iter().enumerate() {
        at.push(segment.clone());
        if !modules.contains_key(&at) {
            at.pop();
            let imported = follow_import(modules, &at, segment, &rest[index + 1..], depth);
            return imported.or(Some(Target::Item(&modules[&at])));
        }
    }
    Some(Target::Module(&modules[&at]))
}

fn follow_import<'a>(
    modules: &'a Modules,
    at: &[String],
    name: &str,
    rest: &[String],
    depth: usize,
) -> Option<Target<'a>> {
    let import = modules.get(at)?.imports.iter().find(|i| i.name == name)?;
    // `use serde;` names another crate, not itself.
    if import.path.len() == 1 {
        return None;
    }
    resolve(modules, at, &[&import.path, rest].concat(), depth + 1)
}

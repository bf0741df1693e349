//! Modules of a crate: which file holds each, and which paths its code names.
//!
//! Works on tokens, so that paths inside macros count too. Code under `#[cfg(test)]` is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Segments of a path, for example `crate`, `size`, `ByteSize`.
pub type Segments = Vec<String>;

/// One `use`: the name it brings in (`*` for a glob), the path, and whether others may import it from here.
pub struct Import {
    pub name: String,
    pub path: Segments,
    pub exported: bool,
}

/// A module: a file, or an inline `mod` in one.
pub struct Module {
    pub file: PathBuf,
    pub imports: Vec<Import>,
    /// Paths of at least two segments outside `use`.
    pub paths: BTreeSet<Segments>,
    /// Identifiers outside `use`.
    pub identifiers: BTreeSet<String>,
}

/// Modules of a crate by their path below the crate's root.
pub type Modules = BTreeMap<Segments, Module>;

/// Reads a crate from the file of its root, `lib.rs` or `main.rs`.
pub fn read(root: &Path) -> Modules {
    let mut modules = Modules::new();
    read_file(root, &[], &mut modules);
    modules
}

fn read_file(file: &Path, module: &[String], modules: &mut Modules) {
    let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let tokens: TokenStream = text.parse().unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let folder = match file.file_stem().and_then(|s| s.to_str()) {
        Some("lib" | "main" | "mod") => file.parent().unwrap().to_owned(),
        _ => file.with_extension(""),
    };
    read_module(tokens, file, &folder, module, modules);
}

fn read_module(tokens: TokenStream, file: &Path, folder: &Path, path: &[String], modules: &mut Modules) {
    let mut reader = Reader { children: Vec::new(), path: None, module: Module::new(file) };
    reader.tokens(tokens);
    modules.insert(path.to_owned(), reader.module);
    for (name, body) in reader.children {
        let child = [path, std::slice::from_ref(&name)].concat();
        let candidates = match body {
            Body::Inline(tokens) => {
                read_module(tokens, file, &folder.join(&name), &child, modules);
                continue;
            }
            Body::File(Some(path)) => vec![file.with_file_name(path)],
            Body::File(None) => vec![folder.join(format!("{name}.rs")), folder.join(&name).join("mod.rs")],
        };
        let found = candidates.iter().find(|f| f.exists());
        read_file(found.unwrap_or_else(|| panic!("{}: no file of mod {name}", file.display())), &child, modules);
    }
}

impl Module {
    fn new(file: &Path) -> Self {
        Self { file: file.to_owned(), imports: Vec::new(), paths: BTreeSet::new(), identifiers: BTreeSet::new() }
    }
}

/// Where the code of a child module is.
enum Body {
    Inline(TokenStream),
    /// A file; with its path where an attribute names it.
    File(Option<String>),
}

struct Reader {
    children: Vec<(String, Body)>,
    /// `path` attribute of the next `mod`.
    path: Option<String>,
    module: Module,
}

impl Reader {
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            at = self.token(&tokens, at);
        }
    }

    /// Reads what begins at a token; gives the index behind it.
    fn token(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        match &tokens[at] {
            TokenTree::Punct(p) if p.as_char() == '#' && is_test_attribute(tokens.get(at + 1)) => {
                let item = tokens[at..].iter().position(ends_item).unwrap_or(tokens.len() - at);
                return at + item + 1;
            }
            TokenTree::Group(group) => self.tokens(group.stream()),
            // The file of the `mod` that follows: `#[path = "../probe/src/lib.rs"]`.
            TokenTree::Literal(literal) if at == 2 && tokens[0].to_string() == "path" => {
                self.path = Some(literal.to_string().trim_matches('"').to_owned());
            }
            TokenTree::Literal(literal) => self.literal(&literal.to_string()),
            TokenTree::Punct(_) => {}
            TokenTree::Ident(ident) if ident == "use" => return self.import(tokens, at),
            TokenTree::Ident(ident) if ident == "mod" => match (tokens.get(at + 1), tokens.get(at + 2)) {
                (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) => {
                    self.children.push((name.to_string(), Body::Inline(body.stream())));
                    return at + 3;
                }
                (Some(TokenTree::Ident(name)), _) => {
                    self.children.push((name.to_string(), Body::File(self.path.take())));
                    return at + 2;
                }
                _ => {}
            },
            TokenTree::Ident(_) => {
                let (path, end) = path(tokens, at);
                self.module.identifiers.insert(path[0].clone());
                if path.len() > 1 {
                    self.module.paths.insert(path);
                }
                return end;
            }
        }
        at + 1
    }

    /// Attributes name functions in text: `#[serde(with = "crate::time")]`.
    fn literal(&mut self, text: &str) {
        let text = text.trim_matches('"');
        if text.starts_with("crate::") || text.starts_with("super::") {
            self.module.paths.insert(text.split("::").map(str::to_owned).collect());
        }
    }

    fn import(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        let exported = at > 0
            && match &tokens[at - 1] {
                TokenTree::Ident(before) => before == "pub",
                TokenTree::Group(before) => before.delimiter() == Delimiter::Parenthesis,
                _ => false,
            };
        let end = at + tokens[at..].iter().position(|t| is_punct(t, ';')).unwrap_or(tokens.len() - at);
        self.use_tree(&tokens[at + 1..end], &[], exported);
        end + 1
    }

    fn use_tree(&mut self, tree: &[TokenTree], before: &[String], exported: bool) {
        for branch in tree.split(|t| is_punct(t, ',')).filter(|b| !b.is_empty()) {
            let (mut path, end) = if let TokenTree::Ident(_) = &branch[0] { path(branch, 0) } else { (Vec::new(), 0) };
            if !before.is_empty() && path.first().is_some_and(|s| s == "self") {
                path.remove(0);
            }
            let path = [before, &path].concat();
            let rest = branch[end..].iter().find(|t| !is_punct(t, ':'));
            let name = match rest {
                Some(TokenTree::Group(group)) => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    self.use_tree(&inner, &path, exported);
                    continue;
                }
                Some(TokenTree::Punct(p)) if p.as_char() == '*' => "*".to_owned(),
                // `as name`
                Some(_) => branch.last().map(ToString::to_string).unwrap_or_default(),
                None => path.last().cloned().unwrap_or_default(),
            };
            self.module.imports.push(Import { name, path, exported });
        }
    }
}

/// Reads `a::b::c` from an identifier on; gives the segments and the index behind them.
fn path(tokens: &[TokenTree], mut at: usize) -> (Segments, usize) {
    let mut path = vec![tokens[at].to_string()];
    at += 1;
    while let [a, b, TokenTree::Ident(segment), ..] = &tokens[at..] {
        if !is_punct(a, ':') || !is_punct(b, ':') {
            break;
        }
        path.push(segment.to_string());
        at += 3;
    }
    (path, at)
}

fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(p) if p.as_char() == character)
}

fn is_test_attribute(token: Option<&TokenTree>) -> bool {
    token.is_some_and(|t| t.to_string().replace([' ', '\n'], "").starts_with("[cfg(test"))
}

fn ends_item(token: &TokenTree) -> bool {
    is_punct(token, ';') || matches!(token, TokenTree::Group(g) if g.delimiter() == Delimiter::Brace)
}

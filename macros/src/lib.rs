//! The part of shmlog's log macros that reads format strings. Not to be used on its own.
//!
//! A log call captures its arguments and leaves the formatting to the drainer. For that somebody must know, at compile
//! time, which argument goes into which place of the format string, `{names}` from around the call included:
//! `macro_rules!` cannot look into a string.
//!
//! What is read here is only as much as that takes. Whatever is out of the ordinary, mistakes included, is handed to
//! `format_args!` as it stands, which renders it at the call, or says what is wrong with it.

mod literal;
mod places;

use proc_macro::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};

use places::{Place, Which};

/// Values that a call can capture; one with more is rendered.
const MOST_PLACES: usize = 16;
/// Bytes of a format string that is stored; one that is longer is rendered.
const MOST_BYTES: usize = 2048;

/// `[$crate] [level] [target] [format] [arguments …]`, each argument as `[expression]` or `[name = expression]`.
#[doc(hidden)]
#[proc_macro]
pub fn capture(input: TokenStream) -> TokenStream {
    let groups: Vec<TokenStream> = input.into_iter().filter_map(inside).collect();
    let [krate, level, target, format, arguments] = &groups[..] else {
        return error("only shmlog's own macros may call this");
    };
    let arguments: Vec<Argument> = arguments.clone().into_iter().map(Argument::read).collect();
    let call = Call {
        krate: krate.clone(),
        level: level.clone(),
        target: target.clone(),
        format: format.clone(),
        arguments,
    };
    call.captured().unwrap_or_else(|| call.rendered())
}

fn inside(token: TokenTree) -> Option<TokenStream> {
    match token {
        TokenTree::Group(group) => Some(group.stream()),
        _ => None,
    }
}

fn error(message: &str) -> TokenStream {
    let mut tokens: TokenStream = "::core::compile_error!".parse().unwrap_or_default();
    let message = TokenTree::from(Literal::string(message));
    tokens.extend([parenthesised(message.into()), punct(';')]);
    tokens
}

struct Argument {
    name: Option<String>,
    /// As it was written, name included.
    whole: TokenStream,
    value: TokenStream,
}

impl Argument {
    fn read(token: TokenTree) -> Argument {
        let whole = inside(token).unwrap_or_default();
        let tokens: Vec<TokenTree> = whole.clone().into_iter().collect();
        match &tokens[..] {
            [TokenTree::Ident(name), TokenTree::Punct(equals), value @ ..]
                if equals.as_char() == '=' && !value.is_empty() =>
            {
                Argument {
                    name: Some(name.to_string()),
                    value: value.iter().cloned().collect(),
                    whole,
                }
            }
            _ => Argument {
                name: None,
                value: whole.clone(),
                whole,
            },
        }
    }
}

struct Call {
    krate: TokenStream,
    level: TokenStream,
    target: TokenStream,
    format: TokenStream,
    arguments: Vec<Argument>,
}

impl Call {
    /// `match (target, &value, …) { (target, a0, …) => { static SITE…; log_captured(level, &SITE, target, &(…)) } }`,
    /// or nothing if this call is to be rendered.
    fn captured(&self) -> Option<TokenStream> {
        let (text, span) = literal::read(self.format.clone())?;
        let places = places::read(&text).filter(|places| places.len() <= MOST_PLACES)?;
        if text.len() > MOST_BYTES {
            return None;
        }
        let (values, indices) = self.values(&places, span)?;
        let mut held = TokenStream::new();
        for (place, index) in places.iter().zip(&indices) {
            let mut spec = Literal::string(&format!("{{:{}}}", place.spec));
            spec.set_span(span);
            // What is wrong with it is shown where it stands.
            let mut value = local(*index);
            if let Some(place) = first_place(values[*index].clone()) {
                value.set_span(Span::mixed_site().located_at(place));
            }
            let arguments = list([TokenTree::from(spec).into(), value.clone().into()]);
            let mut text: TokenStream = code("::core::format_args");
            text.extend([punct('!'), parenthesised(arguments)]);
            held.extend(match place.can_be_captured {
                true => self.hold(value, text),
                false => self.private("Rendered", text),
            });
            held.extend([punct(',')]);
        }
        let captured = reference(parenthesised(held));
        let format = self.format.clone();
        Some(self.matched(&values, format, "log_captured", captured))
    }

    /// The same, with the text that `format_args!` makes at the call.
    fn rendered(&self) -> TokenStream {
        let arguments = self.arguments.iter().map(|argument| argument.whole.clone());
        let all = std::iter::once(self.format.clone()).chain(arguments);
        let mut text = code("::core::format_args");
        text.extend([punct('!'), parenthesised(list(all))]);
        let format = TokenTree::from(Literal::string("{}"));
        self.matched(&[], format.into(), "log", text)
    }

    fn matched(
        &self,
        values: &[TokenStream],
        format: TokenStream,
        function: &str,
        what: TokenStream,
    ) -> TokenStream {
        let target = ident("__target");
        let borrowed = values.iter().map(|value| {
            let mut tokens = TokenStream::from(punct('&'));
            tokens.extend([parenthesised(value.clone())]);
            tokens
        });
        let looked_at = list(std::iter::once(self.target.clone()).chain(borrowed));
        let names = (0..values.len()).map(|index| local(index).into());
        let names = list(std::iter::once(target.clone().into()).chain(names));
        let site = ident("__SHMLOG_SITE");
        // One of the two may not be needed: the compiler does not say so of other crates' macros, and an attribute that
        // allows it is an error where the user forbids that.
        let mut body = code("use");
        body.extend(self.private_path("{ByText as _, ByValue as _};"));
        body.extend([ident("static"), site.clone(), punct(':')]);
        body.extend(self.private_path("CallSite"));
        body.extend([punct('=')]);
        body.extend(self.private_path("CallSite::new"));
        let place = ["module_path", "file", "line"].map(|name| {
            let mut tokens = code(&format!("::core::{name}"));
            tokens.extend([punct('!'), parenthesised(TokenStream::new())]);
            tokens
        });
        let rest = [format, code("\"\""), code("false")];
        body.extend([
            parenthesised(list(place.into_iter().chain(rest))),
            punct(';'),
        ]);
        let arguments = [self.level.clone(), reference(site), target.into(), what];
        body.extend(self.private(function, list(arguments)));
        let mut arm = TokenStream::from(parenthesised(names));
        arm.extend([
            TokenTree::from(Punct::new('=', Spacing::Joint)),
            punct('>'),
            group(Delimiter::Brace, body),
        ]);
        [
            ident("match"),
            parenthesised(looked_at),
            group(Delimiter::Brace, arm),
        ]
        .into_iter()
        .collect()
    }

    /// The values of all arguments, with those that the string takes from around the call behind them, and for each
    /// place the index of its value. Nothing if the two do not fit together.
    fn values(&self, places: &[Place], span: Span) -> Option<(Vec<TokenStream>, Vec<usize>)> {
        let mut values: Vec<TokenStream> = self
            .arguments
            .iter()
            .map(|argument| argument.value.clone())
            .collect();
        let mut around: Vec<&str> = Vec::new();
        let mut indices = Vec::new();
        for place in places {
            let index = match &place.which {
                Which::Index(index) => *index,
                Which::Name(name) => {
                    let is_it = |argument: &Argument| argument.name.as_ref() == Some(name);
                    match self.arguments.iter().position(is_it) {
                        Some(index) => index,
                        None => {
                            if !around.contains(&&**name) {
                                around.push(name);
                                values.push(name_of(name, span)?.into());
                            }
                            let known = around.iter().position(|known| known == name)?;
                            self.arguments.len() + known
                        }
                    }
                }
            };
            if index >= values.len() {
                return None;
            }
            indices.push(index);
        }
        let is_used = |index: usize| indices.contains(&index);
        (0..values.len()).all(is_used).then_some((values, indices))
    }

    /// `(&$crate::…::Held(value)).__shmlog_hold(text)`
    fn hold(&self, value: TokenTree, text: TokenStream) -> TokenStream {
        let held = reference_to(self.private("Held", value.into()));
        [
            parenthesised(held),
            punct('.'),
            ident("__shmlog_hold"),
            parenthesised(text),
        ]
        .into_iter()
        .collect()
    }

    fn private(&self, name: &str, arguments: TokenStream) -> TokenStream {
        let mut tokens = self.private_path(name);
        tokens.extend([parenthesised(arguments)]);
        tokens
    }

    fn private_path(&self, name: &str) -> TokenStream {
        let mut tokens = self.krate.clone();
        tokens.extend(code(&format!("::__private::{name}")));
        tokens
    }
}

/// Where the first token is as the user wrote it, not the invisible group that a macro_rules! macro puts it into.
fn first_place(tokens: TokenStream) -> Option<Span> {
    match tokens.into_iter().next()? {
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
            first_place(group.stream())
        }
        token => Some(token.span()),
    }
}

/// The variable that a format string names, which may do so by a keyword: `{type}` is `r#type`.
fn name_of(name: &str, span: Span) -> Option<TokenTree> {
    let mut tokens = name.parse::<TokenStream>().ok()?.into_iter();
    let (TokenTree::Ident(_), None) = (tokens.next()?, tokens.next()) else {
        return None;
    };
    let ident = match name {
        "self" => Ident::new(name, span),
        "Self" | "super" | "crate" => return None,
        _ => Ident::new_raw(name, span),
    };
    Some(ident.into())
}

/// A name that no code of the user's can mean.
fn ident(name: &str) -> TokenTree {
    Ident::new(name, Span::mixed_site()).into()
}

fn local(index: usize) -> TokenTree {
    ident(&format!("__a{index}"))
}

fn punct(c: char) -> TokenTree {
    Punct::new(c, Spacing::Alone).into()
}

fn group(delimiter: Delimiter, tokens: TokenStream) -> TokenTree {
    Group::new(delimiter, tokens).into()
}

fn parenthesised(tokens: TokenStream) -> TokenTree {
    group(Delimiter::Parenthesis, tokens)
}

fn reference(token: TokenTree) -> TokenStream {
    reference_to(token.into())
}

fn reference_to(tokens: TokenStream) -> TokenStream {
    let mut all = TokenStream::from(punct('&'));
    all.extend(tokens);
    all
}

/// Each followed by a comma.
fn list(items: impl IntoIterator<Item = TokenStream>) -> TokenStream {
    let mut all = TokenStream::new();
    for item in items {
        all.extend(item);
        all.extend([punct(',')]);
    }
    all
}

/// Code that does not depend on the call.
fn code(text: &str) -> TokenStream {
    let tokens: TokenStream = text.parse().unwrap_or_default();
    let tokens = tokens.into_iter().map(|mut token| {
        token.set_span(Span::mixed_site());
        token
    });
    tokens.collect()
}

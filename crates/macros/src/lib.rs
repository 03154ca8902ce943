//! The part of shmlog's log macros that reads format strings. Not to be used on its own.
//!
//! A log call captures its arguments and leaves the formatting to the drainer. For that it must be known, at compile
//! time, which argument goes into which place of the format string, `{names}` from around the call included:
//! `macro_rules!` cannot look into a string.
//!
//! What is read here is only as much as that takes. Whatever is out of the ordinary, mistakes included, is handed to
//! `format_args!` as it stands, which renders it at the call, or says what is wrong with it.

mod call;
mod literal;
mod places;
mod tokens;

use proc_macro::{TokenStream, TokenTree};

use call::{Call, MOST_PLACES, Pair};
use tokens::{error, inside, insides};

/// `[[$crate] [condition] [target] [level] [key-values]] [format] [arguments …]`, each argument as `[expression]` or
/// `[name = expression]`, each key-value as `[key [how] [value]]`.
#[doc(hidden)]
#[proc_macro]
pub fn capture(input: TokenStream) -> TokenStream {
    let groups = insides(input);
    let [head, format, arguments] = &groups[..] else {
        return error("only shmlog's own macros may call this");
    };
    let head = insides(head.clone());
    let [krate, condition, target, level, pairs] = &head[..] else {
        return error("only shmlog's own macros may call this");
    };
    let pairs: Option<Vec<Pair>> = insides(pairs.clone()).iter().map(Pair::read).collect();
    let Some(pairs) = pairs else {
        return error(
            "a key-value is `key = value`, `key` or `key:? = value`: with `:?` or `:debug`, `:%` or `:display`, or `:err`",
        );
    };
    let arguments = arguments.clone().into_iter().map(Argument::read);
    let call = Call {
        krate: krate.clone(),
        condition: condition.clone(),
        target: target.clone(),
        level: level.clone(),
        pairs,
        format: format.clone(),
        arguments: arguments.collect(),
    };
    if call.pairs.len() > MOST_PLACES - 1 {
        return error("a statement may have 15 key-values");
    }
    call.captured().unwrap_or_else(|| call.rendered())
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

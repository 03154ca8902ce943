//! Tokens, put together and taken apart.

use proc_macro::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};

pub(crate) fn insides(tokens: TokenStream) -> Vec<TokenStream> {
    tokens.into_iter().filter_map(inside).collect()
}

pub(crate) fn inside(token: TokenTree) -> Option<TokenStream> {
    match token {
        TokenTree::Group(group) => Some(group.stream()),
        _ => None,
    }
}

pub(crate) fn error(message: &str) -> TokenStream {
    let mut tokens: TokenStream = "::core::compile_error!".parse().unwrap_or_default();
    let message = TokenTree::from(Literal::string(message));
    tokens.extend([parenthesised(message.into()), punct(';')]);
    tokens
}

/// `::core::format_args!(spec, value)`
pub(crate) fn format_args(spec: Literal, value: TokenTree) -> TokenStream {
    let arguments = list([TokenTree::from(spec).into(), value.into()]);
    let mut text = code("::core::format_args");
    text.extend([punct('!'), parenthesised(arguments)]);
    text
}

/// `if condition { then }`
pub(crate) fn if_(condition: TokenStream, then: TokenStream) -> TokenStream {
    let mut tokens = code("if");
    tokens.extend(condition);
    tokens.extend([group(Delimiter::Brace, then)]);
    tokens
}

/// `match value { pattern => { then } }`
pub(crate) fn match_(value: TokenStream, pattern: TokenStream, then: TokenStream) -> TokenStream {
    let mut arm = pattern;
    arm.extend([
        TokenTree::from(Punct::new('=', Spacing::Joint)),
        punct('>'),
        group(Delimiter::Brace, then),
    ]);
    let mut tokens = code("match");
    tokens.extend([
        group(Delimiter::Parenthesis, value),
        group(Delimiter::Brace, arm),
    ]);
    tokens
}

/// `static name: kind = made;`
pub(crate) fn static_(name: TokenTree, kind: TokenStream, made: TokenStream) -> TokenStream {
    let mut tokens = code("static");
    tokens.extend([name, punct(':')]);
    tokens.extend(kind);
    tokens.extend([punct('=')]);
    tokens.extend(made);
    tokens.extend([punct(';')]);
    tokens
}

/// A name that no code of the user's can mean.
pub(crate) fn ident(name: &str) -> TokenTree {
    Ident::new(name, Span::mixed_site()).into()
}

pub(crate) fn local(index: usize) -> TokenTree {
    ident(&format!("__a{index}"))
}

pub(crate) fn punct(c: char) -> TokenTree {
    Punct::new(c, Spacing::Alone).into()
}

pub(crate) fn group(delimiter: Delimiter, tokens: TokenStream) -> TokenTree {
    Group::new(delimiter, tokens).into()
}

pub(crate) fn parenthesised(tokens: TokenStream) -> TokenTree {
    group(Delimiter::Parenthesis, tokens)
}

pub(crate) fn reference(token: TokenTree) -> TokenStream {
    reference_to(token.into())
}

pub(crate) fn reference_to(tokens: TokenStream) -> TokenStream {
    let mut all = TokenStream::from(punct('&'));
    all.extend(tokens);
    all
}

/// Each followed by a comma.
pub(crate) fn list(items: impl IntoIterator<Item = TokenStream>) -> TokenStream {
    let mut all = TokenStream::new();
    for item in items {
        all.extend(item);
        all.extend([punct(',')]);
    }
    all
}

/// Code that does not depend on the call.
pub(crate) fn code(text: &str) -> TokenStream {
    ours(text.parse().unwrap_or_default())
}

fn ours(tokens: TokenStream) -> TokenStream {
    let tokens = tokens.into_iter().map(|token| {
        let mut token = match token {
            TokenTree::Group(all) => group(all.delimiter(), ours(all.stream())),
            token => token,
        };
        token.set_span(Span::mixed_site());
        token
    });
    tokens.collect()
}

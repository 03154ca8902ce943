//! What a log statement becomes.

use proc_macro::{Delimiter, Ident, Literal, Span, TokenStream, TokenTree};

use crate::places::{self, Place, Which};
use crate::tokens::{
    code, format_args, group, ident, if_, inside, list, local, match_, parenthesised, punct,
    reference, reference_to, static_,
};
use crate::{Argument, literal};

/// Values that a call can capture; one with more is rendered.
pub(crate) const MOST_PLACES: usize = 16;
/// Bytes of a format string that is stored; one that is longer is rendered.
const MOST_BYTES: usize = 2048;

/// A key-value.
pub(crate) struct Pair {
    key: String,
    value: TokenStream,
    /// How a value looks that cannot be captured.
    spec: &'static str,
}

impl Pair {
    pub(crate) fn read(whole: &TokenStream) -> Option<Pair> {
        let tokens: Vec<TokenTree> = whole.clone().into_iter().collect();
        let [key, how, value] = &tokens[..] else {
            return None;
        };
        let value = inside(value.clone())?;
        let text = match key {
            TokenTree::Ident(name) => name.to_string(),
            TokenTree::Literal(_) => literal::read(key.clone().into())?.0,
            _ => return None,
        };
        let value = match (value.is_empty(), key) {
            (false, _) => value,
            (true, TokenTree::Ident(name)) => TokenTree::from(name.clone()).into(),
            _ => return None,
        };
        let spec = match inside(how.clone())?.to_string().as_str() {
            "" | "%" | "display" | "err" => "{}",
            "?" | "debug" => "{:?}",
            _ => return None,
        };
        let key = text
            .strip_prefix("r#")
            .unwrap_or(&text)
            .replace(['\n', '\r'], " ");
        (!key.is_empty()).then_some(Pair { key, value, spec })
    }
}

/// A log statement.
pub(crate) struct Call {
    pub(crate) krate: TokenStream,
    /// `Condition (arguments)`, or nothing.
    pub(crate) condition: TokenStream,
    /// An expression, or nothing.
    pub(crate) target: TokenStream,
    pub(crate) level: TokenStream,
    pub(crate) pairs: Vec<Pair>,
    pub(crate) format: TokenStream,
    pub(crate) arguments: Vec<Argument>,
}

impl Call {
    /// The arguments as they are, or nothing if this call is to be rendered.
    pub(crate) fn captured(&self) -> Option<TokenStream> {
        let (text, span) = literal::read(self.format.clone())?;
        let most = MOST_PLACES - self.pairs.len();
        let places = places::read(&text).filter(|places| places.len() <= most)?;
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
            let text = format_args(spec, value.clone());
            held.extend(match place.can_be_captured {
                true => self.hold(value, text),
                false => self.private("Rendered", text),
            });
            held.extend([punct(',')]);
        }
        Some(self.logged(values, self.format.clone(), held))
    }

    /// The same, with the text that `format_args!` makes at the call.
    pub(crate) fn rendered(&self) -> TokenStream {
        let arguments = self.arguments.iter().map(|argument| argument.whole.clone());
        let all = std::iter::once(self.format.clone()).chain(arguments);
        let mut text = code("::core::format_args");
        text.extend([punct('!'), parenthesised(list(all))]);
        let held = list([self.private("Rendered", text)]);
        let format = TokenTree::from(Literal::string("{}"));
        self.logged(Vec::new(), format.into(), held)
    }

    /// ```text
    /// { let level: Level = …;
    ///   if is_enabled(level) { match target { target => {
    ///     static SITE: CallSite = …;
    ///     if passes(level, &SITE, target) {                    [and the condition]
    ///       match (&value, …) { (a0, …) => log_captured(level, &SITE, target, &(…)) }
    ///   } } } } }
    /// ```
    fn logged(
        &self,
        mut values: Vec<TokenStream>,
        format: TokenStream,
        mut held: TokenStream,
    ) -> TokenStream {
        for pair in &self.pairs {
            let value = local(values.len());
            let text = format_args(Literal::string(pair.spec), value.clone());
            held.extend(list([self.hold(value, text)]));
            values.push(pair.value.clone());
        }
        let [level, target, site] = ["__level", "__target", "__SHMLOG_SITE"].map(ident);
        let common = [level.clone().into(), reference(site), target.clone().into()];
        let arguments = reference(parenthesised(held));
        let log = match self.condition.is_empty() {
            true => {
                let all = common.iter().cloned().chain([arguments]);
                self.private("log_captured", list(all))
            }
            false => {
                let all = common.iter().cloned();
                let all = all.chain([arguments, ident("__suppressed").into()]);
                self.private("log_conditionally", list(all))
            }
        };
        let log = self.with_values(&values, log);
        let log = match self.condition.is_empty() {
            true => log,
            false => self.if_it_holds(log),
        };
        let (looked_at, statics) = self.site(format);
        let mut inner = statics;
        inner.extend(if_(self.private("passes", list(common)), log));
        let inner = match_(looked_at, target.into(), inner);
        let mut all = code("let");
        all.extend([level.clone(), punct(':')]);
        all.extend(self.private_path("Level"));
        all.extend([punct('=')]);
        all.extend(self.level.clone());
        all.extend([punct(';')]);
        all.extend(if_(self.private("is_enabled", level.into()), inner));
        group(Delimiter::Brace, all).into()
    }

    /// What stands for the target, and the call site. A target that is a literal stands in the call site.
    fn site(&self, format: TokenStream) -> (TokenStream, TokenStream) {
        let own = literal::read(self.target.clone()).map(|_| self.target.clone());
        let looked_at = match self.target.is_empty() || own.is_some() {
            true => code("::core::option::Option::None::<&str>"),
            false => {
                let mut some = code("::core::option::Option::Some");
                let mut target = TokenStream::from(punct('&'));
                target.extend([parenthesised(self.target.clone())]);
                some.extend([parenthesised(target)]);
                some
            }
        };
        let has_own = if own.is_some() { "true" } else { "false" };
        let keys: Vec<&str> = self.pairs.iter().map(|pair| &*pair.key).collect();
        let keys = TokenTree::from(Literal::string(&keys.join("\n")));
        let place = ["module_path", "file", "line"].map(|name| {
            let mut tokens = code(&format!("::core::{name}"));
            tokens.extend([punct('!'), parenthesised(TokenStream::new())]);
            tokens
        });
        let [module, file, line] = place;
        let target = own.unwrap_or(module);
        let parts = [target, file, line, format, keys.into(), code(has_own)];
        let site = self.private_path("CallSite");
        let made = self.private("CallSite::new", list(parts));
        (looked_at, static_(ident("__SHMLOG_SITE"), site, made))
    }

    /// `match (&value, …) { (a0, …) => { log } }`
    fn with_values(&self, values: &[TokenStream], log: TokenStream) -> TokenStream {
        let borrowed = values.iter().map(|value| {
            let mut tokens = TokenStream::from(punct('&'));
            tokens.extend([parenthesised(value.clone())]);
            tokens
        });
        let names = (0..values.len()).map(|index| local(index).into());
        let mut body = self.holding();
        body.extend(log);
        let names = TokenStream::from(parenthesised(list(names)));
        match_(parenthesised(list(borrowed)).into(), names, body)
    }

    /// One of the two may not be needed: the compiler does not say so of other crates' macros, and an attribute that
    /// allows it is an error where the user forbids that.
    fn holding(&self) -> TokenStream {
        let mut body = code("use");
        body.extend(self.private_path("{ByText as _, ByValue as _};"));
        body
    }

    /// `static WHEN: Condition = …; if let Some(suppressed) = WHEN.pass(…) { log }`, for `Condition (…)`.
    fn if_it_holds(&self, log: TokenStream) -> TokenStream {
        let mut parts = self.condition.clone().into_iter();
        let kind = parts
            .next()
            .map(|kind| kind.to_string())
            .unwrap_or_default();
        let arguments = parts.next().and_then(inside).unwrap_or_default();
        let when = ident("__SHMLOG_WHEN");
        let made = self.private(&format!("{kind}::new"), TokenStream::new());
        let mut all = static_(when.clone(), self.private_path(&kind), made);
        let mut passed = TokenStream::from(when);
        passed.extend([punct('.'), ident("pass")]);
        let passed = match kind.as_str() {
            "OnChange" => {
                let text = format_args(Literal::string("{:?}"), local(0));
                let held = list([reference(parenthesised(self.hold(local(0), text)))]);
                passed.extend([parenthesised(held)]);
                self.with_values(&[arguments], passed)
            }
            _ => {
                passed.extend([parenthesised(arguments)]);
                passed
            }
        };
        let mut some = code("let ::core::option::Option::Some(__suppressed) =");
        some.extend([parenthesised(passed)]);
        all.extend(if_(some, log));
        all
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

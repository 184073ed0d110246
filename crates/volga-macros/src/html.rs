//! `html!`: a format string whose arguments are escaped.
//!
//! Each placeholder becomes a formatting of its own, with its specification, whose result is
//! escaped: `"<p>{name:>5}</p>"` becomes `"<p>{}</p>"` with
//! `(&ToHtml(&name)).to_html(format_args!("{0:>5}", name))`. So the escaping is outside of the
//! specification, and a width counts the characters that the reader sees. Which `to_html` that is
//! depends on the type of the value: the one of trusted HTML escapes nothing.

use proc_macro::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};

use crate::format_string::{self, Arg, Piece, Placeholder, SpecPart};
use crate::literal;

/// An argument after the format string.
struct MacroArg {
    name: Option<String>,
    value: TokenStream,
}

/// Expands `path, literal, arg, name = arg`, where `path` is the module with `ToHtml`.
pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let mut parts = split_at_commas(input).into_iter();
    let path = parts.next().unwrap_or_default();
    let format = unwrapped(parts.next().unwrap_or_default());
    let span = format.clone().into_iter().next().map_or_else(Span::call_site, |token| token.span());
    let given: Vec<MacroArg> = parts.map(argument).collect();
    match expand_format(&path, &format.to_string(), span, &given) {
        Ok(output) => output,
        Err(message) => compile_error(span, &message),
    }
}

fn expand_format(
    path: &TokenStream,
    format: &str,
    span: Span,
    given: &[MacroArg],
) -> Result<TokenStream, String> {
    let text = literal::text_of(format).ok_or("a format string is a text in quotation marks")?;
    let mut expansion = Expansion { path, span, given, is_used: vec![false; given.len()] };
    let (mut template, mut values) = (String::new(), TokenStream::new());
    for piece in format_string::parse(&text)? {
        match piece {
            Piece::Text(text) => template.push_str(&text),
            Piece::Placeholder(placeholder) => {
                template.push_str("{}");
                values.extend([punct(',')]);
                values.extend(expansion.value(&placeholder)?);
            }
        }
    }
    if let Some(unused) = expansion.is_used.iter().position(|is_used| !is_used) {
        return Err(format!("argument {unused} is not used by the format string"));
    }
    let mut args = TokenStream::from(string(&template, span));
    args.extend(values);
    let body = format_args(args);
    // `match` keeps the values of all arguments until the text is written, and evaluates each
    // argument once.
    let (mut patterns, mut scrutinees) = (TokenStream::new(), TokenStream::new());
    for (index, argument) in given.iter().enumerate() {
        patterns.extend([ident(&variable(index)), punct(',')]);
        scrutinees.extend([punct('&'), parens(argument.value.clone()), punct(',')]);
    }
    let mut arm = TokenStream::from(parens(patterns));
    arm.extend([TokenTree::from(Punct::new('=', Spacing::Joint)), punct('>')]);
    let mut block = TokenStream::from(ident("use"));
    block.extend(path.clone());
    block.extend([TokenTree::from(Punct::new(':', Spacing::Joint)), punct(':')]);
    block.extend([ident("EscapeHtml"), ident("as"), ident("_"), punct(';')]);
    block.extend(call(path, "html_text", body));
    arm.extend([TokenTree::from(Group::new(Delimiter::Brace, block))]);
    let mut output = TokenStream::from(ident("match"));
    output.extend([parens(scrutinees), TokenTree::from(Group::new(Delimiter::Brace, arm))]);
    Ok(output)
}

struct Expansion<'a> {
    path: &'a TokenStream,
    span: Span,
    given: &'a [MacroArg],
    is_used: Vec<bool>,
}

impl Expansion<'_> {
    /// The value of a placeholder, formatted and escaped.
    fn value(&mut self, placeholder: &Placeholder) -> Result<TokenStream, String> {
        let value = self.reference(&placeholder.value)?;
        let (mut spec, mut counts) = (String::new(), TokenStream::new());
        for (index, part) in placeholder.spec.iter().enumerate() {
            match part {
                SpecPart::Text(text) => spec.push_str(text),
                SpecPart::Count(arg) => {
                    let name = format!("count{index}");
                    spec.push_str(&name);
                    spec.push('$');
                    counts.extend([punct(','), ident(&name), punct('='), punct('*')]);
                    counts.extend([parens(self.reference(arg)?)]);
                }
            }
        }
        let colon = if spec.is_empty() { "" } else { ":" };
        let mut formatted = TokenStream::from(string(&format!("{{0{colon}{spec}}}"), self.span));
        formatted.extend([punct(',')]);
        formatted.extend(value.clone());
        formatted.extend(counts);

        let mut receiver = TokenStream::from(punct('&'));
        receiver.extend(call(self.path, "ToHtml", value));
        let mut output = TokenStream::from(parens(receiver));
        output.extend([punct('.'), ident("to_html"), parens(format_args(formatted))]);
        Ok(output)
    }

    /// A reference to the value of an argument.
    fn reference(&mut self, arg: &Arg) -> Result<TokenStream, String> {
        let index = match arg {
            Arg::Position(index) if *index < self.given.len() => *index,
            Arg::Position(index) => {
                return Err(format!("the format string has no argument {index}"));
            }
            Arg::Name(name) => {
                let is_it = |given: &MacroArg| given.name.as_ref() == Some(name);
                match self.given.iter().position(is_it) {
                    Some(index) => index,
                    None => {
                        // A variable of the caller, which the span of the format string can see.
                        let variable = TokenTree::from(Ident::new(name, self.span));
                        return Ok(TokenStream::from_iter([punct('&'), variable]));
                    }
                }
            }
        };
        self.is_used[index] = true;
        Ok(ident(&variable(index)).into())
    }
}

/// The variable that holds a reference to a given argument.
fn variable(index: usize) -> String {
    format!("arg{index}")
}

/// Parses `name = value` or `value`.
fn argument(tokens: TokenStream) -> MacroArg {
    let tokens = unwrapped(tokens);
    let mut rest = tokens.clone().into_iter();
    if let (Some(TokenTree::Ident(name)), Some(TokenTree::Punct(equals))) =
        (rest.next(), rest.next())
        && equals.as_char() == '='
        && equals.spacing() == Spacing::Alone
    {
        return MacroArg { name: Some(name.to_string()), value: rest.collect() };
    }
    MacroArg { name: None, value: tokens }
}

/// Removes the invisible group in which `macro_rules` puts what it has matched.
fn unwrapped(tokens: TokenStream) -> TokenStream {
    let mut rest = tokens.clone().into_iter();
    match (rest.next(), rest.next()) {
        (Some(TokenTree::Group(group)), None) if group.delimiter() == Delimiter::None => {
            unwrapped(group.stream())
        }
        _ => tokens,
    }
}

fn split_at_commas(input: TokenStream) -> Vec<TokenStream> {
    let mut parts = vec![TokenStream::new()];
    for token in input {
        match &token {
            TokenTree::Punct(punct) if punct.as_char() == ',' => parts.push(TokenStream::new()),
            _ => parts.last_mut().into_iter().for_each(|part| part.extend([token.clone()])),
        }
    }
    if parts.last().is_some_and(TokenStream::is_empty) {
        parts.pop();
    }
    parts
}

/// `path::name(args)`
fn call(path: &TokenStream, name: &str, args: TokenStream) -> TokenStream {
    let mut output = path.clone();
    output.extend([TokenTree::from(Punct::new(':', Spacing::Joint)), punct(':')]);
    output.extend([ident(name), parens(args)]);
    output
}

/// `::core::format_args!(args)`
fn format_args(args: TokenStream) -> TokenStream {
    let mut output = TokenStream::new();
    for name in ["core", "format_args"] {
        output.extend([TokenTree::from(Punct::new(':', Spacing::Joint)), punct(':'), ident(name)]);
    }
    output.extend([punct('!'), parens(args)]);
    output
}

/// A name of the macro's own, which no code of the caller can see.
fn ident(name: &str) -> TokenTree {
    Ident::new(name, Span::mixed_site()).into()
}

fn punct(char: char) -> TokenTree {
    Punct::new(char, Spacing::Alone).into()
}

fn parens(tokens: TokenStream) -> TokenTree {
    Group::new(Delimiter::Parenthesis, tokens).into()
}

fn string(text: &str, span: Span) -> TokenTree {
    let mut literal = Literal::string(text);
    literal.set_span(span);
    literal.into()
}

fn compile_error(span: Span, message: &str) -> TokenStream {
    let mut args = TokenStream::from(string(message, span));
    args = TokenStream::from(TokenTree::from(Group::new(Delimiter::Brace, args)));
    let mut output = TokenStream::from(TokenTree::from(Ident::new("compile_error", span)));
    output.extend([punct('!')]);
    output.extend(args);
    output
}

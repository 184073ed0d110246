//! `yield` as an expression that awaits: `yield X` becomes `yielder.send(X).await`.
//!
//! The rewrite works on tokens, not on syntax: so it needs no parser, and it reaches the arguments
//! of other macros.

use std::iter::Peekable;

use proc_macro::{
    Delimiter, Group, Ident, Punct, Spacing, Span, TokenStream, TokenTree, token_stream,
};

/// Expands `yielder { … }` to an async block whose output is a `Result<(), _>`.
pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let mut input = input.into_iter();
    let (Some(TokenTree::Ident(yielder)), Some(TokenTree::Group(block))) =
        (input.next(), input.next())
    else {
        return compile_error(Span::call_site(), "expected `yielder { … }`");
    };
    match rewrite(&yielder, block.stream()) {
        Ok(body) => {
            // A name of the macro's own, which no code of the caller can see.
            let name = Ident::new("block", Span::mixed_site());
            let mut inside = TokenStream::from(group(Delimiter::Brace, body));
            inside.extend(tokens("::core::result::Result::Ok(())"));
            // What follows a `loop` without an end is never reached, and that is no mistake of the
            // caller's.
            let mut outside = tokens("# [allow(unreachable_code)] let");
            outside.extend([TokenTree::Ident(name.clone())]);
            outside.extend(tokens("= async move"));
            outside.extend([group(Delimiter::Brace, inside)]);
            outside.extend(tokens(";"));
            outside.extend([TokenTree::Ident(name)]);
            group(Delimiter::Brace, outside).into()
        }
        Err(error) => error,
    }
}

/// Replaces every `yield X` in the tokens, at any depth.
fn rewrite(yielder: &Ident, input: TokenStream) -> Result<TokenStream, TokenStream> {
    let mut output = TokenStream::new();
    let mut input = input.into_iter().peekable();
    let mut before = [String::new(), String::new()];
    while let Some(token) = input.next() {
        let text = token.to_string();
        match token {
            TokenTree::Ident(word) if text == "yield" => {
                let value = rewrite(yielder, operand(&mut input))?;
                if value.is_empty() {
                    return Err(compile_error(
                        word.span(),
                        "`yield` sends a message: write `yield Message::new().data(..)`",
                    ));
                }
                output.extend([TokenTree::Ident(yielder.clone())]);
                output.extend(tokens(".send"));
                output.extend([group(Delimiter::Parenthesis, value)]);
                output.extend(tokens(".await"));
            }
            // A stream within the stream: its `yield` is its own.
            TokenTree::Group(inner) if before == ["sse_stream", "!"] => {
                output.extend([TokenTree::Group(inner)]);
            }
            TokenTree::Group(inner) => {
                let mut rewritten =
                    Group::new(inner.delimiter(), rewrite(yielder, inner.stream())?);
                rewritten.set_span(inner.span());
                output.extend([TokenTree::Group(rewritten)]);
            }
            token => output.extend([token]),
        }
        before = [std::mem::take(&mut before[1]), text];
    }
    Ok(output)
}

/// Takes the operand of a `yield`: up to a `;`, or to a `,` that is not between the angle brackets
/// of a path.
fn operand(input: &mut Peekable<token_stream::IntoIter>) -> TokenStream {
    let mut operand = TokenStream::new();
    let mut angles = 0_u32;
    let mut before = ':';
    while let Some(token) = input.peek() {
        let mark = match token {
            TokenTree::Punct(punct) => punct.as_char(),
            _ => ' ',
        };
        match mark {
            ';' => break,
            ',' if angles == 0 => break,
            // `::<` opens generic arguments, and so does a `<` at the very start:
            // `<T as Trait>::new()`.
            '<' if angles > 0 || before == ':' => angles += 1,
            // An arrow closes nothing.
            '>' if before != '-' && before != '=' => angles = angles.saturating_sub(1),
            _ => {}
        }
        before = mark;
        operand.extend(input.next());
    }
    operand
}

fn group(delimiter: Delimiter, content: TokenStream) -> TokenTree {
    TokenTree::Group(Group::new(delimiter, content))
}

/// Parses code that is known to lex.
fn tokens(code: &str) -> TokenStream {
    code.parse().unwrap_or_default()
}

fn compile_error(span: Span, message: &str) -> TokenStream {
    let mut text = proc_macro::Literal::string(message);
    text.set_span(span);
    let mut name = Ident::new("compile_error", span);
    name.set_span(span);
    let mut bang = Punct::new('!', Spacing::Alone);
    bang.set_span(span);
    let mut argument = Group::new(Delimiter::Brace, TokenTree::Literal(text).into());
    argument.set_span(span);
    TokenStream::from_iter([
        TokenTree::Ident(name),
        TokenTree::Punct(bang),
        TokenTree::Group(argument),
    ])
}

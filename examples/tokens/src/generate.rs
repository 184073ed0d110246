//! A language model of the smallest kind: it strings together what it knows of rivers.

/// What sentences are made of; each takes one of every column.
const COLUMNS: [&[&str]; 4] = [
    &["A river", "The current", "Every stream", "The water", "A slow bend", "The delta"],
    &["carries", "remembers", "gives back", "never counts", "follows", "outlives"],
    &[
        "the rain of another country",
        "what was poured into it",
        "the shape of its banks",
        "every word once",
        "the stones under it",
        "those who wait at the ford",
    ],
    &[
        "and arrives in order",
        "however often you look away",
        "until it reaches the sea",
        "whether or not anybody watches",
        "without asking who comes back",
        "one drop after the other",
    ],
];
const SENTENCES: usize = 7;
/// Longer words are two tokens, as they may be in a model's vocabulary.
const WORD: usize = 7;

/// The reply to a prompt, in tokens. The same prompt has the same reply.
pub fn reply(prompt: &str) -> Vec<String> {
    let mut numbers = Numbers::seeded(prompt);
    let mut text = format!("You asked: “{}”\n\n", prompt.trim());
    for sentence in 1..=SENTENCES {
        let parts = COLUMNS.map(|column| column[numbers.below(column.len())]);
        text.push_str(&parts.join(" "));
        text.push_str(if sentence % 3 == 0 { ".\n\n" } else { ". " });
    }
    tokens(text.trim_end())
}

/// Cuts a text into pieces with the space before each word.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    for word in text.split_inclusive(' ') {
        match word.char_indices().nth(WORD) {
            Some((cut, _)) => tokens.extend([word[..cut].to_owned(), word[cut..].to_owned()]),
            None => tokens.push(word.to_owned()),
        }
    }
    tokens
}

/// Numbers that a text decides.
struct Numbers(u64);

impl Numbers {
    /// FNV-1a.
    fn seeded(text: &str) -> Self {
        let mix = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(text.bytes().fold(0xcbf2_9ce4_8422_2325, mix) | 1)
    }

    /// xorshift64.
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // Its high bits are better than its low ones.
        (self.0 >> 32) as usize % bound
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn the_same_prompt_has_the_same_reply_and_another_one_another() {
        assert_eq!(reply("Why?"), reply("Why?"));
        assert_ne!(reply("Why?"), reply("Why not?"));
        assert!(reply("Why?").concat().starts_with("You asked: “Why?”\n\n"));
    }

    #[test]
    fn tokens_are_the_text() {
        for text in ["", "a", "unbelievably  long\n\nwords ", "ééééééééééé é"] {
            assert_eq!(tokens(text).concat(), text);
        }
        assert_eq!(tokens("a waterfall"), ["a ", "waterfa", "ll"]);
    }
}

//! The text of a snapshot, and the difference between two snapshots (pure).

use std::collections::HashSet;

/// Auto traits that tell a user nothing, or on which nobody may rely.
const NEVER_SHOWN: &[&str] = &[
    "core::marker::Freeze",
    "core::marker::StructuralPartialEq",
    "core::marker::UnsafeUnpin",
    "core::panic::unwind_safe::RefUnwindSafe",
    "core::panic::unwind_safe::UnwindSafe",
];

/// Auto traits that nearly every type has. The snapshot shows only the types that lack them.
const SHOWN_IF_UNUSUAL: &[&str] =
    &["core::marker::Send", "core::marker::Sync", "core::marker::Unpin"];

/// The snapshot of these items, one on each line, without the traits that nearly every type has.
pub(super) fn text<'a>(items: impl Iterator<Item = &'a str>) -> String {
    items.filter(|item| is_shown(item)).flat_map(|item| [item, "\n"]).collect()
}

/// The removed lines, each after a `-`, and the added lines, each after a `+`, in the order of the
/// snapshots. The list is empty if and only if the snapshots are equal.
pub(super) fn changes(old: &str, new: &str) -> Vec<String> {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let in_old: HashSet<_> = old.iter().collect();
    let in_new: HashSet<_> = new.iter().collect();
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    let mut changes = Vec::new();
    loop {
        match (old.peek(), new.peek()) {
            (Some(removed), Some(added)) if removed == added => {
                old.next();
                new.next();
            }
            // The old line is also in the new snapshot, where its turn comes later, because both
            // snapshots have the same order.
            (Some(removed), Some(added))
                if in_new.contains(*removed) && !in_old.contains(*added) =>
            {
                changes.push(format!("+ {added}"));
                new.next();
            }
            (Some(removed), _) => {
                changes.push(format!("- {removed}"));
                old.next();
            }
            (None, Some(added)) => {
                changes.push(format!("+ {added}"));
                new.next();
            }
            (None, None) => return changes,
        }
    }
}

fn is_shown(item: &str) -> bool {
    let Some((name, is_negative)) = implemented(item) else {
        return true;
    };
    let is_usual = !is_negative && !item.contains(" where ");
    let is_hidden = NEVER_SHOWN.contains(&name) || (is_usual && SHOWN_IF_UNUSUAL.contains(&name));
    !is_hidden
}

/// The trait of `impl<…> Trait for Type`, and whether it is `!Trait`.
fn implemented(item: &str) -> Option<(&str, bool)> {
    let (head, _) = item.strip_prefix("impl")?.split_once(" for ")?;
    let name = head.rsplit(' ').next()?;
    Some(name.strip_prefix('!').map_or((name, false), |name| (name, true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_shows_the_auto_traits_that_a_type_lacks_and_not_those_it_has() {
        let shown = [
            "pub struct sse::Hub",
            "impl core::clone::Clone for sse::Hub",
            "impl<'a> core::marker::Copy for sse::Change<'a>",
            "impl !core::marker::Send for sse::Local",
            "impl<T> !core::marker::Unpin for sse::Body<T>",
            "impl<T> core::marker::Sync for sse::Json<T> where T: core::marker::Sync",
            "impl sse::Hub",
            "pub fn sse::Hub::for_all(&self)",
        ];
        let hidden = [
            "impl core::marker::Send for sse::Hub",
            "impl<'a> core::marker::Sync for sse::Change<'a>",
            "impl<T> core::marker::Unpin for sse::Json<T>",
            "impl !core::marker::Freeze for sse::Hub",
            "impl core::marker::StructuralPartialEq for sse::Hub",
            "impl<T> !core::panic::unwind_safe::UnwindSafe for sse::Json<T>",
            "impl<T> core::marker::Freeze for sse::Json<T> where T: core::marker::Freeze",
        ];
        let lines = hidden.iter().chain(&shown).copied();
        assert_eq!(text(lines).lines().collect::<Vec<_>>(), shown);
    }

    #[track_caller]
    fn check(old: &str, new: &str, expect: &[&str]) {
        let lines =
            |words: &str| words.split(' ').flat_map(|word| [word, "\n"]).collect::<String>();
        assert_eq!(changes(&lines(old), &lines(new)), expect, "{old} / {new}");
    }

    #[test]
    fn changes_list_removed_and_added_lines() {
        check("a b c", "a b c", &[]);
        check("a b c", "a c", &["- b"]);
        check("a c", "a b c", &["+ b"]);
        check("a b c", "a x c", &["- b", "+ x"]);
        check("a b", "b c d", &["- a", "+ c", "+ d"]);
        // The same line twice: a macro and a module may have the same name.
        check("a a b", "a b", &["- a"]);
        check("a b", "a a b", &["- b", "+ a", "+ b"]);
    }

    /// For any two snapshots, the changes turn the old one into the new one.
    #[test]
    fn changes_are_empty_only_if_nothing_changed() {
        // All words of up to four letters out of three.
        let mut words = vec![String::new()];
        for from in 0.. {
            if words[from].len() == 8 {
                break;
            }
            for letter in ["a\n", "b\n", "c\n"] {
                let longer = format!("{}{letter}", words[from]);
                words.push(longer);
            }
        }
        for old in &words {
            for new in &words {
                let changes = changes(old, new);
                assert_eq!(changes.is_empty(), old == new, "{old:?} {new:?}");
                let count =
                    |sign: char| changes.iter().filter(|line| line.starts_with(sign)).count();
                assert_eq!(
                    old.lines().count() - count('-') + count('+'),
                    new.lines().count(),
                    "{old:?} {new:?}"
                );
            }
        }
    }

    #[test]
    fn a_new_crate_is_all_new() {
        assert_eq!(changes("", "pub mod a\n"), ["+ pub mod a"]);
    }
}
